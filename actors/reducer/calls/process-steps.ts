// Takes the steps of a reducer with `process`: gathers a batch, starts calls, and answers punctuation. A punctuation does not hold up
// what is behind it: it waits beside the queue until the calls that it is about have ended.
import { effect } from '../../protocol/actor.js';
import { DeliveredItem } from '../../protocol/item.js';
import {
  creditAtOnce,
  holdIfItMustWait,
  makeDueOnceMore,
  proceedWaitingCall,
  startAttempt,
} from '../failures/attempts.js';
import { reportBatchRecovery } from '../failures/bisection.js';
import { holdNew, holdsAny, nextAttemptAt } from '../failures/held-keys.js';
import { requestItems, noteHandedOut, noteNotHandedOut } from '../batches/item-tokens.js';
import { enterLane, leaveLane, noteBatchStarted, noteGathered } from './key-lanes.js';
import { finishOrDefer } from '../batches/marks.js';
import { drop } from './call-outcome.js';
import {
  addTask,
  createTask,
  gatheredItems,
  maxCallsOf,
  tasksForDrain,
  tasksOf,
  withdraw,
  type OpenMark,
  type Task,
} from '../batches/batching.js';
import { startProcess } from './process-call.js';
import type { ReducerState, ReducerTurn } from '../state.js';

/** Starts every call that may begin. */
export function proceedProcess(turn: ReducerTurn): void {
  while (takeProcessStep(turn));
}

function takeProcessStep(turn: ReducerTurn): boolean {
  const { state } = turn;
  const { batching, waitingCall } = state;
  if (continueTask(turn)) return true;
  if (waitingCall !== undefined) return proceedWaitingCall(turn, waitingCall) || answerMarks(turn);

  const hasSlot = batching.tasks.size < maxCallsOf(turn.options.definition);
  // While all calls are under way, a batch of several items can grow. A single item is chosen only when it can be called.
  if (hasSlot || turn.options.batchSize > 1) gather(turn);
  const isDue = batching.open.length > 0 && isBatchDue(turn);
  if (hasSlot) {
    if (startAttempt(turn, isDue)) return true;
    if (isDue) {
      startBatch(turn);
      return true;
    }
  }
  return takeMark(turn) || answerMarks(turn);
}

/** Calls the next part of a task whose last call has ended. */
export function continueTask(turn: ReducerTurn): boolean {
  const { batching, keys } = turn.state;
  if (batching.calls.size >= maxCallsOf(turn.options.definition)) return false;
  const place = batching.idle.findIndex((each) => !mayBeOutage(turn, each));
  const [task] = place < 0 ? [] : batching.idle.splice(place, 1);
  if (task === undefined) return false;

  for (let part = takeNextPart(turn, task); part !== undefined; part = takeNextPart(turn, task)) {
    const isFiltered = !task.isAttempt && holdsAny(keys);
    // Items of ended tenures need no token, so with a limit they are dropped here. Without one, the call leaves them out.
    const live = turn.options.limit === undefined ? part : part.filter((item) => !dropIfDead(turn, item));
    // An attempt has its token already.
    if (task.isAttempt) noteNotHandedOut(turn, part.length - live.length);
    const items = isFiltered ? live.filter((item) => !holdGatheredIfItMustWait(turn, item)) : live;
    if (items.length < live.length) withdrawBehind(turn, live);
    if (items.length === 0) continue;
    const allowed = task.isAttempt ? items.length : requestItems(turn, items.length);
    if (allowed < items.length) putBack(task, items.slice(allowed), allowed > 0);
    if (allowed === 0) {
      batching.idle.unshift(task);
      return false;
    }
    if (!task.isAttempt) noteHandedOut(turn, allowed);
    startProcess(turn, task, items.slice(0, allowed));
    return true;
  }
  batching.tasks.delete(task);
  reportBatchRecovery(turn, task);
  return true;
}

