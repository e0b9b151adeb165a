// How a keeper gives its lease to the asker: a worker that has written a wish into the row, and raises the number in it while it waits. The
// keeper answers, delivers for one more second so that the answer is seen, drains, and hands over in one write. When it sends this write,
// all is settled, and no call runs for the shard (I44, I48). Until the outcome is known, no shard worker begins. So nothing repeats (I45).
//
//   phase          event                                                   next phase    who decides
// - none           a write returns the row with a wish for this keeper     asked         `noteWish`
// - none           the same, in the cool-down after a failed drain         refusing      `noteWish`
// - asked          a renewal has carried the answer `yielding`             answered      `answerWritten`
// - asked          no shard worker reads the shard, and no call can run    draining      `proceedReceivedWish`
// - answered       a second has passed; the shard worker gets `pause`      draining      `proceedReceivedWish`
// - draining       the shard worker has ended, and nothing is left behind  ready         `decideAfterDrain`
// - ready          the next write, the hand-over, has taken effect         (the end)     `newOwnerOf`, `leaseGiven`
// - asked … ready  there is a reason to refuse, as listed below            refusing      `proceedReceivedWish`, `decideAfterDrain`
// - refusing       a write has carried the answer `refused`                refused       `answerWritten`
// - asked … ready  the number in the wish no longer rises (`isFresh`)      stale         `proceedReceivedWish`
// - stale          the number in the wish rises again                      asked         `noteWish`
// - any            the row has the wish of another asker                   (as if none)  `noteWish`
// - any            the row has no wish for this keeper                     none          `noteWish`
//
// The keeper refuses, and keeps the lease, when:
// - a drain has failed, and the cool-down after it is not over (`noteWish`);
// - the shard is about to end (`proceedReceivedWish`);
// - only records that wait for another attempt are left (`cannotDrain`);
// - the drain takes too long (`proceedReceivedWish`). While an `onCheckpoint` call runs, a drained shard stays in `draining`, until
//   `refuseAt` at the latest;
// - the shard worker has gone and left a call or an open record behind (`decideAfterDrain`).
//
// Once the lease is being released, `proceedReceivedWish` takes no step, and the keeper refuses only in the cool-down. The release names
// the asker as the owner (`newOwnerOf`) if the phase is `ready`, nothing is left behind, and the number in the wish still rises.
import { effect } from '../protocol/actor.js';
import { finish, finishNotHeld, finishReleased } from './lease-end.js';
import { reportDurable } from './checkpoint-report.js';
import type { LeaseKeeperOptions } from './options.js';
import type { RowUpdate, ReceivedWish } from './state.js';
import type { Message } from './messages.js';
import { noShardWorkerAndNoCalls, nothingLeftBehind } from './leftovers.js';
import { refuseTenureRequest, tenureOf } from './open-tenure.js';
import { emit, retryDelayMs, type KeeperTurn } from './turn.js';
import { exponentialMs } from '../../src/core/backoff.js';
import { checkpointOf, compareCheckpoints } from '../../src/core/checkpoint.js';
import { maxFailoverMs } from '../../src/core/lease-failover.js';
import {
  applyWritten,
  nextCheckpoint,
  durableCheckpoint,
  renewChange,
  type RowChange,
} from '../../src/core/lease-state.js';
import { isInForce } from '../../src/core/lease-schedule.js';
import { answerText, readWish, wishLastsMs, wishPrefix } from '../../src/core/lease-wish.js';
import type { LeaseRow } from '../../src/core/lease.js';

/** The asker sees the answer within this time, and reads the row more often from then on. */
const noticeMs = 1_000;

/** Reads the wish that a write found in the row, and ignores it if it is addressed to another keeper. */
export function noteWish(turn: KeeperTurn, text: string | undefined): void {
  const { options, state, now } = turn;
  const wish = readWish(text);
  const before = state.receivedWish;
  if (wish === undefined || wish.holder !== options.writer) {
    if (before !== undefined) resumeShardWorker(turn, before);
    state.receivedWish = undefined;
  } else if (before?.wish.writer !== wish.writer) {
    if (before !== undefined) resumeShardWorker(turn, before);
    const phase = now < state.setbacks.failedDrains.until ? 'refusing' : 'asked';
    state.receivedWish = {
      wish,
      seenAt: now,
      phase,
      drainStartsAt: Infinity,
      refuseAt: Infinity,
      refuseAtLatest: Infinity,
    };
  } else if (before.wish.number !== wish.number) {
    before.wish = wish;
    before.seenAt = now;
    if (before.phase === 'stale') before.phase = 'asked';
  }
}

/** The answer that the next write of kind `renew` or `answer` carries, if any. */
export function answerOf({ options, state }: KeeperTurn): RowChange {
  const { receivedWish } = state;
  if (receivedWish?.phase === 'asked')
    return { answer: answerText('yielding', receivedWish.wish, longestDrainMs(options)) };
  return receivedWish?.phase === 'refusing' ? { answer: answerText('refused', receivedWish.wish) } : {};
}

