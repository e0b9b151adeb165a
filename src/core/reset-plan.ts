// Plans what `kinact reset` does to each row of a stream. No other code moves a checkpoint back. The command prints the plan, and with
// --yes writes the rows in the order of the plan. Invariants:
// - The plan has no rows of streams with another name.
// - Parents come before children, and removals come last.
// - Rows that show that they belong to a former stream of this name come after all other rows. No worker starts while one of them
//   is left, so an interrupted run never looks like a finished reset.
// - An unended row stays if its shard is not listed but may still hold records. The worker that takes the row finds out whether it does.
import type { LeaseRow } from './lease.js';
import { leaseKeyOf, otherEpochShardId, shardIdOf } from './lease-key.js';
import { isForeign } from './writer-signature.js';
import { compareSequenceNumbers, isSequenceNumber } from './sequence-number.js';
import { unlisted } from './shard-listing.js';
import {
  childrenIn,
  hasEnded,
  isOpen,
  leavesOf,
  parentsOf,
  type ListedShard,
  type ListingProof,
} from './shard-graph.js';
import { latestMarginMs, newLeaseRow, type RowContext } from './shard-sync-plan.js';
import { judgeStream } from './stream-verdict.js';

/** Where reading starts after the reset. */
export type ResetPosition =
  | { readonly type: 'trimHorizon' }
  | { readonly type: 'latest' }
  /** `openShardIds`: the shards that the service lists as open at that time. A service that ignores filters lists every shard. */
  | { readonly type: 'at'; readonly timestampMs: number; readonly openShardIds: readonly string[] }
  | { readonly type: 'after'; readonly sequenceNumber: string };

export interface ResetInput {
  readonly position: ResetPosition;
  /** The shards to reset; undefined: all shards of the stream. */
  readonly only: ReadonlySet<string> | undefined;
  /** A complete listing. If it lacks shards that are named elsewhere, a second listing has confirmed it (shard-listing.ts). */
  readonly shards: readonly ListedShard[];
  /** Every readable lease row of the table; `malformed`: the keys of the unreadable rows. */
  readonly rows: readonly LeaseRow[];
  readonly malformed: readonly string[];
  /** Default: `hashRanges`. */
  readonly listingProof?: ListingProof | undefined;
  /** For the stream that has the name now. */
  readonly rowContext: RowContext;
}

export type ResetStep =
  | { readonly type: 'create'; readonly row: LeaseRow }
  /** Writes `row` on condition that the counter is still `seen.leaseCounter`. */
  | { readonly type: 'rewrite'; readonly seen: LeaseRow; readonly row: LeaseRow }
  /** The stream that has the name now does not list the shard of this row. */
  | { readonly type: 'remove'; readonly seen: LeaseRow };

export type ResetPlan =
  | { readonly type: 'plan'; readonly steps: readonly ResetStep[] }
  | { readonly type: 'refused'; readonly reason: string };

/** The rows of the stream with this `keyPrefix` (undefined: a single-stream table), of every epoch, with their shard ids. */
export function rowsOfStream(
  keyPrefix: string | undefined,
  rows: readonly LeaseRow[],
  only?: ReadonlySet<string>,
): { readonly shardId: string; readonly isCurrent: boolean; readonly row: LeaseRow }[] {
  return rows.flatMap((row) => {
    const current = shardIdOf(keyPrefix, row.leaseKey);
    const shardId = current ?? (keyPrefix === undefined ? undefined : otherEpochShardId(keyPrefix, row.leaseKey));
    if (shardId === undefined || only?.has(shardId) === false) return [];
    return [{ shardId, isCurrent: current !== undefined, row }];
  });
}

export function planReset(input: ResetInput): ResetPlan {
  const { position, only, shards, rows, malformed, rowContext } = input;
  const { keyPrefix } = rowContext;
  const own = rowsOfStream(keyPrefix, rows, only);
  const current = new Map(own.filter(({ isCurrent }) => isCurrent).map(({ shardId, row }) => [shardId, row]));

  const reason =
    unreadableRow(keyPrefix, malformed, only) ??
    unknownShard(shards, own, only) ??
    foreignOwner(position, rowsOfStream(keyPrefix, rows)) ??
    positionOutsideShard(position, shards, only);
  if (reason !== undefined) return { type: 'refused', reason };

  const closedBefore = shardsClosedBefore(input);
  const steps: ResetStep[] = [];
  const kept = keptParents(shards, current);
  for (const { shardId, row: seen } of kept) {
    const isOver = closedBefore.has(shardId) || position.type === 'latest';
    steps.push({ type: 'rewrite', seen, row: rewrittenRow(input, shardOf(shardId, seen), seen, isOver) });
  }

  for (const shard of parentsFirst(shards)) {
    const { shardId } = shard;
    if (only?.has(shardId) === false) continue;
    const seen = current.get(shardId);
    const isOver = closedBefore.has(shardId);
    if (seen !== undefined) steps.push({ type: 'rewrite', seen, row: rewrittenRow(input, shard, seen, isOver) });
    else if (!isOver) steps.push({ type: 'create', row: freshRow(input, shard) });
  }

  const listed = new Set([...shards, ...kept].map(({ shardId }) => shardId));
  for (const { shardId, isCurrent, row } of own) {
    if (!isCurrent || !listed.has(shardId)) steps.push({ type: 'remove', seen: row });
  }

  return { type: 'plan', steps: evidenceLast(steps, rowContext.stream, shards, current) };
}

