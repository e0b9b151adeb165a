// Issue 8: a call that acknowledged early and whose tenure has ended still runs when the next worker of the shard, which has
// handed nothing out yet, is asked to pause or to drain. It takes itself for quiet, and the lease is given away beside the call.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { settled, virtualClock } from '../support/virtual.js';

describe('a holder whose earlier tenure left a call behind that has acknowledged its item', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const how of ['hands over', 'stops'] as const)
    it(`${how}, and gives the lease to nobody beside that call`, async () => {
      const calls = acknowledgedCalls(clock, 40_000);
      const a = calls.join('a');
      await settled(clock, a.consumer.start());
      await clock.advance(3_000);
      await calls.begin(a);
      await clock.advance(1_000);
      // The machine was suspended: the tenures end, the leases are renewed, new workers begin.
      clock.jumpWall(8_000);
      await clock.advance(6_000);
      expect([...a.stream.leases.get('orders')!.rows.values()].map(({ leaseOwner }) => leaseOwner)).to.deep.equal([
        'a',
        'a',
      ]);
      const b = calls.join('b', a.stream);
      const stopping = how === 'stops' ? a.consumer.stop({ deadlineMs: 50_000 }) : undefined;
      if (how === 'hands over') await settled(clock, b.consumer.start());
      const beside = await calls.givenAwayBeside(a, 20_000);
      await clock.advance(40_000);
      await settled(clock, stopping ?? a.consumer.stop());
      await settled(clock, b.consumer.stop());
      expect(beside).to.deep.equal([]);
    });
});
