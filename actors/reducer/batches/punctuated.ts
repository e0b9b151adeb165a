// The answer to a punctuation: it names the records that wait for another attempt.
import { DeliveredItem } from '../../protocol/item.js';
import { sendPunctuated } from '../../protocol/stage-reports.js';
import { pendingFlushes } from '../failures/failed-call.js';
import { heldItemsOf } from '../failures/held-keys.js';
import { gatheredItems } from './batching.js';
import type { Mark, ReducerState, ReducerTurn } from '../state.js';

export type Punctuation = Extract<Mark, { readonly type: 'punctuation' }>;

export function answerPunctuation(turn: ReducerTurn, { stage, id }: Punctuation, waiting: readonly number[]): void {
  const { options, state, effects } = turn;
  sendPunctuated(state.reports, { stage, id }, { reducer: options.index, waiting }, effects);
}

/** The ordinals of this shard worker's records that wait for another attempt, or behind one. */
export function waitingOf(state: ReducerState, shardWorker: number): readonly number[] {
  const { keys, waitingCall, carry, queue, batching } = state;
  const ordinals = new Set<number>();
  const add = ({ tenure, ordinal }: DeliveredItem): void => {
    if (tenure.shardWorkerNumber === shardWorker) ordinals.add(ordinal);
  };

  for (const { item } of heldItemsOf(keys, shardWorker)) add(item);
  for (const { items } of pendingFlushes(state)) items.forEach(add);
  if (waitingCall !== undefined) {
    if (waitingCall.type === 'batch') for (const { parts } of waitingCall.tasks) parts.flat().forEach(add);
    if (waitingCall.type === 'flush') for (const { items } of waitingCall.groups) items.forEach(add);
    carry.forEach(add);
    for (const item of gatheredItems(batching)) add(item);
    for (let place = 0; place < queue.length; place += 1) {
      const queued = queue.at(place);
      if (queued instanceof DeliveredItem) add(queued);
    }
  }
  return [...ordinals];
}
