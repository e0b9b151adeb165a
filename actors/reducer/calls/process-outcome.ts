// Handles a finished call of a task, that is of `process`, or of a part of a flush (`collectsOnly`). Each item of the call leaves the task
// here if it has succeeded, has failed alone, or was dropped because its tenure had ended. bisection.ts decides about several items that
// have failed together.
import type { DeliveredItem } from '../../protocol/item.js';
import { batchFailed } from '../failures/bisection.js';
import { measureCall } from './call-meter.js';
import { acknowledge, drop, withoutPassed } from './call-outcome.js';
import { emitForItem, emitForItems } from '../emitting/emitting.js';
import { takeEmitted } from './user-calls.js';
import { callSucceeded, endWait, itemsFailed } from '../failures/failed-call.js';
import { reportRecovery } from '../failures/failure-reports.js';
import { leaveLane } from './key-lanes.js';
import { holdsAny } from '../failures/held-keys.js';
import { noteNotHandedOut } from '../batches/item-tokens.js';
import type { ProcessCall, Task } from '../batches/batching.js';
import { runCall } from './process-call.js';
import type { FailedItem } from '../../../src/api/failed-item.js';
import type { ReducerTurn } from '../state.js';
import { markCredited, returnCredit } from '../../protocol/stage-reports.js';

export function processed(turn: ReducerTurn, { call }: { readonly call: ProcessCall }): void {
  const { state } = turn;
  if (!call.isOver) return runCall(turn, call);
  const { task, handed, failed, failure } = call;
  state.batching.calls.delete(call);
  task.call = undefined;
  measureCall(turn, call.part === undefined ? 'process' : 'flush', call.startedAt);

  noteNotHandedOut(turn, notHandedOut(call));
  if (handed.length < call.items.length) {
    const live = new Set(handed);
    for (const item of call.items) if (!live.has(item)) dropInTask(turn, item);
  }
  for (const item of handed) returnCredit(state.reports, item);

  const rest = failed.size === 0 ? handed : handed.filter((item) => !failed.has(item));
  if (failure === undefined && rest.length > 0 && !call.isRepeated) {
    task.done.push(...rest);
    succeeded(turn, call, rest);
  }
  const at = call.part?.job.failure?.at ?? task.at;
  for (const [item, error] of failed) failAlone(turn, item, error, at);

  if (call.isRepeated) callAgain(turn, task, rest);
  else if (failure !== undefined && handed.length > 1) batchFailed(turn, task, rest, failure.cause);
  else {
    if (failure !== undefined) for (const item of rest) failAlone(turn, item, failure.cause, task.at);
    state.batching.idle.push(task);
  }
}

/** How many items of the call the application has not got. In a `collectsOnly` reducer the fold knows: `handed` is what was flushed. */
function notHandedOut({ items, handed, part }: ProcessCall): number {
  if (part === undefined) return items.length - handed.length;
  const { dropped, next } = part.job;
  return dropped.length + items.length - next;
}

function callAgain({ state }: ReducerTurn, task: Task, items: readonly DeliveredItem[]): void {
  for (const item of items) markCredited(state.reports, item);
  if (items.length > 0) task.parts.unshift(items);
  state.batching.idle.push(task);
}

function succeeded(turn: ReducerTurn, call: ProcessCall, items: readonly DeliveredItem[]): void {
  const { state } = turn;
  if (holdsAny(state.keys)) for (const item of items) endWait(turn, item);
  // Only the call of an attempt can end a failure, and it has one item.
  if (call.handed.length === 1) for (const item of items) reportRecovery(turn, item);
  callSucceeded(turn);
  const { part, emitted } = call;
  if (part !== undefined) for (const item of items) emitForItem(turn, item, takeEmitted(part.job, item), true);
  const passed = emitForItems(turn, items, emitted);
  acknowledge(turn, withoutPassed(items, passed));
  for (const item of items) leaveLane(turn, item);
}

function failAlone(turn: ReducerTurn, item: DeliveredItem, cause: unknown, at: FailedItem['at']): void {
  itemsFailed(turn, [item], cause, at);
  leaveLane(turn, item);
}

function dropInTask(turn: ReducerTurn, item: DeliveredItem): void {
  drop(turn, item);
  leaveLane(turn, item);
}
