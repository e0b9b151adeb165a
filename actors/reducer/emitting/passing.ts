// Punctuation that goes on through the pipe behind the reducer. It is answered when the pipe has flushed, too. If the pipe takes nothing
// because a failed call holds a node, punctuation passes by what waits in the reducer, and the answer names that. So a hand-over, a stop
// and a full ledger do not wait for the failed call.
import { DeliveredItem } from '../../protocol/item.js';
import { answerPunctuation, waitingOf, type Punctuation } from '../batches/punctuated.js';
import { itemsOf } from '../status.js';
import { awaitsAnswer } from '../../protocol/pending-failures.js';
import type { MessageOf } from '../../protocol/handlers.js';
import type { PipeNews } from '../../protocol/pipe-feed.js';
import { inPipe, isStuck, type PassedMark, type PipeBehind } from './pipe-behind.js';
import { sendEmitted, sendToPipe } from './sending.js';
import type { ReducerState, ReducerTurn } from '../state.js';

/** Sends a punctuation into the pipe, behind what was emitted before. `isAhead`: it passes by what waits in the reducer. */
export function passOn(turn: ReducerTurn, behind: PipeBehind, punctuation: Punctuation, isAhead = false): void {
  const { state, now, effects } = turn;
  const { shardWorker, kind } = punctuation;
  sendEmitted(turn);
  behind.lastMark += 1;
  const mark = behind.lastMark;
  behind.marks.set(mark, {
    punctuation,
    waiting: waitingOf(state, shardWorker),
    since: now,
    isAhead,
    isOvertaken: false,
  });
  sendToPipe(effects, behind, (number) => ({ type: 'emittedMark', number, reducer: state.self, mark, kind }));
}

/** The reducer begins no call, because the pipe takes nothing. Punctuation must not wait for that if a failed call is the reason. */
export function passBy(turn: ReducerTurn): void {
  const { state } = turn;
  const { queue, batching, running, behind } = state;
  if (behind === undefined || !isStuck(behind)) return;
  if ((running !== undefined && !behind.isFlushHeld) || batching.calls.size > 0) return;
  const all = batching.marks.map(({ mark }) => mark);
  batching.marks = [];
  queue.retain((queued) => {
    if (queued instanceof DeliveredItem || queued.type !== 'punctuation') return true;
    all.push(queued);
    state.punctuationInQueue -= 1;
    return false;
  });
  for (const punctuation of all) {
    const { kind, shardWorker } = punctuation;
    // As in `finishOrDefer`: the answer may settle what the drain would name.
    if (kind === 'drain' && awaitsAnswer(state.pendingFailures, shardWorker)) state.deferredDrains.push(punctuation);
    else passOn(turn, behind, punctuation, true);
  }
}

/** The pipe has flushed, or a failed call holds it. */
export function markPassed(turn: ReducerTurn, { mark }: MessageOf<PipeNews, 'markPassed'>): void {
  const { state } = turn;
  const { behind } = state;
  const passed = behind?.marks.get(mark);
  if (behind === undefined || passed === undefined) return;
  behind.marks.delete(mark);
  const { punctuation } = passed;
  if (punctuation.kind === 'drain' && mustPassAgain(state, behind, passed)) {
    state.queue.push(punctuation);
    state.punctuationInQueue += 1;
    return;
  }
  answerPunctuation(turn, punctuation, [...openAt(state, behind, passed)]);
}

/**
 * Whether the drain takes its place again behind what it has passed by, or has named: the pipe takes messages again, so that goes on. Or a
 * call of it is repeated now, or has emitted behind the drain, or a policy or a sink is about to answer: a hand-over must not pass that.
 */
function mustPassAgain(state: ReducerState, behind: PipeBehind, passed: PassedMark): boolean {
  const { shardWorker } = passed.punctuation;
  if (passed.isOvertaken || (passed.isAhead && !isStuck(behind))) return true;
  return isCalled(state, behind, shardWorker) || awaitsAnswer(state.pendingFailures, shardWorker);
}

/** Whether a call runs with items of this shard worker. A flush that has given way to the pipe does not. */
function isCalled({ running, batching }: ReducerState, { isFlushHeld }: PipeBehind, shardWorker: number): boolean {
  const isOf = ({ tenure }: DeliveredItem): boolean => tenure.shardWorkerNumber === shardWorker;
  for (const { items } of batching.calls) if (items.some(isOf)) return true;
  if (running?.type === 'flush') return !isFlushHeld && running.job.groups.some(({ items }) => items.some(isOf));
  return running?.job.items.some(isOf) === true;
}

/** The ordinals that the answer names. */
function openAt(state: ReducerState, behind: PipeBehind, { punctuation, waiting, isAhead }: PassedMark): Set<number> {
  const { shardWorker, kind } = punctuation;
  const ordinals = new Set([...waiting, ...waitingOf(state, shardWorker)]);
  if (kind === 'drain' || behind.isWaiting) for (const ordinal of inPipe(behind, shardWorker)) ordinals.add(ordinal);
  if (!isAhead) return ordinals;
  for (const item of itemsOf(state))
    if (item.tenure.shardWorkerNumber === shardWorker && !state.unacknowledged.has(item)) ordinals.add(item.ordinal);
  return ordinals;
}
