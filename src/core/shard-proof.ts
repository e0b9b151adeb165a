// Decides what listings prove about the end of a shard, and whether its records may have expired (`mayHaveExpired`). Invariants: no
// SHARD_END is written unless a listing proves the end. A missing shard counts as gone only after two complete listings of a stream
// that can be read. The second must have begun at least `failoverMs` after the answer to the first. The coordinator calls this before
// every SHARD_END.
import type { LeaseRow } from './lease.js';
import { parentsOf, type ListedShard, type ListingProof } from './shard-graph.js';
import { incompleteness } from './shard-listing.js';

export type ShardInListing =
  | { readonly type: 'open' }
  | { readonly type: 'closed'; readonly shard: ListedShard }
  | { readonly type: 'absent' }
  /** The listing lacks the shard, but does not prove that the shard is gone. */
  | { readonly type: 'unclear'; readonly reason: string };

/**
 * What a listing shows about one shard. `ancestors` are named by lease rows: if one of them is listed as open, the listing is
 * older than the shard.
 */
export function findInListing(
  shards: readonly ListedShard[],
  shardId: string,
  ancestors: readonly string[] = [],
  proof?: ListingProof,
): ShardInListing {
  const shard = shards.find((each) => each.shardId === shardId);
  if (shard !== undefined)
    return shard.endingSequenceNumber === undefined ? { type: 'open' } : { type: 'closed', shard };

  const reason = incompleteness(shards, proof);
  if (reason !== undefined) return { type: 'unclear', reason };
  const ancestor = shards.find((each) => ancestors.includes(each.shardId) && each.endingSequenceNumber === undefined);
  if (ancestor === undefined) return { type: 'absent' };
  return { type: 'unclear', reason: `its ancestor ${ancestor.shardId} is listed as open` };
}

/** The ancestors of a shard as far as lease rows name them. `rows` is by shard id. */
export function ancestorsIn(rows: ReadonlyMap<string, Pick<LeaseRow, 'parentShardIds'>>, row: LeaseRow): string[] {
  const ancestors = new Set(row.parentShardIds);
  // Iterating a Set also visits members added during the loop.
  for (const shardId of ancestors) for (const parent of rows.get(shardId)?.parentShardIds ?? []) ancestors.add(parent);
  return [...ancestors];
}

/** By shard id: the time (monotonic milliseconds) since which complete listings have lacked the shard. */
export type Absences = ReadonlyMap<string, number>;

/**
 * Whether a listing without the shard counts as the second one. It must have begun, at `askedAt`, at least `shardGoneAfterMs`
 * after the answer to the first.
 */
export function isSecondAbsence(
  absences: Absences,
  shardId: string,
  askedAt: number,
  shardGoneAfterMs: number,
): boolean {
  const first = absences.get(shardId);
  return first !== undefined && askedAt - first >= shardGoneAfterMs;
}

/** The absences after a listing: the listed shards are not absent. */
export function afterListed(absences: Absences, listed: readonly ListedShard[]): Map<string, number> {
  const next = new Map(absences);
  for (const { shardId } of listed) next.delete(shardId);
  return next;
}

/** The absences after a complete listing that lacks these shards. For each shard the first listing without it counts. */
export function afterAbsent(absences: Absences, absent: readonly string[], answeredAt: number): Map<string, number> {
  const next = new Map(absences);
  for (const shardId of absent) if (!next.has(shardId)) next.set(shardId, answeredAt);
  return next;
}

/** The absences without this shard. The shard worker has dropped the shard's lease, so a later absence starts a new count. */
export function withoutAbsence(absences: Absences, shardId: string): Absences {
  if (!absences.has(shardId)) return absences;
  const next = new Map(absences);
  next.delete(shardId);
  return next;
}

/** No stream keeps records for less than this. */
export const minRetentionMs = 24 * 3_600_000;

/**
 * Whether records of a closed shard that was never read may have expired. They cannot have if the shard is younger than the
 * retention. This is so if a parent is still listed, or the whole stream is that young. `createdMs` is 0 if the service does not
 * report when the stream was created.
 */
export function mayHaveExpired(
  shards: readonly ListedShard[],
  shard: ListedShard,
  createdMs: number,
  serviceTimeMs: number,
): boolean {
  const listed = new Set(shards.map((each) => each.shardId));
  if (parentsOf(shard).some((parent) => listed.has(parent))) return false;
  return createdMs === 0 ? parentsOf(shard).length > 0 : serviceTimeMs - createdMs > minRetentionMs;
}
