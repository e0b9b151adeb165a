// The *lineage* of a shard is its ancestors and descendants, by splits, merges and roll-overs. A *leaf* is a shard of which no child is
// listed. This file decides what it means for leases: which to create (KCL clauses 2.6, 2.7), which may start (2.8), and which may be
// removed (2.9). The functions work on listings and lease rows; coordinators, keepers and `kinact reset` call them.
import { gapsIn, type HashRangeText } from './hash-range.js';
import type { LeaseRow } from './lease.js';
import { compareSequenceNumbers, isSequenceNumber } from './sequence-number.js';

/** What proves that a listing shows all shards: its open shards cover all hash keys, or the lineage of its shards. */
export type ListingProof = 'hashRanges' | 'lineage';

/** A shard as a listing shows it. A closed shard has an `endingSequenceNumber`. */
export interface ListedShard {
  readonly shardId: string;
  readonly parentShardId?: string;
  readonly adjacentParentShardId?: string;
  readonly hashKeyRange?: HashRangeText;
  readonly startingSequenceNumber: string;
  readonly endingSequenceNumber?: string;
}

/** A child shard, as the service reports it at the end of a parent. */
export interface ListedChild {
  readonly shardId: string;
  readonly parentShards: readonly string[];
  readonly hashKeyRange?: HashRangeText;
}

/** The checkpoint a lease begins with. */
export type FirstCheckpoint = 'TRIM_HORIZON' | 'LATEST' | 'AT_TIMESTAMP';

/** A shard that has a row. `malformed`: the row cannot be read, so it does not show whether the shard is being read. */
export interface LeasedShard {
  readonly ended: boolean;
  readonly malformed?: boolean;
}

/** A lease that is missing. */
export interface MissingLease {
  readonly shard: ListedShard;
  readonly checkpoint: FirstCheckpoint;
  /**
   * Why the lease is to be created. `initial`: no ancestor is leased, and the configured position applies. `lineage`: reading
   * starts at this ancestor of shards without a row. `orphan`: every parent has ended, so no other worker will create this lease:
   * somebody deleted its row.
   */
  readonly because: 'initial' | 'lineage' | 'orphan';
}

export type MissingLeases =
  | { readonly type: 'missing'; readonly leases: readonly MissingLease[] }
  /** The listing contradicts itself, which happens for a moment during a reshard: list again before you create anything. */
  | { readonly type: 'inconsistent'; readonly reason: string };

/** The parents that a shard names: none, one or two. */
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

/** Orders shards by starting sequence number, then by shard id. If a sync is interrupted, the oldest shards already have rows. */
function byStart(a: MissingLease, b: MissingLease): number {
  const order = compareSequenceNumbers(a.shard.startingSequenceNumber, b.shard.startingSequenceNumber);
  return order !== 0 ? order : a.shard.shardId < b.shard.shardId ? -1 : 1;
}

/**
 * Describes an open shard that already has a child; undefined if there is none. Then the listing was taken in the middle of a reshard.
 */
export function openParent(shards: readonly ListedShard[]): string | undefined {
  const open = new Set(shards.filter(isOpen).map((shard) => shard.shardId));
  for (const shard of shards) {
    for (const parent of parentsOf(shard)) {
      if (open.has(parent)) return `shard ${parent} is listed as open together with its child ${shard.shardId}`;
    }
  }
  return undefined;
}

/** The shards of which no child is listed. An open shard is a leaf; so is a closed one of a disabled stream. */
export function leavesOf(shards: readonly ListedShard[]): ListedShard[] {
  const parents = new Set(shards.flatMap(parentsOf));
  return shards.filter(({ shardId }) => !parents.has(shardId));
}

/** The shards that must be covered by leases: each needs a row, or an ancestor that is still read. */
function frontOf(shards: readonly ListedShard[], proof: ListingProof): readonly ListedShard[] {
  return proof === 'lineage' ? leavesOf(shards) : shards.filter(isOpen);
}

/**
 * The leases of a stream that has no row in the table yet. The listing should be filtered by the initial position. If the server
 * ignores filters, LATEST selects the open shards (under `lineage` the leaves), and other positions the shards without a listed parent.
 */
