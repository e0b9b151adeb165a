// Rows that vanished from the table without SHARD_END: somebody has deleted them. A living holder first gets time to create its row again,
// because only the holder knows the last checkpoint. After that time the next shard sync creates the row. A deleted row of a source that
// this worker does not read is remembered for the same time, because the source may be added meanwhile. Every scan calls `noteDeletedRows`;
// the shard sync calls the other functions.
import { recreationTimeMs } from '../failover-times.js';
import { streamOfLease } from '../streams/stream-rows.js';
import { hasFailed, syncBy, warn, type CoordinatorTurn } from '../turn.js';
import type { SyncResult } from '../effect-results.js';
import type { CoordinatorState, Stream } from '../state.js';
import { shardIdOf } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { LeaseScan } from '../../../src/api/ports.js';

/** Compares a new scan with the rows of the last one, which the state still has. */
export function noteDeletedRows(turn: CoordinatorTurn, { rows, malformed }: LeaseScan): void {
  const present = new Set([...rows, ...malformed].map(({ leaseKey }) => leaseKey));
  endWaits(turn, present);
  noteNewlyDeleted(turn, present);
}

/**
 * Forgets deleted rows that exist again. If the time of a holder is over, a shard sync is due at once. For a stream that is not read here
 * there is no such sync, so its rows are forgotten then. They are kept while this coordinator has a stream to open, which may be theirs.
 */
function endWaits({ state, now }: CoordinatorTurn, present: ReadonlySet<string>): void {
  const isToOpen = state.streams.some((stream) => !stream.opened && !hasFailed(stream));
  for (const [leaseKey, deletedRow] of state.table.deletedRows) {
    const stream = streamOfLease(state, leaseKey)?.stream;
    const isRead = stream !== undefined && !hasFailed(stream);
    const isOver = now >= deletedRow.until;
    if (present.has(leaseKey) || isGivenUp(stream) || (isOver && !isRead && !isToOpen))
      state.table.deletedRows.delete(leaseKey);
    else if (isOver && !deletedRow.waitIsOver) {
      deletedRow.waitIsOver = true;
      if (isRead) syncBy(stream, now);
    }
  }
}

/** Whether the stream has failed. One that is being removed may be added again, and its rows are still known then. */
function isGivenUp(stream: Stream | undefined): boolean {
  return stream !== undefined && hasFailed(stream) && stream.leaving === undefined;
}

function noteNewlyDeleted(turn: CoordinatorTurn, present: ReadonlySet<string>): void {
  const { options, state, now } = turn;
  const known = options.tableHistory.rows ?? state.table.rows;
  for (const leaseKey of [...known.keys(), ...state.table.malformed.keys()]) {
    const row = known.get(leaseKey) ?? state.table.lastReadable.get(leaseKey);
    if (present.has(leaseKey) || row?.checkpoint === 'SHARD_END') continue;
    const leasedShard = streamOfLease(state, leaseKey);
    if (isGivenUp(leasedShard?.stream)) continue;

    // A row that had no living owner gets the same wait: another worker may have taken the lease since the last scan.
    if (state.table.deletedRows.has(leaseKey)) continue;
    state.table.deletedRows.set(leaseKey, { row, until: now + recreationTimeMs(turn), waitIsOver: false });
    if (leasedShard === undefined || hasFailed(leasedShard.stream)) continue;
    if (state.leases.get(leaseKey)?.phase === 'held') continue;
    warn(turn, `The lease row ${leaseKey} was deleted: the shard sync looks for its shard again.`, {
      source: leasedShard.stream.sourceOptions.source.name,
      shardId: leasedShard.shardId,
    });
  }
}

/** Deleted rows that their holders may still create again. */
export function awaitedDeletedRows({ table }: CoordinatorState): ReadonlyMap<string, LeaseRow | undefined> {
  const awaited = [...table.deletedRows].filter(([, { waitIsOver }]) => !waitIsOver);
  return new Map(awaited.map(([leaseKey, { row }]) => [leaseKey, row]));
}

/** Deleted rows of this stream that no holder has created again in time, by shard id. */
export function overdueDeletedRows(state: CoordinatorState, stream: Stream): ReadonlyMap<string, LeaseRow | undefined> {
  const overdue = new Map<string, LeaseRow | undefined>();
  for (const [leaseKey, deletedRow] of state.table.deletedRows) {
    const shardId = shardIdOf(stream.keyPrefix, leaseKey);
    if (deletedRow.waitIsOver && shardId !== undefined && streamOfLease(state, leaseKey)?.stream === stream)
      overdue.set(shardId, deletedRow.row);
  }
  return overdue;
}

/**
 * Forgets deleted rows that a shard sync has handled. A row whose shard the listing lacks was not created again: it is kept until a
 * listing at least `failoverMs` later lacks the shard, too. Children of the shard wait until then.
 */
export function forgetHandledDeletedRows(turn: CoordinatorTurn, stream: Stream, result: SyncResult): void {
  const { options, state, now } = turn;
  const listed = new Set(result.shards.map(({ shardId }) => shardId));
  for (const leaseKey of result.handledDeletedKeys) {
    const deletedRow = state.table.deletedRows.get(leaseKey);
    // `waitIsOver` is false for a row that existed again and has vanished since: its holder gets the same time again.
    if (deletedRow?.waitIsOver !== true) continue;

    const isListed = listed.has(shardIdOf(stream.keyPrefix, leaseKey)!);
    if (!isListed) deletedRow.unlistedSince ??= now;
    const { unlistedSince = -Infinity } = deletedRow;
    if (isListed || now - unlistedSince >= options.failoverMs) state.table.deletedRows.delete(leaseKey);
    else syncBy(stream, unlistedSince + options.failoverMs);
  }
}
