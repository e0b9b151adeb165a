// The coordinator's calls to the table and the streams. They run as effects: short sequences of calls, each with one message as
// its result. Every write is conditional, so any number of workers may make the same writes at once. The coordinator repeats an
// effect that rejects.
import type { CoordinatorSource } from '../options.js';
import { checkRows, isIdentified } from './stream-check.js';
import { notePlacement } from './record-placement.js';
import { createRows } from './row-creation.js';
import type { RowProgress } from './row-creation.js';
import { leaseKeyOf, shardIdOf } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { awaitedParents, removable } from '../../../src/core/shard-graph.js';
import type { FirstCheckpoint } from '../../../src/core/shard-graph.js';
import { earliestLatest, isFirstSync, planSync } from '../../../src/core/shard-sync.js';
import { isSameListing, unlisted } from '../../../src/core/shard-listing.js';
import type { RowContext, SyncPlan } from '../../../src/core/shard-sync.js';
import { isSameStream, streamIdentityOf } from '../../../src/core/stream-identity.js';
import { isKinactError } from '../../../src/api/errors.js';
import type { HashKeyRange, LeaseStore, Shard, ShardFilter } from '../../../src/api/ports.js';
import type { InitialPosition } from '../../../src/core/position.js';
import type { StreamRows } from './stream-check.js';
import type { SyncResult, Misidentified, CleanUpResult } from '../results.js';

export function firstCheckpoint(initial: InitialPosition): FirstCheckpoint {
  return initial === 'TRIM_HORIZON' || initial === 'LATEST' ? initial : 'AT_TIMESTAMP';
}

function filterFor(initial: InitialPosition): ShardFilter {
  if (initial === 'LATEST') return { type: 'atLatest' };
  if (initial === 'TRIM_HORIZON') return { type: 'atTrimHorizon' };
  return { type: 'atTimestamp', timestampMs: initial.getTime() };
}

/** What a sync needs to create rows. */
export interface SyncRequest {
  readonly stream: StreamRows;
  readonly writer: string;
  readonly progress: RowProgress;
  /** Monotonic. */
  readonly now: () => number;
  /** Whether an earlier sync has succeeded, so that leases may be held. */
  readonly begun: boolean;
  /**
   * Whether it is too early to create missing rows, unless the stream has no row at all. Somebody may just have deleted a row, and
   * its living holder creates the row again at its own checkpoint.
   */
  readonly waits: boolean;
  /** Monotonic: when the scan that showed the rows was sent. */
  readonly seenAt: number;
  /** The last readable version of each row that was deleted and not created again, by shard id. */
  readonly deletedRows: ReadonlyMap<string, LeaseRow | undefined>;
}

/**
 * Asks for the stream's identity, lists its shards, compares both with the rows and creates the missing rows
 * (docs/kcl-compatibility.md, 2.6). Rejects with STREAM_CHANGED, before anything is written, if the rows belong to another
 * stream.
 */
export async function syncShards(
  store: LeaseStore,
  { source, initialPosition }: CoordinatorSource,
  { stream, writer, progress, now, begun, waits, deletedRows, seenAt }: SyncRequest,
  signal: AbortSignal,
): Promise<SyncResult | Misidentified> {
  const { rows, malformed, keyPrefix, entityType, rowStamp, otherEpochs } = stream;
  const description = await source.describe(signal);
  const check = { store, source, stream, description, signal };
  if (!(await isIdentified(check, begun))) return { another: description };
  const first = isFirstSync(rows, malformed) && deletedRows.size === 0;
  // A filtered listing lacks shards that exist, so rows are compared only with a complete listing.
  const compares = !first || otherEpochs.length > 0;
  const filter: ShardFilter = first ? filterFor(initialPosition) : { type: 'all' };
  let listing = await source.listShards(compares ? { type: 'all' } : filter, signal);
  const unstamped = await checkRows(check, compares ? listing.shards : undefined);
  if (first && compares) listing = await source.listShards(filter, signal);
  const { shards, serviceTimeMs } = listing;
  const seenAgoMs = Math.ceil(now() - seenAt);
  // The source must know the placement before any record is read: it decides which records may be dropped.
  const placement = await notePlacement(store, source, rows, signal);
  const rowContext: RowContext = { keyPrefix, entityType, writer, serviceTimeMs, stream: rowStamp };
  const initial = firstCheckpoint(initialPosition);
  const planned = planSync({ shards, rows, malformed, deletedRows, initial, seenAgoMs, rowContext });
  // A first sync at LATEST leaves closed shards out on purpose.
  const leavesOut = !(first && initial === 'LATEST') && skipsParents(planned, stream, shards);
  const again = leavesOut ? await source.listShards(filter, signal) : listing;
  const plan: SyncPlan = isSameListing(shards, again.shards)
    ? planned
    : { type: 'inconsistent', reason: 'listed twice, it shows other shards' };
  const postponed = !first && waits && plan.type === 'create' && plan.rows.length > 0;
  const handledDeletedKeys = [...deletedRows.keys()].map((shardId) => leaseKeyOf(keyPrefix, shardId));
  const seen = { shards, complete: !first, unstamped, placement, postponed, handledDeletedKeys };
  if (plan.type === 'inconsistent' || postponed) {
    const inconsistent = plan.type === 'inconsistent' ? plan.reason : undefined;
    return { ...seen, created: [], inconsistent, shardsWithDeletedRow: [], unanchored: [] };
  }
  progress.toCreate = progress.created + plan.rows.length;
  const noted = (): void => {
    progress.created += 1;
    progress.at = now();
  };
  const shardOf = (row: LeaseRow): string => shardIdOf(keyPrefix, row.leaseKey) ?? row.leaseKey;
  const created = await createRows(store, plan.rows, { shardIdOf: shardOf, noted }, signal);
  const createdKeys = new Set(created.map((row) => row.leaseKey));
  const only = (ids: readonly string[]): string[] => ids.filter((id) => createdKeys.has(leaseKeyOf(keyPrefix, id)));
  return {
    ...seen,
    created,
    inconsistent: undefined,
    shardsWithDeletedRow: only(plan.shardsWithDeletedRow),
    unanchored: only(plan.unanchored),
  };
}

