// Which rows a stream needs, which child may start, and which row may be removed: no hash key stays without a reader.
// The KCL's own example is among the cases, and lineages are drawn at random.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  awaitedParents,
  childLeases,
  childrenIn,
  firstLeases,
  missingLeases,
  parentsOf,
  removable,
  type FirstCheckpoint,
  type LeasedShard,
  type ListedShard,
  type MissingLeases,
} from '../../../src/core/shard-graph.js';
import type { LeaseRow } from '../../../src/core/lease.js';

const top = (1n << 128n) - 1n;

function shard(
  shardId: string,
  parents: readonly string[] = [],
  closed = false,
  range?: readonly [bigint, bigint],
): ListedShard {
  return {
    shardId,
    startingSequenceNumber: shardId.padStart(3, '0').replace(/\D/g, ''),
    ...(parents[0] === undefined ? {} : { parentShardId: parents[0] }),
    ...(parents[1] === undefined ? {} : { adjacentParentShardId: parents[1] }),
    ...(closed ? { endingSequenceNumber: '99' } : {}),
    ...(range === undefined
      ? {}
      : { hashKeyRange: { startingHashKey: String(range[0]), endingHashKey: String(range[1]) } }),
  };
}

/** KCL clause 2.6: generations {0…5} → {6=0+1, 7=2+3, 4, 5} → open {8=6+7, 4, 9<5, 10<5}. */
const example: readonly ListedShard[] = [
  shard('0', [], true),
  shard('1', [], true),
  shard('2', [], true),
  shard('3', [], true),
  shard('4'),
  shard('5', [], true),
  shard('6', ['0', '1'], true),
  shard('7', ['2', '3'], true),
  shard('8', ['6', '7']),
  shard('9', ['5']),
  shard('10', ['5']),
];

function leased(...ids: readonly string[]): Map<string, { ended: boolean }> {
  return new Map(ids.map((id) => [id.replace('!', ''), { ended: id.endsWith('!') }]));
}

function created(result: MissingLeases): readonly (readonly [string, FirstCheckpoint])[] {
  if (result.type === 'inconsistent') throw new Error(result.reason);
  return result.leases.map((lease) => [lease.shard.shardId, lease.checkpoint] as const);
}

function row(
  shardId: string,
  checkpoint: string,
  parents: readonly string[] = [],
  children: readonly string[] = [],
): LeaseRow {
  return {
    leaseKey: shardId,
    leaseCounter: 1,
    ownerSwitchesSinceCheckpoint: 0,
    checkpoint,
    checkpointSubSequenceNumber: 0,
    parentShardIds: parents,
    childShardIds: children,
  };
}

const table = (...rows: readonly LeaseRow[]): Map<string, LeaseRow> =>
  new Map(rows.map((each) => [each.leaseKey, each]));

describe('the first leases of a stream', () => {
  it('are one for each open shard if the initial position is LATEST', () => {
    expect(created(firstLeases(example, 'LATEST'))).to.deep.equal([
      ['4', 'LATEST'],
      ['8', 'LATEST'],
      ['9', 'LATEST'],
      ['10', 'LATEST'],
    ]);
  });

  it('are one for each shard without a listed parent at other positions, closed shards included', () => {
    for (const initial of ['TRIM_HORIZON', 'AT_TIMESTAMP'] as const) {
      expect(created(firstLeases(example, initial))).to.deep.equal([
        ['0', initial],
        ['1', initial],
        ['2', initial],
        ['3', initial],
        ['4', initial],
        ['5', initial],
      ]);
    }
  });

  it('begin at the children if the parents are trimmed', () => {
    expect(created(firstLeases([shard('6', ['0', '1'], true), shard('8', ['6', '7'])], 'TRIM_HORIZON'))).to.deep.equal([
      ['6', 'TRIM_HORIZON'],
    ]);
  });

  it('wait for a listing that covers every hash key', () => {
    const result = firstLeases([shard('0', [], false, [0n, 9n]), shard('1', [], false, [11n, top])], 'LATEST');
    expect(result).to.deep.equal({ type: 'inconsistent', reason: 'no listed shard covers the hash keys 10 to 10' });
    expect(
      created(firstLeases([shard('0', [], false, [0n, 9n]), shard('1', [], false, [10n, top])], 'LATEST')),
    ).to.have.length(2);
  });

  it('are not created from an empty listing, nor at LATEST from one taken during a reshard', () => {
    expect(firstLeases([], 'TRIM_HORIZON').type).to.equal('inconsistent');
    expect(firstLeases([shard('5'), shard('9', ['5']), shard('10', ['5'])], 'LATEST')).to.deep.equal({
      type: 'inconsistent',
      reason: 'shard 5 is listed as open together with its child 9',
    });
  });
});

