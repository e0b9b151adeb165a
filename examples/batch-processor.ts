// One flow for two streams, each stream with its own lease table, with the settings of exmld's example processor. A batch is flushed
// after 10 items or 10 s. A shard is checkpointed every minute.
// Run: npm run example -- batch-processor
import { createConsumer, defineReducer, kinesisStream, runUntilSignal, type Item } from 'kinact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('clicks', 'views');
const events = Array.from({ length: 300 }, (_, index) => ({ key: `user-${index % 20}`, data: `event ${index}` }));
await streams.put('clicks', events);
await streams.put('views', events);

let processed = 0;
let largest = 0;
let allProcessed = (): void => {};
const done = new Promise<void>((resolve) => (allProcessed = resolve));
const checkpointed = new Set<string>();

const processor = defineReducer({
  init: (): Item[] => [],
  reduce: (batch, item) => [...batch, item],
  batch: { size: 10, intervalMs: 10_000 }, // BatchSize, FlushInterval
  flush: async (batch) => {
    largest = Math.max(largest, batch.length);
    processed += batch.length; // write the batch to your store here
    if (processed === 600) allProcessed();
    return [];
  },
});

const consumer = createConsumer({
  application: 'batch-processor',
  source: [
    kinesisStream({ streamName: 'clicks', application: 'batch-processor-clicks', opaque: 'click' }),
    kinesisStream({ streamName: 'views', application: 'batch-processor-views', opaque: 'view' }),
  ],
  reducer: processor,
  reducers: 1,
  checkpointIntervalMs: 60_000, // CheckpointInterval
  flushIntervalMs: 10_000,
  watchdogMs: 600_000, // WatchdogTimeout
  maxPending: 1_024, // MaxPending
  onCheckpoint: ({ shardId, sequenceNumber }) => checkpointed.add(`${shardId} ${sequenceNumber}`),
});
void done.then(() => consumer.stop());
await runUntilSignal(consumer);
console.log(`batch-processor: ${processed} items in batches of at most ${largest}, ${checkpointed.size} checkpoints`);
