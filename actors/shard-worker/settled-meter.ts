// A shard worker's reports to the meter's tally: after every message, what the ledger has settled since the one before. So
// nothing is left to report when the worker ends, however it does.
import type { WorkerTurn } from './state.js';
import { addSettled } from '../../src/core/settled-tally.js';

/** At the end of a step. */
export function countSettled({ options: { settled }, state }: WorkerTurn): void {
  if (settled === undefined) return;
  addSettled(settled, state.ledger.settled - state.tallied);
  state.tallied = state.ledger.settled;
}