describe('the missing leases of a stream that has rows', () => {
  it("match the KCL's example: with 4, 5 and 7 leased, LATEST creates 6, other positions 0 and 1", () => {
    expect(created(missingLeases(example, leased('4', '5', '7'), 'LATEST'))).to.deep.equal([['6', 'LATEST']]);
    expect(created(missingLeases(example, leased('4', '5', '7'), 'TRIM_HORIZON'))).to.deep.equal([
      ['0', 'TRIM_HORIZON'],
      ['1', 'TRIM_HORIZON'],
    ]);
    expect(created(missingLeases(example, leased('4', '5', '7'), 'AT_TIMESTAMP'))).to.deep.equal([
      ['0', 'AT_TIMESTAMP'],
      ['1', 'AT_TIMESTAMP'],
    ]);
  });

  it('are none while every open shard has a lease or a leased ancestor', () => {
    for (const initial of ['LATEST', 'TRIM_HORIZON', 'AT_TIMESTAMP'] as const) {
      expect(created(missingLeases(example, leased('4', '8', '9', '10'), initial))).to.deep.equal([]);
      expect(created(missingLeases(example, leased('0', '1', '2', '3', '4', '5'), initial))).to.deep.equal([]);
    }
  });

  it('include ancestors only of open shards without a lease', () => {
    expect(created(missingLeases(example, leased('4', '8', '9'), 'TRIM_HORIZON'))).to.deep.equal([
      ['5', 'TRIM_HORIZON'],
    ]);
  });

  it('are open shards at the initial position if no ancestor is known', () => {
    expect(created(missingLeases([shard('0'), shard('1')], leased('0'), 'LATEST'))).to.deep.equal([['1', 'LATEST']]);
    expect(created(missingLeases([shard('0'), shard('7', ['trimmed'])], leased('0'), 'TRIM_HORIZON'))).to.deep.equal([
      ['7', 'TRIM_HORIZON'],
    ]);
  });

  it('include a child whose parents have all ended, because no worker will create it', () => {
    const result = missingLeases(example, leased('4', '8', '5!', '9'), 'LATEST');
    expect(created(result)).to.deep.equal([['10', 'TRIM_HORIZON']]);
    expect(result.type === 'missing' && result.leases[0]?.because).to.equal('orphan');
    expect(created(missingLeases(example, leased('4', '8', '5!', '9'), 'AT_TIMESTAMP'))).to.deep.equal([
      ['10', 'AT_TIMESTAMP'],
    ]);
    expect(
      created(missingLeases(example, leased('4', '6!', '7', '9', '10'), 'LATEST')),
      'one merge parent is still read',
    ).to.deep.equal([]);
  });

  it('wait while an open shard is listed together with its child', () => {
    expect(missingLeases([shard('5'), shard('9', ['5'])], leased('5'), 'LATEST').type).to.equal('inconsistent');
  });

  it('are found in a lineage of 20,000 generations', () => {
    const line = Array.from({ length: 20_000 }, (_, n) => shard(String(n), n === 0 ? [] : [String(n - 1)], n < 19_999));
    expect(created(missingLeases(line, leased('x'), 'TRIM_HORIZON'))).to.deep.equal([['0', 'TRIM_HORIZON']]);
    expect(created(missingLeases(line, leased('x'), 'LATEST'))).to.deep.equal([['19999', 'LATEST']]);
  });

  it('come oldest first, lead to every open shard, and are none in a second sync', () => {
    const lineage = fc.array(fc.record({ kind: fc.constantFrom('split', 'merge'), a: fc.nat(), b: fc.nat() }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        lineage,
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.constantFrom<FirstCheckpoint>('LATEST', 'TRIM_HORIZON', 'AT_TIMESTAMP'),
        (steps, picks, initial) => {
          const shards = grow(steps);
          const rows = leased(...picks.map((pick) => shards[pick % shards.length]!.shardId));
          const result = missingLeases(shards, rows, initial);
          if (result.type === 'inconsistent') throw new Error(result.reason);
          const starts = result.leases.map((lease) => Number(lease.shard.startingSequenceNumber));
          expect(starts).to.deep.equal([...starts].sort((x, y) => x - y));
          for (const lease of result.leases) {
            expect(rows.has(lease.shard.shardId)).to.equal(false);
            rows.set(lease.shard.shardId, { ended: false });
          }
          expect(created(missingLeases(shards, rows, initial)), 'a second sync').to.deep.equal([]);
          // A worker that follows the leases to their children reaches every open shard.
          const reached = new Set(rows.keys());
          for (const each of shards)
            if (parentsOf(each).some((parent) => reached.has(parent))) reached.add(each.shardId);
          for (const each of shards)
            if (each.endingSequenceNumber === undefined) expect(reached.has(each.shardId), each.shardId).to.equal(true);
        },
      ),
    );
  });
});

