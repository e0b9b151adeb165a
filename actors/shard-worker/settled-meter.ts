// After every message, adds the records that the ledger has settled since the previous message to the meter's tally. So nothing
// is left to report when the shard worker ends or crashes.
import type { ShardWorkerTurn } from './turn.js';
import { addSettled } from '../../src/core/settled-tally.js';

/** Called at the end of each turn. */
export function countSettled({ options: { tallyEntry }, state }: ShardWorkerTurn): void {
  if (tallyEntry === undefined) return;
  const { settled, settledBytes } = state.ledger;
  addSettled(tallyEntry, settled - state.tallied.records, settledBytes - state.tallied.bytes);
  state.tallied.records = settled;
  state.tallied.bytes = settledBytes;
}
