// Which shards without a row `kinact lag` shows: those that are still to be read, and none that was read and forgotten.
import { expect } from 'chai';
import { unleasedShards } from '../../../src/cli/unleased-shards.js';
import type { Shard } from '../../../src/api/ports.js';

const shard = (shardId: string, parents: readonly string[] = [], closed = false): Shard => ({
  shardId,
  startingSequenceNumber: '1',
  ...(parents[0] === undefined ? {} : { parentShardId: parents[0] }),
  ...(parents[1] === undefined ? {} : { adjacentParentShardId: parents[1] }),
  ...(closed ? { endingSequenceNumber: '2' } : {}),
});

const unleased = (shards: readonly Shard[], ...leased: readonly string[]): string[] =>
  unleasedShards(shards, new Set(leased)).map(({ shardId }) => shardId);

describe('the shards without a row that are still to be read', () => {
  it('are the children of a reshard while no worker ran, also closed ones and all their descendants', () => {
    const shards = [
      shard('parent', [], true),
      shard('left', ['parent'], true),
      shard('right', ['parent']),
      shard('lower', ['left'], true),
      shard('lowest', ['lower'], true),
    ];
    expect(unleased(shards, 'parent')).to.deep.equal(['left', 'right', 'lower', 'lowest']);
  });

  it('are the child of a merge if either of its parents has a row', () => {
    const shards = [shard('a', [], true), shard('b', [], true), shard('merged', ['a', 'b'], true)];
    expect(unleased(shards, 'a', 'b')).to.deep.equal(['merged']);
    expect(unleased(shards, 'a')).to.deep.equal(['merged']);
    expect(unleased(shards, 'b')).to.deep.equal(['merged']);
  });

  it('are open shards without any ancestor that has a row', () => {
    expect(unleased([shard('a'), shard('b', ['gone'])])).to.deep.equal(['a', 'b']);
  });

  it('are none that has a descendant with a row, however far down: it was read to its end', () => {
    const shards = [
      shard('eldest', [], true),
      shard('elder', ['eldest'], true),
      shard('other', [], true),
      shard('middle', ['elder'], true),
      shard('merged', ['middle', 'other'], true),
      shard('child', ['merged']),
    ];
    expect(unleased(shards, 'child')).to.deep.equal([]);
    expect(unleased(shards, 'eldest', 'child'), 'between rows').to.deep.equal([]);
  });

  it('are no closed shards of a line that the application has never read', () => {
    expect(unleased([shard('old', [], true), shard('older', ['gone'], true), shard('open', ['old'])])).to.deep.equal([
      'open',
    ]);
  });

  it('end also if the listing names a shard as its own ancestor', () => {
    const shards = [shard('a', ['b'], true), shard('b', ['a'], true), shard('c', ['b'])];
    expect(unleased(shards)).to.deep.equal(['c']);
    expect(unleased(shards, 'c')).to.deep.equal([]);
  });
});
