// exmld's example processor as a whole: a Kinesis stream and the stream of a DynamoDB table in one process, through one flow, each with a
// lease table of its own. `opaque` tells which stream an item is of. The settings are those of the original, named beside each.
// Run: npm run example -- two-streams
import { availableParallelism } from 'node:os';
import {
  createConsumer,
  defineReducer,
  dynamodbStream,
  kinesisStream,
  runUntilSignal,
  type Item,
  type RemovalReport,
} from 'kinact';
import { localBoth } from './support/local-both.js';

/** The items of the table. */
type Profile = { readonly id: string; readonly visits: number };
/** What the flow makes of a record, whichever stream it is of. */
interface Visit {
  readonly of: 'click' | 'profile';
  readonly user: string;
}

const events = 300;
await using local = await localBoth('clicks', 'profiles');
await local.putRecords(
  Array.from({ length: events }, (_, index) => ({ key: `user-${index % 20}`, data: JSON.stringify({ visit: index }) })),
);
for (let index = 0; index < events; index += 1) {
  local.putItem({ id: { S: `user-${index % 20}` }, visits: { N: `${index}` } });
  if (index === 150) local.rollShards();
}

const processed = { click: 0, profile: 0 };
const checkpointed = new Set<string>();
let largest = 0;
let allProcessed = (): void => {};
const done = new Promise<void>((resolve) => (allProcessed = resolve));

const processor = defineReducer({
  init: (): readonly Item<Visit>[] => [],
  reduce: (batch, item: Item<Visit>) => [...batch, item],
  batch: { size: 10, intervalMs: 10_000 }, // BatchSize, FlushInterval
  flush: async (batch) => {
    largest = Math.max(largest, batch.length);
    for (const { value } of batch) processed[value.of] += 1; // write the batch to your store here
    if (processed.click + processed.profile === 2 * events) allProcessed();
    return [];
  },
});

const concurrencyFactor = 1; // ConcurrencyFactor
const consumer = createConsumer({
  application: 'two-streams', // description
  source: [
    kinesisStream({
      streamName: 'clicks', // stream_name
      application: 'two-streams-clicks', // kcl_appname
      initialPosition: 'TRIM_HORIZON', // initial_position
      maxRecords: 10_000, // max_records of Kinesis
      idleMs: 200, // idle_time
      opaque: 'click' as const,
    }),
    dynamodbStream<Profile>({
      tableName: 'profiles',
      application: 'two-streams-profiles',
      initialPosition: 'TRIM_HORIZON',
      maxRecords: 1_000, // max_records of DynamoDB
      idleMs: 500,
      opaque: 'profile' as const,
    }),
  ],
  extract: (record, { opaque }) => {
    const user = 'change' in record ? (record.change.keys.id ?? '') : (record.partitionKey ?? '');
    return [{ key: user, value: { of: opaque as Visit['of'], user } }];
  },
  reducer: processor,
  reducers: availableParallelism() * concurrencyFactor, // num_stages
  credit: 1_024, // MaxDemand; demand begins at MinDemand, 1, and comes back item by item
  maxPending: 1_024, // MaxPending
  flushIntervalMs: 10_000, // FlushInterval
  checkpointIntervalMs: 60_000, // CheckpointInterval
  watchdogMs: 600_000, // WatchdogTimeout
  leases: { failoverMs: 10_000 }, // failover_time
  onCheckpoint: ({ source }) => void checkpointed.add(source), // on_checkpoint of both
});

/** A service leaves these lines out, and runs until a signal comes. */
const kept: RemovalReport[] = [];
void done.then(async () => {
  // One of the streams may go before the other.
  kept.push(await consumer.removeSource('profiles'));
  await consumer.stop();
});
const { drained } = await runUntilSignal(consumer);
console.log(
  `two-streams: ${processed.click} clicks and ${processed.profile} changes in batches of at most ${largest}, ` +
    `checkpoints of ${[...checkpointed].sort().join(' and ')}, drained: ${drained && kept.every((each) => each.drained)}`,
);
