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
  newest: Position | undefined;
  current: HandingOut | undefined;
}

export type HandedOut = Map<string, Known>;

/** An empty one. */
export function createHandedOut(): HandedOut {
  return new Map();
}

/** From now on this tenure hands out the records of the lease; what earlier tenures handed out is kept. */
export function beganHandingOut(handedOut: HandedOut, lease: string, tenure: HandingOut): void {
  handedOut.set(lease, { newest: newestOf(handedOut, lease), current: tenure });
}

/** The newest record of the lease that may be open here; undefined: none was handed out. */
export function newestOf(handedOut: HandedOut, lease: string): Position | undefined {
  const known = handedOut.get(lease);
  const [before, now] = [known?.newest, known?.current?.newestHandedOut];
  if (before === undefined || now === undefined) return before ?? now;
  return comparePositions(before, now) < 0 ? now : before;
}

/**
 * The lease belongs, or belonged meanwhile, to another worker or to nobody: what is open of it is not of this
 * ownership.
 */
export function forgetHandedOut(handedOut: HandedOut, lease: string): void {
  handedOut.delete(lease);
}
