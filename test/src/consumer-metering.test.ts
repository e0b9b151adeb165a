import { expect } from 'chai';
import { createConsumer } from '../../src/consumer.js';
import { instruments } from '../../src/metrics.js';
import { defineReducer } from '../../src/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

describe('the meter of a consumer', () => {
  it('is told every settled record once, what the leases do, and only instruments with their labels', async () => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ shards: 2, clock });
    const totals = new Map<string, number>();
    const take = (name: keyof typeof instruments, value: number, labels: object): void => {
      expect(Object.keys(labels).toSorted(), name).to.deep.equal([...instruments[name].labels].toSorted());
      totals.set(name, (totals.get(name) ?? 0) + value);
    };
    const consumer = createConsumer({
      application: 'orders',
      source: stream.source,
      reducers: 2,
      reducer: defineReducer({
        init: () => 0,
        reduce: (n: number, item) => {
          if (item.key === 'k7') throw new Error('seven');
          return n + 1;
        },
      }),
      onFailure: 'skip',
      meter: { count: take, gauge: (name) => void totals.set(name, 0) },
      runtime: { clock, timers: clock },
    });
    stream.put(...Array.from({ length: 100 }, (_, index) => ({ partitionKey: `k${index}`, data: 'x' })));
    const started = consumer.start();
    await clock.advance(15_000);
    await started;
    stream.put(...Array.from({ length: 50 }, (_, index) => ({ partitionKey: `n${index}`, data: 'x' })));
    await clock.advance(15_000);
    const stopped = consumer.stop();
    await clock.advance(15_000);
    await stopped;
    clock.uninstall();
    expect(Object.fromEntries(totals)).to.include({
      RecordsProcessed: 150,
      SkippedRecords: 1,
      TakenLeases: 2,
      ReleasedLeases: 2,
      MillisBehindLatest: 0,
    });
  });
});
