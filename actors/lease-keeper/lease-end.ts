// How a lease ends: it is released at its frontier, ended with its shard, given up, lost, or never taken. The times of a release:
//   before cutAt       The shard drains. The release is written as soon as no shard worker and no call is left.
//   cutAt to writeAt   At cutAt the keeper revokes the tenure and stops waiting for calls. The release now waits only for the
//                      shard worker's last reports: its last frontier and its end.
//   writeAt to until   The release is written without those reports, and retried if it fails.
//   from until on      `finishUnreleased`: the keeper ends, and other workers wait until the lease expires. `giveUp` sets no until,
//                      because its release has no deadline.
import { effect, type ReplyTo } from '../protocol/actor.js';
import { abandonHook } from '../protocol/hook-call.js';
import type { KeeperNews, ShardEndPlan } from '../protocol/lease-messages.js';
import type { ShardEnd } from './shard-end.js';
import type { Message, LeaseKeeperMessage } from './messages.js';
import { leaveQueue } from './permit.js';
import { awaitsCalls, noteOwnershipEnded, rowIsBelowNewest } from './leftovers.js';
import { dropTenure, refuseTenureRequest } from './open-tenure.js';
import { emit, notifyCoordinator, warn, type KeeperTurn } from './turn.js';
import { backoffMs } from '../../src/core/backoff.js';
import { positionOf } from '../../src/core/checkpoint.js';
import { nextCheckpoint, durableCheckpoint } from '../../src/core/lease-state.js';
import { isInForce } from '../../src/core/lease-schedule.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { KinactError } from '../../src/api/errors.js';

/** Fractions of the reserve: how much of it lies after `cutAt`, and how much lies between `cutAt` and `writeAt`. */
const afterCut = 1 / 2;
const forLastWord = 1 / 8;

/** Begins to release the lease: the shard worker drains first. */
export function release(
  turn: KeeperTurn,
  { reason, deadlineMs }: Pick<Message<'release'>, 'reason' | 'deadlineMs'>,
): void {
  const { options, state, now } = turn;
  if (state.phase === 'over') return;

  // The drain and the write that follows share `deadlineMs`. The reserve is for the write.
  const reserveMs = Math.min(options.marginMs, deadlineMs / 2);
  const cutAt = now + deadlineMs - reserveMs * afterCut;
  const until = now + Math.max(deadlineMs, options.marginMs);

  const before = state.releaseOrder;
  state.releaseOrder = {
    reason: before?.reason ?? reason,
    coolDown: before?.coolDown ?? false,
    cutAt: Math.min(before?.cutAt ?? Infinity, cutAt),
    writeAt: Math.min(before?.writeAt ?? Infinity, cutAt + reserveMs * forLastWord),
    until: Math.min(before?.until ?? Infinity, until),
    recordsLeft: before?.recordsLeft ?? 0,
  };

  if (!awaitsCalls(state, now)) refuseTenureRequest(turn, `the lease is being released: ${reason}`);
  if (isInForce(state.tenure)) {
    const { shardWorkerRef, shared } = state.tenure;
    state.releaseOrder.recordsLeft = 'unknown';
    turn.effects.push(effect.send(shardWorkerRef, { type: 'drain', fence: shared.fence }));
  }
}

/** Releases the lease on the keeper's own initiative, because this process makes no progress with the shard. */
export function giveUp(turn: KeeperTurn, reason: string, forCallsMs = 0): void {
  const { state } = turn;
  const cutAt = turn.now + forCallsMs;
  refuseTenureRequest(turn, reason);
  dropTenure(turn, reason);

  const before = state.releaseOrder;
  state.releaseOrder = {
    reason: before?.reason ?? reason,
    coolDown: true,
    cutAt: before?.cutAt ?? cutAt,
    writeAt: before?.writeAt ?? cutAt,
    until: before?.until ?? Infinity,
    recordsLeft: 'unknown',
  };
}

export function askShardEnd({ options, state, effects }: KeeperTurn, shardEnd: ShardEnd): void {
  shardEnd.asking = true;
  const { children, notFound } = shardEnd;
  const position = positionOf(nextCheckpoint(state.lease) ?? durableCheckpoint(state.lease.row));

  effects.push(
    effect.ask(
      options.coordinator,
      (replyTo: ReplyTo<ShardEndPlan>) => ({
        type: 'askShardEnd' as const,
        leaseKey: options.leaseKey,
        ...(children === undefined ? {} : { children }),
        notFound,
        ...(position === undefined ? {} : { position }),
        replyTo,
      }),
      {
        answered: (plan): LeaseKeeperMessage => ({ type: 'shardEndPlanned', shardEnd, plan }),
        failed: (error): LeaseKeeperMessage => ({
          type: 'shardEndPlanned',
          shardEnd,
          plan: { type: 'blocked', reason: error.message, retryMs: options.failoverMs / 3 },
        }),
      },
    ),
  );
}

export function shardEndPlanned(turn: KeeperTurn, { shardEnd, plan }: Message<'shardEndPlanned'>): void {
  const { state, now } = turn;
  // The answer is about an end that has been withdrawn since.
  if (state.shardEnd !== shardEnd) return;

  shardEnd.asking = false;
  switch (plan.type) {
    case 'ready':
      shardEnd.childShardIds = plan.childShardIds;
      return;
    case 'blocked':
      shardEnd.blocked = true;
      shardEnd.askAt = now + plan.retryMs;
      if (plan.waits === true) shardEnd.since = now;
      return;
    case 'readOn':
      return withdrawShardEnd(turn);
  }
}

