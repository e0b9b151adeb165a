// Detects a lease table that is too busy for another lease: takes wait for their permits behind renewals, and free leases stay
// without an owner. The event `leaseTableBusy` reports this once; `status()` shows it while it lasts. During that time only a few
// takes wait for a permit. The scan calls `takesAllowed`.
import { emit, type CoordinatorTurn } from '../turn.js';
import type { LeaseRow } from '../../../src/core/lease.js';

/** This many takes may wait while the table is busy. */
const fewTakes = 16;
/** A table counts as busy when a take has waited for this multiple of `failoverMs`. */
const patience = 2;

/**
 * Returns how many leases this worker may take or ask for now, out of the `wanted` ones of the plan. Also notes whether the table
 * is busy, and reports that once.
 */
export function takesAllowed(turn: CoordinatorTurn, wanted: number, rows: readonly LeaseRow[]): number {
  const { options, state } = turn;
  const report = options.traffic?.report();
  if (report === undefined) return wanted;
  const { takesWaiting, oldestTakeMs, perSecond } = report;
  if (state.planning.busy !== undefined && takesWaiting === 0 && wanted === 0) state.planning.busy = undefined;

  if (oldestTakeMs >= patience * options.failoverMs || state.planning.busy !== undefined) {
    const leases = rows.filter((row) => row.leaseOwner === undefined && row.checkpoint !== 'SHARD_END').length;
    const wasBusy = state.planning.busy !== undefined;
    state.planning.busy = { leases, writesPerSecond: Math.round(perSecond) };
    if (!wasBusy)
      emit(turn, { name: 'leaseTableBusy', data: { table: options.store.tableName, ...state.planning.busy } });
  }

  return state.planning.busy === undefined ? wanted : Math.max(0, Math.min(wanted, fewTakes - takesWaiting));
}
