// What a shard worker says to the meter's tally: after every message, what the ledger has settled since the one before. So
// nothing is left to be told when the worker ends, however it does.
import type { ShardWorkerOptions, ShardWorkerState } from './state.js';
import { addSettled } from '../../src/core/settled-tally.js';

/** At the end of a step. */
export function countSettled({ settled }: ShardWorkerOptions, state: ShardWorkerState): void {
  if (settled === undefined) return;
  addSettled(settled, state.ledger.settled - state.tallied);
  state.tallied = state.ledger.settled;
}
