// The ceiling of a back-off doubles up to a cap, and the wait is drawn from zero up to the ceiling.
import { expect } from 'chai';
import fc from 'fast-check';

import { backoffMs } from '../../../src/core/backoff.js';

const shape = { baseMs: 100, capMs: 5_000 };
const always = (value: number) => ({ next: () => value });
const almostOne = 1 - Number.EPSILON / 2;

describe('back-off', () => {
  it('doubles its ceiling with every attempt up to the cap', () => {
    const ceilings = [0, 1, 2, 3, 4, 5, 6, 7].map((attempt) => backoffMs(shape, attempt, always(almostOne)));
    expect(ceilings).to.deep.equal([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  it('stays at the cap for any number of attempts, even if the power is infinite', () => {
    expect(backoffMs(shape, 5_000, always(almostOne))).to.equal(5_000);
  });

  it('draws the wait between zero and the ceiling (full jitter), in whole milliseconds', () => {
    expect(backoffMs(shape, 3, always(0))).to.equal(0);
    expect(backoffMs(shape, 3, always(0.5))).to.equal(400);
    fc.assert(
      fc.property(fc.nat(60), fc.double({ min: 0, max: almostOne, noNaN: true }), (attempt, roll) => {
        const wait = backoffMs(shape, attempt, always(roll));
        expect(Number.isInteger(wait)).to.equal(true);
        expect(wait).to.be.within(0, Math.min(5_000, 100 * 2 ** attempt));
      }),
    );
  });
});
