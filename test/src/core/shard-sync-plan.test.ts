// A sync creates the rows that are missing, in one order whatever the order of the listing. If the listing contradicts itself, no row is
// created.
import { expect } from 'chai';
import { leaseRow } from '../../support/memory-lease-store.js';
import {
  childRow,
  earliestLatest,
  newLeaseRow,
  planSync,
  type RowContext,
  type SyncInput,
} from '../../../src/core/shard-sync-plan.js';
import type { ListedShard } from '../../../src/core/shard-graph.js';
import type { LeaseRow } from '../../../src/core/lease.js';

const rowContext: RowContext = {
  keyPrefix: undefined,
  entityType: undefined,
  writer: 'w/0',
  serviceTimeMs: 1_700_000_000_999,
  stream: 'arn:aws:kinesis:x:1:stream/orders#1700000000',
};
const shard = (shardId: string, parentShardId?: string, closed = false): ListedShard => ({
  shardId,
  startingSequenceNumber: '1',
  ...(parentShardId === undefined ? {} : { parentShardId }),
  ...(closed ? { endingSequenceNumber: '2' } : {}),
});

function rowsOf(input: Partial<SyncInput> & Pick<SyncInput, 'shards'>): readonly LeaseRow[] {
  const plan = planSync({ rows: new Map(), malformed: new Set(), initial: 'LATEST', rowContext, ...input });
  if (plan.type === 'inconsistent') throw new Error(plan.reason);
  return plan.rows;
}

describe('rows to create', () => {
  it('omit members that have no value', () => {
    expect(
      newLeaseRow(rowContext, {
        shardId: 's',
        parentShardIds: [],
        hashKeyRange: undefined,
        checkpoint: 'TRIM_HORIZON',
        latestAt: undefined,
      }),
    ).to.have.all.keys(
      'leaseKey',
      'leaseCounter',
      'ownerSwitchesSinceCheckpoint',
      'checkpoint',
      'checkpointSubSequenceNumber',
      'parentShardIds',
      'childShardIds',
      'kinactWriter',
      'kinactStream',
    );
  });

  it('do not include the ended parent of a row that an older listing shows as open', () => {
    const children = ['b', 'c'].map((leaseKey) => leaseRow({ leaseKey, parentShardIds: ['a'], checkpoint: '7' }));
    const rows = new Map(children.map((row) => [row.leaseKey, row]));
    for (const initial of ['LATEST', 'TRIM_HORIZON'] as const)
      expect(rowsOf({ shards: [shard('a')], rows, initial })).to.deep.equal([]);
    // If the parent is closed and another of its children has no row, the parent is read once more: nothing else creates the
    // child's row (seed 160284).
    const closed = [shard('a', undefined, true), shard('b', 'a'), shard('c', 'a')];
    const lacking = new Map([...rows].slice(0, 1));
    const again = rowsOf({ shards: closed, rows: lacking, initial: 'TRIM_HORIZON' });
    expect(again.map(({ leaseKey }) => leaseKey)).to.deep.equal(['a']);
    const other = rowsOf({ shards: [shard('a'), shard('d')], rows, initial: 'TRIM_HORIZON' });
    expect(other.map(({ leaseKey }) => leaseKey)).to.deep.equal(['d']);
  });

  it('name stream and shard in their own members in a multi-stream table', () => {
    const row = childRow(
      { ...rowContext, keyPrefix: '1:orders:2', entityType: 'LEASE' },
      { shardId: 's', parentShards: ['p'], hashKeyRange: { startingHashKey: '0', endingHashKey: '9' } },
      5,
    );
    expect(row).to.deep.include({
      leaseKey: '1:orders:2:s',
      streamName: '1:orders:2',
      shardId: 's',
      entityType: 'LEASE',
      kinactLatestAt: 5,
      checkpoint: 'TRIM_HORIZON',
      leaseCounter: 1_700_000_000_999,
    });
  });

  it('have one order, whatever the order of the listing', () => {
    const one = rowsOf({ shards: [shard('b'), shard('a'), shard('c')] });
    const other = rowsOf({ shards: [shard('c'), shard('b'), shard('a')] });
    expect(one.map((row) => row.leaseKey)).to.deep.equal(['a', 'b', 'c']);
    expect(other).to.deep.equal(one);
  });

  it('are none while the listing contradicts itself, with or without rows', () => {
    const shards = [shard('a'), shard('b', 'a')];
    const other = (members: Partial<LeaseRow>) => new Map([['x', leaseRow({ leaseKey: 'x', ...members })]]);
    for (const rows of [new Map<string, LeaseRow>(), other({}), other({ kinactLatestAt: 5 })]) {
      expect(planSync({ shards, rows, malformed: new Set(), initial: 'LATEST', rowContext }).type).to.equal(
        'inconsistent',
      );
    }
  });

  it('inherit the time of LATEST from the parents, otherwise from the stream', () => {
    const parent = leaseRow({ leaseKey: 'p', checkpoint: 'SHARD_END', kinactLatestAt: 9 });
    const older = leaseRow({ leaseKey: 'o', kinactLatestAt: 3 });
    const shards = [shard('o'), shard('p', undefined, true), shard('c', 'p')];
    expect(
      rowsOf({
        shards,
        rows: new Map([
          ['p', parent],
          ['o', older],
        ]),
      })[0],
    ).to.deep.include({ leaseKey: 'c', kinactLatestAt: 9 });
    const { kinactLatestAt: _, ...unstamped } = parent;
    expect(
      rowsOf({
        shards,
        rows: new Map([
          ['p', unstamped],
          ['o', older],
        ]),
      })[0],
    ).to.deep.include({ leaseKey: 'c', kinactLatestAt: 3 });
  });

  it('use the earliest time of LATEST of all rows, if there is one', () => {
    expect(
      earliestLatest([
        leaseRow({ leaseKey: 'a', kinactLatestAt: 4 }),
        undefined,
        leaseRow({ leaseKey: 'b' }),
        leaseRow({ leaseKey: 'c', kinactLatestAt: 2 }),
        leaseRow({ leaseKey: 'd', kinactLatestAt: 3 }),
      ]),
    ).to.equal(2);
    expect(earliestLatest([])).to.equal(undefined);
  });
});

