// The answer to a punctuation: it names the records that wait for another attempt.
import { effect } from '../../protocol/actor.js';
import { DeliveredItem } from '../../protocol/item.js';
import { nextNumber, sendStageReports } from '../../protocol/stage-reports.js';
import { pendingFlushes } from '../failures/failed-call.js';
import { heldItemsOf } from '../failures/held-keys.js';
import { gatheredItems } from './batching.js';
import type { Mark, ReducerState, ReducerTurn } from '../state.js';

export type Punctuation = Extract<Mark, { readonly type: 'punctuation' }>;

export function answerPunctuation(turn: ReducerTurn, { stage, id }: Punctuation, waiting: readonly number[]): void {
  const { options, state, effects } = turn;
  // Send the dispositions of the flush before this answer, which means that the flush is over.
  sendStageReports(state.reports, options.index, effects);
  const number = nextNumber(state.reports, stage);
  effects.push(effect.send(stage, { type: 'punctuated', reducer: options.index, number, id, waiting }));
}

/** The ordinals of this worker's records that wait for another attempt, or behind one. */
export function waitingOf(state: ReducerState, worker: number): readonly number[] {
  const { keys, waitingCall, carry, queue, batching } = state;
  const ordinals = new Set<number>();
  const add = ({ tenure, ordinal }: DeliveredItem): void => {
    if (tenure.workerNumber === worker) ordinals.add(ordinal);
  };

  for (const { item } of heldItemsOf(keys, worker)) add(item);
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
