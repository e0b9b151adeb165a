// Repeats calls that have failed: attempts with the items of held keys, and a flush or a message to a raw behaviour, which holds the
// whole reducer. Attempts with items take at most half of the calls. Before a drain is answered, everything that waits is tried once
// more at once; the answer names what still waits. A restart or a stop of the reducer ends all waits with its timer.
import { effect } from '../../protocol/actor.js';
import { DeliveredItem } from '../../protocol/item.js';
import { runFlush, startItems, startRaw } from '../calls/call-start.js';
import {
  beginAttempt,
  dropShardWorker,
  dueKey,
  holdNew,
  holdsAny,
  makeDue,
  mustWait,
  nextAttemptAt,
} from './held-keys.js';
import { requestItems, noteHandedOut } from '../batches/item-tokens.js';
import { finishOrDefer } from '../batches/marks.js';
import { dropParkingsOf } from './parked-call.js';
import { hurryParkings } from '../../protocol/parking.js';
import {
  addTask,
  createTask,
  isolatesFailures,
  repeatTask,
  maxCallsOf,
  tasksForDrain,
  type Task,
} from '../batches/batching.js';
import { createRawJob } from '../calls/raw-behaviour.js';
import { markCredited, reportEnded, returnCredit } from '../../protocol/stage-reports.js';
import type { Mark, ReducerState, WaitingCall, ReducerTurn } from '../state.js';
import { renewState } from '../calls/user-calls.js';

type Punctuation = Extract<Mark, { type: 'punctuation' }>;

/** Holds an item that arrives, if it has to wait. Its credit goes back at once, so other keys can go on. */
export function holdIfItMustWait({ state, now }: ReducerTurn, item: DeliveredItem): boolean {
  if (!mustWait(state.keys, item)) return false;
  creditAtOnce(state, item);
  holdNew(state.keys, item, now);
  return true;
}

/** Items behind a waiting call give their credit back: otherwise the punctuation behind them would never arrive. */
export function creditAtOnce({ reports }: ReducerState, item: DeliveredItem): void {
  returnCredit(reports, item);
  markCredited(reports, item);
}

/** A call begins to wait: see `creditAtOnce`. */
export function creditAllQueued(state: ReducerState): void {
  for (const item of state.carry) creditAtOnce(state, item);
  for (let place = 0; place < state.queue.length; place += 1) {
    const queued = state.queue.at(place);
    if (queued instanceof DeliveredItem) creditAtOnce(state, queued);
  }
}

/** Starts an attempt that is due, unless new items go first. Returns true if a call has started. */
export function startAttempt(turn: ReducerTurn, newItemsWait: boolean): boolean {
  const { state, now } = turn;
  const { keys } = state;
  if (!holdsAny(keys) || (newItemsWait && keys.lastCallWasAttempt)) return false;
  const due = dueKey(keys, now);
  if (due === undefined || requestItems(turn, 1) === 0) return false;
  noteHandedOut(turn, 1);

  beginAttempt(keys, due);
  const { item, failures } = due.head;
  item.attempt = Math.max(item.attempt, failures + 1);
  const { definition } = turn.options;
  if (!isolatesFailures(definition)) startItems(turn, [item]);
  else addTask(state.batching, createTask([[item]], definition.process === undefined ? 'flush' : 'process', true));
  return true;
}

/** Before a drain is answered, makes everything that waits due once more. Returns true if it did: once per mark. */
export function makeDueOnceMore(turn: ReducerTurn, mark: Mark): boolean {
  const { keys, drainsTriedFor } = turn.state;
  if (mark.type !== 'punctuation' || mark.kind !== 'drain' || !holdsAny(keys) || drainsTriedFor.has(mark)) return false;
  drainsTriedFor.add(mark);
  makeDue(keys, mark.shardWorker, turn.now);
  hurryParkings(turn, (tenure) => tenure.shardWorkerNumber === mark.shardWorker);
  return true;
}

/**
 * Repeats the waiting call if it is due, or answers the punctuation that waits behind it: a shard worker asks for a drain only when its
 * last flush is answered. Returns true if a call has started.
 */