/** The part of a task to call next. What the rate limit has cut off begins as a batch of its own, with no failures. */
function takeNextPart(turn: ReducerTurn, task: Task): readonly DeliveredItem[] | undefined {
  const part = task.parts.shift();
  if (!task.hasRest || task.parts.length > 0 || part === undefined) return part;
  reportBatchRecovery(turn, task);
  Object.assign(task, { hasRest: false, isBisected: false, failures: 0, failedSince: 0, cause: undefined, done: [] });
  return part;
}

/** Puts items back for which there are no tokens. `isCut`: the other items of their part are handed out now. */
function putBack(task: Task, items: readonly DeliveredItem[], isCut: boolean): void {
  if (!isCut || task.isBisected) {
    task.parts.unshift(items);
    return;
  }
  const rest = task.hasRest ? task.parts.pop() : undefined;
  task.parts.push([...items, ...(rest ?? [])]);
  task.hasRest = true;
}

/** Moves the later items of held keys behind the held ones at once: the key may be free again before the part of these items is tried. */
function withdrawBehind({ state, now }: ReducerTurn, items: readonly DeliveredItem[]): void {
  const { batching, keys } = state;
  for (const key of new Set(items.map((item) => item.key))) {
    if (!keys.byKey.has(key)) continue;
    for (const later of withdraw(batching, key)) holdNew(keys, later, now);
  }
}

/** Drops the item if its tenure has ended, and returns true then. */
function dropIfDead(turn: ReducerTurn, item: DeliveredItem): boolean {
  if (!item.tenure.ended) return false;
  drop(turn, item);
  leaveLane(turn, item);
  return true;
}

/** Holds a gathered item if it has to wait, and returns true then. */
function holdGatheredIfItMustWait(turn: ReducerTurn, item: DeliveredItem): boolean {
  if (!holdIfItMustWait(turn, item)) return false;
  leaveLane(turn, item);
  return true;
}

/**
 * Whether a bisection must wait for the policy. So many items have failed alone that its answers may begin an outage, and then the parts
 * that are left must not be called.
 */
function mayBeOutage({ state }: ReducerTurn, { isBisected }: Task): boolean {
  const { byNumber } = state.pendingFailures;
  if (!isBisected || byNumber.size < state.keys.outageKeys) return false;
  let undecided = 0;
  for (const { parking } of byNumber.values()) if (parking === undefined) undecided += 1;
  return undecided >= state.keys.outageKeys;
}

/** Moves items to the open batch until it is full. Their credit goes back: a batch may be larger than the credit. */
function gather(turn: ReducerTurn): void {
  const { options, state, now, effects } = turn;
  const { batching } = state;
  const { open } = batching;
  const { batchSize } = options;
  if (open.length >= batchSize) return;

  const { lanes } = batching;
  while (lanes !== undefined && lanes.free.length > 0 && open.length < batchSize)
    gatherItem(turn, lanes.free.shift() as DeliveredItem, now);

  let carried = 0;
  for (; carried < state.carry.length && open.length < batchSize; carried += 1)
    gatherItem(turn, state.carry[carried] as DeliveredItem, now);
  if (carried > 0) state.carry = state.carry.slice(carried);

  while (open.length < batchSize && state.queue.peek() instanceof DeliveredItem)
    gatherItem(turn, state.queue.shift() as DeliveredItem, Math.min(now, batching.queuedSince));
  if (state.queue.length === 0) batching.queuedSince = Infinity;

  if (batching.timerIsSet || open.length === 0 || open.length >= batchSize) return;
  const leftMs = batching.openSince + options.batchIntervalMs - now;
  if (leftMs <= 0) return;
  batching.timerIsSet = true;
  effects.push(effect.after('flush', Math.ceil(leftMs), { type: 'flushDue' }));
}

