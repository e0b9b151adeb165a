// Warns early of a bound that is too small for the reducer: the ledger is full, and the reducer waits for more items before it
// acknowledges. The watchdog ends this only after `watchdogMs`. The warning comes after ten seconds, once per tenure. It does not come
// while a call is under way, or while the reducer settles something.
import { effect } from '../protocol/actor.js';
import { isFull } from './stage-channel.js';
import type { ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import { mayRead } from './may-read.js';
import { KinactError } from '../../src/api/errors.js';
import type { ConsumerEvents } from '../../src/api/events.js';

/** How long a ledger must be full, and everything in it unacknowledged, before the shard worker warns. */
export const limitWarningMs = 10_000;
/** How soon the shard worker asks again if something else goes on in the reducers. */
const askAgainMs = 1_000;

/** Whether no more records can be admitted, because of the bounds of the shard or of the process. */
export function isHeldUp(state: ShardWorkerState): boolean {
  return isFull(state) || state.account?.waiter !== undefined;
}

/** Notes since when the ledger has been full, and sets the timer. Called after every message. */
export function watchLimit(turn: ShardWorkerTurn): void {
  const { state, now } = turn;
  const { pendingLimit, ledger } = state;
  const counts = mayRead(turn) && ledger.openRecords > 0 && isHeldUp(state);
  pendingLimit.fullSince = counts ? (pendingLimit.fullSince ?? now) : undefined;
  if (counts && !pendingLimit.warned && !pendingLimit.watching) watchAgain(turn, limitWarningMs);
}

function watchAgain({ state, effects }: ShardWorkerTurn, ms: number): void {
  state.pendingLimit.watching = true;
  effects.push(effect.after('limit', Math.max(1, Math.ceil(ms)), { type: 'limitDue' }));
}

/** Asks the stages, and through them the reducers, if the ledger has been full and nothing was settled for long enough. */
export function limitDue(turn: ShardWorkerTurn): void {
  const { options, state, effects } = turn;
  const { pendingLimit, channels } = state;
  pendingLimit.watching = false;
  const leftMs = limitWarningMs - stuckForMs(turn);
  if (pendingLimit.fullSince === undefined || pendingLimit.warned) return;
  if (leftMs > 0) return watchAgain(turn, leftMs);

  const [stage, ...nextStages] = channels.flatMap((channel) => (channel.hasNotified ? [channel.stage] : []));
  if (stage === undefined) return watchAgain(turn, limitWarningMs);
  pendingLimit.watching = true;
  effects.push(
    effect.ask(
      stage,
      (replyTo) => ({ type: 'waitsForAck', shardWorker: options.shardWorkerNumber, nextStages, replyTo }),
      {
        answered: (heldForMs) => ({ type: 'ackWaitReported', heldForMs }),
        failed: () => ({ type: 'askFailed' }),
      },
    ),
  );
}

/** How long the ledger has been full and nothing was settled. */
function stuckForMs({ state, now }: ShardWorkerTurn): number {
  return now - Math.max(state.pendingLimit.fullSince ?? now, state.settledAt);
}

/** `heldForMs`: for how long all open records have waited for the application's acknowledgement, and nothing else has gone on. */
export function ackWaitReported(turn: ShardWorkerTurn, { heldForMs }: { readonly heldForMs: number }): void {
  const { state, effects } = turn;
  state.pendingLimit.watching = false;
  if (state.pendingLimit.fullSince === undefined || state.pendingLimit.warned) return;
  const leftMs = limitWarningMs - Math.min(heldForMs, stuckForMs(turn));
  if (leftMs > 0) return watchAgain(turn, heldForMs === 0 ? askAgainMs : leftMs);

  state.pendingLimit.warned = true;
  const { source, shardId } = turn.options.lease;
  const message = warningText(turn);
  const error = new KinactError('PENDING_LIMIT_TOO_SMALL', message, {
    data: { source, shardId, ageMs: Math.round(stuckForMs(turn)) },
  });
  effects.push(effect.emit({ name: 'warning', data: { message, error, source, shardId } }));
}

function warningText({ options, state }: ShardWorkerTurn): string {
  const { bound, reached } = reachedBound(state);
  return (
    `The ledger of shard ${options.lease.shardId} is full (${reached}), and the reducer has acknowledged none of its ${state.ledger.openRecords} ` +
    `open records for ${limitWarningMs / 1_000} s although no call runs. Nothing more of the shard is delivered until it does. ` +
    `Raise ${bound === 'span' ? 'maxPending' : bound}, or acknowledge earlier; after watchdogMs (${options.watchdogMs}) the pipeline restarts.`
  );
}

/** The bound that is reached, as an option and in words. `span`: 64 × `maxPending`. */
export function reachedBound({ account, ledger }: ShardWorkerState): {
  readonly bound: ConsumerEvents['readingStopped']['bound'];
  readonly reached: string;
} {
  if (ledger.openRecords >= ledger.maxPending)
    return { bound: 'maxPending', reached: `maxPending: ${ledger.maxPending}` };
  if (ledger.admitted - ledger.head >= ledger.maxSpan)
    return { bound: 'span', reached: `64 × maxPending: ${ledger.maxSpan} records follow the oldest open one` };
  if (account?.waiter !== undefined)
    return { bound: 'maxBytes', reached: `maxBytes: the process holds all that it may` };
  return { bound: 'maxPendingBytes', reached: `maxPendingBytes: ${ledger.openBytes} of ${ledger.maxPendingBytes}` };
}
