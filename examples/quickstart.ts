// The README's quickstart, on local servers: count orders per customer and save the totals in batches. It prints what it does.
// Run: npm run example -- quickstart
import { createConsumer, defineReducer, kinesisStream, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('orders');
await streams.put(
  'orders',
  Array.from({ length: 1_000 }, (_, index) => ({ key: `customer-${index % 50}`, data: 'one order' })),
);

let saved = 0;
let allSaved = (): void => {};
const done = new Promise<void>((resolve) => (allSaved = resolve));
const save = async (totals: ReadonlyMap<string, number>): Promise<void> => {
  for (const count of totals.values()) saved += count;
  console.log(`saved the totals of ${totals.size} customers, ${saved} orders so far`);
  if (saved === 1_000) allSaved();
};

const totals = defineReducer({
  init: () => new Map<string, number>(),
  reduce: (state, item) => state.set(item.key, (state.get(item.key) ?? 0) + 1),
  batch: { size: 500, intervalMs: 1_000 },
  flush: async (state) => {
    await save(state);
    state.clear();
  },
});

const consumer = createConsumer({
  application: 'order-totals',
  source: kinesisStream({ streamName: 'orders' }),
  reducer: totals,
});
consumer.on('shardStarted', ({ shardId }) => console.log(`reading ${shardId}`));
// A service leaves this line out, and runs until a signal comes.
void done.then(() => consumer.stop());

const report = await runUntilSignal(consumer);
for (const { shardId, recordsLeft } of report.leases) console.log(`released ${shardId}, ${recordsLeft} records left`);
console.log(`quickstart: ${saved} orders counted, ${report.leases.length} leases released, drained: ${report.drained}`);
