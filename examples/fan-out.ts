// Enhanced fan-out: the service pushes records to a registered consumer. How soon they come, what that costs, and the way back to polling.
// Run: npm run example -- fan-out
import { setTimeout as sleep } from 'node:timers/promises';
import { createConsumer, defineReducer, kinesisStream, runUntilSignal } from 'kinact';
import { localFanOut } from './support/local-fan-out.js';

const shards = 2;
await using stream = await localFanOut('orders', shards);

const seen: string[] = [];

/** Reads `count` orders, which are written while it runs, and returns how old they were on arrival: the median, in milliseconds. */
async function read(retrieval: 'fan-out' | 'polling', count: number): Promise<number> {
  const ages: number[] = [];
  const consumer = createConsumer({
    application: 'fan-out', // also the name of the registered consumer, unless you give `consumerName`
    source: kinesisStream({ streamName: 'orders', retrieval }),
    reducer: defineReducer({
      init: () => 0,
      reduce: (orders, { value, arrivedAt }) => {
        seen.push(value.toString());
        ages.push(Date.now() - (arrivedAt ?? Date.now()));
        if (ages.length === count) void consumer.stop();
        return orders + 1;
      },
    }),
  });
  // Until the registered consumer is ACTIVE, and whenever a subscription is refused, kinact polls from the same position.
  consumer.on('retrievalChanged', ({ shardId, by, why }) => console.log(`${shardId}: ${by} ${why ?? ''}`));
  const ended = runUntilSignal(consumer);
  await consumer.start();
  while (retrieval === 'fan-out' && !consumer.status().shards.every((shard) => shard.retrieval.by === 'fan-out'))
    await sleep(20);
  for (let n = 0; n < count; n += 1) {
    stream.put(`customer-${n % 30}`, `order ${seen.length} ${n} ${retrieval}`);
    await sleep(10);
  }
  const { drained } = await ended;
  if (!drained) process.exitCode = 1;
  return ages.toSorted((a, b) => a - b)[Math.floor(count / 2)] ?? 0;
}

const pushedMs = await read('fan-out', 200);
console.log(`registered: ${(await stream.consumers()).join()}; an order came after ${pushedMs} ms (median)`);
console.log(
  `cost: about ${(shards * 0.015 * 730).toFixed(0)} USD a month for ${shards} shards, and 0.013 USD for each GB`,
);

// The way back: the same application with another `retrieval`. It goes on from the checkpoints. kinact never deregisters a consumer,
// because other workers may use it, so do that when the last one has gone: AWS charges until then.
const polledMs = await read('polling', 100);
await stream.deregister('fan-out');
console.log(`an order came after ${polledMs} ms by polling, which costs nothing more`);
console.log(`fan-out: ${seen.length} orders, none twice: ${new Set(seen).size === seen.length}, back to polling`);
