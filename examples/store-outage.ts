// A store that is down for a while, under the default failure policy: kinact tries again, says so, restarts nothing and loses nothing.
// Half of the orders come while the store is down.
// Run: npm run example -- store-outage
import { createConsumer, defineReducer, kinesisStream, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('orders');
const orders = Array.from({ length: 600 }, (_, index) => ({ key: `customer-${index % 60}`, data: `order ${index}` }));

const saved: string[] = [];
let isDown = false;
let refused = 0;
let someSaved = (): void => {};
let allSaved = (): void => {};
const half = new Promise<void>((resolve) => (someSaved = resolve));
const done = new Promise<void>((resolve) => (allSaved = resolve));

/** Stands for your database, which throws while it cannot be reached. */
async function save(order: string): Promise<void> {
  if (isDown) {
    refused += 1;
    throw new Error('connect ECONNREFUSED');
  }
  saved.push(order);
  if (saved.length === orders.length / 2) someSaved();
  if (saved.length === orders.length) allSaved();
}

const consumer = createConsumer({
  application: 'store-outage',
  source: kinesisStream({ streamName: 'orders' }),
  reducer: defineReducer({
    init: () => 0,
    reduce: async (count, item) => {
      await save(item.value.toString()); // throws before the state changes, so the call can be repeated
      return count + 1;
    },
  }),
  reducers: 2,
  logger: false, // the default logger would say on stderr what the listeners say here
});
consumer.on('itemRetrying', ({ key, attempt, delayMs }) => {
  if (attempt > 1) console.log(`${key} waits ${Math.round(delayMs)} ms after failed attempt ${attempt}`);
});
consumer.on('outageStarted', ({ reducer, keys, error }) =>
  console.log(`outage of reducer ${reducer}: ${keys} keys have failed, ${String(error)}`),
);
consumer.on('outageEnded', ({ reducer, failures, forMs }) =>
  console.log(`reducer ${reducer} works again after ${Math.round(forMs)} ms and ${failures} failed attempts`),
);

let restarts = 0;
consumer.on('pipelineRestarted', () => (restarts += 1));

/** Puts half of the orders, and the other half in an outage of three seconds. */
async function outage(): Promise<void> {
  await streams.put('orders', orders.slice(0, orders.length / 2));
  await half;
  isDown = true;
  console.log('the store is down');
  await streams.put('orders', orders.slice(orders.length / 2));
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  for (const { shardId, oldestOpen } of consumer.status().shards)
    console.log(`${shardId}: the checkpoint stays before a record that is ${oldestOpen?.doing}`);
  isDown = false;
  console.log('the store is back');
  await done; // each reducer tries again at the end of its pause, which has grown to some seconds
  await consumer.stop();
}

const [report] = await Promise.all([runUntilSignal(consumer), outage()]);
const once = new Set(saved).size === orders.length && saved.length === orders.length;
console.log(
  `store-outage: ${saved.length} orders saved ${once ? 'once each' : 'WRONGLY'}, ${refused > 0 ? 'some' : 'no'} calls refused, ` +
    `${restarts} restarts, drained: ${report.drained}`,
);
process.exitCode = once && refused > 0 && report.drained ? 0 : 1;
