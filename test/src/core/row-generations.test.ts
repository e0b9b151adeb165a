// Rows are made parents first and each once, even in a lineage of thousands of generations or one that is a circle.
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
  it('puts a row behind all of its parents that are to be made, however they are mixed', () => {
    const rows = [row('d', ['b', 'c']), row('c', ['a']), row('a', ['long gone']), row('b', []), row('e', ['d', 'b'])];
    expect(ofKeys(generationsOf(rows, byKey))).to.deep.equal([['a', 'b'], ['c'], ['d'], ['e']]);
  });

  it('makes every row once, no row before its parents, whatever the lineage', () => {
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

  it('bears a lineage of 20,000 generations, and one that bites its own tail', () => {
    const chain = Array.from({ length: 20_000 }, (_, id) => row(String(id), [String(id - 1)]));
    expect(generationsOf(chain.reverse(), byKey)).to.have.length(20_000);
    expect(ofKeys(generationsOf([row('a', ['b']), row('b', ['a'])], byKey)).flat()).to.have.members(['a', 'b']);
  });
});
