// Checks at every shard sync, before anything is written, whether the rows of a table belong to the stream that is read. A scan or
// a description may be outdated, and a failed source stays failed. So evidence against the stream counts only if it is read once
// more, consistently.
import type { StreamRows } from './stream-rows.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { incompleteness } from '../../../src/core/shard-listing.js';
import { isSameStream, streamIdentityOf } from '../../../src/core/stream-identity.js';
import { judgeStream, type ShardRow, type StreamVerdict } from '../../../src/core/stream-verdict.js';
import type { LeaseStore, Shard, StreamDescription, StreamSource } from '../../../src/api/ports.js';
import { streamChanged } from '../../../src/api/stream-changed.js';

/** At most this many rows are read again: one confirmed row is enough. */
const maxRereads = 10;

/** What a check of the stream needs. */
export interface Check {
  readonly store: LeaseStore;
  readonly source: StreamSource;
  readonly stream: StreamRows;
  readonly description: StreamDescription;
  readonly signal: AbortSignal;
}

/**
 * Whether the stream has the identity that this coordinator has noted for it. If not, and if `hasSynced` is true, records may have
 * been read already: then the promise rejects with STREAM_CHANGED.
 */
export async function isIdentified(
  { store, source, stream, description, signal }: Check,
  hasSynced: boolean,
): Promise<boolean> {
  const { rowStamp } = stream;
  const liveStream = streamIdentityOf(description);
  if (isSameStream(rowStamp, liveStream)) return true;

  await confirmDescription(source, liveStream, signal);
  if (!hasSynced) return false;
  const evidence = 'it was deleted and created again while it was being read';
  throw streamChanged({
    stream: source.name,
    region: source.region,
    table: store.tableName,
    multiStream: stream.keyPrefix !== undefined,
    rowStream: rowStamp,
    liveStream,
    evidence,
  });
}

/**
 * Resolves with the rows to stamp. Rejects with STREAM_CHANGED if some rows belong to another stream. `listed`: undefined for a
 * filtered listing.
 */
export async function checkRows(check: Check, listed: readonly Shard[] | undefined): Promise<readonly LeaseRow[]> {
  const { store, source, stream, description, signal } = check;
  const { status } = description;
  const identity = streamIdentityOf(description);
  const shards = listed ?? [];
  const isReadable = status === 'ACTIVE' || status === 'UPDATING';
  const isComplete = isReadable && listed !== undefined && incompleteness(shards, source.listingProof) === undefined;

  const judge = (rows: readonly ShardRow[], otherEpochs: readonly ShardRow[]): StreamVerdict =>
    judgeStream({ identity, shards, isComplete, rows, otherEpochs });
  const own = [...stream.rows].map(([shardId, row]) => ({ shardId, row }));
  const verdict = judge(own, stream.otherEpochs);
  if (verdict.type === 'same') return verdict.unstamped;

  const doubtful = new Set(verdict.leaseKeys.slice(0, maxRereads));
  const readAgain = async (rows: readonly ShardRow[]): Promise<readonly ShardRow[]> => {
    const found = rows
      .filter(({ row }) => doubtful.has(row.leaseKey))
      .map(async ({ shardId, row }) => ({ shardId, row: await store.get(row.leaseKey, signal) }));
    return (await Promise.all(found)).filter((each): each is ShardRow => each.row !== undefined);
  };

  const confirmed = judge(await readAgain(own), await readAgain(stream.otherEpochs));
  if (confirmed.type === 'same') throw new Error('The scan of the lease table was older than its rows.');

  await confirmDescription(source, identity, signal);
  const multiStream = stream.keyPrefix !== undefined;
  const { name, region } = source;
  const subject = { stream: name, region, table: store.tableName, multiStream, liveStream: identity };
  throw streamChanged({ ...subject, ...confirmed });
}

async function confirmDescription(source: StreamSource, identity: string, signal: AbortSignal): Promise<void> {
  if (!isSameStream(streamIdentityOf(await source.describe(signal)), identity))
    throw new Error(`Two descriptions of ${source.name} contradict each other.`);
}
