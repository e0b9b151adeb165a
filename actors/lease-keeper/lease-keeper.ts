// The actor of one lease that this process holds or tries to take. It makes every write to the lease's row, one at a time, and
// keeps the frontier and the tenures under which shard workers deliver. A message handler notes what is wanted or known, and may answer:
// it grants a tenure, informs a shard worker, or ends the keeper. No handler begins a write. `proceed`, which ends every turn, compares
// what is noted with the clock, and begins the write that is due. The lease coordinator spawns keepers as temporary children,
// which are never restarted.
import { effect, type Behaviour, type LastEffect, type Ref } from '../protocol/actor.js';
import { askShardEnd, giveUp, finishNotHeld, release, shardEndPlanned, finishUnreleased } from './lease-end.js';
import type { LeaseKeeperOptions } from './options.js';
import { onCheckpointSettled } from './checkpoint-report.js';
import { hookDue, hookEnded, hookOverdue, proceedEndHook } from './end-hook.js';
import { stopAwaitingCalls, createLeftovers } from './leftovers.js';
import { giveUnusedPermitBack, leaveQueue, requestPermit, shouldGiveUpTake, permitCame, takeByFrom } from './permit.js';
import { handle, type Handlers } from '../protocol/handlers.js';
import { createHookCall } from '../protocol/hook-call.js';
import type { LeaseKeeperState } from './state.js';
import type { Message, LeaseKeeperMessage } from './messages.js';
import {
  requestTenure,
  dropTenure,
  noteFrontier,
  reportReads,
  refuseTenureRequest,
  revokeTenure,
} from './open-tenure.js';
import { effectName, notifyCoordinator, type KeeperTurn } from './turn.js';
import { shardWorkerDown, shardWorkerEnded } from './ended-shard-worker.js';
import { looked, lookFailed, proceedWishing, wishingOf } from './hand-over-asker.js';
import { cannotDrain, extendDrain, proceedReceivedWish } from './hand-over-holder.js';
import { beginWrite, nextExtraAt } from './outgoing-write.js';
import { isRowUpdate, tableAnswered, handleUnknownOutcome } from './writes.js';
import { durableCheckpoint, leaseStateOf, noteUnknownWrite } from '../../src/core/lease-state.js';
import {
  isIdleTooLong,
  isInForce,
  isWriteOverdue,
  nextWakeAt,
  nextWrite,
  type ScheduleLimits,
  shouldAskShardEnd,
} from '../../src/core/lease-schedule.js';
import { KinactError } from '../../src/api/errors.js';
import { type KeeperStatus, keeperStatus } from './status.js';

export type { LeaseKeeperRequest, KeeperNews, KeeperNotice, ShardWorkerRequest } from '../protocol/lease-messages.js';
export type { LeaseKeeperOptions } from './options.js';
export type { LeaseKeeperMessage } from './messages.js';
export type { LeaseKeeperState } from './state.js';

export function leaseKeeper(
  options: LeaseKeeperOptions,
): Behaviour<LeaseKeeperState, LeaseKeeperMessage, KeeperStatus> {
  return {
    kind: 'lease-keeper',
    initial(self) {
      const now = options.clock.now();
      const { predecessor } = options;
      const fresh = initialState(options, self, now);
      const state = predecessor === undefined ? fresh : resumedState(fresh, predecessor.state);
      const turn: KeeperTurn = { options, state, now, effects: [] };
      if (predecessor !== undefined) release(turn, predecessor);
      proceed(turn);
      return [state, turn.effects];
    },
    receive(state, message) {
      const turn: KeeperTurn = { options, state, now: options.clock.now(), effects: [] };
      if (!noticeSuspension(turn)) endExpiredTenure(turn);
      handle(handlers, turn, message);
      proceed(turn);
      return [state, turn.effects];
    },
    stopped(state) {
      const turn: KeeperTurn = { options, state, now: options.clock.now(), effects: [] };
      refuseTenureRequest(turn, 'the keeper has stopped');
      dropTenure(turn, 'the keeper has stopped');
      leaveQueue(turn);
      // A cast: a stopping actor may only send, reply, count and emit, and the calls above do nothing else.
      return turn.effects as LastEffect[];
    },
    status: (state) => keeperStatus(options, state),
  };
}

/**
 * Ends the tenure if the machine was suspended, and trusts no earlier renewal (docs/leases.md). During a suspension
 * the wall clock advances, but the monotonic clock may not. Returns true after a suspension.
 */
function noticeSuspension(turn: KeeperTurn): boolean {
  const { options, state, now } = turn;
  const wall = options.clock.wallNow();
  const suspendedMs = wall - state.clocks.lastWall - (now - state.clocks.lastNow);
  state.clocks.lastNow = now;
  state.clocks.lastWall = wall;

  if (suspendedMs <= options.marginMs) return false;

  state.timing.trustedSince = now;
  state.timing.liveUntil = 0;
  state.timing.renewAt = now;
  revokeTenure(turn, `the machine was suspended for about ${Math.round(suspendedMs)} ms`);
  return true;
}

