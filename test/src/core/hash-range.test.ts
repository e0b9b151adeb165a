// The ranges and the holes between them cover every hash key, and no key is in both.
import { expect } from 'chai';
import fc from 'fast-check';
import { gapsIn, type HashRangeText } from '../../../src/core/hash-range.js';

const top = (1n << 128n) - 1n;
const range = (start: bigint, end: bigint): HashRangeText => ({
  startingHashKey: String(start),
  endingHashKey: String(end),
});

describe('hash ranges', () => {
  it('leave no hole when one range covers everything', () => {
    expect(gapsIn([range(0n, top)])).to.deep.equal([]);
  });

  it('leave one hole over all hash keys when there are no ranges', () => {
    expect(gapsIn([])).to.deep.equal([range(0n, top)]);
  });

  it('leave no hole if they overlap or touch, in any order', () => {
    expect(gapsIn([range(50n, top), range(0n, 20n), range(10n, 30n), range(31n, 49n), range(12n, 13n)])).to.deep.equal(
      [],
    );
  });

  it('leave holes before the first range, between two ranges and after the last one', () => {
    expect(gapsIn([range(20n, 30n), range(5n, 10n)])).to.deep.equal([range(0n, 4n), range(11n, 19n), range(31n, top)]);
  });

  it('may cover or leave a single key at the ends of the key space', () => {
    expect(gapsIn([range(0n, 0n), range(2n, top - 1n)])).to.deep.equal([range(1n, 1n), range(top, top)]);
  });

  it('cover nothing if a bound is not a number or the range runs backwards', () => {
    expect(
      gapsIn([
        { startingHashKey: 'x', endingHashKey: '5' },
        { startingHashKey: '0', endingHashKey: '' },
        range(9n, 3n),
      ]),
    ).to.deep.equal([range(0n, top)]);
  });

  it('share no key with their holes, and together with them cover every key', () => {
    const key = fc.bigInt({ min: 0n, max: 200n });
    fc.assert(
      fc.property(fc.array(fc.tuple(key, key)), (pairs) => {
        const ranges = pairs.map(([a, b]) => (a < b ? range(a, b) : range(b, a)));
        const holes = gapsIn(ranges);
        const inside = (list: readonly HashRangeText[], k: bigint): boolean =>
          list.some((r) => BigInt(r.startingHashKey) <= k && k <= BigInt(r.endingHashKey));
        for (let k = 0n; k <= 201n; k++) expect(inside(holes, k), String(k)).to.equal(!inside(ranges, k));
        expect(gapsIn([...ranges, ...holes])).to.deep.equal([]);
      }),
    );
  });
});
