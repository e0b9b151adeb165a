// Which stream a lease row belongs to, and which rows a stream has in the last scan. All parts of the coordinator call this.
import type { CoordinatorState, Stream } from '../state.js';
import { otherEpochShardId, shardIdOf } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { isSameStream } from '../../../src/core/stream-identity.js';
import type { ShardRow } from '../../../src/core/stream-verdict.js';

/** The rows of one stream as the last scan showed them. */
export interface StreamRows {
  /** The stream's rows by shard id. */
  readonly rows: ReadonlyMap<string, LeaseRow>;
  readonly malformed: ReadonlySet<string>;
  readonly keyPrefix: string | undefined;
  /** In a multi-stream table, the rows of the same account and name under another epoch. */
  readonly otherEpochs: readonly ShardRow[];
  /** The `kinactStream` of this stream's rows. */
  readonly rowStamp: string;
  readonly entityType: string | undefined;
}

/** The stream and the shard id of a row; undefined if the coordinator does not serve the stream, or has not opened it yet. */
export function streamOfLease(
  state: CoordinatorState,
  leaseKey: string,
): { readonly stream: Stream; readonly shardId: string } | undefined {
  for (const stream of state.streams) {
    if (!stream.opened) continue;
    const shardId = shardIdOf(stream.keyPrefix, leaseKey);
    if (shardId !== undefined) return { stream, shardId };
  }
  return undefined;
}

/** Whether a row may belong to this stream: its stamp matches, or it has no stamp. */
export function mayBelongTo({ rowStamp }: Stream, { kinactStream }: LeaseRow): boolean {
  return kinactStream === undefined || isSameStream(kinactStream, rowStamp);
}

const none: ReadonlyMap<string, LeaseRow | undefined> = new Map();

/**
 * The rows of one stream in the last scan. `more`: rows to add as if the scan had shown them; a key without a row counts as
 * malformed.
 */
export function rowsOf(
  state: CoordinatorState,
  stream: Stream,
  more: ReadonlyMap<string, LeaseRow | undefined> = none,
): StreamRows {
  const { keyPrefix, rowStamp } = stream;
  const rows = new Map<string, LeaseRow>();
  const otherEpochs: ShardRow[] = [];
  for (const [leaseKey, row] of [...more, ...state.table.rows]) {
    const shardId = shardIdOf(keyPrefix, leaseKey);
    if (row === undefined) continue;
    if (shardId !== undefined) rows.set(shardId, row);
    else if (keyPrefix !== undefined) {
      const other = otherEpochShardId(keyPrefix, leaseKey);
      if (other !== undefined) otherEpochs.push({ shardId: other, row });
    }
  }

  const malformed = new Set<string>();
  const unknown = [...more].flatMap(([leaseKey, row]) => (row === undefined ? [leaseKey] : []));
  for (const leaseKey of [...state.table.malformed.keys(), ...unknown]) {
    const shardId = shardIdOf(keyPrefix, leaseKey);
    if (shardId !== undefined) malformed.add(shardId);
  }
  return { rows, malformed, keyPrefix, otherEpochs, rowStamp, entityType: state.table.entityType };
}
