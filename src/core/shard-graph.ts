// The lineage of shards and what follows from it for leases: which to create (KCL clauses 2.6, 2.7), which may start (2.8), and
// which may be removed (2.9). The functions work on listings and lease rows; coordinators, keepers and `kinact reset` call them.
import { holesIn, type HashRangeText } from './hash-range.js';
import type { LeaseRow } from './lease.js';
import { compareSequenceNumbers, isSequenceNumber } from './sequence-number.js';

/** A shard as a listing shows it. A closed shard has an `endingSequenceNumber`. */
export interface ListedShard {
  readonly shardId: string;
  readonly parentShardId?: string;
  readonly adjacentParentShardId?: string;
  readonly hashKeyRange?: HashRangeText;
  readonly startingSequenceNumber: string;
  readonly endingSequenceNumber?: string;
}

/** A child as the end of its parent names it. */
export interface ListedChild {
  readonly shardId: string;
  readonly parentShards: readonly string[];
  readonly hashKeyRange?: HashRangeText;
}

/** The checkpoint a lease begins with. */
export type FirstCheckpoint = 'TRIM_HORIZON' | 'LATEST' | 'AT_TIMESTAMP';

/** A shard that has a row. `malformed`: nobody can read that row, so it does not say whether the shard is read. */
export interface LeasedShard {
  readonly ended: boolean;
  readonly malformed?: boolean;
}

/** A lease that is missing. */
export interface MissingLease {
  readonly shard: ListedShard;
  readonly checkpoint: FirstCheckpoint;
  /**
   * Why the lease is missing. `initial`: no ancestor is known, and the configured position holds. `lineage`: the shard is an
   * ancestor of leased shards. `orphan`: every parent has ended and no worker will make this lease: somebody deleted the row.
   */
  readonly because: 'initial' | 'lineage' | 'orphan';
}

export type MissingLeases =
  | { readonly type: 'missing'; readonly leases: readonly MissingLease[] }
  /** The listing contradicts itself, as it does for a moment during a reshard: list again before anything is created. */
  | { readonly type: 'inconsistent'; readonly reason: string };

/** Those parents of a shard, none to two, that its record names. */
export function parentsOf(shard: ListedShard): string[] {
  const parents: string[] = [];
  if (shard.parentShardId !== undefined) parents.push(shard.parentShardId);
  if (shard.adjacentParentShardId !== undefined && shard.adjacentParentShardId !== shard.parentShardId)
    parents.push(shard.adjacentParentShardId);
  return parents;
}

/** True until the shard has been split, merged or closed. */
export function isOpen(shard: ListedShard): boolean {
  return shard.endingSequenceNumber === undefined;
}

/** Orders shards by starting sequence number, then by shard id. Older shards come first, so that a half-done sync is a prefix. */
function byStart(a: MissingLease, b: MissingLease): number {
  const order = compareSequenceNumbers(a.shard.startingSequenceNumber, b.shard.startingSequenceNumber);
  return order !== 0 ? order : a.shard.shardId < b.shard.shardId ? -1 : 1;
}

/** An open shard that has a child already: the listing was taken in the middle of a reshard. */
export function openParent(shards: readonly ListedShard[]): string | undefined {
  const open = new Set(shards.filter(isOpen).map((shard) => shard.shardId));
  for (const shard of shards) {
    for (const parent of parentsOf(shard)) {
      if (open.has(parent)) return `shard ${parent} is listed as open together with its child ${shard.shardId}`;
    }
  }
  return undefined;
}

/**
 * The leases of a stream that has no row in the table yet. The listing should be filtered by the initial position. If a
 * server ignores filters, the open shards count for LATEST, otherwise the shards without a listed parent.
 */
export function firstLeases(shards: readonly ListedShard[], initial: FirstCheckpoint): MissingLeases {
  const listed = new Set(shards.map((shard) => shard.shardId));
  const chosen =
    initial === 'LATEST'
      ? shards.filter(isOpen)
      : shards.filter((shard) => !parentsOf(shard).some((parent) => listed.has(parent)));
  if (chosen.length === 0) return { type: 'inconsistent', reason: 'the listing names no shard to begin with' };
  if (initial === 'LATEST') {
    const reason = openParent(shards);
    if (reason !== undefined) return { type: 'inconsistent', reason };
  }
  const ranges = chosen.map((shard) => shard.hashKeyRange);
  if (ranges.every((range) => range !== undefined)) {
    const hole = holesIn(ranges)[0];
    if (hole !== undefined)
      return {
        type: 'inconsistent',
        reason: `no listed shard covers the hash keys ${hole.startingHashKey} to ${hole.endingHashKey}`,
      };
  }
  return {
    type: 'missing',
    leases: chosen.map((shard): MissingLease => ({ shard, checkpoint: initial, because: 'initial' })).sort(byStart),
  };
}

