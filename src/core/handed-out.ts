// The newest record of each lease that this process has handed out during its unbroken ownership, over all its workers
// and keepers. A lease is drained if it is released no lower than that. One per process; it outlives the tenures that
// write into it.
import type { Position } from './position.js';
import { comparePositions } from './sequence-number.js';

/** What a tenure has handed to a stage. Its worker writes it, at any time. */
export interface HandingOut {
  readonly newestHandedOut?: Position | undefined;
}

/** Of one lease. */
interface Known {
  readonly newest: Position | undefined;
  readonly current: HandingOut | undefined;
  /** A call of an earlier ownership may still run. */
  readonly callsMayRun: boolean;
}

export type HandedOut = Map<string, Known>;

/** An empty one. */
export function createHandedOut(): HandedOut {
  return new Map();
}

/** From now on this tenure hands out the records of the lease; what earlier tenures handed out is kept. */
export function beganHandingOut(handedOut: HandedOut, lease: string, tenure: HandingOut): void {
  const callsMayRun = handedOut.get(lease)?.callsMayRun === true;
  handedOut.set(lease, { newest: newestOf(handedOut, lease), current: tenure, callsMayRun });
}

/** The newest record of the lease that may be open here; undefined: none was handed out. */
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

/** Every call of an earlier ownership has ended. */
export function callsHaveEnded(handedOut: HandedOut, lease: string): void {
  const known = handedOut.get(lease);
  if (known?.callsMayRun === true) handedOut.set(lease, { ...known, callsMayRun: false });
}

/**
 * The lease belongs, or belonged meanwhile, to another worker or to nobody: what is open of it is not of this ownership. Its calls may
 * run on all the same, unless they are known to have ended.
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
