// Keeps the failover times in the lease rows. When a row vanishes, this worker waits for the longest of these times, because the
// holder may create the row again. It warns once about a living worker with a different `failoverMs`. Every scan calls
// `noteFailoverTimes`.
import { warn, type CoordinatorTurn } from './turn.js';
import { failoverOf } from '../../src/core/lease-failover.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { hasEnded } from '../../src/core/shard-graph.js';

/** Reads the failover times in `rows`, the rows of a new scan. The state still has the rows of the last scan. */
export function noteFailoverTimes(turn: CoordinatorTurn, rows: readonly LeaseRow[]): void {
  const { options, state } = turn;
  const { tableHistory: history, workerId } = options;
  const ownMs = Math.ceil(options.failoverMs);
  const timeBefore = recreationTimeMs(turn);

  for (const row of rows) {
    const ms = hasEnded(row) ? undefined : failoverOf(row);
    if (ms === undefined) continue;
    history.longestFailoverMs = Math.max(history.longestFailoverMs, ms);
    if (history.failoverReported || ms === ownMs || row.leaseOwner === workerId) continue;
    // Only a rising counter shows that the owner lives. The row of a dead owner proves nothing, and is about to be taken.
    if (row.leaseCounter <= (state.table.rows.get(row.leaseKey)?.leaseCounter ?? Infinity)) continue;
    history.failoverReported = true;
    warn(
      turn,
      `Worker ${row.leaseOwner} has leases.failoverMs ${ms}, this one ${ownMs}, in the lease table ${options.store.tableName}: the larger counts, also for shards of a killed worker. Give every worker the same value; while a deploy changes it, wait for the last old worker to end.`,
    );
  }

  leaveMoreTime(turn, recreationTimeMs(turn) - timeBefore);
}

/** Extends the waits under way by `moreMs`, because every possible holder gets the longest failover time known. */
function leaveMoreTime({ state }: CoordinatorTurn, moreMs: number): void {
  for (const stream of state.streams)
    if (stream.sync.postponed && stream.sync.mayCreateRowsAt !== undefined) stream.sync.mayCreateRowsAt += moreMs;
  for (const deletedRow of state.table.deletedRows.values()) if (!deletedRow.waitIsOver) deletedRow.until += moreMs;
}

/** How long the possible holder of a vanished row has to create the row again, milliseconds. */
export function recreationTimeMs({ options }: Pick<CoordinatorTurn, 'options'>): number {
  return Math.max(options.failoverMs, options.tableHistory.longestFailoverMs);
}
