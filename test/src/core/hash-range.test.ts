// The ranges and the holes found between them cover every hash key and share none.
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

  it('leave one hole of everything when there are none', () => {
    expect(gapsIn([])).to.deep.equal([range(0n, top)]);
  });

  it('are merged where they overlap or touch, in any order', () => {
    expect(gapsIn([range(50n, top), range(0n, 20n), range(10n, 30n), range(31n, 49n), range(12n, 13n)])).to.deep.equal(
      [],
    );
  });

  it('show the hole before the first, between two and after the last', () => {
    expect(gapsIn([range(20n, 30n), range(5n, 10n)])).to.deep.equal([range(0n, 4n), range(11n, 19n), range(31n, top)]);
  });

  it('cover a single key at either end of the space', () => {
    expect(gapsIn([range(0n, 0n), range(2n, top - 1n)])).to.deep.equal([range(1n, 1n), range(top, top)]);
  });

  it('cover nothing when they cannot be read or run backwards', () => {
    expect(
      gapsIn([
        { startingHashKey: 'x', endingHashKey: '5' },
        { startingHashKey: '0', endingHashKey: '' },
        range(9n, 3n),
      ]),
    ).to.deep.equal([range(0n, top)]);
  });

  it('and their holes together cover every key, and share none', () => {
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
