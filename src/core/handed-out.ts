// The newest record of each lease that this process has handed out under its unbroken ownership, whatever workers and keepers
// came and went meanwhile: a lease is drained when it is released no lower. One per process; it outlives whoever writes into it.
import type { Position } from './position.js';
import { comparePositions } from './sequence-number.js';

/** What a tenure has handed to a stage. Its worker writes it, at any time. */
export interface HandingOut {
  readonly handedOver?: Position | undefined;
}

/** Of one lease. */
interface Known {
  newest: Position | undefined;
  current: HandingOut | undefined;
}

export type HandedOut = Map<string, Known>;

/** One that knows of no lease. */
export function createHandedOut(): HandedOut {
  return new Map();
}

/** From now on this tenure hands out the records of the lease; what those before it have handed out is kept. */
export function beganHandingOut(handedOut: HandedOut, lease: string, tenure: HandingOut): void {
  handedOut.set(lease, { newest: newestOf(handedOut, lease), current: tenure });
}

/** The newest record of the lease that may be open here; undefined: none was handed out. */
export function newestOf(handedOut: HandedOut, lease: string): Position | undefined {
  const known = handedOut.get(lease);
  const [before, now] = [known?.newest, known?.current?.handedOver];
  if (before === undefined || now === undefined) return before ?? now;
  return comparePositions(before, now) < 0 ? now : before;
}

/** The lease is, or was meanwhile, somebody else's or nobody's: what is open of it is not this ownership's. */
export function forgetHandedOut(handedOut: HandedOut, lease: string): void {
  handedOut.delete(lease);
}