export function firstLeases(
  shards: readonly ListedShard[],
  initial: FirstCheckpoint,
  proof: ListingProof = 'hashRanges',
): MissingLeases {
  const listed = new Set(shards.map((shard) => shard.shardId));
  const chosen =
    initial === 'LATEST'
      ? frontOf(shards, proof)
      : shards.filter((shard) => !parentsOf(shard).some((parent) => listed.has(parent)));
  if (chosen.length === 0) return { type: 'inconsistent', reason: 'the listing has no shard to start from' };
  if (initial === 'LATEST') {
    const reason = openParent(shards);
    if (reason !== undefined) return { type: 'inconsistent', reason };
  }

  const ranges = chosen.map((shard) => shard.hashKeyRange);
  if (ranges.every((range) => range !== undefined)) {
    const hole = gapsIn(ranges)[0];
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
 * The leases that a stream with rows in the table lacks, by a complete listing. If a shard has a lease, its ancestors need none.
 * Of the unleased ancestors of an open shard, only the oldest generation is created; each later one is created when its parents
 * end. The same holds for a merge child while one parent is read: the end of that parent waits for the row of the other one.
 *
 * Under `lineage` this holds for the unleased ancestors of each leaf, open or not. `leased` must then have all ancestors of leased
 * shards (`ancestorsOfLeased`).
 */
export function missingLeases(
  shards: readonly ListedShard[],
  leased: ReadonlyMap<string, LeasedShard>,
  initial: FirstCheckpoint,
  proof: ListingProof = 'hashRanges',
): MissingLeases {
  const reason = openParent(shards);
  if (reason !== undefined) return { type: 'inconsistent', reason };

  const byId = new Map(shards.map((shard) => [shard.shardId, shard]));
  const front = new Set(frontOf(shards, proof));
  const missing = new Map<string, MissingLease>();
  const descendants = new Set<string>();
  const isCovered = (shardId: string): boolean =>
    leased.has(shardId) || descendants.has(shardId) || initial !== 'LATEST';
  const inherited: FirstCheckpoint = initial === 'AT_TIMESTAMP' ? 'AT_TIMESTAMP' : 'TRIM_HORIZON';

  for (const shard of unleasedAncestry(shards, byId, leased, front)) {
    const parents = parentsOf(shard).filter((parent) => byId.has(parent));
    if (!parents.some(isCovered)) {
      if (front.has(shard)) missing.set(shard.shardId, { shard, checkpoint: initial, because: 'initial' });
      continue;
    }

    descendants.add(shard.shardId);
    let everyParentEnded = true;
    for (const parent of parents) {
      const row = leased.get(parent);
      if (row?.ended !== true) everyParentEnded = false;
      if (row !== undefined || descendants.has(parent)) continue;
      // The parent is the oldest unleased shard of its line. Unless reading starts at LATEST, the parent is to be read. With
      // LATEST it is the merge partner of a shard that already has a lease.
      missing.set(
        parent,
        isCovered(parent)
          ? { shard: byId.get(parent)!, checkpoint: inherited, because: 'lineage' }
          : { shard: byId.get(parent)!, checkpoint: initial, because: 'initial' },
      );
    }
    if (everyParentEnded) missing.set(shard.shardId, { shard, checkpoint: inherited, because: 'orphan' });
  }
  return { type: 'missing', leases: [...missing.values()].sort(byStart) };
}

/**
 * Every shard without a lease that is in `front`, or is a merge child with a parent that is being read, and its unleased ancestors.
 * Parents come before children.
 */
function unleasedAncestry(
  shards: readonly ListedShard[],
  byId: ReadonlyMap<string, ListedShard>,
  leased: ReadonlyMap<string, LeasedShard>,
  front: ReadonlySet<ListedShard>,
): ListedShard[] {
  const order: ListedShard[] = [];
  const visits = new Map<string, 'expanded' | 'done'>();
  // Not recursive: a stream that was resharded daily for years is thousands of generations deep.
  const stack: ListedShard[] = [];
  const visit = (shard: ListedShard | undefined): void => {
    if (shard !== undefined && !leased.has(shard.shardId) && !visits.has(shard.shardId)) stack.push(shard);
  };

  const isAwaited = (shard: ListedShard): boolean => {
    const parents = parentsOf(shard);
    const isRead = (parent: string): boolean =>
      leased.get(parent)?.ended === false && leased.get(parent)?.malformed !== true;
    return parents.length > 1 && parents.some(isRead);
  };

  for (const shard of shards) {
    if (front.has(shard) || isAwaited(shard)) visit(shard);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (visits.has(top.shardId)) {
        stack.pop();
        if (visits.get(top.shardId) === 'expanded') order.push(top);
        visits.set(top.shardId, 'done');
        continue;
      }
      visits.set(top.shardId, 'expanded');
      for (const parent of parentsOf(top)) visit(byId.get(parent));
    }
  }
  return order;
}

/** True if the row's checkpoint is a sequence number: then the shard has been read, whatever the state of its parents. */
export function hasProgress(row: LeaseRow): boolean {
  return isSequenceNumber(row.checkpoint);
}

export function hasEnded(row: LeaseRow): boolean {
  return row.checkpoint === 'SHARD_END';
}

/**
 * The parents that a lease waits for: those with a row that is not at SHARD_END. `parentRow` must come from consistent reads.
 * Empty if the lease may start. A lease with a sequence number as its checkpoint waits for no parent.
 */
export function awaitedParents(row: LeaseRow, parentRow: (shardId: string) => LeaseRow | undefined): string[] {
  if (hasProgress(row)) return [];
  return row.parentShardIds.filter((parent) => {
    const found = parentRow(parent);
    return found !== undefined && !hasEnded(found);
  });
}

/**
 * The children that a row names. The Java adapter for DynamoDB Streams may write the shard's own id among them: some servers ignore
 * its request for children only.
 */
export function namedChildren(shardId: string, { childShardIds }: LeaseRow): string[] {
  return childShardIds.filter((child) => child !== shardId);
}

/** The children of a shard in a complete listing, for servers that report no children at the end of a shard. */
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
 * Which child leases the end of `shardId` has to create (KCL clause 2.7). A merge child is created only if both parents have
 * rows, or neither has. If one row is missing, nothing would make the child wait until that parent is read. A parent that is gone
 * is never read, so the child does not wait for it.
 */
export function childLeases(
  shardId: string,
  children: readonly ListedChild[],
  hasRow: (shardId: string) => boolean,
  isGone: (shardId: string) => boolean = () => false,
): ChildLeases {
  const toCreate: ListedChild[] = [];

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
    toCreate.push(child);
  }
  return { type: 'create', children: toCreate };
}