/**
 * Withdraws a false end: the listings show the shard open. The next shard worker continues from the frontier, after a growing wait if false
 * ends repeat at the same frontier.
 */
function withdrawShardEnd({ options, state, now }: KeeperTurn): void {
  const { lease, setbacks } = state;
  const { falseEnds } = setbacks;
  falseEnds.count = falseEnds.at === lease.frontier ? falseEnds.count + 1 : 1;
  falseEnds.at = lease.frontier;

  state.shardEnd = undefined;
  state.shardWorkers.idleSince = now;
  const shape = { baseMs: options.failoverMs / 10, capMs: options.failoverMs };
  setbacks.nextShardWorkerAt = falseEnds.count === 1 ? now : now + backoffMs(shape, falseEnds.count, options.random);
}

/** Sends the keeper's last news about its lease. The keeper itself ends once its last call of the application has ended. */
export function finish(turn: KeeperTurn, news: KeeperNews, reason: string): void {
  const { state, effects } = turn;
  const noCallsLeft = state.tenure === undefined && state.leftovers.callsLeftBehind === 'none';
  refuseTenureRequest(turn, reason);
  dropTenure(turn, reason);

  state.phase = 'over';
  if (news.type !== 'notTaken') noteOwnershipEnded(turn, noCallsLeft);
  state.timing.liveUntil = 0;
  leaveQueue(turn);
  state.writes.current = undefined;

  notifyCoordinator(turn, news);
  effects.push(effect.cancel('wake'), ...dropEndHook(turn, reason));
  if (state.leftovers.hookCalls === 0) effects.push(effect.end());
}

/** The result of a call of `onShardEnded` that is under way does not matter any more. */
function dropEndHook({ options: { leaseKey, shardId }, state }: KeeperTurn, reason: string): KeeperTurn['effects'] {
  const message = `The lease of ${shardId} has ended while onShardEnded was running: ${reason}.`;
  return abandonHook(
    state.endHook,
    'onShardEnded',
    new KinactError('LEASE_LOST', message, { data: { leaseKey, shardId } }),
  );
}

/** `refusal`: why no write can release the lease, if that is known. */
export function finishReleased(turn: KeeperTurn, written: boolean, refusal?: Error): void {
  const { options, state } = turn;
  const order = state.releaseOrder;
  const { reason, coolDown } = order ?? { reason: 'released', coolDown: false };
  const reported = order?.recordsLeft ?? 'unknown';
  const recordsLeft = reported === 0 && rowIsBelowNewest(turn) ? 'unknown' : reported;

  const { leaseKey, shardId, source } = options;
  const { checkpoint, subSequenceNumber } = durableCheckpoint(state.lease.row);
  const problem = refusal === undefined ? {} : { problem: refusal.message };
  const lease = {
    source,
    shardId,
    leaseKey,
    recordsLeft,
    checkpoint,
    subSequenceNumber,
    released: written,
    ...problem,
  };

  if (written) emit(turn, { name: 'leaseReleased', data: { source, shardId, leaseKey, reason } });
  else if (refusal === undefined)
    warn(turn, 'The lease could not be released in time: other workers must wait until it expires.');
  else
    warn(turn, 'The lease could not be released, because its row cannot be read: somebody must correct it.', refusal);
  finish(turn, { type: 'released', lease, reason, coolDown }, reason);
}

/** Ends the keeper when the time given for the release is over. */
export function finishUnreleased(turn: KeeperTurn): void {
  if (turn.state.taking.hasHeldLease) return finishReleased(turn, false);
  return finishNotHeld(turn, 'released before it was taken');
}

export function finishEnded(turn: KeeperTurn): void {
  const { source, shardId } = turn.options;
  const childShardIds = turn.state.lease.row.childShardIds;
  emit(turn, { name: 'shardEnded', data: { source, shardId, children: childShardIds } });
  finish(turn, { type: 'ended', childShardIds }, 'the shard has ended');
}

/**
 * Ends the keeper because it does not hold the lease. `retake`: this process wrote the row. `wishFailed`: the holder did not
 * grant the wish, and must not be asked again soon.
 */
export function finishNotHeld(
  turn: KeeperTurn,
  reason: string,
  { retake = false, wishFailed = false }: { readonly retake?: boolean; readonly wishFailed?: boolean } = {},
): void {
  const { leaseKey, shardId, source } = turn.options;
  if (!turn.state.taking.hasHeldLease) {
    const failed = wishFailed ? { wishFailed } : {};
    return finish(turn, { type: 'notTaken', reason, retake, ...failed }, reason);
  }

  emit(turn, { name: 'leaseLost', data: { source, shardId, leaseKey, reason } });
  finish(turn, { type: 'lost', reason, retake }, reason);
}

/** Ends the keeper because another process writes under this worker id. */
export function finishWorkerIdInUse(turn: KeeperTurn, foundRow: LeaseRow): void {
  const { leaseKey, shardId, source, workerId } = turn.options;
  const reason = `WORKER_ID_IN_USE: another process writes as ${workerId}`;
  if (turn.state.taking.hasHeldLease) emit(turn, { name: 'leaseLost', data: { source, shardId, leaseKey, reason } });
  finish(turn, { type: 'workerIdInUse', current: foundRow }, reason);
}
