// Reports to the meter's tally, after every message, how many records the ledger has settled since the message before. So
// nothing is left to report when the worker ends, however it ends.
import type { WorkerTurn } from './state.js';
import { addSettled } from '../../src/core/settled-tally.js';

/** Reports at the end of a turn. */
export function countSettled({ options: { settled }, state }: WorkerTurn): void {
  if (settled === undefined) return;
  addSettled(settled, state.ledger.settled - state.tallied);
  state.tallied = state.ledger.settled;
}
