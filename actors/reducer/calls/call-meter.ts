// Measures the calls of the application's code for the meter: how many have ended, and how long they took. A run over many items counts
// as one call of `reduce`, because a clock reading per item would cost more than most items. The handlers of outcomes call it.
import type { ReducerTurn } from '../state.js';
import { addCall } from '../../../src/core/call-tally.js';

export const callKinds = ['reduce', 'flush', 'process', 'behaviour'] as const;

export type CallKind = (typeof callKinds)[number];

/** A call that began at `since` has ended. */
export function measureCall({ options, now }: ReducerTurn, kind: CallKind, since: number): void {
  const tally = options.calls?.get(kind);
  if (tally !== undefined) addCall(tally, now - since);
}
