// What reducers tell the stop of their consumer about items that still wait for another attempt.
import type { DeliveredItem } from './item.js';
import type { WaitingSnapshot } from '../../src/api/status.js';

/** Shared by the reducers of a consumer and its stop. */
export interface LeftItems {
  /** Whether a stop has begun. */
  isStopping: boolean;
  readonly noted: Map<DeliveredItem, WaitingSnapshot>;
}

export function createLeftItems(): LeftItems {
  return { isStopping: false, noted: new Map() };
}
