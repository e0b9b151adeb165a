// What reducers, stages and shard workers tell the stop of their consumer about what still waits.
import type { WaitingSnapshot } from '../../src/api/status.js';

/** Shared by the actors of a consumer and its stop. */
export interface LeftItems {
  /** Whether a stop has begun. */
  isStopping: boolean;
  /** By the item, or by what an actor keeps of a record that gave none: what is noted twice counts once. */
  readonly noted: Map<object, WaitingSnapshot>;
}

export function createLeftItems(): LeftItems {
  return { isStopping: false, noted: new Map() };
}
