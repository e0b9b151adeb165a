// Symptom: a stop reported drained, and left leases to this process, which was gone. Cause: a coordinator that crashed while it
// asked for leases forgot its wishes. Until its next scan, the next coordinator did not know which leases had been handed over to
// it.
import { expect } from 'chai';
import { actorsOf, crash } from '../../supervision/index.js';
import type { ManualClock } from '../../src/testing/index.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a consumer whose coordinator crashes while it asks for leases', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (let stopAfterMs = 0; stopAfterMs <= 3_000; stopAfterMs += 250)
    it(`drains, and leaves neither a lease nor a wish behind, when it stops ${stopAfterMs} ms later`, async () => {
      const join = (workerId: string, stream?: ReturnType<typeof virtualConsumer>['stream']) =>
        virtualConsumer(clock, { ...(stream === undefined ? { streamOptions: { shards: 4 } } : { stream }), workerId });
      const a = join('a');
      await inVirtualTime(clock, a.consumer.start());
      await clock.advance(3_000);
      const { rows } = a.stream.leases.get('orders')!;
      const b = join('b', a.stream);
      await inVirtualTime(clock, b.consumer.start());
      await clock.advanceUntil(() => [...rows.values()].some(({ kinactWish }) => kinactWish !== undefined), 30_000);
      const [coordinator] = actorsOf(b.consumer.runtime).filter(({ path }) => path.includes('lease-coordinator'));
      crash(coordinator!, new Error('a test'));
      await clock.advance(stopAfterMs);
      const report = await inVirtualTime(clock, b.consumer.stop({ deadlineMs: 5_000 }));
      const left = [...rows.values()].filter(
        ({ leaseOwner, kinactWish }) => leaseOwner === 'b' || kinactWish !== undefined,
      );
      expect(report.drained).to.equal(true);
      expect(left).to.deep.equal([]);
    });
});