/**
 * The leases that a stream with rows in the table lacks, from a complete listing. A shard with a lease answers for all
 * its ancestors. Of an open shard's unleased ancestry only the first generation is created; later ones follow at shard
 * end. The same holds for a merge child whose parent is being read: the end of that parent waits for the other one's row.
 */
export function missingLeases(
  shards: readonly ListedShard[],
  leased: ReadonlyMap<string, LeasedShard>,
  initial: FirstCheckpoint,
): MissingLeases {
  const reason = openParent(shards);
  if (reason !== undefined) return { type: 'inconsistent', reason };
  const byId = new Map(shards.map((shard) => [shard.shardId, shard]));
  const missing = new Map<string, MissingLease>();
  const descendants = new Set<string>();
  const covered = (shardId: string): boolean => leased.has(shardId) || descendants.has(shardId) || initial !== 'LATEST';
  const inherited: FirstCheckpoint = initial === 'AT_TIMESTAMP' ? 'AT_TIMESTAMP' : 'TRIM_HORIZON';
  for (const shard of unleasedAncestry(shards, byId, leased)) {
    const parents = parentsOf(shard).filter((parent) => byId.has(parent));
    if (!parents.some(covered)) {
      if (isOpen(shard)) missing.set(shard.shardId, { shard, checkpoint: initial, because: 'initial' });
      continue;
    }
    descendants.add(shard.shardId);
    let everyParentEnded = true;
    for (const parent of parents) {
      const row = leased.get(parent);
      if (row?.ended !== true) everyParentEnded = false;
      if (row !== undefined || descendants.has(parent)) continue;
      // The parent is the oldest unleased shard of its line. If reading begins at the start of the stream, the parent
      // is part of what is read. If it begins at LATEST, the parent is the merge partner of a shard that is leased
      // already.
      missing.set(
        parent,
        covered(parent)
          ? { shard: byId.get(parent)!, checkpoint: inherited, because: 'lineage' }
          : { shard: byId.get(parent)!, checkpoint: initial, because: 'initial' },
      );
    }
    if (everyParentEnded) missing.set(shard.shardId, { shard, checkpoint: inherited, because: 'orphan' });
  }
  return { type: 'missing', leases: [...missing.values()].sort(byStart) };
}

/**
 * Every shard without a lease that is open, or merged from one that is being read, and its ancestors up to, not including, leased ones;
 * parents before children.
 */
function unleasedAncestry(
  shards: readonly ListedShard[],
  byId: ReadonlyMap<string, ListedShard>,
  leased: ReadonlyMap<string, LeasedShard>,
): ListedShard[] {
  const order: ListedShard[] = [];
  const state = new Map<string, 'expanded' | 'done'>();
  // Without recursion: a stream that was resharded daily for years is thousands of generations deep.
  const stack: ListedShard[] = [];
  const visit = (shard: ListedShard | undefined): void => {
    if (shard !== undefined && !leased.has(shard.shardId) && !state.has(shard.shardId)) stack.push(shard);
  };
  const isAwaited = (shard: ListedShard): boolean => {
    const parents = parentsOf(shard);
    const isRead = (parent: string): boolean =>
      leased.get(parent)?.ended === false && leased.get(parent)?.malformed !== true;
    return parents.length > 1 && parents.some(isRead);
  };
  for (const shard of shards) {
    if (isOpen(shard) || isAwaited(shard)) visit(shard);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (state.has(top.shardId)) {
        stack.pop();
        if (state.get(top.shardId) === 'expanded') order.push(top);
        state.set(top.shardId, 'done');
        continue;
      }
      state.set(top.shardId, 'expanded');
      for (const parent of parentsOf(top)) visit(byId.get(parent));
    }
  }
  return order;
}

