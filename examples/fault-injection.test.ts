// A mocha test of your own: it kills your reducer actors at random, by a seed, and checks that nothing was lost.
import assert from 'node:assert/strict';
import { createConsumer, defineReducer } from 'kinact';
import { expectNothingLost, fakeStream, ManualClock, nemesis } from 'kinact/testing';

it('every order is counted, whichever reducer dies in the middle of it', async () => {
  using clock = new ManualClock(); // virtual time: two minutes pass in a moment
  clock.install();
  const counted: string[] = [];
  const reducer = defineReducer({
    init: () => 0,
    reduce: async (count, item) => {
      await new Promise((resolve) => setTimeout(resolve, 20)); // a call that a kill may interrupt
      counted.push(item.value.toString());
      return count + 1;
    },
  });
  const stream = fakeStream({ shards: 2, clock });
  const seams = { restart: { intensity: 1_000 }, runtime: { clock, timers: clock } };
  const consumer = createConsumer({ application: 'orders', source: stream.source, reducer, logger: false, ...seams });
  const chaos = nemesis(consumer, { seed: 42 });
  await Promise.all([consumer.start(), clock.advance(5_000)]);
  chaos.start({ everyMs: 1_000, acts: ['kill'], kinds: ['reducer'] });
  const orders = Array.from({ length: 1_000 }, (_, index) => `order ${index}`);
  for (const data of orders) await clock.advance(100).then(() => stream.put({ partitionKey: data, data }));
  chaos.heal();
  await Promise.all([consumer.stop(), clock.advance(60_000)]);
  assert(chaos.log.length > 50, chaos.report());
  expectNothingLost(orders, counted);
});
