// The rate limit: never more tokens than the rate allows, reservations due in order, and changes that void them.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  allowedNow,
  createRateLimit,
  giveBack,
  isVoid,
  reserveTokens,
  setRate,
  useTokens,
  watchRate,
  type Reservation,
} from '../../../src/core/rate-limit.js';

describe('a rate limit', () => {
  it('never lets more through than a second of burst and the rate, however many ask, and starves nobody', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double({ min: 0.001, max: 1, noNaN: true }), fc.integer({ min: 1, max: 5_000 })),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 600 }), fc.nat(3)), { minLength: 50, maxLength: 200 }),
        (perSecond, reducers, asks) => {
          const limit = createRateLimit(perSecond, 0);
          const holders: (Reservation | undefined)[] = Array.from({ length: reducers }, () => undefined);
          let now = 0;
          let handedOut = 0;
          for (const [who, wanted, step] of asks) {
            now += (step * 1_000) / perSecond;
            const at = who % reducers;
            const held = holders[at];
            const allowed = Math.min(wanted, allowedNow(limit, held, now));
            if (allowed > 0) {
              useTokens(limit, held, allowed, now);
              holders[at] = undefined;
              handedOut += allowed;
            } else if (held === undefined) {
              holders[at] = reserveTokens(limit, wanted, now);
              // Everybody before it has reserved a twentieth of a second, or one token.
              const longest = (reducers * Math.max(1, perSecond / 20) * 1_000) / perSecond + 1;
              expect(holders[at]!.dueAt - now).to.be.at.most(longest + 1);
            } else expect(now).to.be.below(held.dueAt);
            expect(handedOut).to.be.at.most(Math.max(1, perSecond) + (now * perSecond) / 1_000 + 1e-3);
          }
        },
      ),
    );
  });

  it('makes reservations due in their order, and gives back what is not used', () => {
    const limit = createRateLimit(1, 0);
    useTokens(limit, undefined, allowedNow(limit, undefined, 0), 0);
    const [first, second] = [reserveTokens(limit, 500, 0), reserveTokens(limit, 500, 0)];
    expect([first.dueAt, second.dueAt]).to.deep.equal([1_000, 2_000]);
    expect([first.tokens, second.tokens]).to.deep.equal([1, 1]);
    expect(allowedNow(limit, first, 999)).to.equal(0);
    expect(allowedNow(limit, first, 1_000)).to.equal(1);
    useTokens(limit, first, 0, 1_000);
    expect(allowedNow(limit, second, 1_000), 'in order, also if an earlier one was given back').to.equal(0);
    expect(allowedNow(limit, second, 2_000)).to.equal(2);
  });

  it('has no tokens without end, and none beyond its capacity', () => {
    const limit = createRateLimit(10, 0);
    giveBack(limit, 100);
    expect(allowedNow(limit, undefined, 1_000_000)).to.equal(10);
    setRate(limit, undefined, 0);
    expect(allowedNow(limit, undefined, 0)).to.equal(Infinity);
  });

  it('voids reservations at a change, tells those that wait, and makes no burst of it', () => {
    const limit = createRateLimit(0.01, 0);
    useTokens(limit, undefined, 1, 0);
    const held = reserveTokens(limit, 1, 0);
    let told = 0;
    const unwatch = watchRate(limit, () => (told += 1));
    setRate(limit, 0.01, 5_000);
    expect(told).to.equal(0);
    setRate(limit, 100, 10_000);
    expect(told).to.equal(1);
    expect(isVoid(limit, held)).to.equal(true);
    expect(allowedNow(limit, undefined, 10_000)).to.equal(0);
    expect(allowedNow(limit, undefined, 10_500)).to.equal(50);
    unwatch();
    setRate(limit, 1, 20_000);
    expect(told).to.equal(1);
  });

  it('that is removed counts nothing, so a limit that is set later begins full', () => {
    const limit = createRateLimit(undefined, 0);
    expect(allowedNow(limit, undefined, 0)).to.equal(Infinity);
    useTokens(limit, undefined, 1_000, 0);
    setRate(limit, 10, 0);
    expect([allowedNow(limit, undefined, 0), limit.reserved]).to.deep.equal([10, 0]);
  });
});