describe('deleted rows that a worker has seen', () => {
  const merge = (
    shardId: string,
    parentShardId: string,
    adjacentParentShardId: string,
    closed: boolean,
  ): ListedShard => ({
    ...shard(shardId, parentShardId, closed),
    adjacentParentShardId,
  });
  /** p was split into a and b; they were merged into c, and c was split into d and e. */
  const shards = [
    shard('p', undefined, true),
    shard('a', 'p', true),
    shard('b', 'p', true),
    merge('c', 'a', 'b', true),
    shard('d', 'c'),
    shard('e', 'c'),
  ];
  const parentsOfEach: Readonly<Record<string, readonly string[]>> = {
    a: ['p'],
    b: ['p'],
    c: ['a', 'b'],
    d: ['c'],
    e: ['c'],
  };
  const at = (checkpoints: Readonly<Record<string, string>>): Map<string, LeaseRow> =>
    new Map(
      Object.entries(checkpoints).map(([leaseKey, checkpoint]) => [
        leaseKey,
        leaseRow({ leaseKey, checkpoint, parentShardIds: [...(parentsOfEach[leaseKey] ?? [])] }),
      ]),
    );
  const comeBack = (
    there: Readonly<Record<string, string>>,
    lost: Readonly<Record<string, string>>,
    listed: readonly ListedShard[] = shards,
  ) =>
    rowsOf({ shards: listed, rows: at(there), deletedRows: at(lost), initial: 'TRIM_HORIZON' }).map(
      ({ leaseKey, checkpoint }) => [leaseKey, checkpoint],
    );

  it('are created again at their last checkpoint, unless a child has or may have begun', () => {
    expect(comeBack({ a: '7' }, { b: '500' })).to.deep.equal([['b', '500']]);
    expect(comeBack({ a: 'SHARD_END', c: '9' }, { b: '500' })).to.deep.equal([]);
    expect(comeBack({ a: 'SHARD_END', d: '9', e: '9' }, { b: '500' })).to.deep.equal([]);
  });

  it('are created again while their merge partner is read, whichever descendants have rows', () => {
    expect(comeBack({ a: '7', d: '9', e: '9' }, { b: '500' })).to.deep.equal([['b', '500']]);
  });

  it('are not created again if a child that the listing omits has begun', () => {
    const without = (...omitted: readonly string[]) => shards.filter(({ shardId }) => !omitted.includes(shardId));
    expect(comeBack({ c: '9' }, { a: '7', b: '500' }, without('c', 'd', 'e'))).to.deep.equal([]);
    expect(comeBack({ d: '9', e: '9' }, { b: '500', c: '600' }, without('c'))).to.deep.equal([]);
    // Rows that were never seen lie between: d and e are deleted as well.
    expect(comeBack({ p: '3' }, { a: '7', d: '9', e: '9' })).to.deep.equal([
      ['d', '9'],
      ['e', '9'],
    ]);
  });

  it('are not created again beside a child whose row cannot be read', () => {
    const found = (malformed: string, lost: ReadonlyMap<string, LeaseRow | undefined>) =>
      rowsOf({ shards, rows: at({ a: '7' }), malformed: new Set([malformed]), deletedRows: lost }).map(
        ({ leaseKey }) => leaseKey,
      );
    const ended = at({ a: 'SHARD_END' });
    const lost = new Map<string, LeaseRow | undefined>([...at({ b: '500' }), ['p', undefined]]);
    const plan = planSync({
      ...{ shards, rows: ended, malformed: new Set(['c']), deletedRows: lost },
      ...{ initial: 'TRIM_HORIZON', rowContext },
    });
    expect(plan).to.deep.include({ type: 'create', rows: [] });
    expect(found('x', lost)).to.deep.equal(['b']);
  });

  it('are not created from the start of their shard either', () => {
    const old = [shard('a'), shard('b')];
    // Both are open, because the listing is older than the merge into c.
    expect(comeBack({}, { a: '500', c: '9' }, old)).to.deep.equal([['b', 'TRIM_HORIZON']]);
  });

  it('hinder nothing if they belong to an earlier stream with the same shard ids', () => {
    const earlier = (leaseKey: string): [string, LeaseRow] => [
      leaseKey,
      leaseRow({ leaseKey, checkpoint: '500', kinactStream: 'arn:aws:kinesis:x:1:stream/orders#1600000000' }),
    ];
    const deletedRows = new Map([earlier('a'), earlier('b'), earlier('c')]);
    const own = leaseRow({ leaseKey: 'a', checkpoint: '7', kinactStream: rowContext.stream });
    const found = (rows: ReadonlyMap<string, LeaseRow | undefined>) =>
      rowsOf({
        shards: [shard('a', undefined, true), shard('b'), shard('c', 'a')],
        deletedRows: rows,
        initial: 'TRIM_HORIZON',
      }).map(({ leaseKey, checkpoint }) => `${leaseKey} ${checkpoint}`);
    expect(found(deletedRows)).to.include.members(['a TRIM_HORIZON', 'b TRIM_HORIZON']);
    expect(found(new Map([...deletedRows, ['a', own]]))).to.include.members(['a 7', 'b TRIM_HORIZON']);
  });

  it('are created again together with a child that has not begun', () => {
    expect(comeBack({ a: '7', d: 'LATEST', e: 'LATEST' }, { c: 'TRIM_HORIZON', b: '500' })).to.deep.equal([
      ['c', 'TRIM_HORIZON'],
      ['b', '500'],
    ]);
    expect(comeBack({ a: 'SHARD_END', d: 'LATEST', e: 'LATEST' }, { b: '500', c: 'TRIM_HORIZON' })).to.deep.equal([
      ['c', 'TRIM_HORIZON'],
      ['b', '500'],
    ]);
    expect(comeBack({ a: 'SHARD_END', d: 'LATEST', e: 'LATEST' }, { b: '500', c: '600' })).to.deep.equal([
      ['c', '600'],
    ]);
  });
});