/**
 * The shard ids of the rows that may be deleted (KCL clause 2.9). `rows` is by shard id. For each row the first case that fits
 * decides:
 *
 * 1. The row has not ended: it stays.
 * 2. The listing has shards, but not this one, so the service has forgotten it: the row may go. But it stays while a listed child
 *    has no row, because the child's lineage would be lost.
 * 3. The shard has no children, or one of its own parents has a row: the row stays.
 * 4. All children have rows that are past TRIM_HORIZON and AT_TIMESTAMP: the row may go. (A child at LATEST needs nothing from its
 *    parents.) Otherwise it stays.
 *
 * Under `lineage` case 2 also needs that no parent is listed. If one is, the listing may be older than the shard.
 */
export function removable(
  rows: ReadonlyMap<string, LeaseRow>,
  shards: readonly ListedShard[],
  proof: ListingProof = 'hashRanges',
): string[] {
  const listed = new Set(shards.map((shard) => shard.shardId));
  const listedChildren = new Map<string, string[]>();
  for (const shard of shards) {
    for (const parent of parentsOf(shard))
      listedChildren.set(parent, [...(listedChildren.get(parent) ?? []), shard.shardId]);
  }

  const removableIds: string[] = [];
  for (const [shardId, row] of rows) {
    if (!hasEnded(row)) continue;
    const children = [...new Set([...namedChildren(shardId, row), ...(listedChildren.get(shardId) ?? [])])];
    if (!listed.has(shardId)) {
      if (proof === 'lineage' && row.parentShardIds.some((parent) => listed.has(parent))) continue;
      // An empty listing does not show that the service has forgotten the shard.
      if (listed.size > 0 && children.every((child) => rows.has(child) || !listed.has(child)))
        removableIds.push(shardId);
      continue;
    }
    if (children.length === 0 || row.parentShardIds.some((parent) => rows.has(parent))) continue;
    const childrenHaveBegun = children.every((child) => {
      const found = rows.get(child);
      return found !== undefined && found.checkpoint !== 'TRIM_HORIZON' && found.checkpoint !== 'AT_TIMESTAMP';
    });
    if (childrenHaveBegun) removableIds.push(shardId);
  }
  return removableIds;
}
