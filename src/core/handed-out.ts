// Keeps the newest record of each lease that this process has handed out during its unbroken ownership, over all its workers
// and keepers. A lease counts as drained only if it is released no lower than that record. There is one map per process; it
// outlives the tenures that write into it.
import type { Position } from './position.js';
import { comparePositions } from './sequence-number.js';

/** The newest record that a tenure has handed to a stage. The worker of the tenure writes it at any time. */
export interface HandingOut {
  readonly newestHandedOut?: Position | undefined;
}

/** What is known of one lease: the newest record of its earlier tenures, and the tenure that hands out records now. */
interface Known {
  readonly newest: Position | undefined;
  readonly current: HandingOut | undefined;
  /** A call of an earlier ownership may still run. */
  readonly callsMayRun: boolean;
}

export type HandedOut = Map<string, Known>;

/** Makes an empty map. */
export function createHandedOut(): HandedOut {
  return new Map();
}

/** Notes that from now on this tenure hands out the lease's records. The newest record of earlier tenures stays known. */
export function beganHandingOut(handedOut: HandedOut, lease: string, tenure: HandingOut): void {
  const callsMayRun = handedOut.get(lease)?.callsMayRun === true;
  handedOut.set(lease, { newest: newestOf(handedOut, lease), current: tenure, callsMayRun });
}

/** The newest record of the lease that may be open here; undefined when none was handed out. */
export function newestOf(handedOut: HandedOut, lease: string): Position | undefined {
  const known = handedOut.get(lease);
  const [before, now] = [known?.newest, known?.current?.newestHandedOut];
  if (before === undefined || now === undefined) return before ?? now;
  return comparePositions(before, now) < 0 ? now : before;
}

/** Whether a call of the application may run for a record of this lease, of this ownership or of an earlier one. */
export function callsMayRunOf(handedOut: HandedOut, lease: string): boolean {
  return newestOf(handedOut, lease) !== undefined || handedOut.get(lease)?.callsMayRun === true;
}

/** Notes that every call of an earlier ownership has ended. */
export function callsHaveEnded(handedOut: HandedOut, lease: string): void {
  const known = handedOut.get(lease);
  if (known?.callsMayRun === true) handedOut.set(lease, { ...known, callsMayRun: false });
}

/**
 * Forgets the lease, because it belongs, or belonged in between, to another worker or to nobody. Records that are still open were not
 * handed out during the ownership that begins now. Their calls may still run, unless they are known to have ended.
 */
export function forgetHandedOut(handedOut: HandedOut, lease: string, callsEnded = false): void {
  const mayRun = !callsEnded && callsMayRunOf(handedOut, lease);
  handedOut.delete(lease);
  if (!mayRun) return;
  handedOut.set(lease, { newest: undefined, current: undefined, callsMayRun: true });
  if (handedOut.size > mostRemembered) forgetOldestCalls(handedOut);
}

/** A process that is robbed of leases for months must not remember all of them. */
const mostRemembered = 10_000;

function forgetOldestCalls(handedOut: HandedOut): void {
  for (const [lease, { newest, current }] of handedOut)
    if (newest === undefined && current === undefined) return void handedOut.delete(lease);
}