/**
 * Some rows of a former stream may not show that they belong to it. Then the rows that do show it come last, even parents: while
 * one of them is left, no worker starts.
 */
function evidenceLast(
  steps: readonly ResetStep[],
  identity: string,
  shards: readonly ListedShard[],
  current: ReadonlyMap<string, LeaseRow>,
): readonly ResetStep[] {
  const rows = [...current].map(([shardId, row]) => ({ shardId, row }));
  const verdict = judgeStream({ identity, shards, isComplete: true, rows, otherEpochs: [] });
  const keys = new Set(verdict.type === 'changed' ? verdict.leaseKeys : []);
  const isEvidence = (step: ResetStep): boolean => step.type !== 'create' && keys.has(step.seen.leaseKey);

  if (rows.every(({ row }) => keys.has(row.leaseKey))) return steps;
  return [...steps.filter((step) => !isEvidence(step)), ...steps.filter(isEvidence)];
}

/** Unended rows of parents that are not listed: the service has forgotten these shards, or the listing omits them. */
function keptParents(
  shards: readonly ListedShard[],
  rows: ReadonlyMap<string, LeaseRow>,
): readonly { readonly shardId: string; readonly row: LeaseRow }[] {
  return [...unlisted(shards)].flatMap((shardId) => {
    const row = rows.get(shardId);
    return row === undefined || hasEnded(row) ? [] : [{ shardId, row }];
  });
}

/** The shard, as far as its row shows it. */
function shardOf(shardId: string, { parentShardIds, startingHashKey, endingHashKey }: LeaseRow): ListedShard {
  const [parentShardId, adjacentParentShardId] = parentShardIds;
  return {
    shardId,
    startingSequenceNumber: '0',
    ...(parentShardId === undefined ? {} : { parentShardId }),
    ...(adjacentParentShardId === undefined ? {} : { adjacentParentShardId }),
    ...(startingHashKey === undefined || endingHashKey === undefined
      ? {}
      : { hashKeyRange: { startingHashKey, endingHashKey } }),
  };
}

function unreadableRow(
  keyPrefix: string | undefined,
  malformed: readonly string[],
  only: ReadonlySet<string> | undefined,
): string | undefined {
  const own = malformed.filter((leaseKey) => {
    const other = keyPrefix === undefined ? undefined : otherEpochShardId(keyPrefix, leaseKey);
    const shardId = shardIdOf(keyPrefix, leaseKey) ?? other;
    return shardId !== undefined && only?.has(shardId) !== false;
  });
  return own.length === 0 ? undefined : `row ${own[0]} cannot be read: correct or delete it first`;
}

function unknownShard(
  shards: readonly ListedShard[],
  own: readonly { readonly shardId: string }[],
  only: ReadonlySet<string> | undefined,
): string | undefined {
  const known = new Set([...shards, ...own].map(({ shardId }) => shardId));
  const unknown = [...(only ?? [])].find((shardId) => !known.has(shardId));
  return unknown === undefined ? undefined : `neither the stream nor the table has a shard ${unknown}`;
}

/** A Java worker resolves LATEST when it takes the lease, and ignores `kinactLatestAt`. */
function foreignOwner(position: ResetPosition, own: readonly { readonly row: LeaseRow }[]): string | undefined {
  if (position.type !== 'latest' && position.type !== 'at') return undefined;
  const found = own.find(({ row }) => !hasEnded(row) && isForeign(row));
  if (found === undefined) return undefined;
  const { leaseKey, leaseOwner } = found.row;
  return `row ${leaseKey} belongs to the Java worker ${leaseOwner}, which would start at its own LATEST: reset to TRIM_HORIZON or to a sequence number`;
}

function positionOutsideShard(
  position: ResetPosition,
  shards: readonly ListedShard[],
  only: ReadonlySet<string> | undefined,
): string | undefined {
  if (position.type !== 'after') return undefined;
  const { sequenceNumber } = position;
  const [shardId] = only ?? [];
  const shard = shards.find((each) => each.shardId === shardId);
  if (shardId === undefined || only?.size !== 1) return 'a sequence number belongs to one shard: name it';
  if (shard === undefined) return `the stream has no shard ${shardId}`;
  const { startingSequenceNumber: start, endingSequenceNumber: end } = shard;
  const isEarly = isSequenceNumber(start) && compareSequenceNumbers(sequenceNumber, start) < 0;
  const isLate = end !== undefined && isSequenceNumber(end) && compareSequenceNumbers(sequenceNumber, end) > 0;
  if (!isEarly && !isLate) return undefined;
  return `shard ${shardId} goes from ${start} to ${end ?? 'now'}: ${sequenceNumber} is outside`;
}

