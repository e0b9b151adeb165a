// Notices when a lease table is too slow for another lease: takes wait behind renewals for their permits, and the leases that
// this worker would take stay without an owner. It reports that once, and shows it while it lasts. Meanwhile only a few takes
// wait for a permit. The scan calls it.
import { emit } from '../turn.js';
import type { CoordinatorTurn } from '../turn.js';
import type { LeaseRow } from '../../../src/core/lease.js';

/** This many takes may wait while the table is busy. */
const fewTakes = 16;
/** A table counts as busy when a take has waited this many times `failoverMs`. */
const patience = 2;

/**
 * `wanted`: how many rows the plan would take. Returns how many of them may be asked for now. Also notes whether the table is busy,
 * and reports it once.
 */
export function takesAllowed(turn: CoordinatorTurn, wanted: number, rows: readonly LeaseRow[]): number {
  const { settings, state } = turn;
  const standing = settings.traffic?.report();
  if (standing === undefined) return wanted;
  const { takesWaiting, oldestTakeMs, perSecond } = standing;
  if (state.planning.busy !== undefined && takesWaiting === 0 && wanted === 0) state.planning.busy = undefined;
  if (oldestTakeMs >= patience * settings.failoverMs || state.planning.busy !== undefined) {
    const leases = rows.filter((row) => row.leaseOwner === undefined && row.checkpoint !== 'SHARD_END').length;
    const wasBusy = state.planning.busy !== undefined;
    state.planning.busy = { leases, writesPerSecond: Math.round(perSecond) };
    if (!wasBusy)
      emit(turn, { name: 'leaseTableBusy', data: { table: settings.store.tableName, ...state.planning.busy } });
  }
  return state.planning.busy === undefined ? wanted : Math.max(0, Math.min(wanted, fewTakes - takesWaiting));
}
