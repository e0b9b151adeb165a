// In any window of time, a taker that waits gets at most the capacity plus what the rate adds. A take above the capacity leaves a debt.
import { expect } from 'chai';
import fc from 'fast-check';

import { createTokenBucket, take, waitMs } from '../../../src/core/token-bucket.js';

describe('a token bucket', () => {
  it('starts full: a burst of its capacity passes at once, the next take waits', () => {
    const bucket = createTokenBucket({ capacity: 5, perSecond: 5 }, 1_000);
    for (let read = 0; read < 5; read++) {
      expect(waitMs(bucket, 1, 1_000)).to.equal(0);
      take(bucket, 1, 1_000);
    }
    expect(waitMs(bucket, 1, 1_000)).to.equal(200);
    expect(waitMs(bucket, 1, 1_150)).to.equal(50);
    expect(waitMs(bucket, 1, 1_200)).to.equal(0);
  });

  it('never holds more than its capacity, however long it was unused', () => {
    const bucket = createTokenBucket({ capacity: 2, perSecond: 10 }, 0);
    take(bucket, 2, 1_000_000);
    expect(waitMs(bucket, 1, 1_000_000)).to.equal(100);
  });

  it('goes into debt for a take above its capacity, and delays the next take accordingly', () => {
    const bucket = createTokenBucket({ capacity: 2_000, perSecond: 2_000 }, 0);
    take(bucket, 10_000, 0);
    expect(waitMs(bucket, 1, 0)).to.equal(4_001);
    expect(waitMs(bucket, 1, 4_001)).to.equal(0);
  });

  it('lets an amount above its capacity pass when it is full', () => {
    const bucket = createTokenBucket({ capacity: 10, perSecond: 10 }, 0);
    expect(waitMs(bucket, 50, 0)).to.equal(0);
    take(bucket, 5, 0);
    expect(waitMs(bucket, 50, 0)).to.equal(500);
  });

  it('ignores time that goes back, and refills nothing twice', () => {
    const bucket = createTokenBucket({ capacity: 5, perSecond: 5 }, 1_000);
    take(bucket, 5, 1_000);
    expect(waitMs(bucket, 1, 0)).to.equal(200);
    expect(waitMs(bucket, 1, 1_000)).to.equal(200);
    expect(waitMs(bucket, 1, 1_200)).to.equal(0);
  });

  it('passes at most its capacity plus its rate in any window, if the taker waits as asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.nat(400), { minLength: 1, maxLength: 60 }),
        (capacity, perSecond, pauses) => {
          const bucket = createTokenBucket({ capacity, perSecond }, 0);
          const takes: number[] = [];
          let now = 0;
          for (const pause of pauses) {
            now += pause;
            now += waitMs(bucket, 1, now);
            // Rounding up may leave the last fraction of a millisecond; it never leaves more.
            now += waitMs(bucket, 1, now);
            take(bucket, 1, now);
            takes.push(now);
          }
          for (let from = 0; from < takes.length; from++) {
            for (let to = from; to < takes.length; to++) {
              const windowMs = (takes[to] as number) - (takes[from] as number);
              expect(to - from + 1).to.be.at.most(capacity + (windowMs * perSecond) / 1000 + 1e-6);
            }
          }
        },
      ),
    );
  });
});
