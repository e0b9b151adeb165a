// Rows are created once each, parents first, even in a lineage of thousands of generations or in a circular one.
import { expect } from 'chai';
import fc from 'fast-check';
import { generationsOf } from '../../../src/core/row-generations.js';
import type { LeaseRow } from '../../../src/core/lease.js';

function row(leaseKey: string, parentShardIds: readonly string[]): LeaseRow {
  return {
    leaseKey,
    leaseCounter: 0,
    ownerSwitchesSinceCheckpoint: 0,
    checkpoint: 'TRIM_HORIZON',
    checkpointSubSequenceNumber: 0,
    parentShardIds: [...parentShardIds],
    childShardIds: [],
  } as LeaseRow;
}

const ofKeys = (generations: readonly (readonly LeaseRow[])[]): string[][] =>
  generations.map((rows) => rows.map(({ leaseKey }) => leaseKey));
const byKey = ({ leaseKey }: LeaseRow): string => leaseKey;

describe('generationsOf', () => {
  it('puts a row after all of its parents that are to be created, in any input order', () => {
    const rows = [row('d', ['b', 'c']), row('c', ['a']), row('a', ['long gone']), row('b', []), row('e', ['d', 'b'])];
    expect(ofKeys(generationsOf(rows, byKey))).to.deep.equal([['a', 'b'], ['c'], ['d'], ['e']]);
  });

  it('returns every row once, and no row before its parents, for any lineage', () => {
    const lineage = fc.array(fc.array(fc.nat(60), { maxLength: 2 }), { maxLength: 60 });
    fc.assert(
      fc.property(lineage, fc.infiniteStream(fc.nat()), (parents, shuffle) => {
        const rows = parents.map((of, id) => row(String(id), of.filter((parent) => parent < id).map(String)));
        const mixed = rows.map((each) => [shuffle.next().value, each] as const).sort(([a], [b]) => a - b);
        const generations = ofKeys(
          generationsOf(
            mixed.map(([, each]) => each),
            byKey,
          ),
        );
        expect(generations.flat().sort()).to.deep.equal(rows.map(byKey).sort());
        const at = new Map(generations.flatMap((keys, depth) => keys.map((key) => [key, depth])));
        for (const { leaseKey, parentShardIds } of rows)
          for (const parent of parentShardIds) expect(at.get(parent)).to.be.below(at.get(leaseKey)!);
      }),
    );
  });

  it('handles a lineage of 20,000 generations and a circular lineage', () => {
    const chain = Array.from({ length: 20_000 }, (_, id) => row(String(id), [String(id - 1)]));
    expect(generationsOf(chain.reverse(), byKey)).to.have.length(20_000);
    expect(ofKeys(generationsOf([row('a', ['b']), row('b', ['a'])], byKey)).flat()).to.have.members(['a', 'b']);
  });
});