/** A stream of four shards after some splits and merges; ids rise with creation. */
function grow(steps: readonly { readonly kind: string; readonly a: number; readonly b: number }[]): ListedShard[] {
  const shards = ['0', '1', '2', '3'].map((id) => shard(id));
  for (const step of steps) {
    const open = shards.filter((each) => each.endingSequenceNumber === undefined);
    const first = open[step.a % open.length]!;
    const second = open[step.b % open.length]!;
    const merging = step.kind === 'merge' && first !== second;
    const parents = merging ? [first.shardId, second.shardId] : [first.shardId];
    for (const parent of parents) {
      const index = shards.findIndex((each) => each.shardId === parent);
      shards[index] = { ...shards[index]!, endingSequenceNumber: '99' };
    }
    for (let child = 0; child < (merging ? 1 : 2); child++) shards.push(shard(String(shards.length), parents));
  }
  return shards;
}

describe('the merge partner of a shard that is read', () => {
  const merged = (...before: readonly ListedShard[]): readonly ListedShard[] => [
    ...before,
    shard('6', [], true),
    shard('7', before.length > 0 ? ['2', '3'] : [], true),
    shard('8', ['6', '7'], true),
    shard('11', ['8']),
  ];
  const rows = leased('6', '11');

  it('gets a row although a descendant has one, because the end of its partner waits for its row', () => {
    expect(created(missingLeases(merged(), rows, 'TRIM_HORIZON'))).to.deep.equal([['7', 'TRIM_HORIZON']]);
    expect(created(missingLeases(merged(), rows, 'LATEST'))).to.deep.equal([['7', 'LATEST']]);
  });

  it('gets no row yet if its own parents are listed without rows: they come first', () => {
    const listed = merged(shard('2', [], true), shard('3', [], true));
    expect(created(missingLeases(listed, rows, 'TRIM_HORIZON'))).to.deep.equal([
      ['2', 'TRIM_HORIZON'],
      ['3', 'TRIM_HORIZON'],
    ]);
  });

  it('gets no row while its parents are read, or if its partner has ended or is unreadable', () => {
    const listed = merged(shard('2', [], true), shard('3', [], true));
    expect(created(missingLeases(listed, leased('2', '3', '6', '11'), 'TRIM_HORIZON'))).to.deep.equal([]);
    expect(created(missingLeases(merged(), leased('6!', '11'), 'TRIM_HORIZON'))).to.deep.equal([]);
    const unreadable = new Map<string, LeasedShard>([...leased('11'), ['6', { ended: false, malformed: true }]]);
    expect(created(missingLeases(merged(), unreadable, 'TRIM_HORIZON'))).to.deep.equal([]);
  });
});

describe('the lease of a child shard', () => {
  const rows = table(row('0', 'SHARD_END'), row('1', '17'), row('2', 'SHARD_END'));
  const parentRow = (id: string): LeaseRow | undefined => rows.get(id);

  it('waits for SHARD_END in the row of each parent', () => {
    expect(awaitedParents(row('6', 'TRIM_HORIZON', ['0', '1']), parentRow)).to.deep.equal(['1']);
    expect(awaitedParents(row('6', 'AT_TIMESTAMP', ['0', '2']), parentRow)).to.deep.equal([]);
  });

  it('does not wait for a parent without a row', () => {
    expect(awaitedParents(row('6', 'TRIM_HORIZON', ['gone', '0']), parentRow)).to.deep.equal([]);
    expect(awaitedParents(row('6', 'TRIM_HORIZON'), parentRow)).to.deep.equal([]);
  });

  it('waits for no parent if the shard has been read already', () => {
    expect(awaitedParents(row('6', '4711', ['0', '1']), parentRow)).to.deep.equal([]);
  });
});

