// What follows a failed call with several items. Under `retry` the whole batch is tried three times in all. Then its halves are tried in
// order, and a half that fails is halved again, down to the items that fail alone. Under any other policy but `crash`, this begins at once.
// So no policy ends an item because of its neighbours. A *task* is a batch with its parts that are still to be called. An outage ends the
// bisection: `continueTask` then holds what is left of the task, item by item.
import { effect } from '../../protocol/actor.js';
import type { Verdict } from '../../protocol/failure-policy.js';
import type { DeliveredItem } from '../../protocol/item.js';
import { creditAllQueued } from './attempts.js';
import { addTask, createTask, raiseAttempts, type Task } from '../batches/batching.js';
import { withoutLate, itemsFailed, askAndApply, retryDelayMs, openWaitingCall } from './failed-call.js';
import { failedItemOf, itemRecovered, reportRetry } from './failure-reports.js';
import { leaveLane } from '../calls/key-lanes.js';
import { markCredited } from '../../protocol/stage-reports.js';
import type { FailedCall, ReducerTurn } from '../state.js';
import { renewState, type FlushGroup } from '../calls/user-calls.js';
import type { Retry } from '../../../src/api/failure-policy.js';

/** How often the whole is tried before it is halved. */
const wholeTries = 3;

type FailedBatch = Extract<FailedCall, { readonly type: 'batch' }>;

/**
 * Handles a failed call with more than one item. `items` are its items, without those for which `ctx.fail` was called. Their credit has
 * been returned.
 */
export function batchFailed(turn: ReducerTurn, task: Task, items: readonly DeliveredItem[], cause: unknown): void {
  const { state, now } = turn;
  const { batching, keys, reports } = state;
  const live = dropLate(turn, items);
  for (const item of live) markCredited(reports, item);
  // No policy is asked about a half that fails, or in an outage. Nor is it asked about the last item of a call whose neighbours have left
  // it (by `ctx.fail`, or with their leases). That item has not failed alone yet, so it is called alone first.
  if (task.isBisected || keys.outage !== undefined || live.length < 2) {
    // A bisection is one more attempt of each item, and is counted when it begins.
    if (!task.isBisected) raiseAttempts(live);
    task.isBisected = true;
    task.parts.unshift(...halvesOf(live));
    addTask(batching, task);
    return;
  }

  task.failures += 1;
  task.cause = cause;
  if (task.failures === 1) {
    task.failedSince = now;
    // A drain that already waits is answered only after one more try of this batch.
    state.drainsTriedFor = new WeakSet();
  }
  // The rate limit may have cut the batch: what has not been handed out stays behind what has failed.
  task.parts = [live, ...task.parts];
  batching.tasks.delete(task);
  const call: FailedBatch = { type: 'batch', task, apply: (later, verdict) => applyToBatch(later, call, verdict) };
  const failed = failedItemOf(live[0] as DeliveredItem, task.at, live.length);
  askAndApply(turn, call, { cause, failed, attempt: task.failures });
  if (state.waitingCall !== undefined) creditAllQueued(state);
}

/** Handles a failed flush of a `collectsOnly` reducer: its items are folded again, in parts of their own. */
export function flushPartFailed(turn: ReducerTurn, { slot, items, cause }: FlushGroup): void {
  renewState(slot, turn.options.definition);
  if (items.length === 1) itemsFailed(turn, items, cause, 'flush');
  else batchFailed(turn, createTask([], 'flush'), items, cause);
}

function applyToBatch(turn: ReducerTurn, call: FailedBatch, { policy, configured, error }: Verdict): void {
  const { state, effects } = turn;
  const { task } = call;
  const { waitingCall } = state;
  if (waitingCall?.type === 'batch') waitingCall.tasks = waitingCall.tasks.filter((each) => each !== task);

  const [failed = [], ...rest] = task.parts;
  const live = dropLate(turn, failed);
  task.parts = [live, ...rest];
  if (live.length === 0 && rest.length === 0) return;
  // `configured` is what `onFailure` has answered. `policy` may be the `then` of a retry, which is for the item that fails alone.
  if (policy === 'crash' && configured === 'crash') effects.push(effect.fail(error));
  else if (
    live.length > 0 &&
    typeof policy === 'object' &&
    policy.type === 'retry' &&
    task.failures < wholeTries &&
    state.keys.outage === undefined
  )
    repeatLater(turn, call, policy);
  else {
    task.isBisected = true;
    raiseAttempts(live);
    task.parts = [...halvesOf(live), ...rest];
    addTask(state.batching, task);
  }
}

function dropLate(turn: ReducerTurn, items: readonly DeliveredItem[]): readonly DeliveredItem[] {
  const live = withoutLate(turn, items);
  if (live.length < items.length) for (const item of items) if (item.tenure.ended) leaveLane(turn, item);
  return live;
}

function repeatLater(turn: ReducerTurn, call: FailedBatch, policy: Retry): void {
  const { task } = call;
  const { at, cause, failures: attempt } = task;
  const delayMs = retryDelayMs(turn, policy, attempt);
  const waiting = openWaitingCall(turn, call);
  if (waiting.type === 'batch') waiting.tasks.push(task);
  waiting.dueAt = Math.max(waiting.dueAt === Infinity ? 0 : waiting.dueAt, turn.now + delayMs);
  const [oldest, ...others] = task.parts.flat();
  const failed = failedItemOf(oldest as DeliveredItem, at, others.length + 1);
  reportRetry(turn, failed, { attempt, delayMs, error: cause });
}

function halvesOf(items: readonly DeliveredItem[]): (readonly DeliveredItem[])[] {
  if (items.length < 2) return items.length === 0 ? [] : [items];
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

/** Reports the items of a batch that have succeeded after it had failed. The task is over. */
export function reportBatchRecovery(turn: ReducerTurn, { done, at, failures, failedSince }: Task): void {
  const [oldest] = done;
  if (failures === 0 || oldest === undefined) return;
  itemRecovered(turn, failedItemOf(oldest, at, done.length), { attempts: failures + 1, since: failedSince });
}