export function answerWritten({ options, state, now }: KeeperTurn, { change }: RowUpdate): void {
  const { receivedWish } = state;
  if (receivedWish === undefined || change.answer === undefined) return;
  if (change.answer === answerText('refused', receivedWish.wish)) receivedWish.phase = 'refused';
  else if (receivedWish.phase !== 'asked') return;
  else if (change.answer === answerText('yielding', receivedWish.wish, longestDrainMs(options))) {
    receivedWish.phase = 'answered';
    receivedWish.drainStartsAt = now + noticeMs;
  }
}

/** Takes the step of the hand-over that is due by now, if any. */
export function proceedReceivedWish(turn: KeeperTurn): void {
  const { state, now } = turn;
  const { receivedWish } = state;
  if (receivedWish === undefined || state.phase !== 'held' || state.releaseOrder !== undefined) return;
  const { phase } = receivedWish;
  if (phase === 'refused' || phase === 'refusing' || phase === 'stale') return;

  if (!isFresh(turn, receivedWish)) callOff(turn, receivedWish, 'stale');
  else if (state.shardEnd !== undefined) callOff(turn, receivedWish, 'refusing');
  else if ((phase === 'draining' || phase === 'ready') && now >= receivedWish.refuseAt)
    callOff(turn, receivedWish, 'refusing');
  else if (phase === 'asked' && noShardWorkerAndNoCalls(turn)) startDraining(turn, receivedWish);
  else if (phase === 'answered' && now >= receivedWish.drainStartsAt) startDraining(turn, receivedWish);
  else if (phase === 'draining' && state.tenure === undefined) decideAfterDrain(turn, receivedWish);
}

function startDraining(turn: KeeperTurn, receivedWish: ReceivedWish): void {
  const { options, state, now, effects } = turn;
  const { tenure } = state;
  refuseTenureRequest(turn, 'the lease is being handed over');
  receivedWish.phase = 'draining';
  receivedWish.refuseAt = now + options.handOverMs;
  receivedWish.refuseAtLatest = now + longestDrainMs(options);

  if (tenure === undefined) return decideAfterDrain(turn, receivedWish);
  // A revoked shard worker gets no `pause`: it ends anyway. Its last report leads to `decideAfterDrain`.
  if (!isInForce(tenure)) return;

  state.shardWorkers.pauses += 1;
  effects.push(
    effect.send(tenure.shardWorkerRef, {
      type: 'pause',
      fence: tenure.shared.fence,
      number: state.shardWorkers.pauses,
    }),
  );
}

/** A drain ends after this many times `handOverMs` even if the frontier still moves. */
const drainPatience = 10;

/** The longest time a drain may take. The answer carries it. The asker waits somewhat longer, and accepts no larger value. */
function longestDrainMs({ handOverMs }: LeaseKeeperOptions): number {
  return Math.min(drainPatience * handOverMs, maxFailoverMs);
}

/** Gives a drain more time, because the frontier has moved. Otherwise a shard with a long queue could never be handed over. */
export function extendDrain({ options, state, now }: KeeperTurn): void {
  const { receivedWish } = state;
  if (receivedWish?.phase === 'draining')
    receivedWish.refuseAt = Math.min(now + options.handOverMs, receivedWish.refuseAtLatest);
}

/** Refuses at once: only records that wait for another attempt are open, so the shard worker continues to read the shard. */
export function cannotDrain(turn: KeeperTurn, { shardWorker, fence }: Message<'cannotDrain'>): void {
  const { receivedWish } = turn.state;
  if (receivedWish?.phase !== 'draining' || tenureOf(turn, shardWorker, fence) === undefined) return;
  callOff(turn, receivedWish, 'refusing');
}

const maxCoolDownMs = 600_000;

/**
 * Calls the hand-over off. A shard worker that has not ended continues where it paused. In the phase `ready` the hand-over may have been
 * sent. No shard worker begins beside the new owner even so: `answerTenureRequest` needs a successful renewal, and a renewal is conditional
 * on the counter (`conditionOf`), which a hand-over changes.
 */
function callOff(turn: KeeperTurn, receivedWish: ReceivedWish, next: 'refusing' | 'stale'): void {
  const { options, state, now } = turn;
  if (receivedWish.phase === 'draining' && next === 'refusing') {
    // A shard that does not drain must still be read: wishes are refused for a while.
    const { count } = state.setbacks.failedDrains;
    const coolDownMs = exponentialMs({ baseMs: options.failoverMs, capMs: maxCoolDownMs }, count);
    state.setbacks.failedDrains = { count: count + 1, until: now + coolDownMs };
  }

  resumeShardWorker(turn, receivedWish);
  receivedWish.phase = next;
}

function resumeShardWorker({ state, effects }: KeeperTurn, { phase }: ReceivedWish): void {
  const { tenure } = state;
  if (phase !== 'draining' || !isInForce(tenure)) return;
  effects.push(
    effect.send(tenure.shardWorkerRef, {
      type: 'resume',
      fence: tenure.shared.fence,
      number: state.shardWorkers.pauses,
    }),
  );
}

/**
 * Called when no shard worker is left. A shard worker that crashed may have left calls behind, and records that will be delivered again.
 */
