// Releases all leases of a coordinator, because the consumer is being stopped. The coordinator tells every keeper to release, and answers
// when each has reported, at the latest at the deadline. Its report also has the abandoned leases (keepers.ts): their keepers have died,
// so they are not released. A successor that has not scanned yet knows too little, and answers nothing (`isBlind`).
import type { Message } from './messages.js';
import { effect } from '../protocol/actor.js';
import type { ReleaseOutcome } from '../protocol/lease-messages.js';
import type { Lease, Release } from './state.js';
import type { CoordinatorTurn } from './turn.js';
import { wishLastsMs } from '../../src/core/lease-wish.js';
import { isWriterOf } from '../../src/core/writer-signature.js';

/** Begins the release: the coordinator takes no more leases, and every keeper drains, checkpoints and releases. */
export function releaseAll(turn: CoordinatorTurn, { deadlineMs, replyTo }: Message<'releaseAll'>): void {
  const { options, state, effects, now } = turn;
  if (state.release !== undefined) {
    if (state.release.answered) effects.push(effect.reply(replyTo, reportOf(state.release)));
    else state.release.replyTo.push(replyTo);
    return;
  }

  const isBlind = options.isSuccessor && state.planning.plan === undefined;
  state.release = { replyTo: [replyTo], deadlineAt: now + deadlineMs, report: [], isBlind, answered: false };
  if (state.phase !== 'failed') state.phase = 'releasing';
  effects.push(effect.cancel('scan'), effect.after('release', deadlineMs, { type: 'releaseOverdue' }));

  for (const lease of state.leases.values()) {
    if (lease.keeper !== undefined)
      effects.push(effect.send(lease.keeper, { type: 'release', reason: 'stopping', deadlineMs }));
  }
  finishRelease(turn);
}

export function finishRelease(turn: CoordinatorTurn): void {
  const { state, effects } = turn;
  if (state.release === undefined || state.release.answered || state.leases.size > 0) return;
  effects.push(effect.cancel('release'));
  answerRelease(turn, state.release);
}

export function unreleasedOutcome({ leaseKey, shardId, stream, row }: Lease): ReleaseOutcome {
  const { checkpoint, checkpointSubSequenceNumber: subSequenceNumber } = row;
  const source = stream.sourceOptions.source.name;
  return { source, shardId, leaseKey, recordsLeft: 'unknown', checkpoint, subSequenceNumber, released: false };
}

/** Handles the deadline: a lease is reported as not released if its keeper has not sent its final news. */
export function releaseOverdue(turn: CoordinatorTurn): void {
  const { release, leases } = turn.state;
  if (release === undefined || release.answered) return;
  // A lease in phase `taking` is reported, too: the take may have been written.
  for (const lease of leases.values()) if (lease.phase !== 'wishing') release.report.push(unreleasedOutcome(lease));
  answerRelease(turn, release);
}

function answerRelease({ state, effects }: CoordinatorTurn, release: Release): void {
  release.answered = true;
  for (const lease of state.abandoned.values()) release.report.push(unreleasedOutcome(lease));
  for (const replyTo of release.replyTo.splice(0)) effects.push(effect.reply(replyTo, reportOf(release)));
}

function reportOf({ isBlind, report }: Release): readonly ReleaseOutcome[] | undefined {
  return isBlind ? undefined : report;
}

/** After a scan, forgets leases that have no row or that another worker has taken: this worker cannot release them. */
export function forgetAbandoned(turn: CoordinatorTurn): void {
  const { options, state } = turn;
  for (const [leaseKey, { row: known }] of state.abandoned) {
    const row = state.table.rows.get(leaseKey);
    const isTaken = row !== undefined && row.leaseOwner !== options.workerId && row.leaseCounter > known.leaseCounter;
    if (row === undefined || (isTaken && !mayStillArrive(turn, leaseKey))) state.abandoned.delete(leaseKey);
  }
}

/** Whether the holder may still hand the lease over, because a keeper that has died asked for it a short time ago. */
function mayStillArrive({ options, state, now }: CoordinatorTurn, leaseKey: string): boolean {
  const standing = state.table.wishes.get(leaseKey);
  if (standing === undefined || !isWriterOf(options.writerPrefix, standing.wish.writer)) return false;
  return now - standing.seenAt < 2 * wishLastsMs(standing.wish, options.failoverMs);
}

/** Tells the keepers that the user calls of an earlier pipeline have ended, or are no longer waited for. */
export function tellKeepersCallsEnded({ state, effects }: CoordinatorTurn): void {
  for (const { keeper } of state.leases.values())
    if (keeper !== undefined) effects.push(effect.send(keeper, { type: 'callsEnded' }));
}
