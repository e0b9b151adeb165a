// Symptom: `stop()` reported `drained: true`, although a row of the lease table named this worker as its owner. Peers had to wait
// until it expired. Cause: a lease whose take was unanswered at the deadline was left out of the report, like one that was never
// held. But the take may have been written.
import { expect } from 'chai';
import type { EffectInfo } from '../../supervision/index.js';
import { createConsumer } from '../../src/consumer/consumer.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { inVirtualTime } from '../support/virtual.js';

describe('a stop while the lease table does not answer a take', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  for (const deadlineMs of [0, 200]) {
    it(`reports the lease as not released, and itself as not drained (deadline ${deadlineMs} ms)`, async () => {
      const stream = fakeStream({ clock });
      let written = false;
      const consumer = createConsumer({
        logger: false,
        application: 'orders',
        workerId: 'me',
        source: stream.source,
        reducer: defineReducer({ init: () => 0, reduce: (count: number) => count + 1 }),
        runtime: {
          clock,
          timers: clock,
          intercept: {
            startEffect: (_actor: unknown, { name }: EffectInfo, start: () => unknown) => {
              const result = start();
              if (!name.startsWith('take#')) return result;
              written = true;
              return new Promise(() => {});
            },
          },
        },
      });
      await inVirtualTime(clock, consumer.start());
      while (!written) await clock.advance(100);
      const report = await inVirtualTime(clock, consumer.stop({ deadlineMs }));
      const rows = [...stream.leases.values()].flatMap((store) => [...store.rows.values()]);
      expect(rows.map(({ leaseOwner }) => leaseOwner)).to.deep.equal(['me']);
      expect(report.leases.map(({ released }) => released)).to.deep.equal([false]);
      expect(report.drained).to.equal(false);
      expect(clock.pending()).to.equal(0);
    });
  }
});

describe('a stop while a lease is being taken', () => {
  it('releases it, and does not report it if the take fails', async () => {
    const [zero, one] = ['shardId-000000000000', 'shardId-000000000001'];
    const driver = driveCoordinator();
    await driver.started();
    await driver.taken(zero);
    const { later } = await driver.releaseAll(5_000);
    expect(driver.keeper(one).told.map((message) => message.type)).to.deep.equal(['release']);
    await driver.news(one, { type: 'notTaken', reason: 'somebody was quicker', retake: false });
    await driver.harness.advance(5_000);
    expect(later()!.map((lease) => lease.leaseKey)).to.deep.equal([zero]);
  });
});
