// Marks in a reducer's queue: punctuation, the end of a shard worker, heartbeats. A raw behaviour gets each as a message; for any other
// reducer a mark ends as soon as its turn comes.
import { effect } from '../../protocol/actor.js';
import { DeliveredItem } from '../../protocol/item.js';
import { gatheredItems } from './batching.js';
import { startRaw } from '../calls/call-start.js';
import { heldItemsOf } from '../failures/held-keys.js';
import { awaitsAnswer } from '../../protocol/pending-failures.js';
import { pendingFlushes } from '../failures/failed-call.js';
import { createRawJob } from '../calls/raw-behaviour.js';
import { nextNumber, sendStageReports } from '../../protocol/stage-reports.js';
import type { Mark, ReducerState, ReducerTurn } from '../state.js';
import type { ReducerMessage as ToBehaviour } from '../../../src/api/reducer.js';

/** Handles a mark that was taken from the queue. */
export function handleMark(turn: ReducerTurn, mark: Mark): void {
  const { options, state, now } = turn;
  if (mark.type === 'heartbeat') state.heartbeatWaits = false;

  // A drain that was deferred has been a message already.
  if (options.definition.behaviour === undefined || state.toldMarks.has(mark)) {
    finishOrDefer(turn, mark);
    return;
  }

  const message: ToBehaviour<unknown> =
    mark.type === 'revoked'
      ? { type: 'revoked', source: mark.source, shardId: mark.shardId, fence: mark.fence }
      : { type: mark.type === 'punctuation' ? mark.kind : 'heartbeat' };
  state.toldMarks.add(mark);
  startRaw(turn, createRawJob([], message, now), mark);
}

/**
 * Puts the drains that have waited for a policy or a sink into the queue again. The answer may have let items go that waited behind
 * another one: they come before the drain.
 */
export function requeueDeferredDrains({ state }: ReducerTurn): void {
  if (state.deferredDrains.length === 0) return;
  for (const drain of state.deferredDrains.splice(0)) {
    if (awaitsAnswer(state.pendingFailures, drain.worker)) state.deferredDrains.push(drain);
    else {
      state.queue.push(drain);
      state.punctuationInQueue += 1;
    }
  }
}

/**
 * Ends a mark. Punctuation is answered, with the records that wait for another attempt. While a policy or a sink is about to answer about
 * a record of the shard worker, a drain is not answered: the record may be settled then. Items of other shard workers go on meanwhile.
 */
export function finishOrDefer({ options, state, effects }: ReducerTurn, mark: Mark): void {
  if (mark.type === 'punctuation') {
    if (mark.kind === 'drain' && mustDefer(state, mark.worker)) {
      state.deferredDrains.push(mark);
      return;
    }
    // Send the dispositions of the flush before this answer, which means that the flush is over.
    sendStageReports(state.reports, options.index, effects);
    const number = nextNumber(state.reports, mark.stage);
    const waiting = waitingOf(state, mark.worker);
    effects.push(effect.send(mark.stage, { type: 'punctuated', reducer: options.index, number, id: mark.id, waiting }));
  } else if (mark.type === 'revoked') {
    const slot = state.slots.get(mark.worker);
    if (slot !== undefined) state.unflushed -= slot.folded.length;
    state.slots.delete(mark.worker);

    let handedOut = 0;
    for (const item of state.unacknowledged.keys()) {
      if (item.tenure.workerNumber !== mark.worker) continue;
      state.unacknowledged.delete(item);
      handedOut += 1;
    }
    if (handedOut > 0) effects.push(effect.count('foldedAfterLoss', handedOut));
  }
}

function mustDefer({ pendingFailures, waitingCall, carry }: ReducerState, worker: number): boolean {
  if (awaitsAnswer(pendingFailures, worker)) return true;
  // An answer came while a raw behaviour was called with the drain, and let items go.
  return waitingCall === undefined && carry.some(({ tenure }) => tenure.workerNumber === worker);
}

/** The ordinals of this shard worker's records that wait for another attempt, or behind one. */
function waitingOf(state: ReducerState, worker: number): readonly number[] {
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
