// `onShardStarted`: the shard worker opens its reader only when the hook has succeeded. So the hook ends before the first record of this
// tenure is read, and before any item reaches a reducer. A hook that is stuck crashes the shard worker, as a stuck call of a reducer does.
import { effect } from '../protocol/actor.js';
import {
  callHook,
  noteHookDue,
  noteHookEnded,
  noteHookOverdue,
  stuckText,
  type Hook,
  type HookMessage,
} from '../protocol/hook-call.js';
import type { MessageOf } from '../protocol/handlers.js';
import type { Tenure } from '../protocol/tenure.js';
import type { ShardWorkerTurn } from './turn.js';
import type { ShardWorkerOptions } from './options.js';
import { KinactError } from '../../src/api/errors.js';

/** Whether the shard worker need not wait for the hook: there is none, or it has succeeded. */
export function isStartHookOver({ options, state }: ShardWorkerTurn): boolean {
  return options.onShardStarted === undefined || state.startHook.phase === 'done';
}

/** Calls the hook if that is due. */
export function proceedStartHook({ options, state, effects }: ShardWorkerTurn, tenure: Tenure): void {
  const { onShardStarted } = options;
  const { startHook } = state;
  if (onShardStarted === undefined || startHook.phase !== 'due') return;
  const { source, shardId, fence, hashKeyRange } = tenure;
  const range = hashKeyRange === undefined ? {} : { hashKeyRange };
  effects.push(
    ...callHook(startHook, hookOf(options), (signal) =>
      // The tenure's signal aborts when the lease is lost; this effect's own one at the deadline, and when the pipeline stops.
      onShardStarted({ source, shardId, fence, ...range, signal: AbortSignal.any([signal, tenure.signal]) }),
    ),
  );
}

function hookOf({ lease: { source, shardId }, answerDeadlineMs }: ShardWorkerOptions): Hook {
  return { name: 'onShardStarted', place: { source, shardId }, deadlineMs: answerDeadlineMs };
}

/** The call has ended. `proceed` does the rest. */
export function hookEnded(
  { options, state, now, effects }: ShardWorkerTurn,
  message: MessageOf<HookMessage, 'hookEnded'>,
): void {
  const noted = noteHookEnded(state.startHook, hookOf(options), message, now);
  effects.push(...(noted?.effects ?? [effect.count('repeatedMessages')]));
}

export function hookDue({ state, effects }: ShardWorkerTurn, message: MessageOf<HookMessage, 'hookDue'>): void {
  effects.push(...noteHookDue(state.startHook, message));
}

export function hookOverdue(
  { options, state, effects }: ShardWorkerTurn,
  message: MessageOf<HookMessage, 'hookOverdue'>,
): void {
  const hook = hookOf(options);
  const overdue = noteHookOverdue(state.startHook, hook, message);
  if (overdue !== 'stuck') {
    effects.push(...overdue);
    return;
  }
  const data = { ...hook.place, actor: state.self.path, ageMs: 2 * hook.deadlineMs };
  effects.push(effect.fail(new KinactError('WATCHDOG', `${stuckText(hook)}.`, { data })));
}
