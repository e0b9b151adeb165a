// A rate limit: the service behind the reducer allows 50 calls a second, so the consumer reads no faster. Later the limit is raised.
// Run: npm run example -- rate-limit
import { createConsumer, defineReducer, kinesisStream, runUntilSignal } from 'kinact';
import { localStreams } from './support/local-stream.js';

await using streams = await localStreams('orders');
const orders = Array.from({ length: 300 }, (_, n) => ({ key: `customer-${n % 30}`, data: `order ${n}` }));

let sent = 0;
let hasWaited = false;

const consumer = createConsumer({
  application: 'rate-limit',
  source: kinesisStream({ streamName: 'orders' }),
  reducer: defineReducer({
    init: () => 0,
    reduce: (count) => {
      sent += 1;
      // Half a second's worth of orders waits at most, and the stream keeps the rest.
      if (sent === 150) consumer.setLimit(1_000);
      if (sent === orders.length) void consumer.stop();
      return count + 1;
    },
  }),
  limit: { perSecond: 50 }, // for all reducers of this process together, repeated calls included
  maxPending: 25,
});

const watch = setInterval(() => {
  const { limit } = consumer.status();
  if (limit === null || limit.waiting === 0) return;
  hasWaited = true;
  console.log(`${sent} orders sent, limit ${limit.perSecond} a second, ${limit.waiting} reducers wait for it`);
}, 500);
const [report] = await Promise.all([runUntilSignal(consumer), streams.put('orders', orders)]);
clearInterval(watch);
console.log(
  `rate-limit: ${sent} orders sent, reducers ${hasWaited ? 'have waited' : 'never waited'} for the limit, drained: ${report.drained}`,
);
process.exitCode = sent === orders.length && hasWaited && report.drained ? 0 : 1;
