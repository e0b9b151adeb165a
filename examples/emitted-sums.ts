// A reducer with a pipe behind it: it sums orders up in memory, and each flush emits one sum per customer. The pipe collects the sums by
// region, and writes them. A checkpoint passes an order when every sum that it is in is written. After a kill, a sum may come again.
// Run: npm run example -- emitted-sums
import { createConsumer, defineReducer, kinesisStream, pipe, runUntilSignal, type FlushContext } from 'kinact';
import { localStreams } from './support/local-stream.js';

interface Sum {
  readonly customer: string;
  readonly cents: number;
}

const [customers, orders] = [30, 600];
await using streams = await localStreams('orders');
await streams.put(
  'orders',
  Array.from({ length: orders }, (_, n) => ({ key: `customer-${n % customers}`, data: String(n) })),
);

const sums = defineReducer({
  init: () => new Map<string, number>(),
  reduce: (state, { key, value }) => state.set(key, (state.get(key) ?? 0) + Number(value.toString())),
  batch: { size: 100, intervalMs: 300 },
  // Each sum stands for all orders of this flush: they are settled with the last one. The pipe's type says what may be emitted.
  flush: (state, { emit }: FlushContext<Sum>) => {
    for (const [customer, cents] of state) emit({ customer, cents });
    state.clear();
  },
});

const written = new Map<string, number>();
let total = 0;
let allWritten = (): void => {};
const done = new Promise<void>((resolve) => (allWritten = resolve));

const writing = pipe<Sum>()
  .demux(({ customer }) => (Number(customer.slice(9)) % 2 === 0 ? 'north' : 'south'))
  .aggregate({ count: 20, intervalMs: 200 })
  .join()
  .to((batch) => {
    for (const { customer, cents } of batch) {
      written.set(customer, (written.get(customer) ?? 0) + cents);
      total += cents;
    }
    if (total === (orders * (orders - 1)) / 2) allWritten();
  });

const consumer = createConsumer({
  application: 'emitted-sums',
  source: kinesisStream({ streamName: 'orders' }),
  reducer: sums,
  pipe: writing, // behind the reducer
});
void done.then(() => consumer.stop());
const report = await runUntilSignal(consumer);
console.log(`emitted-sums: ${orders} orders, sums of ${written.size} customers, drained: ${report.drained}`);
