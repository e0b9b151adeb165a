// Issue 8: a stop gave shards away beside calls that had acknowledged their items and still ran, for what is settled was taken for
// drained. Whole consumers in virtual time, asked for the lease by another one and not.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';

describe('a holder that stops while a call for its shard runs, though the call has acknowledged its item', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const isAsked of [true, false])
    it(`gives the lease to nobody beside it, ${isAsked ? 'asked for it' : 'asked by nobody'}`, async () => {
      const calls = acknowledgedCalls(clock, 12_000);
      const a = calls.join('a');
      await inVirtualTime(clock, a.consumer.start());
      await clock.advance(3_000);
      const store = a.stream.leases.get('orders')!;
      const b = calls.join('b', a.stream);
      if (isAsked) {
        await inVirtualTime(clock, b.consumer.start());
        for (let passed = 0; passed < 30_000; passed += 100) {
          if ([...store.rows.values()].some(({ kinactWish }) => kinactWish !== undefined)) break;
          await clock.advance(100);
        }
      }
      const asked = [...store.rows.values()].filter(({ kinactWish }) => kinactWish !== undefined);
      expect(asked.length > 0).to.equal(isAsked);
      await calls.begin(a);
      const stopping = a.consumer.stop({ deadlineMs: 20_000 });
      const beside = await calls.givenAwayBeside(a, 15_000);
      await inVirtualTime(clock, stopping);
      expect(beside).to.deep.equal([]);
    });
});