/** Ends the tenure if its deadline has passed without a renewal. */
function endExpiredTenure(turn: KeeperTurn): void {
  const { options, state, now } = turn;
  // A tenure that has ended before its deadline is not revoked here: its shard worker is being informed, and its last reports are
  // coming.
  if (!isInForce(state.tenure) || now < state.tenure.shared.deadline) return;

  const blockedMs = Math.round(now - state.clocks.wakeAt);
  const blocked = blockedMs > options.marginMs ? `: the process was blocked for about ${blockedMs} ms` : '';
  revokeTenure(turn, `the local deadline has passed without a renewal${blocked}`);
}

const handlers: Handlers<KeeperTurn, LeaseKeeperMessage> = {
  beginTenure: requestTenure,
  frontier: acceptFrontier,
  reads: reportReads,
  shardWorkerEnded,
  shardWorkerDown,
  cannotDrain,
  streamDoubted,
  release,
  startAllowed,
  callsEnded: stopAwaitingCalls,
  wake,
  permitCame,
  written: tableAnswered,
  created: tableAnswered,
  wished: tableAnswered,
  writeFailed: tableAnswered,
  looked,
  lookFailed,
  shardEndPlanned,
  onCheckpointSettled,
  hookEnded,
  hookOverdue,
  hookDue,
};

/** Extends a drain if the frontier moved. A late message of an earlier shard worker does not move it. */
function acceptFrontier(turn: KeeperTurn, { frontier: report }: Message<'frontier'>): void {
  const before = turn.state.lease.frontier;
  noteFrontier(turn, report);
  if (turn.state.lease.frontier !== before) extendDrain(turn);
}

function streamDoubted(turn: KeeperTurn): void {
  if (turn.state.phase !== 'over') notifyCoordinator(turn, { type: 'streamDoubted' });
}

function startAllowed({ state, now }: KeeperTurn): void {
  state.shardWorkers.mayNotStart = false;
  state.shardWorkers.idleSince = now;
}

function wake({ state }: KeeperTurn): void {
  state.clocks.wakeAt = Infinity;
}

function limitsOf({ failoverMs, callDeadlineMs }: LeaseKeeperOptions): ScheduleLimits {
  return {
    // A renewal begins after a third of `failoverMs`. If it gets no answer, one more fits in before delivery has to stop.
    writeTimeoutMs: failoverMs / 2,
    // A pipeline that restarts waits for user calls until `callDeadlineMs`. If a shard has no shard worker for `failoverMs`, the
    // coordinator sends the held leases again.
    idleLimitMs: callDeadlineMs + failoverMs,
    // `onCheckpoint` calls may delay SHARD_END. The proof of an end can take two listings that are `failoverMs` apart, and some calls of
    // the service may fail.
    endLimitMs: callDeadlineMs + 4 * failoverMs,
  };
}

/** Takes every step that is due now, and sets the timer for the next one. The order of the steps matters. */
function proceed(turn: KeeperTurn): void {
  const { options, state, now } = turn;
  const limits = limitsOf(options);
  if (state.phase === 'over') return;

  // 1. Gives up a write without an answer: one write at a time, so no other one could begin.
  giveUpOverdueWrite(turn, limits);

  // 2. Gives up a lease without progress. This makes a release order, so it comes before the steps of a release.
  if (isIdleTooLong(state, limits, now)) {
    const reason =
      state.shardEnd === undefined
        ? `no shard worker has asked for the shard for ${limits.idleLimitMs} ms`
        : `the end of the shard has not been proven for ${limits.endLimitMs} ms`;
    giveUp(turn, reason);
  }

  // 3. A release cuts its shard worker off, and ends the keeper if it could not be written in time.
  if (state.releaseOrder !== undefined && now >= state.releaseOrder.cutAt)
    revokeTenure(turn, state.releaseOrder.reason);
  if (state.releaseOrder !== undefined && now >= state.releaseOrder.until) return finishUnreleased(turn);

  // 4. Asks whether SHARD_END may be written, and calls `onShardEnded` before it. Also during a release: SHARD_END may still
  // replace the release.
  if (state.shardEnd !== undefined && shouldAskShardEnd(state.shardEnd, now)) askShardEnd(turn, state.shardEnd);
  proceedEndHook(turn);

  // 5. Ends a keeper that gets no permit for its take.
  if (shouldGiveUpTake(turn)) return finishNotHeld(turn, 'its take got no permit to write');

  // 6. The steps of wishes. They change which write is due, and may end the keeper.
  proceedWishing(turn);
  proceedReceivedWish(turn);
  if (isOver(state)) return;

  // 7. Begins the write that is due after all these steps.
  state.timing.extraAt = nextExtraAt(turn);
  const kind = nextWrite(state, now);
  if (kind === undefined) giveUnusedPermitBack(turn);
  else if (requestPermit(turn, kind)) beginWrite(turn, kind);

  // 8. Sets the timer last, because every step may change when the next one is due.
  setTimer(turn, nextWakeAt(state, limits, now));
}

