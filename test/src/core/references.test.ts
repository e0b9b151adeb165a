// What it costs to ask a share of a split about its tenures.
import assert from 'node:assert/strict';
import {
  addTo,
  countItems,
  emptyBundle,
  firstOf,
  forEachTenure,
  settleReferences,
  splitInto,
  withoutEnded,
  type EndableTenure,
  type References,
} from '../../../src/core/references.js';

type Refs = References<Lease, string>;

interface Lease extends EndableTenure {
  ended: boolean;
}

describe('the shares of a bundle of shares', () => {
  const count = 500;

  function made() {
    let asked = 0;
    const tenure: Lease = { ended: false };
    const bundle = emptyBundle<Lease, string>();
    for (let ordinal = 0; ordinal < count; ordinal += 1) {
      const item = {
        ...{ stage: 's', ordinal, index: 0 },
        get tenure() {
          asked += 1;
          return tenure;
        },
      };
      const halves: Refs = splitInto<Lease, string>(item, 2);
      addTo(bundle, halves);
      addTo(bundle, halves);
    }
    const share = splitInto<Lease, string>(bundle, count);
    const ask = (): void => {
      forEachTenure(share, () => undefined);
      withoutEnded(share);
    };
    return { tenure, share, ask, asked: () => asked };
  }

  it('look at each item behind them a few times, and not once for each share', () => {
    const { share, ask, asked } = made();
    for (let each = 0; each < count; each += 1) ask();
    assert.ok(asked() <= 10 * count, String(asked()));
    const settled: number[] = [];
    for (let each = 0; each < count; each += 1) settleReferences(share, (_, __, ordinal) => settled.push(ordinal));
    assert.equal(settled.length, count);
  });

  it('know of a tenure that ends later', () => {
    const { tenure, share, ask } = made();
    ask();
    tenure.ended = true;
    assert.deepEqual(withoutEnded(share), { live: undefined, hasLost: true });
    const visited: unknown[] = [];
    forEachTenure(share, (tenure) => visited.push(tenure));
    assert.deepEqual(visited, []);
  });

  it('know of a tenure that has ended, though the splits behind them have been asked first', () => {
    const tenure: Lease = { ended: false };
    const half: Refs = splitInto<Lease, string>({ tenure, stage: 's', ordinal: 1, index: 0 }, 2);
    const bundle = emptyBundle<Lease, string>();
    addTo(bundle, half);
    const share = splitInto<Lease, string>(bundle, 2);
    tenure.ended = true;
    withoutEnded(half);
    assert.deepEqual(withoutEnded(share), { live: undefined, hasLost: true });
  });

  it('name no item once all of their leases are lost', () => {
    const tenure: Lease = { ended: false };
    const item = { tenure, stage: 's', ordinal: 1, index: 0 };
    const half: Refs = splitInto<Lease, string>(item, 2);
    assert.deepEqual([firstOf(half), countItems(half)], [item, 1]);
    tenure.ended = true;
    withoutEnded(half);
    assert.deepEqual([firstOf(half), countItems(half)], [undefined, 0]);
  });
});