/**
 * Shards that were certainly closed at the position: they have no records after it. Under `lineage` every leaf keeps a lease, also a
 * closed one: its row shows that its ancestors are done with.
 */
function shardsClosedBefore({ position, shards, listingProof }: ResetInput): ReadonlySet<string> {
  switch (position.type) {
    case 'trimHorizon':
    case 'after':
      return new Set();
    case 'latest':
      return closedShards(shards, new Set(listingProof === 'lineage' ? leavesOf(shards) : []));
    case 'at':
      return ancestorsOf(position.openShardIds, shards);
  }
}

function closedShards(shards: readonly ListedShard[], except: ReadonlySet<ListedShard>): ReadonlySet<string> {
  return new Set(shards.filter((shard) => !isOpen(shard) && !except.has(shard)).map(({ shardId }) => shardId));
}

/** All ancestors of these shards, without those that are in `shardIds` themselves. */
function ancestorsOf(shardIds: readonly string[], shards: readonly ListedShard[]): ReadonlySet<string> {
  const byId = new Map(shards.map((shard) => [shard.shardId, shard]));
  const ancestors = new Set<string>();
  const given = new Set(shardIds);
  const toVisit = [...shardIds];
  for (let shardId = toVisit.pop(); shardId !== undefined; shardId = toVisit.pop()) {
    const shard = byId.get(shardId);
    for (const parent of shard === undefined ? [] : parentsOf(shard)) {
      if (ancestors.has(parent) || given.has(parent)) continue;
      ancestors.add(parent);
      toVisit.push(parent);
    }
  }
  return ancestors;
}

function checkpointFor(position: ResetPosition): string {
  switch (position.type) {
    case 'trimHorizon':
      return 'TRIM_HORIZON';
    case 'latest':
    case 'at':
      return 'LATEST';
    case 'after':
      return position.sequenceNumber;
  }
}

function latestAtOf({ position, rowContext }: ResetInput): number | undefined {
  if (position.type === 'latest') return Math.floor(rowContext.serviceTimeMs) - latestMarginMs;
  return position.type === 'at' ? position.timestampMs : undefined;
}

function freshRow(input: ResetInput, shard: ListedShard): LeaseRow {
  const row = newLeaseRow(input.rowContext, {
    shardId: shard.shardId,
    parentShardIds: parentsOf(shard),
    hashKeyRange: shard.hashKeyRange,
    checkpoint: 'TRIM_HORIZON',
    latestAt: latestAtOf(input),
  });
  return { ...row, checkpoint: checkpointFor(input.position) };
}

/** Attributes that other workers keep in the row stay. Attributes that every new row gets are set as in a new row. */
function rewrittenRow(input: ResetInput, shard: ListedShard, seen: LeaseRow, isOver: boolean): LeaseRow {
  const newRow = freshRow(input, shard);
  const { leaseOwner: _, checkpointOwner: _2, startingHashKey: _3, endingHashKey: _4, kinactLatestAt, ...kept } = seen;
  const { kinactLatestAt: latestAt, ...row } = newRow;
  const isAfter = input.position.type === 'after';
  const at = isAfter ? kinactLatestAt : isOver ? undefined : latestAt;
  return {
    ...kept,
    ...row,
    leaseKey: leaseKeyOf(input.rowContext.keyPrefix, shard.shardId),
    leaseCounter: seen.leaseCounter + 1,
    ...(seen.entityType === undefined ? {} : { entityType: seen.entityType }),
    ...(at === undefined ? {} : { kinactLatestAt: at }),
    checkpoint: isOver ? 'SHARD_END' : row.checkpoint,
    childShardIds: isOver ? childrenIn(input.shards, shard.shardId).map(({ shardId }) => shardId) : [],
  };
}

/** The oldest shards first, but each one after its listed parents. Not recursive, because lineages may be long. */
function parentsFirst(shards: readonly ListedShard[]): readonly ListedShard[] {
  const byId = new Map(shards.map((shard) => [shard.shardId, shard]));
  const visits = new Map<string, 'expanded' | 'done'>();
  const sorted: ListedShard[] = [];
  const oldest = shards.toSorted((a, b) => compareSequenceNumbers(a.startingSequenceNumber, b.startingSequenceNumber));

  for (const shard of oldest) {
    const stack = [shard];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const visit = visits.get(top.shardId);
      if (visit === undefined) {
        visits.set(top.shardId, 'expanded');
        for (const parent of parentsOf(top)) {
          const found = byId.get(parent);
          if (found !== undefined && !visits.has(parent)) stack.push(found);
        }
        continue;
      }
      stack.pop();
      if (visit === 'expanded') sorted.push(top);
      visits.set(top.shardId, 'done');
    }
  }
  return sorted;
}
