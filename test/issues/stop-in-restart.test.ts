// Symptom: `stop()` reported `recordsLeft: 0` and `drained: true` while a restart of the pipeline waited for a user call. Records
// were open that had not been settled. Cause: a keeper without a worker took its shard for one without open records.
import { expect } from 'chai';
import { createConsumer } from '../../src/consumer/consumer.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { nemesis } from '../../src/testing/nemesis/nemesis.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a stop while a restart waits for a user call', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  it('reports recordsLeft -1, and that it has not drained', async () => {
    const stream = fakeStream({ clock });
    const consumer = createConsumer({
      logger: false,
      application: 'orders',
      source: stream.source,
      reducers: 2,
      onFailure: 'crash',
      // One key for each reducer.
      key: ({ data }) => (Buffer.from(data).toString() === 'slow' ? 'a' : 'b'),
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number, { value }) => {
          if (Buffer.from(value).toString() === 'bad') throw new Error('for the test');
          return new Promise<number>((resolve) => void clock.after(60_000, () => resolve(count + 1)));
        },
      }),
      runtime: { clock, timers: clock },
    });
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'k', data: 'slow' });
    await clock.advance(2_000);
    stream.put({ partitionKey: 'k', data: 'bad' });
    await clock.advance(2_000);
    expect(consumer.status().restarts).to.equal(1);
    const report = await inVirtualTime(clock, consumer.stop());
    expect(report.leases).to.have.length(1);
    expect(report.leases[0]).to.include({ recordsLeft: -1, released: true, checkpoint: 'TRIM_HORIZON' });
    expect(report.drained).to.equal(false);
    await clock.advance(60_000);
    expect(clock.pending()).to.equal(0);
  });

  /** Kills an actor during a user call of `callMs`, and stops the consumer at once. The table takes 50 ms for a write. */
  const stoppedAtTheCrashOf = async (kind: string, callMs: number) => {
    const stream = fakeStream({ clock });
    let releasedAt = 0;
    const one = virtualConsumer(clock, {
      stream,
      onItem: () => new Promise<void>((resolve) => void clock.after(callMs, () => resolve())),
    });
    one.consumer.on('leaseReleased', () => (releasedAt = clock.now()));
    await inVirtualTime(clock, one.consumer.start());
    await clock.advance(2_000);
    const store = stream.leases.get('orders')!;
    const update = store.update.bind(store);
    store.update = (...given) => new Promise((resolve) => void clock.after(50, () => resolve(update(...given))));
    stream.put({ partitionKey: 'k', data: 'under way' });
    await clock.advance(1_000);
    expect(one.seen).to.have.length(1);
    const until = clock.now() + callMs - 1_000;
    nemesis(one.consumer, { seed: 1 }).kill(kind);
    const { leases } = await inVirtualTime(clock, one.consumer.stop());
    expect(one.seen).to.have.length(1);
    return { leases, lateMs: releasedAt - until, rows: [...store.rows.values()], consumer: one.consumer };
  };

  for (const kind of ['reducer', 'stage', 'shard-worker-supervisor', 'shard-worker']) {
    it(`waits for the call before it releases the lease, and starts nothing (crash of ${kind})`, async () => {
      const { leases, lateMs, rows, consumer } = await stoppedAtTheCrashOf(kind, 6_000);
      expect(lateMs).to.be.within(0, 200);
      expect(leases.map(({ released }) => released)).to.deep.equal([true]);
      expect(rows[0]).not.to.have.property('leaseOwner');
      expect(consumer.status().orphans).to.deep.equal([]);
    });
  }

  it('keeps time to release the lease, however long the call takes', async () => {
    const { leases, rows } = await stoppedAtTheCrashOf('reducer', 100_000);
    expect(leases.map(({ released }) => released)).to.deep.equal([true]);
    expect(rows[0]).not.to.have.property('leaseOwner');
  });
});