function decideAfterDrain(turn: KeeperTurn, receivedWish: ReceivedWish): void {
  // Unlike `callOff`, this starts no cool-down (`failedDrains`). The drain has failed because the shard worker has gone, not because it was
  // too slow. The next shard worker reads the open records again, and may drain in time.
  if (!nothingLeftBehind(turn)) receivedWish.phase = 'refusing';
  // An `onCheckpoint` call of the shard must end first, too.
  else if (turn.state.leftovers.hookCalls === 0) receivedWish.phase = 'ready';
}

/** Whether the asker seems to be alive, because the number in its wish still rises. Always true once the hand-over may have been sent. */
function isFresh({ options, state, now }: KeeperTurn, { wish, seenAt, phase }: ReceivedWish): boolean {
  if (phase === 'ready' && (state.writes.current?.kind === 'handOver' || state.lease.unknownWrites.length > 0))
    return true;
  return now - seenAt < wishLastsMs(wish, options.failoverMs);
}

/**
 * The asker, if the next write is to name it as the owner. Undefined if that write leaves the lease free, as most releases do. It is
 * certain only after a pause that no call runs. A shard worker that a release cuts off may leave a call behind, even if all records are
 * settled.
 */
export function newOwnerOf(turn: KeeperTurn): RowChange['handOver'] {
  const { receivedWish, releaseOrder } = turn.state;
  if (receivedWish === undefined) return undefined;
  if (
    releaseOrder !== undefined &&
    (receivedWish.phase !== 'ready' || !nothingLeftBehind(turn) || !isFresh(turn, receivedWish))
  )
    return undefined;
  const { workerId, writer, failoverMs } = receivedWish.wish;
  return { workerId, writer, failoverMs };
}

/** Ends the keeper: the lease belongs to the asker, and everything that was handed out here is settled. */
export function leaseGiven(turn: KeeperTurn, to: string): void {
  const { options, state } = turn;
  if (state.releaseOrder !== undefined) return finishReleased(turn, true);
  const { leaseKey, shardId, source } = options;
  emit(turn, { name: 'leaseHandedOver', data: { source, shardId, leaseKey, to } });
  const at = durableCheckpoint(state.lease.row);
  finish(turn, { type: 'handedOver', to, at }, `handed over to ${to}`);
}

/** After this many refused hand-overs with the wish still in the row, the refusal is handled like that of any other write. */
const maxRefusedWrites = 3;

/** Handles a refused write as far as it concerns a hand-over. Returns true if the refusal needs no further handling. */
export function resolveRefusedWrite(turn: KeeperTurn, write: RowUpdate, foundRow: LeaseRow | undefined): boolean {
  const { options, state, now } = turn;
  const { lease, receivedWish } = state;
  if (receivedWish === undefined) return false;
  const { workerId } = receivedWish.wish;
  const maybeGiven = lease.unknownWrites.some(({ owner }) => owner === workerId);

  if (foundRow === undefined) {
    // If the hand-over took effect, the new owner creates the row again.
    if (maybeGiven) finishNotHeld(turn, 'the row is gone, and the lease may have been handed over');
    return maybeGiven;
  }

  if (maybeGiven && handOverTookEffect(turn, receivedWish, foundRow)) {
    // Report only the checkpoint of the hand-over: the new owner reports its own.
    applyWritten(lease, renewChange(nextCheckpoint(lease)), foundRow.leaseCounter, options.writer);
    reportDurable(turn);
    leaseGiven(turn, workerId);
    return true;
  }

  const isRowUnchanged =
    foundRow.leaseCounter === lease.row.leaseCounter &&
    foundRow.leaseOwner === options.workerId &&
    foundRow.kinactWriter === options.writer;
  if (!isRowUnchanged || write.change.handOver === undefined) return false;
  if (isWishOf(receivedWish, foundRow)) {
    if (state.writes.failed >= maxRefusedWrites) return false;
    retryWrite(turn);
    return true;
  }

  // The wish was withdrawn, or another worker has asked since.
  receivedWish.phase = 'stale';
  noteWish(turn, foundRow.kinactWish);
  state.writes.retryAt = now;
  return true;
}

function isWishOf({ wish }: ReceivedWish, { kinactWish }: LeaseRow): boolean {
  return kinactWish?.startsWith(wishPrefix(wish.writer)) === true;
}

function retryWrite(turn: KeeperTurn): void {
  const { state, now } = turn;
  state.writes.retryAt = now + Math.max(1, retryDelayMs(turn));
  state.writes.failed += 1;
}

/**
 * Whether a hand-over whose reply was lost took effect. The new owner may have written since, or even given the lease back. If
 * the row's checkpoint is before this keeper's frontier, the asker took the lease without the hand-over.
 */
function handOverTookEffect({ state }: KeeperTurn, { wish }: ReceivedWish, foundRow: LeaseRow): boolean {
  if (foundRow.leaseOwner !== wish.workerId && foundRow.kinactWriter !== wish.writer) return false;
  const { frontier } = state.lease;
  return frontier === undefined || compareCheckpoints(durableCheckpoint(foundRow), checkpointOf(frontier)) >= 0;
}