export function proceedWaitingCall(turn: ReducerTurn, waiting: WaitingCall): boolean {
  const { state, now } = turn;
  const queued = state.punctuationInQueue > 0 ? punctuationOf(state) : [];
  // Drains beside the queue count as well, although process-steps.ts answers them.
  const all = [...queued.filter(isDrain), ...state.batching.marks.map(({ mark }) => mark).filter(isDrain)];
  const isLastTry = all.some((drain) => !state.drainsTriedFor.has(drain));

  if (waiting.undecided > 0) {
    for (const drain of all) state.drainsTriedFor.add(drain);
    if (isLastTry) hurryParkings(turn, () => true);
    if (queued.length > 0 && onlyPauses(state)) answerQueued(turn, queued);
    return false;
  }

  if (isLastTry || waiting.dueAt <= now) {
    for (const drain of all) state.drainsTriedFor.add(drain);
    state.waitingCall = undefined;
    if (waiting.type === 'batch') for (const task of waiting.tasks) repeatTask(state.batching, task);
    else if (waiting.type === 'flush') {
      for (const group of waiting.groups) group.outcome = 'dropped';
      runFlush(turn, { groups: waiting.groups, startedAt: now, next: 0, noted: 0 });
    } else {
      startRaw(turn, { ...createRawJob([], waiting.message, now), attempt: waiting.attempt + 1 }, undefined);
    }
    return true;
  }

  const answered = queued.filter(
    (each) => !isDrain(each) || tasksForDrain(state.batching, each.shardWorker).length === 0,
  );
  if (answered.length > 0) answerQueued(turn, answered);
  return false;
}

/** Whether the reducer waits for nothing but the delays of parkings. */
function onlyPauses({ pendingFailures }: ReducerState): boolean {
  for (const { subject, parking } of pendingFailures.byNumber.values())
    if (subject.type !== 'items' && parking?.phase !== 'paused') return false;
  return true;
}

function answerQueued(turn: ReducerTurn, answered: readonly Punctuation[]): void {
  const { state } = turn;
  const marks = new Set<unknown>(answered);
  state.queue.retain((queued) => !marks.has(queued));
  state.punctuationInQueue -= marks.size;
  for (const mark of answered) finishOrDefer(turn, mark);
}

function punctuationOf({ queue }: ReducerState): readonly Punctuation[] {
  const found: Punctuation[] = [];
  for (let place = 0; place < queue.length; place += 1) {
    const queued = queue.at(place);
    if (queued !== undefined && !(queued instanceof DeliveredItem) && queued.type === 'punctuation') found.push(queued);
  }
  return found;
}

export function isDrain(queued: DeliveredItem | Mark): queued is Punctuation {
  return !(queued instanceof DeliveredItem) && queued.type === 'punctuation' && queued.kind === 'drain';
}

/** Drops what waits of a shard worker that has ended, without asking a policy. */
export function dropWaiting(turn: ReducerTurn, shardWorker: number): void {
  const { options, state, now } = turn;
  dropParkingsOf(turn, shardWorker);
  state.deferredDrains = state.deferredDrains.filter((drain) => drain.shardWorker !== shardWorker);
  const { dropped, freed } = dropShardWorker(state.keys, shardWorker, now);
  for (const item of dropped) returnCredit(state.reports, item);
  if (freed.length > 0) state.carry = [...freed, ...state.carry];

  const { waitingCall } = state;
  if (waitingCall?.type === 'batch') {
    const hasEnded = ({ parts }: Task): boolean => parts.every((part) => part.every(({ tenure }) => tenure.ended));
    // Such a task is over, and its next call, which leaves out all of its items, ends it. So that call is due now.
    if (waitingCall.tasks.some(hasEnded)) waitingCall.dueAt = now;
  }
  if (waitingCall?.type !== 'flush') return;
  const live = waitingCall.groups.filter(({ items }) => items.some(({ tenure }) => !tenure.ended));
  for (const group of waitingCall.groups) {
    if (live.includes(group)) continue;
    renewState(group.slot, options.definition);
    for (const item of group.items) reportEnded(state.reports, item);
  }
  const isOver = live.length === 0 && waitingCall.undecided === 0;
  state.waitingCall = isOver ? undefined : { ...waitingCall, groups: live };
}

/** Sets the timer for the next attempt, or for the tokens that the next items wait for. */
export function setAttemptTimer({ options, state, now, effects }: ReducerTurn): void {
  const { keys, running, waitingCall, reservation, batching } = state;
  // The end of the call that is under way comes here again.
  const isFull = reservation === undefined && batching.tasks.size >= maxCallsOf(options.definition);
  if (running !== undefined || isFull) return;
  const { undecided = 0, dueAt } = waitingCall ?? {};
  const callAt = undecided > 0 ? Infinity : (dueAt ?? (reservation === undefined ? nextAttemptAt(keys) : Infinity));
  const at = Math.min(callAt, reservation?.dueAt ?? Infinity);
  if (at === state.attemptTimerAt) return;
  state.attemptTimerAt = at;
  if (at === Infinity) effects.push(effect.cancel('attempt'));
  else effects.push(effect.after('attempt', Math.max(1, Math.ceil(at - now)), { type: 'attemptDue' }));
}
