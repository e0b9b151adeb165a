// Judges what listings prove about the end of a shard. Invariants: no SHARD_END is written without a listing that proves it.
// A shard that is missing counts as gone only after two complete listings, at least `failoverMs` apart, of a stream that can
// be read. The coordinator calls this before every SHARD_END.
import type { LeaseRow } from './lease.js';
import { parentsOf } from './shard-graph.js';
import type { ListedShard } from './shard-graph.js';
import { incompleteness } from './shard-listing.js';

export type ShardInListing =
  | { readonly type: 'open' }
  | { readonly type: 'closed'; readonly shard: ListedShard }
  | { readonly type: 'absent' }
  /** The listing does not name the shard, and does not prove either that the shard is gone. */
  | { readonly type: 'unclear'; readonly reason: string };

/**
 * What a listing says of one shard. `ancestors` are those that lease rows name: a listing that shows one of them open is older
 * than the shard.
 */
export function findInListing(
  shards: readonly ListedShard[],
  shardId: string,
  ancestors: readonly string[] = [],
): ShardInListing {
  const shard = shards.find((each) => each.shardId === shardId);
  if (shard !== undefined)
    return shard.endingSequenceNumber === undefined ? { type: 'open' } : { type: 'closed', shard };
  const reason = incompleteness(shards);
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

/** Since when (monotonic milliseconds) complete listings lack a shard, by shard id. */
export type Absences = ReadonlyMap<string, number>;

/**
 * Whether a listing that lacks the shard and was begun at `askedAt` is the second one: the first was answered at least
 * `shardGoneAfterMs` before.
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

/** The absences after a listing that names these shards: they are not absent. */
export function afterListed(absences: Absences, listed: readonly ListedShard[]): Map<string, number> {
  const next = new Map(absences);
  for (const { shardId } of listed) next.delete(shardId);
  return next;
}

/** The absences after a complete listing that lacks these shards. The first one that lacks a shard counts. */
export function afterAbsent(absences: Absences, absent: readonly string[], answeredAt: number): Map<string, number> {
  const next = new Map(absences);
  for (const shardId of absent) if (!next.has(shardId)) next.set(shardId, answeredAt);
  return next;
}

/** The absences without that of one shard. Nobody asks about the shard any more, and a later absence starts a new count. */
export function withoutAbsence(absences: Absences, shardId: string): Absences {
  if (!absences.has(shardId)) return absences;
  const next = new Map(absences);
  next.delete(shardId);
  return next;
}

/** No stream keeps records for less than this. */
export const shortestRetentionMs = 24 * 3_600_000;

/**
 * Whether records may have expired of a closed shard that was never read. They cannot have if the shard is younger than the
 * retention: then a parent of the shard is still listed, or the whole stream is that young. `createdMs` is 0 where the
 * service does not say when the stream was made.
 */
export function mayHaveExpired(
  shards: readonly ListedShard[],
  shard: ListedShard,
  createdMs: number,
  serviceTimeMs: number,
): boolean {
  const listed = new Set(shards.map((each) => each.shardId));
  if (parentsOf(shard).some((parent) => listed.has(parent))) return false;
  return createdMs === 0 ? parentsOf(shard).length > 0 : serviceTimeMs - createdMs > shortestRetentionMs;
}
