// How everything that a coordinator's keepers hold is given back: at a stop, at its deadline, and what is said of it then.
import { reply, send } from '../protocol/actor.js';
import type { ReplyTo } from '../protocol/actor.js';
import type { ReleasedLease } from '../protocol/leasing.js';
import type { Lease, Releasing, Turn } from './state.js';
import { wishLastsMs } from '../../src/core/lease-wish.js';
import { isWriterOf } from '../../src/core/lease-writer.js';

/** From now on nothing is taken; every keeper drains, checkpoints and releases. */
export function releaseAll(
  turn: Turn,
  deadlineMs: number,
  replyTo: ReplyTo<readonly ReleasedLease[] | undefined>,
): void {
  const { settings, state, effects, now } = turn;
  if (state.releasing !== undefined) {
    if (state.releasing.answered) effects.push(reply(replyTo, reportOf(state.releasing)));
    else state.releasing.replyTo.push(replyTo);
    return;
  }
  const blind = settings.isSuccessor && state.plan === undefined;
  state.releasing = { replyTo: [replyTo], deadlineAt: now + deadlineMs, report: [], blind, answered: false };
  if (state.phase !== 'failed') state.phase = 'releasing';
  effects.push(
    { type: 'cancel', key: 'scan' },
    { type: 'after', key: 'release', ms: deadlineMs, message: { type: 'releaseOverdue' } },
  );
  for (const lease of state.leases.values()) {
    if (lease.keeper !== undefined)
      effects.push(send(lease.keeper, { type: 'release', reason: 'stopping', deadlineMs }));
  }
  finishRelease(turn);
}

export function finishRelease(turn: Turn): void {
  const { state, effects } = turn;
  if (state.releasing === undefined || state.releasing.answered || state.leases.size > 0) return;
  effects.push({ type: 'cancel', key: 'release' });
  answerRelease(turn, state.releasing);
}

function unreleased({ leaseKey, shardId, stream, row }: Lease): ReleasedLease {
  const { checkpoint, checkpointSubSequenceNumber: subSequenceNumber } = row;
  const source = stream.options.source.name;
  return { source, shardId, leaseKey, recordsLeft: -1, checkpoint, subSequenceNumber, released: false };
}

/** The deadline: what has not said its last word is reported as it was last known. */
export function releaseOverdue(turn: Turn): void {
  const { releasing, leases } = turn.state;
  if (releasing === undefined || releasing.answered) return;
  // A take that is not answered yet may have been written.
  for (const lease of leases.values()) if (lease.phase !== 'wishing') releasing.report.push(unreleased(lease));
  answerRelease(turn, releasing);
}

function answerRelease({ state, effects }: Turn, releasing: Releasing): void {
  releasing.answered = true;
  for (const lease of state.abandoned.values()) releasing.report.push(unreleased(lease));
  for (const replyTo of releasing.replyTo.splice(0)) effects.push(reply(replyTo, reportOf(releasing)));
}

function reportOf({ blind, report }: Releasing): readonly ReleasedLease[] | undefined {
  return blind ? undefined : report;
}

/** After a scan: what somebody else has taken, or has deleted, is not this worker's to give back. */
export function forgetAbandoned(turn: Turn): void {
  const { settings, state } = turn;
  for (const [leaseKey, { row: known }] of state.abandoned) {
    const row = state.rows.get(leaseKey);
    const isTaken = row !== undefined && row.leaseOwner !== settings.workerId && row.leaseCounter > known.leaseCounter;
    if (row === undefined || (isTaken && !mayComeStill(turn, leaseKey))) state.abandoned.delete(leaseKey);
  }
}

/** A keeper that has died had asked for it, not long ago: its holder may hand it over. */
function mayComeStill({ settings, state, now }: Turn, leaseKey: string): boolean {
  const asked = state.wishes.get(leaseKey);
  if (asked === undefined || !isWriterOf(settings.nonce, asked.wish.writer)) return false;
  return now - asked.seenAt < 2 * wishLastsMs(asked.wish, settings.failoverMs);
}

/** No call of a pipeline that has gone runs any more, as far as anybody waits for it. */
export function callsEnded({ state, effects }: Turn): void {
  for (const { keeper } of state.leases.values())
    if (keeper !== undefined) effects.push(send(keeper, { type: 'callsEnded' }));
}
