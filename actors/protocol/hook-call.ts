// A hook of the application that must succeed before its actor goes on: `onShardStarted` (shard worker) and `onShardEnded` (keeper). One
// call at a time. A call that fails is repeated after a growing delay, without end, and reported like any call that is retried. A call
// has two deadlines in a row: at the first its signal aborts, at the second it is stuck. Until then a late success counts.
// No second call begins beside it.
import { effect, type Effect } from './actor.js';
import { failedAgain, retryingEvent, type RepeatedFailure } from './repeated-failure.js';
import { exponentialMs } from '../../src/core/backoff.js';
import type { ShardEvent } from '../../src/api/event-members.js';

/** The messages of an actor to itself about its hook. `attempt` tells a late one from those of the present call. */
export type HookMessage =
  | { readonly type: 'hookEnded'; readonly attempt: number; readonly failure: { readonly error: unknown } | undefined }
  | { readonly type: 'hookOverdue'; readonly attempt: number; readonly isLast: boolean }
  | { readonly type: 'hookDue'; readonly attempt: number };

export interface HookCall {
  /** `overdue`: the call is under way, and its signal has aborted. */
  phase: 'due' | 'calling' | 'overdue' | 'pausing' | 'done';
  attempt: number;
  failing: RepeatedFailure | undefined;
}

export interface Hook {
  readonly name: 'onShardStarted' | 'onShardEnded';
  readonly place: ShardEvent;
  readonly deadlineMs: number;
}

type Effects = readonly Effect<HookMessage>[];

const pauses = { baseMs: 100, capMs: 30_000 };
const timer = 'hook';
const repeated: Effects = [effect.count('repeatedMessages')];

export function createHookCall(): HookCall {
  return { phase: 'due', attempt: 0, failing: undefined };
}

export function isHookRunning({ phase }: HookCall): boolean {
  return phase === 'calling' || phase === 'overdue';
}

/** Calls the hook. Its outcome is `hookEnded`. */
export function callHook(call: HookCall, { name, deadlineMs }: Hook, start: (signal: AbortSignal) => unknown): Effects {
  call.phase = 'calling';
  call.attempt += 1;
  const { attempt } = call;
  return [
    effect.after(timer, deadlineMs, { type: 'hookOverdue', attempt, isLast: false }),
    effect.run({
      name: `${name}#${attempt}`,
      kind: 'user',
      start,
      done: (): HookMessage => ({ type: 'hookEnded', attempt, failure: undefined }),
      failed: (error): HookMessage => ({ type: 'hookEnded', attempt, failure: { error } }),
    }),
  ];
}

/** Notes that the call has ended: the phase is then `done`, or `pausing` after a failure. Undefined: the message is a repeat. */
export function noteHookEnded(
  call: HookCall,
  { name, place }: Hook,
  { attempt, failure }: Extract<HookMessage, { readonly type: 'hookEnded' }>,
  now: number,
): { readonly effects: Effects } | undefined {
  if (attempt !== call.attempt || !isHookRunning(call)) return undefined;
  if (failure === undefined) {
    call.phase = 'done';
    call.failing = undefined;
    return { effects: [effect.cancel(timer)] };
  }
  call.phase = 'pausing';
  call.failing = failedAgain(call.failing, name, failure.error, now);
  const delayMs = exponentialMs(pauses, call.failing.attempts - 1);
  return {
    effects: [
      effect.emit(retryingEvent(call.failing, delayMs, place)),
      effect.after(timer, delayMs, { type: 'hookDue', attempt }),
    ],
  };
}

/** The pause after a failure is over. */
export function noteHookDue(call: HookCall, { attempt }: Extract<HookMessage, { readonly type: 'hookDue' }>): Effects {
  if (attempt !== call.attempt || call.phase !== 'pausing') return repeated;
  call.phase = 'due';
  return [];
}

/** The call has taken too long. `stuck`: also after its signal has aborted; the actor decides what follows. */
export function noteHookOverdue(
  call: HookCall,
  { name, deadlineMs }: Hook,
  { attempt, isLast }: Extract<HookMessage, { readonly type: 'hookOverdue' }>,
): Effects | 'stuck' {
  if (attempt !== call.attempt || call.phase !== (isLast ? 'overdue' : 'calling')) return repeated;
  if (isLast) return 'stuck';
  call.phase = 'overdue';
  const reason = new Error(`${name} has not ended within ${deadlineMs} ms.`);
  return [
    effect.abort(`${name}#${attempt}`, reason),
    effect.after(timer, deadlineMs, { type: 'hookOverdue', attempt, isLast: true }),
  ];
}

/** Aborts the signal of a call under way: its result is no longer wanted, but the call is still waited for. */
export function abandonHook(call: HookCall, name: Hook['name'], reason: Error): Effect<never>[] {
  return isHookRunning(call) ? [effect.abort(`${name}#${call.attempt}`, reason), effect.cancel(timer)] : [];
}

/** What a stuck call leads to, in words. */
export function stuckText({ name, place, deadlineMs }: Hook): string {
  return `${name} of ${place.shardId} has not ended within ${deadlineMs} ms after its signal had aborted`;
}
