// One of the demo's two consumer processes. Invariant: an id is acknowledged only after the demo, another process, has
// confirmed that it received the id. So every acknowledged id survives the SIGKILL of this process.
import { dynamodbStream } from '../../aws/dynamodb-streams/dynamodb-stream.js';
import { kinesisStream } from '../../aws/kinesis/kinesis-stream.js';
import type { Change } from '../../api/change.js';
import { createConsumer } from '../../consumer/consumer.js';
import { defineReducer } from '../../api/reducer.js';
import { runUntilSignal } from '../../consumer/signals.js';
import { errorLine, say } from '../command.js';
import {
  application,
  streamName,
  tableName,
  type ConsumerTask,
  type FromConsumer,
  type ToConsumer,
} from './messages.js';

const task = JSON.parse(process.argv[2] ?? '{}') as ConsumerTask;

const unconfirmed = new Map<number, () => void>();
let batches = 0;

function tell(message: FromConsumer): void {
  // A closed channel means that the demo has ended: see `disconnect` below.
  process.send?.(message, undefined, {}, () => undefined);
}

/** Resolves when the demo has confirmed the ids. */
function passOn(byShard: ReadonlyMap<string, readonly number[]>): Promise<void> {
  const batch = (batches += 1);
  return new Promise((resolve) => {
    unconfirmed.set(batch, resolve);
    tell({ type: 'records', batch, byShard: Object.fromEntries(byShard) });
  });
}

/** A record begins with its id; an item of the table has it as an attribute. */
const idOf = (value: Buffer | Change): number =>
  Buffer.isBuffer(value) ? Number(value.toString().split(' ', 1)[0]) : Number(value.newImage?.['record']);

const reducer = defineReducer<Map<string, number[]>, Buffer | Change>({
  init: () => new Map(),
  reduce(byShard, { shardId, value }) {
    const id = idOf(value);
    if (id === task.dropId) return byShard;
    const ids = byShard.get(shardId);
    if (ids === undefined) byShard.set(shardId, [id]);
    else ids.push(id);
    return byShard;
  },
  batch: { size: 250, intervalMs: 250 },
  async flush(byShard) {
    if (byShard.size > 0) await passOn(byShard);
    byShard.clear();
  },
});

const consumer = createConsumer({
  application,
  logger: false,
  source:
    task.source === 'table' ? dynamodbStream({ tableName, idleMs: 250 }) : kinesisStream({ streamName, idleMs: 250 }),
  reducer,
  reducers: task.reducers,
  workerId: task.name,
  leases: { failoverMs: task.failoverMs },
  onCheckpoint: ({ shardId }) => tell({ type: 'checkpoint', shardId }),
});
consumer.on('leaseTaken', ({ shardId, from }) =>
  tell({ type: 'leaseTaken', shardId, ...(from === undefined ? {} : { from }) }),
);
consumer.on('warning', ({ message }) => say(process, `${task.name}: ${message}`));
consumer.on('pipelineRestarted', ({ error }) => say(process, `${task.name}: ${errorLine(error)}`));

process.on('message', (message: ToConsumer) => {
  if (message.type === 'received') {
    unconfirmed.get(message.batch)?.();
    unconfirmed.delete(message.batch);
    return;
  }

  const shards = consumer
    .status()
    .shards.map(({ shardId, openRecords, prefetchedBytes, millisBehindLatest, doing }) => ({
      shardId,
      openRecords,
      reading: doing === 'reading',
      idle: doing === 'reading' && millisBehindLatest === 0 && prefetchedBytes === 0 && openRecords === 0,
    }));
  tell({ type: 'status', shards });
});
// Ends this process when the demo ends, even if the demo is killed.
const orphaned = (): void => process.exit(1);
process.on('disconnect', orphaned);
// If the demo ended while this module was loading, no handler has received `disconnect`.
if (!process.connected) orphaned();

try {
  await runUntilSignal(consumer);
  process.off('disconnect', orphaned);
  process.disconnect();
} catch (error) {
  say(process, `${task.name}: ${errorLine(error)}`);
  process.exit(1);
}