/** True when the row's checkpoint is a sequence number: its shard has been read, whatever became of its parents. */
export function hasProgress(row: LeaseRow): boolean {
  return isSequenceNumber(row.checkpoint);
}

export function hasEnded(row: LeaseRow): boolean {
  return row.checkpoint === 'SHARD_END';
}

/**
 * The parents that a lease waits for: those whose row exists and is not at SHARD_END. `parentRow` must come from
 * consistent reads. Empty when the lease may start; a lease whose checkpoint is a number waits for nobody.
 */
export function awaitedParents(row: LeaseRow, parentRow: (shardId: string) => LeaseRow | undefined): string[] {
  if (hasProgress(row)) return [];
  return row.parentShardIds.filter((parent) => {
    const found = parentRow(parent);
    return found !== undefined && !hasEnded(found);
  });
}

/** The children of a shard by a complete listing, for servers that name none at shard end. */
export function childrenIn(shards: readonly ListedShard[], shardId: string): ListedChild[] {
  return shards
    .filter((shard) => parentsOf(shard).includes(shardId))
    .map((shard) => ({
      shardId: shard.shardId,
      parentShards: parentsOf(shard),
      ...(shard.hashKeyRange === undefined ? {} : { hashKeyRange: shard.hashKeyRange }),
    }));
}

export type ChildLeases =
  /** These child leases must exist before SHARD_END is written. */
  | { readonly type: 'create'; readonly children: readonly ListedChild[] }
  | { readonly type: 'blocked'; readonly reason: string; readonly missing: readonly string[] };

/**
 * Which child leases the end of `shardId` has to create (KCL clause 2.7). A merge child is created only when the rows of
 * both parents are there, or neither is. With one missing, nobody would hold the child back until that parent is read.
 * A parent that is gone is read by nobody, and holds nothing back.
 */
export function childLeases(
  shardId: string,
  children: readonly ListedChild[],
  hasRow: (shardId: string) => boolean,
  isGone: (shardId: string) => boolean = () => false,
): ChildLeases {
  const create: ListedChild[] = [];
  for (const child of children) {
    if (hasRow(child.shardId)) continue;
    const missing = child.parentShards.filter((parent) => !hasRow(parent) && !isGone(parent));
    if (missing.length > 0 && missing.length < child.parentShards.length) {
      return {
        type: 'blocked',
        reason: `shard ${missing.join(', ')}, merged with ${shardId} into ${child.shardId}, has no lease yet`,
        missing,
      };
    }
    create.push(child);
  }
  return { type: 'create', children: create };
}

/**
 * Which rows may be deleted (KCL clause 2.9), keyed by shard id on both sides. Only ended ones may go, of two kinds. The
 * first: all children have rows that do not stand at TRIM_HORIZON or AT_TIMESTAMP any more, and the rows of the own parents are
 * gone. (A child at LATEST needs nothing from its parents.) The second: the service has forgotten the shard. Such a row stays
 * while a listed child still lacks its row, because the child's lineage would be lost.
 */
export function removable(rows: ReadonlyMap<string, LeaseRow>, shards: readonly ListedShard[]): string[] {
  const listed = new Set(shards.map((shard) => shard.shardId));
  const listedChildren = new Map<string, string[]>();
  for (const shard of shards) {
    for (const parent of parentsOf(shard))
      listedChildren.set(parent, [...(listedChildren.get(parent) ?? []), shard.shardId]);
  }
  const result: string[] = [];
  for (const [shardId, row] of rows) {
    if (!hasEnded(row)) continue;
    const children = [...new Set([...row.childShardIds, ...(listedChildren.get(shardId) ?? [])])];
    if (!listed.has(shardId)) {
      // An empty listing says nothing about what the service has forgotten.
      if (listed.size > 0 && children.every((child) => rows.has(child) || !listed.has(child))) result.push(shardId);
      continue;
    }
    if (children.length === 0 || row.parentShardIds.some((parent) => rows.has(parent))) continue;
    const underWay = children.every((child) => {
      const found = rows.get(child);
      return found !== undefined && found.checkpoint !== 'TRIM_HORIZON' && found.checkpoint !== 'AT_TIMESTAMP';
    });
    if (underWay) result.push(shardId);
  }
  return result;
}
