// Detects a lease table that is too busy for another lease: takes wait for their permits behind renewals, and free leases stay
// without an owner. The event `leaseTableBusy` reports this once; `status()` shows it while it lasts. During that time only a few
// takes wait for a permit. The scan calls `watchBusyTable`, then `takesAllowed`.
import { emit, type CoordinatorTurn } from '../turn.js';
import type { LeaseRow } from '../../../src/core/lease.js';

/** This many takes may wait while the table is busy. */
const fewTakes = 16;
/** A table counts as busy when a take has waited for this multiple of `failoverMs`. */
const patience = 2;

/** Notes whether the table is busy, and reports that once. `wanted`: how many leases the plan takes or asks for. */
export function watchBusyTable(turn: CoordinatorTurn, wanted: number, rows: readonly LeaseRow[]): void {
  const { options, state } = turn;
  const report = options.traffic?.report();
  if (report === undefined) return;
  const { takesWaiting, oldestTakeMs, perSecond } = report;
  if (state.planning.busy !== undefined && takesWaiting === 0 && wanted === 0) state.planning.busy = undefined;

  if (oldestTakeMs >= patience * options.failoverMs || state.planning.busy !== undefined) {
    const leases = rows.filter((row) => row.leaseOwner === undefined && row.checkpoint !== 'SHARD_END').length;
    const wasBusy = state.planning.busy !== undefined;
    state.planning.busy = { leases, writesPerSecond: Math.round(perSecond) };
    if (!wasBusy)
      emit(turn, { name: 'leaseTableBusy', data: { table: options.store.tableName, ...state.planning.busy } });
  }
}

/** How many of the `wanted` leases this worker may take or ask for now. */
export function takesAllowed({ options, state }: CoordinatorTurn, wanted: number): number {
  const report = options.traffic?.report();
  if (report === undefined || state.planning.busy === undefined) return wanted;
  return Math.max(0, Math.min(wanted, fewTakes - report.takesWaiting));
}
