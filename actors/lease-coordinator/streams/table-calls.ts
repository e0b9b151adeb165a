// The coordinator's calls to the table and the streams, apart from a shard sync and the end of a shard. They run as effects: short
// sequences of calls, each with one message as its result. Every write is conditional, so any number of workers may make the same
// writes at once. The coordinator repeats an effect that rejects.
import type { CoordinatorSource } from '../../protocol/lease-messages.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { awaitedParents, namedChildren, removable } from '../../../src/core/shard-graph.js';
import { earliestLatest } from '../../../src/core/shard-sync-plan.js';
import { isSameStream, streamIdentityOf } from '../../../src/core/stream-identity.js';
import { isKinactError } from '../../../src/api/errors.js';
import type { HashKeyRange, LeaseStore, StreamSource } from '../../../src/api/ports.js';
import type { StreamRows } from './stream-rows.js';
import type { CleanUpResult } from '../effect-results.js';

/** Writes `kinactStream` into rows that lack it. The counter and all other attributes stay as they are. */
export async function stampRows(
  store: LeaseStore,
  rows: readonly LeaseRow[],
  kinactStream: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { leaseKey } of rows) await store.updateMeta(leaseKey, { kinactStream }, signal);
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
 * Deletes rows of ended shards (KCL clause 2.9), each on condition that its counter has not changed since the
 * scan. If the stream was deleted and created again, its listing proves nothing about these rows, and none is deleted.
 */
export async function cleanUp(
  store: LeaseStore,
  { source }: CoordinatorSource,
  stream: StreamRows,
  signal: AbortSignal,
): Promise<CleanUpResult> {
  const removed: string[] = [];
  const shardIds = await removableRows(source, stream, signal);
  if (shardIds.length === 0) return { removed, isAnother: false };

  if (!isSameStream(stream.rowStamp, streamIdentityOf(await source.describe(signal))))
    return { removed, isAnother: true };

  for (const shardId of shardIds) {
    const row = stream.rows.get(shardId)!;
    await handDownLatest(store, stream, shardId, signal);
    if (await store.delete(row.leaseKey, row.leaseCounter, signal)) removed.push(shardId);
  }
  return { removed, isAnother: false };
}

/**
 * The shards whose rows may go. Under `lineage` a second listing must confirm that a shard is gone. If a listing only omits the last
 * shard of a line, its row would be created again, and the shard read again.
 */
async function removableRows(source: StreamSource, stream: StreamRows, signal: AbortSignal): Promise<string[]> {
  const { listingProof } = source;
  const { shards } = await source.listShards({ type: 'all' }, signal);
  const shardIds = removable(stream.rows, shards, listingProof);
  const listed = new Set(shards.map(({ shardId }) => shardId));
  if (listingProof !== 'lineage' || shardIds.every((shardId) => listed.has(shardId))) return shardIds;

  const again = await source.listShards({ type: 'all' }, signal);
  const confirmed = new Set(removable(stream.rows, again.shards, listingProof));
  return shardIds.filter((shardId) => confirmed.has(shardId));
}

/** Copies the time of LATEST to children that a Java worker created. Only the parent's row has it, and that row is deleted next. */
async function handDownLatest(
  store: LeaseStore,
  stream: StreamRows,
  shardId: string,
  signal: AbortSignal,
): Promise<void> {
  const row = stream.rows.get(shardId)!;
  const { kinactLatestAt } = row;
  if (kinactLatestAt === undefined) return;
  const children = namedChildren(shardId, row)
    .map((child) => stream.rows.get(child))
    .filter((child) => child !== undefined);
  if (earliestLatest(children) !== undefined) return;
  for (const child of children) await store.updateMeta(child.leaseKey, { kinactLatestAt }, signal);
}

/** Fills in hash ranges that rows lack (KCL clause 2.10). Rows that are gone by now are skipped. */
export async function describeRanges(
  store: LeaseStore,
  ranges: ReadonlyMap<string, HashKeyRange>,
  signal: AbortSignal,
): Promise<void> {
  for (const [leaseKey, hashKeyRange] of ranges) await store.updateMeta(leaseKey, { hashKeyRange }, signal);
}