function giveUpOverdueWrite(turn: KeeperTurn, limits: ScheduleLimits): void {
  const { options, state, now, effects } = turn;
  const { current } = state.writes;
  if (current === undefined || !isWriteOverdue(state, limits, now)) return;
  const text = `The lease table did not answer within ${limits.writeTimeoutMs} ms: ${current.kind} of ${options.shardId}.`;
  const error = new KinactError('AWS_ERROR', text, { retryable: true });
  effects.push(effect.abort(effectName(current), error));
  handleUnknownOutcome(turn, current, error);
}

/** Whether a step has ended the keeper. A function, because TypeScript would take the phase for the one that was checked before. */
function isOver({ phase }: LeaseKeeperState): boolean {
  return phase === 'over';
}

function setTimer({ state, now, effects }: KeeperTurn, at: number): void {
  if (at === state.clocks.wakeAt) return;
  state.clocks.wakeAt = at;
  // A timer may fire slightly early. Then nothing is due, and `proceed` sets a timer for the rest.
  if (at < Infinity) effects.push(effect.after('wake', Math.max(1, Math.ceil(at - now)), { type: 'wake' }));
}

function initialState(options: LeaseKeeperOptions, self: Ref<LeaseKeeperMessage>, now: number): LeaseKeeperState {
  const wishing = wishingOf(options, now);
  const { clock, seenRow, failoverMs } = options;

  return {
    self,
    lease: leaseStateOf(seenRow),
    phase: wishing === undefined ? 'taking' : 'wishing',
    wishing,
    taking: { hasHeldLease: false, retakes: 0, recreations: 0, previousOwner: undefined },
    writes: { current: undefined, begun: 0, failed: 0, failing: undefined, retryAt: now },
    queuePlace: {
      entry: options.traffic?.join(),
      queued: false,
      permit: undefined,
      timesQueued: 0,
      takeBy: takeByFrom(now, failoverMs),
    },
    timing: {
      liveUntil: 0,
      trustedSince: now,
      renewAt: now,
      reportedCheckpoint: durableCheckpoint(seenRow),
      checkpointAt: now,
      extraAt: Infinity,
    },
    clocks: {
      serviceTimeMs: options.serviceTimeMs ?? clock.wallNow(),
      bornAt: now,
      lastNow: now,
      lastWall: clock.wallNow(),
      wakeAt: Infinity,
    },
    shardWorkers: {
      tenureRequest: undefined,
      last: undefined,
      idleSince: now,
      mayNotStart: options.mayNotStart ?? false,
      pauses: 0,
    },
    tenure: undefined,
    leftovers: createLeftovers(options),
    receivedWish: undefined,
    releaseOrder: undefined,
    shardEnd: undefined,
    endHook: createHookCall(),
    setbacks: {
      watchdog: { count: 0, at: undefined },
      falseEnds: { count: 0, at: undefined },
      nextShardWorkerAt: now,
      failedDrains: { count: 0, until: 0 },
    },
  };
}

/** The state of a keeper that continues for a stopped one. The last write of the stopped keeper may have taken effect. */
function resumedState(fresh: LeaseKeeperState, stopped: LeaseKeeperState): LeaseKeeperState {
  const { lease, shardEnd } = stopped;
  const { current, begun } = stopped.writes;
  const { reportedCheckpoint, checkpointAt } = stopped.timing;
  const { handedOut, onCheckpointCallsMade } = stopped.leftovers;

  if (current !== undefined && isRowUpdate(current)) noteUnknownWrite(lease, current.change);

  return {
    ...fresh,
    lease,
    phase: 'held',
    taking: { ...fresh.taking, hasHeldLease: true },
    writes: { ...fresh.writes, begun },
    timing: { ...fresh.timing, reportedCheckpoint, checkpointAt, renewAt: Infinity },
    shardWorkers: { ...fresh.shardWorkers, mayNotStart: true },
    leftovers: { ...fresh.leftovers, handedOut, onCheckpointCallsMade, callsLeftBehind: 'possible' },
    // Without a coordinator, no rows for children can be made. So SHARD_END may be written only if the coordinator allowed it
    // before, and the hook of the application has succeeded.
    shardEnd: shardEnd?.childShardIds === undefined || shardEnd.awaitsHook ? undefined : shardEnd,
  };
}
