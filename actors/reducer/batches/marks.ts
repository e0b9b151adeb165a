// Marks in a reducer's queue: punctuation, the end of a shard worker, heartbeats. A raw behaviour gets each as a message; for any other
// reducer a mark ends as soon as its turn comes.
import { effect } from '../../protocol/actor.js';
import { passOn } from '../emitting/passing.js';
import { answerPunctuation, waitingOf } from './punctuated.js';
import { startRaw } from '../calls/call-start.js';
import { awaitsAnswer } from '../../protocol/pending-failures.js';
import { createRawJob } from '../calls/raw-behaviour.js';
import type { Mark, ReducerState, ReducerTurn } from '../state.js';
import type { ReducerMessage as ToBehaviour } from '../../../src/api/reducer.js';

/** Handles a mark that was taken from the queue. */
export function handleMark(turn: ReducerTurn, mark: Mark): void {
  const { options, state, now } = turn;
  if (mark.type === 'heartbeat') state.heartbeatWaits = false;

  // A raw behaviour gets a drain as a message once, and not again after the drain was deferred.
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
    if (awaitsAnswer(state.pendingFailures, drain.shardWorker)) state.deferredDrains.push(drain);
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
export function finishOrDefer(turn: ReducerTurn, mark: Mark): void {
  const { state, effects } = turn;
  if (mark.type === 'punctuation') {
    if (mark.kind === 'drain' && mustDefer(state, mark.shardWorker)) {
      state.deferredDrains.push(mark);
      return;
    }
    if (state.behind === undefined) answerPunctuation(turn, mark, waitingOf(state, mark.shardWorker));
    else passOn(turn, state.behind, mark);
  } else if (mark.type === 'revoked') {
    const slot = state.slots.get(mark.shardWorker);
    if (slot !== undefined) state.unflushed -= slot.folded.length;
    state.slots.delete(mark.shardWorker);

    let handedOut = 0;
    for (const item of state.unacknowledged.keys()) {
      if (item.tenure.shardWorkerNumber !== mark.shardWorker) continue;
      state.unacknowledged.delete(item);
      handedOut += 1;
    }
    if (handedOut > 0) effects.push(effect.count('foldedAfterLoss', handedOut));
  }
}

function mustDefer({ pendingFailures, waitingCall, carry }: ReducerState, shardWorker: number): boolean {
  if (awaitsAnswer(pendingFailures, shardWorker)) return true;
  // While a raw behaviour was called with the drain, an answer may have let items go. They come first.
  return waitingCall === undefined && carry.some(({ tenure }) => tenure.shardWorkerNumber === shardWorker);
}
