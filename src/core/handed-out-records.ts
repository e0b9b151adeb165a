// For each lease, keeps the newest record that this process has handed to a stage while it owned the lease without a break. The
// record may come from any shard worker or keeper of that ownership. A lease counts as drained only if its checkpoint has reached
// that record. There is one map per process, and it outlives the tenures that write to it.
import type { Position } from './position.js';
import { comparePositions } from './sequence-number.js';

/** The newest record that a tenure has handed to a stage. The tenure's shard worker may update it at any time. */
export interface HandOutProgress {
  readonly newestHandedOut?: Position | undefined;
}

/** The entry of one lease: the newest record of its earlier tenures, and the tenure that hands out records now. */
interface LeaseEntry {
  readonly newest: Position | undefined;
  readonly current: HandOutProgress | undefined;
  /** A call for a record of an earlier ownership may still run. */
  readonly callsMayRun: boolean;
}

export type HandedOut = Map<string, LeaseEntry>;

export function createHandedOut(): HandedOut {
  return new Map();
}

/** Notes that `tenure` hands out the lease's records from now on. The entry keeps the newest record of earlier tenures. */
export function beginHandingOut(handedOut: HandedOut, lease: string, tenure: HandOutProgress): void {
  const callsMayRun = handedOut.get(lease)?.callsMayRun === true;
  handedOut.set(lease, { newest: newestOf(handedOut, lease), current: tenure, callsMayRun });
}

/** The newest record of the lease that may be open in this process; undefined if none was handed out. */
export function newestOf(handedOut: HandedOut, lease: string): Position | undefined {
  const entry = handedOut.get(lease);
  const [before, now] = [entry?.newest, entry?.current?.newestHandedOut];
  if (before === undefined || now === undefined) return before ?? now;
  return comparePositions(before, now) < 0 ? now : before;
}

/** Whether application code may be running for a record of this lease, from this ownership or an earlier one. */
export function callsMayRunOf(handedOut: HandedOut, lease: string): boolean {
  return newestOf(handedOut, lease) !== undefined || handedOut.get(lease)?.callsMayRun === true;
}

/** Notes that all calls for records of earlier ownerships have ended. */
export function noteCallsEnded(handedOut: HandedOut, lease: string): void {
  const entry = handedOut.get(lease);
  if (entry?.callsMayRun === true) handedOut.set(lease, { ...entry, callsMayRun: false });
}

/**
 * Forgets the records of the lease, because an ownership has ended: the lease has, or had in between, another owner or none.
 * Records that are still open do not count for the next ownership. Calls for them may still run, unless `noCallsLeft`.
 */
export function forgetHandedOut(handedOut: HandedOut, lease: string, noCallsLeft = false): void {
  const mayRun = !noCallsLeft && callsMayRunOf(handedOut, lease);
  handedOut.delete(lease);
  if (!mayRun) return;

  handedOut.set(lease, { newest: undefined, current: undefined, callsMayRun: true });
  if (handedOut.size > maxRemembered) forgetOldestCalls(handedOut);
}

/** Limits the leases in the map: a process may keep losing leases for months. */
const maxRemembered = 10_000;

function forgetOldestCalls(handedOut: HandedOut): void {
  for (const [lease, { newest, current }] of handedOut) {
    if (newest !== undefined || current !== undefined) continue;
    handedOut.delete(lease);
    break;
  }
}