describe('the child leases of an ended shard', () => {
  const children = childrenIn(example, '6');

  it('are found in a listing by their parents', () => {
    expect(children).to.deep.equal([{ shardId: '8', parentShards: ['6', '7'] }]);
    expect(childrenIn(example, '5').map((child) => child.shardId)).to.deep.equal(['9', '10']);
    expect(childrenIn(example, '8')).to.deep.equal([]);
    expect(childrenIn([shard('1', ['0'], false, [0n, 5n])], '0')[0]?.hashKeyRange).to.deep.equal({
      startingHashKey: '0',
      endingHashKey: '5',
    });
  });

  it('are blocked after a merge while only one parent has a row', () => {
    expect(childLeases('6', children, (id) => id === '6')).to.deep.equal({
      type: 'blocked',
      reason: 'shard 7, merged with 6 into 8, has no lease yet',
      missing: ['7'],
    });
    expect(childLeases('6', children, (id) => id === '6' || id === '7')).to.deep.equal({ type: 'create', children });
  });

  it('are created after a merge if neither parent has a row, and never twice', () => {
    expect(childLeases('6', children, () => false)).to.deep.equal({ type: 'create', children });
    expect(childLeases('6', children, (id) => id === '6' || id === '8')).to.deep.equal({
      type: 'create',
      children: [],
    });
  });

  it('are created after a split, whichever other rows exist', () => {
    expect(childLeases('5', childrenIn(example, '5'), (id) => id === '5' || id === '9')).to.deep.include({
      type: 'create',
    });
  });
});

describe('clean-up', () => {
  it('removes an ended row once every child has left its initial position and no parent has a row', () => {
    expect(
      removable(table(row('5', 'SHARD_END', [], ['9', '10']), row('9', '17'), row('10', 'SHARD_END')), example),
    ).to.deep.equal(['5']);
    expect(
      removable(table(row('5', 'SHARD_END', [], ['9', '10']), row('9', '17'), row('10', 'TRIM_HORIZON')), example),
    ).to.deep.equal([]);
    expect(
      removable(table(row('5', 'SHARD_END', [], ['9', '10']), row('9', '17'), row('10', 'AT_TIMESTAMP')), example),
    ).to.deep.equal([]);
    expect(removable(table(row('5', 'SHARD_END', [], ['9', '10']), row('9', '17')), example)).to.deep.equal([]);
  });

  it('keeps an ended row while one of its parents has a row', () => {
    const rows = table(
      row('0', 'SHARD_END', [], ['6']),
      row('6', 'SHARD_END', ['0', '1'], ['8']),
      row('8', '17', ['6', '7']),
    );
    expect(removable(rows, example)).to.deep.equal(['0']);
    rows.delete('0');
    expect(removable(rows, example)).to.deep.equal(['6']);
  });

  it('takes children from the listing if the row does not name them', () => {
    expect(removable(table(row('5', 'SHARD_END'), row('9', '17')), example)).to.deep.equal([]);
    expect(removable(table(row('5', 'SHARD_END'), row('9', '17'), row('10', '17')), example)).to.deep.equal(['5']);
  });

  it('keeps an ended row without children while its shard is listed', () => {
    expect(removable(table(row('4', 'SHARD_END')), example)).to.deep.equal([]);
  });

  it('removes an ended row whose shard the service has forgotten, unless a listed child would lose its lineage', () => {
    expect(removable(table(row('trimmed', 'SHARD_END', ['x'], ['y'])), example)).to.deep.equal(['trimmed']);
    expect(removable(table(row('trimmed', 'SHARD_END', [], ['4'])), example)).to.deep.equal([]);
    expect(removable(table(row('trimmed', 'SHARD_END', [], ['4']), row('4', 'TRIM_HORIZON')), example)).to.deep.equal([
      'trimmed',
    ]);
  });

  it('removes nothing after an empty listing, and no row that has not ended', () => {
    expect(removable(table(row('5', 'SHARD_END')), [])).to.deep.equal([]);
    expect(removable(table(row('trimmed', '17'), row('gone', 'TRIM_HORIZON')), example)).to.deep.equal([]);
  });
});
