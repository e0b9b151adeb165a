// `onShardEnded`: called when the end of the shard is proven, so everything is settled and no call of a reducer runs. SHARD_END is written
// only when the hook has succeeded, and the children start only after SHARD_END. The hook counts as a call of the keeper
// (`leftovers.hookCalls`): a release waits for it, and the keeper ends after it. A hook that is stuck costs the lease.
import { effect } from '../protocol/actor.js';
import { callHook, noteHookDue, noteHookEnded, noteHookOverdue, stuckText, type Hook } from '../protocol/hook-call.js';
import { giveUp } from './lease-end.js';
import type { LeaseKeeperOptions } from './options.js';
import type { Message } from './messages.js';
import { count, type KeeperTurn } from './turn.js';

/** Calls the hook if that is due. */
export function proceedEndHook({ options, state, effects }: KeeperTurn): void {
  const { onShardEnded, source, shardId } = options;
  const { shardEnd, endHook, leftovers } = state;
  if (onShardEnded === undefined || shardEnd?.childShardIds === undefined) return;
  // `awaitsHook` is false if the hook has succeeded under an earlier keeper, for which this one only releases the lease.
  if (!shardEnd.awaitsHook || endHook.phase !== 'due') return;
  // A release waits for no second attempt: the next owner reads to the end again, and calls its own hook.
  if (state.releaseOrder !== undefined && endHook.attempt > 0) return;

  shardEnd.blocked = false;
  leftovers.hookCalls += 1;
  const { childShardIds: children } = shardEnd;
  const fence = state.lease.row.leaseCounter;
  effects.push(
    ...callHook(endHook, hookOf(options), (signal) => onShardEnded({ source, shardId, fence, children, signal })),
  );
}

function hookOf(options: LeaseKeeperOptions): Hook {
  const { source, shardId, callDeadlineMs, hookDeadlineMs = callDeadlineMs } = options;
  return { name: 'onShardEnded', place: { source, shardId }, deadlineMs: hookDeadlineMs };
}

export function hookEnded(turn: KeeperTurn, message: Message<'hookEnded'>): void {
  const { options, state, now, effects } = turn;
  const noted = noteHookEnded(state.endHook, hookOf(options), message, now);
  if (noted === undefined) return count(turn, 'repeatedMessages');
  state.leftovers.hookCalls -= 1;
  if (state.phase === 'over') {
    if (state.leftovers.hookCalls === 0) effects.push(effect.end());
    return;
  }
  effects.push(...noted.effects);
  if (state.shardEnd === undefined) return;
  state.shardEnd.awaitsHook = state.endHook.phase !== 'done';
  // A release does not wait for another attempt.
  state.shardEnd.blocked = state.shardEnd.awaitsHook;
}

export function hookDue({ state, effects }: KeeperTurn, message: Message<'hookDue'>): void {
  effects.push(...noteHookDue(state.endHook, message));
}

export function hookOverdue(turn: KeeperTurn, message: Message<'hookOverdue'>): void {
  const hook = hookOf(turn.options);
  const overdue = noteHookOverdue(turn.state.endHook, hook, message);
  if (overdue !== 'stuck') turn.effects.push(...overdue);
  else if (turn.state.phase !== 'over') giveUp(turn, stuckText(hook));
}