/** Takes an item that has waited since then into the open batch, unless it must wait for another one. */
function gatherItem(turn: ReducerTurn, item: DeliveredItem, since: number): void {
  const { state } = turn;
  const { batching } = state;
  // First the lane: behind a call under way, an item must wait for its end and not for an attempt.
  if (!enterLane(turn, item) || (holdsAny(state.keys) && holdGatheredIfItMustWait(turn, item))) return;
  creditAtOnce(state, item);
  if (batching.open.length === 0) batching.openSince = since;
  batching.open.push(item);
  noteGathered(batching, item);
}

function isBatchDue({ options, state, now }: ReducerTurn): boolean {
  const { batching, queue } = state;
  if (batching.open.length >= options.batchSize || state.flushDue) return true;
  if (now - batching.openSince >= options.batchIntervalMs) return true;
  // Each call has one item of a key. To wait for more keys would hold back the next item of this one.
  if (batching.lanes?.isCrowded === true) return true;
  if (batching.marks.some(({ mark }) => mark.kind === 'drain')) return true;
  const head = queue.peek();
  return head !== undefined && !(head instanceof DeliveredItem) && head.type === 'punctuation';
}

function startBatch({ state, effects }: ReducerTurn): void {
  const { batching } = state;
  const task = createTask([batching.open], 'process');
  noteBatchStarted(batching);
  batching.open = [];
  if (batching.timerIsSet) effects.push(effect.cancel('flush'));
  batching.timerIsSet = false;
  state.flushDue = false;
  state.keys.lastCallWasAttempt = false;
  addTask(batching, task);
}

/** Takes a mark from the queue: a punctuation once all that came before it has been handed out. */
function takeMark(turn: ReducerTurn): boolean {
  const { state } = turn;
  const { batching, queue } = state;
  const head = queue.peek();
  if (head === undefined || head instanceof DeliveredItem) return false;
  if (head.type !== 'punctuation') {
    queue.shift();
    finishOrDefer(turn, head);
    return true;
  }
  if (batching.open.length > 0) return false;
  queue.shift();
  state.punctuationInQueue -= 1;
  batching.marks.push({ mark: head, tasks: tasksOf(batching, head.shardWorker) });
  return true;
}

/** Answers the marks whose calls have ended. Returns true if an attempt may be due now. */
function answerMarks(turn: ReducerTurn): boolean {
  const { batching } = turn.state;
  if (batching.marks.length === 0) return false;
  const left: OpenMark[] = [];
  let isTried = false;
  for (const open of batching.marks) {
    const mayEnd = callsHaveEnded(turn, open);
    if (mayEnd && makeDueOnceMore(turn, open.mark)) isTried = true;
    else if (mayEnd && !isAttemptDue(turn)) {
      finishOrDefer(turn, open.mark);
      continue;
    }
    left.push(open);
  }
  batching.marks = left;
  return isTried;
}

/** Whether the calls have ended that the answer to this mark waits for. What waits for another attempt is named in the answer. */
function callsHaveEnded({ state }: ReducerTurn, { mark, tasks }: OpenMark): boolean {
  const { batching, waitingCall, drainsTriedFor } = state;
  if (mark.kind === 'flush') return tasks.every((task) => !batching.tasks.has(task));
  if (tasksForDrain(batching, mark.shardWorker).length > 0) return false;
  if (waitingCall === undefined) return !isToBeCalled(state, mark.shardWorker);
  return waitingCall.undecided === 0 && drainsTriedFor.has(mark);
}

/** Whether an item of this shard worker is to be called, and waits for no attempt. */
function isToBeCalled({ batching, carry }: ReducerState, shardWorker: number): boolean {
  for (const { tenure } of gatheredItems(batching)) if (tenure.shardWorkerNumber === shardWorker) return true;
  return carry.some(({ tenure }) => tenure.shardWorkerNumber === shardWorker);
}

/** Whether an attempt is due, and may begin. Without tokens it may not. */
function isAttemptDue({ state, now }: ReducerTurn): boolean {
  return state.waitingCall === undefined && state.reservation === undefined && nextAttemptAt(state.keys) <= now;
}
