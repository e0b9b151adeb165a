// The meter gets every settled record exactly once, also when a stop or restart ends the worker, and a meter that throws does no harm.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { instruments } from '../../../src/api/metrics.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { nemesis } from '../../../src/testing/nemesis/nemesis.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

describe('the meter of a consumer', () => {
  it('receives every settled record once, lease counts, and only known instruments with their labels', async () => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ shards: 2, clock });
    const totals = new Map<string, number>();
    const gauges = new Map<string, number>();
    const recorded = new Map<string, number[]>();
    const take = (name: keyof typeof instruments, value: number, labels: object): void => {
      expect(Object.keys(labels).toSorted(), name).to.deep.equal([...instruments[name].labels].toSorted());
      totals.set(name, (totals.get(name) ?? 0) + value);
    };
    const consumer = createConsumer({
      logger: false,
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
      meter: {
        count: take,
        record: (name, value, labels) => {
          expect(Object.keys(labels).toSorted(), name).to.deep.equal([...instruments[name].labels].toSorted());
          recorded.set(name, [...(recorded.get(name) ?? []), value]);
        },
        gauge: (name, value, labels) => void gauges.set(`${name} ${JSON.stringify(labels)}`, value),
      },
      runtime: { clock, timers: clock },
    });
    stream.put(...Array.from({ length: 100 }, (_, index) => ({ partitionKey: `k${index}`, data: 'x' })));
    const started = consumer.start();
    await clock.advance(15_000);
    await started;
    expect(gauges.get('CurrentLeases {"source":"fake"}')).to.equal(2);
    stream.put(...Array.from({ length: 50 }, (_, index) => ({ partitionKey: `n${index}`, data: 'x' })));
    await clock.advance(15_000);
    const stopped = consumer.stop();
    await clock.advance(15_000);
    await stopped;
    clock.uninstall();
    expect(Object.fromEntries(totals)).to.include({
      RecordsProcessed: 150,
      // The byte of each record, and its key.
      DataBytesProcessed: 150 * 2 + 90 + 40 + 150,
      SkippedRecords: 1,
      TakenLeases: 2,
      ReleasedLeases: 2,
    });
    const runs = totals.get('ProcessRecordsCalls')!;
    expect(recorded.get('ProcessRecordsTime'), 'one value for each call of the counter').to.have.length(runs);
    expect(runs).to.be.within(2, 150);
    expect([...gauges.keys()]).to.include.members([
      'MaxMillisBehindLatest {}',
      'CheckpointAgeMillis {}',
      'LagMillis {"source":"fake","shardId":"shardId-000000000000"}',
    ]);
    expect([...gauges.values()], 'what has left keeps no value').to.satisfy((all: number[]) =>
      all.every((v) => v === 0),
    );
  });

  /** A consumer whose meter adds up `RecordsProcessed`. */
  const counted = (
    reduce: (count: number, item: { readonly key: string }) => number,
  ): { clock: ManualClock; consumer: Consumer; put: (records: number) => void; processed: () => number } => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    let processed = 0;
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: stream.source,
      reducers: 1,
      reducer: defineReducer({ init: () => 0, reduce }),
      meter: { count: (name, by) => void (processed += name === 'RecordsProcessed' ? by : 0), gauge: () => {} },
      runtime: { clock, timers: clock },
    });
    const put = (records: number): void => {
      stream.put(...Array.from({ length: records }, (_, index) => ({ partitionKey: `k${index}`, data: 'x' })));
    };
    return { clock, consumer, put, processed: () => processed };
  };

  it('receives records settled since its last update when a stop ends the worker', async () => {
    const { clock, consumer, put, processed } = counted((count) => count + 1);
    put(100);
    const started = consumer.start();
    await clock.advance(3_000);
    await started;
    const stopped = consumer.stop();
    await clock.advance(5_000);
    expect((await stopped).drained).to.equal(true);
    clock.uninstall();
    expect(processed()).to.equal(100);
  });

  it('receives records settled since its last update when a pipeline restart ends the worker, and none twice', async () => {
    const { clock, consumer, put, processed } = counted((count) => count + 1);
    put(100);
    const started = consumer.start();
    await clock.advance(3_000);
    await started;
    nemesis(consumer, { seed: 1 }).kill('reducer');
    // The kill comes well before the second update of the meter: the worker that settled the records is gone by then.
    await clock.advance(15_000);
    expect(consumer.status().restarts).to.equal(1);
    expect(processed()).to.equal(100);
    put(10);
    await clock.advance(15_000);
    expect(processed(), 'nothing twice').to.equal(110);
    const stopped = consumer.stop();
    await clock.advance(5_000);
    await stopped;
    clock.uninstall();
    expect(processed()).to.equal(110);
  });

  it('receives the counts of effects that outlive a stop and of leases released after the stop', async () => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    stream.put({ partitionKey: 'k', data: 'x' });
    const totals = new Map<string, number>();
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: stream.source,
      reducers: 1,
      reducer: defineReducer({ init: () => 0, reduce: () => new Promise<number>(() => {}) }),
      runtime: { clock, timers: clock },
      meter: { count: (name, by) => void totals.set(name, (totals.get(name) ?? 0) + by), gauge: () => {} },
    });
    const started = consumer.start();
    await clock.advance(5_000);
    await started;
    nemesis(consumer, { seed: 1 }).kill('lease-coordinator');
    await clock.advance(10);
    const stopped = consumer.stop();
    await clock.advance(30_000);
    await stopped;
    clock.uninstall();
    expect(Object.fromEntries(totals)).to.include({ OrphanedEffects: 1, TakenLeases: 1, ReleasedLeases: 1 });
    expect(clock.pending()).to.equal(0);
  });

  it('may throw at every call, like the logger and a listener: the failures are only counted', async () => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    const broken = (): never => {
      throw new Error('no');
    };
    let seen = 0;
    const consumer = createConsumer({
      application: 'orders',
      source: stream.source,
      reducers: 1,
      reducer: defineReducer({ init: () => 0, reduce: () => (seen += 1) }),
      logger: { debug: broken, info: broken, warn: broken, error: broken },
      meter: { count: broken, gauge: broken },
      runtime: { clock, timers: clock },
    });
    stream.put({ partitionKey: 'k', data: 'x' });
    consumer.on('leaseTaken', broken);
    const started = consumer.start();
    await clock.advance(15_000);
    await started;
    expect(seen).to.equal(1);
    const { counters } = consumer.status();
    expect(counters).to.include({ listenerFailures: 1 });
    expect(counters['loggerFailures']).to.be.greaterThan(1);
    expect(counters['meterFailures']).to.be.greaterThan(1);
    const stopped = consumer.stop();
    await clock.advance(15_000);
    expect((await stopped).drained).to.equal(true);
    clock.uninstall();
  });
});
