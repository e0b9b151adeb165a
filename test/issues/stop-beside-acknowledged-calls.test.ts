// Symptom: a stop gave shards away beside running calls that had acknowledged their items. Cause: settled counted as
// drained. These are whole consumers in virtual time. Another consumer asks for the lease, or none does.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { acknowledgedCalls } from '../support/acknowledged-calls.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';

describe('a holder that stops while a call that has acknowledged its item still runs', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  for (const isAsked of [true, false])
    it(`keeps the lease while the call runs, ${isAsked ? 'even if a wish is open' : 'with no wish for it'}`, async () => {
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
