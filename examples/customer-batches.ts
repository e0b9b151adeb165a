// Batches per customer, written to a store that refuses what it has already. A batch that fails is repeated whole, and after a kill its
// orders come again, perhaps in other batches. So the store, and not the pipe, makes each order count once: by its idempotency key.
// Run: npm run example -- customer-batches
import { batchSink, createConsumer, kinesisStream, pipe, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly cents: number;
}

const total = 600;
await using streams = await localStreams('orders');
await streams.put(
  'orders',
  Array.from({ length: total }, (_, n) => ({ key: `customer-${n % 20}`, data: String(n) })),
);

// A table with a unique key, as `INSERT … ON CONFLICT DO NOTHING` uses one.
const table = new Map<string, Order>();
let refused = 0;
let failures = 0;
let allSaved = (): void => {};
const done = new Promise<void>((resolve) => (allSaved = resolve));

/** Like a real store, it sometimes writes and then fails to say so. */
async function insert(orders: readonly Order[]): Promise<void> {
  for (const order of orders) {
    if (table.has(order.id)) refused += 1;
    else table.set(order.id, order);
  }
  if (failures < 3) {
    failures += 1;
    throw new Error('connection reset after the write');
  }
  if (table.size === total) allSaved();
}

const consumer = createConsumer({
  application: 'customer-batches',
  source: kinesisStream({ streamName: 'orders' }),
  pipe: pipe()
    .map((bytes, { item }): Order => ({
      id: item?.token.idempotencyKey ?? '',
      customer: item?.key ?? '',
      cents: Number(bytes.toString()),
    }))
    .demux(({ customer }) => customer)
    .to(batchSink({ size: 25, intervalMs: 300 }, insert)),
  logger: false,
});
consumer.on('itemRetrying', ({ node, error }) => console.log(`${node} tries again: ${String(error)}`));
void done.then(() => consumer.stop());
const { drained } = await runUntilSignal(consumer);
const sum = [...table.values()].reduce((cents, order) => cents + order.cents, 0);
const isExact = sum === (total * (total - 1)) / 2;
console.log(
  `customer-batches: ${table.size} orders, ${refused > 0 ? 'repeats refused, ' : ''}exact: ${isExact}, drained: ${drained}`,
);