/**
 * Whether the plan creates a row with a parent that has no row and is not listed. That parent would never be read.
 */
function skipsParents(plan: SyncPlan, { rows, malformed }: StreamRows, shards: readonly Shard[]): boolean {
  const missing = unlisted(shards);
  const isSkipped = (shardId: string): boolean => missing.has(shardId) && !rows.has(shardId) && !malformed.has(shardId);
  return plan.type === 'create' && plan.rows.some(({ parentShardIds }) => parentShardIds.some(isSkipped));
}

/** Writes `kinactStream` into rows that lack it. The counter and all other attributes stay as they are. */
export async function stampRows(
  store: LeaseStore,
  rows: readonly LeaseRow[],
  kinactStream: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { leaseKey } of rows) await store.describeLease(leaseKey, { kinactStream }, signal);
}

/** Reads a row consistently; the result is `malformed` when the row exists and cannot be read. */
export async function readRow(
  store: LeaseStore,
  leaseKey: string,
  signal: AbortSignal,
): Promise<LeaseRow | 'malformed' | undefined> {
  try {
    return await store.get(leaseKey, signal);
  } catch (error) {
    if (isKinactError(error) && error.code === 'MALFORMED_LEASE') return 'malformed';
    throw error;
  }
}

/**
 * Reads consistently which parents a lease still waits for. A parent with a malformed row counts as one that has not ended.
 */
export async function readParents(
  store: LeaseStore,
  row: LeaseRow,
  keyPrefix: string | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const parents = new Map<string, LeaseRow | 'malformed' | undefined>();
  for (const parent of row.parentShardIds)
    parents.set(parent, await readRow(store, leaseKeyOf(keyPrefix, parent), signal));
  const unreadable = row.parentShardIds.filter((parent) => parents.get(parent) === 'malformed');
  const readable = (parent: string): LeaseRow | undefined => {
    const found = parents.get(parent);
    return found === 'malformed' ? undefined : found;
  };
  return [...awaitedParents(row, readable), ...unreadable];
}

/** Reads the rows of these keys. Missing and malformed rows are left out. */
export async function readRows(
  store: LeaseStore,
  leaseKeys: readonly string[],
  signal: AbortSignal,
): Promise<LeaseRow[]> {
  const rows = await Promise.all(leaseKeys.map((leaseKey) => readRow(store, leaseKey, signal)));
  return rows.filter((row): row is LeaseRow => row !== undefined && row !== 'malformed');
}

/**
 * Deletes rows of ended shards (docs/kcl-compatibility.md, 2.9), each on condition that its counter has not changed since the
 * scan. If the stream was deleted and created again, its listing proves nothing about these rows, and none is deleted.
 */
export async function cleanUp(
  store: LeaseStore,
  { source }: CoordinatorSource,
  stream: StreamRows,
  signal: AbortSignal,
): Promise<CleanUpResult> {
  const { shards } = await source.listShards({ type: 'all' }, signal);
  const removed: string[] = [];
  const shardIds = removable(stream.rows, shards);
  if (shardIds.length === 0) return { removed, isAnother: false };
  if (!isSameStream(stream.rowStamp, streamIdentityOf(await source.describe(signal))))
    return { removed, isAnother: true };
  for (const shardId of shardIds) {
    const row = stream.rows.get(shardId)!;
    await handDownLatest(store, stream, row, signal);
    if (await store.delete(row.leaseKey, row.leaseCounter, signal)) removed.push(shardId);
  }
  return { removed, isAnother: false };
}

/** Copies the time of LATEST to children that a Java worker created. Only the parent's row has it, and that row is deleted next. */
async function handDownLatest(
  store: LeaseStore,
  stream: StreamRows,
  row: LeaseRow,
  signal: AbortSignal,
): Promise<void> {
  const kinactLatestAt = row.kinactLatestAt;
  if (kinactLatestAt === undefined) return;
  const children = row.childShardIds.map((child) => stream.rows.get(child)).filter((child) => child !== undefined);
  if (earliestLatest(children) !== undefined) return;
  for (const child of children) await store.describeLease(child.leaseKey, { kinactLatestAt }, signal);
}

/** Fills in hash ranges that rows lack (docs/kcl-compatibility.md, 2.10). Rows that are gone by now are skipped. */
export async function describeRanges(
  store: LeaseStore,
  ranges: ReadonlyMap<string, HashKeyRange>,
  signal: AbortSignal,
): Promise<void> {
  for (const [leaseKey, hashKeyRange] of ranges) await store.describeLease(leaseKey, { hashKeyRange }, signal);
}
