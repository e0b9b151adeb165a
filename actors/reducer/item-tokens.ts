// The part of a reducer in the rate limit of its process. Each item needs a token for each time that it is handed out. A reducer without
// tokens reserves some, and waits with its one timer (attempts.ts) until they are due. Without a limit nothing here does anything.
import { DeliveredItem } from '../protocol/item.js';
import { nextAttemptAt } from './held-keys.js';
import type { ReducerState, ReducerTurn } from './state.js';
import type { ReducerOptions } from './options.js';
import { allowedNow, giveBack, isVoid, reserveTokens, useTokens, watchRate } from '../../src/core/rate-limit.js';

/** How many of `wanted` items may be handed out now. If it is none, tokens are reserved. */
export function requestItems({ options, state, now }: ReducerTurn, wanted: number): number {
  const { limit } = options;
  if (limit === undefined) return wanted;
  forgetVoid(options, state);
  if (limit.bucket === undefined) return wanted;

  const allowed = Math.min(wanted, allowedNow(limit, state.reservation, now));
  if (allowed > 0 || state.reservation !== undefined) return allowed;
  state.reservation = reserveTokens(limit, wanted, now);
  state.unwatchLimit ??= watchRate(limit, () => options.sendFromOutside(state.self, { type: 'limitChanged' }));
  return 0;
}

/** Notes that items are handed out. */
export function noteHandedOut({ options, state, now }: ReducerTurn, items: number): void {
  if (options.limit?.bucket === undefined) return;
  useTokens(options.limit, state.reservation, items, now);
  state.reservation = undefined;
}

/** Notes that items which were to be handed out were not: they gave way, or their lease has ended. */
export function noteNotHandedOut({ options }: ReducerTurn, items: number): void {
  if (options.limit !== undefined && items > 0) giveBack(options.limit, items);
}

/** Gives a reservation back that nothing needs any more. */
export function dropUnneeded(turn: ReducerTurn): void {
  const { options, state, now } = turn;
  if (state.reservation === undefined) return;
  forgetVoid(options, state);
  const head = state.carry[0] ?? state.queue.peek();
  const isTaskReady = state.batching.idle.length > 0;
  const needed = head instanceof DeliveredItem || nextAttemptAt(state.keys) <= now;
  if (!isTaskReady && (!needed || state.waitingCall !== undefined)) giveReservationBack(options, state, now);
}

/** The reducer stops. */
export function leaveLimit(options: ReducerOptions, state: ReducerState): void {
  state.unwatchLimit?.();
  forgetVoid(options, state);
  giveReservationBack(options, state, options.clock.now());
}

function giveReservationBack({ limit }: ReducerOptions, state: ReducerState, now: number): void {
  if (limit !== undefined && state.reservation !== undefined) useTokens(limit, state.reservation, 0, now);
  state.reservation = undefined;
}

function forgetVoid({ limit }: ReducerOptions, state: ReducerState): void {
  if (limit !== undefined && state.reservation !== undefined && isVoid(limit, state.reservation))
    state.reservation = undefined;
}
