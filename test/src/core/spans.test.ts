// What references span in their shards, beside a naive list of the items in them.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addTo, emptyBundle, splitInto, type EndableTenure, type References } from '../../../src/core/references.js';
import { spansOf } from '../../../src/core/spans.js';
import { drawnRuns } from '../../support/sampled.js';
import { seeded } from '../../support/seeded.js';

interface Lease extends EndableTenure {
  readonly name: string;
  ended: boolean;
}

type Refs = References<Lease, string>;

/** References, and the items that they name: lease and ordinal. */
interface Made {
  readonly references: Refs;
  readonly items: readonly (readonly [Lease, number])[];
}

const leases: readonly Lease[] = ['a', 'b', 'c'].map((name) => ({ name, ended: name === 'c' }));
const sequenceNumberOf = (ordinal: number): string => String(ordinal * 1_000);

/** A tree: a leaf is a lease, an inner list is a bundle, each of whose parts is a share or not. */
type Tree = number | readonly { readonly tree: Tree; readonly isShare: boolean }[];

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.integer({ min: 0, max: 2 }),
    fc.array(fc.record({ tree: tie('tree'), isShare: fc.boolean() }), { minLength: 1, maxLength: 4 }),
  ),
}));

function make(of: Tree, next: () => number): Made {
  if (typeof of === 'number') {
    const tenure = leases[of] as Lease;
    const ordinal = next();
    const item = { tenure, stage: 's', ordinal, index: 0, sequenceNumber: sequenceNumberOf(ordinal) };
    return { references: item, items: [[tenure, ordinal]] };
  }
  const bundle = emptyBundle<Lease, string>();
  const items = of.flatMap(({ tree: part, isShare }) => {
    const made = make(part, next);
    addTo(bundle, isShare ? splitInto(made.references, 2) : made.references);
    return made.items;
  });
  return { references: bundle, items };
}

describe('the spans of references', () => {
  it('are the first and the last record of each live lease, and how many items, however they are divided', () => {
    fc.assert(
      fc.property(tree, fc.array(fc.nat(500), { minLength: 300, maxLength: 300 }), (drawn, places) => {
        const free = [...new Set(places)];
        const { references, items } = make(drawn, () => free.pop() ?? 10_000 + free.length);
        const expected = leases.flatMap((lease) => {
          const ordinals = items.flatMap(([of, ordinal]) => (of === lease ? [ordinal] : []));
          if (lease.ended || ordinals.length === 0) return [];
          const [first, last] = [Math.min(...ordinals), Math.max(...ordinals)].map(sequenceNumberOf);
          return [[lease.name, first, last, ordinals.length]];
        });
        const found = [...spansOf([references])].map(([{ name }, { first, last, items: count }]) => [
          name,
          first,
          last,
          count,
        ]);
        assert.deepEqual(found.toSorted(), expected.toSorted());
      }),
      seeded(drawnRuns(2_000)),
    );
  });

  it('count an item once that stands behind several shares', () => {
    const [lease] = leases as [Lease];
    const item: Refs = { tenure: lease, stage: 's', ordinal: 1, index: 0, sequenceNumber: '1' };
    const share = splitInto<Lease, string>(item, 4);
    const inner = splitInto<Lease, string>(share, 2);
    const bundle = emptyBundle<Lease, string>();
    for (const each of [share, share, inner, inner]) addTo(bundle, each);
    assert.equal(spansOf([bundle]).get(lease)?.items, 1);
  });
});
