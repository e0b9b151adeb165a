// How a keeper gives its lease to a worker that has asked for it: it answers at once, delivers on until the other looks more often,
// drains, and hands over in one write. Invariants: that write is sent only when no worker and no call of the application can touch
// the shard any more, and no worker begins under this keeper before its outcome is known; what is not drained in time is kept.
import { send } from '../actor.js';
import { finish, released } from './endings.js';
import type { Write, Yielding } from './state.js';
import { isBehind, refuseAsked } from './tenures.js';
import { emit } from './turn.js';
import type { Turn } from './turn.js';
import type { HoldChange } from '../../src/core/lease-hold.js';
import { answerText, readWish, wishLastsMs } from '../../src/core/lease-wish.js';
import type { LeaseRow } from '../../src/core/lease.js';

/** Until the one who asks has looked, and looks more often from then on. */
const noticeMs = 1_000;

/** What a write has left in the row. A wish that is addressed to another tenure is none. */
export function wishSeen({ options, state, now }: Turn, text: string | undefined): void {
  const wish = readWish(text);
  const before = state.yielding;
  if (wish === undefined || wish.holder !== options.writer) {
    state.yielding = undefined;
  } else if (before?.wish.writer !== wish.writer) {
    state.yielding = { wish, seenAt: now, phase: 'asked', drainAt: Infinity, until: Infinity };
  } else if (before.wish.number !== wish.number) {
    before.wish = wish;
    before.seenAt = now;
    if (before.phase === 'stale') before.phase = 'asked';
  }
}

/** What is answered with the next renewal, if anything is. */
export function answerOf({ yielding }: Turn['state']): HoldChange {
  if (yielding?.phase === 'asked') return { answer: answerText('yielding', yielding.wish) };
  return yielding?.phase === 'refusing' ? { answer: answerText('refused', yielding.wish) } : {};
}

export function answerWritten({ state, now }: Turn, { change }: Write): void {
  const { yielding } = state;
  if (yielding === undefined || change.answer === undefined) return;
  if (change.answer === answerText('refused', yielding.wish)) yielding.phase = 'refused';
  else if (change.answer === answerText('yielding', yielding.wish) && yielding.phase === 'asked') {
    yielding.phase = 'yielding';
    yielding.drainAt = now + noticeMs;
  }
}

/** Whatever is due of a hand-over by the clock. */
export function proceedYielding(turn: Turn): void {
  const { state, now } = turn;
  const { yielding } = state;
  if (yielding === undefined || state.phase !== 'held' || state.release !== undefined) return;
  const { phase } = yielding;
  if (phase === 'refused' || phase === 'refusing' || phase === 'stale') return;
  // Whoever drains for it goes on under a new fence.
  if (!isFresh(turn, yielding)) yielding.phase = 'stale';
  else if (state.shardEnd !== undefined || (phase === 'ready' && now >= yielding.until)) yielding.phase = 'refusing';
  else if (phase === 'asked' && state.tenure === undefined) drain(turn, yielding);
  else if (phase === 'yielding' && now >= yielding.drainAt) drain(turn, yielding);
  else if (phase === 'draining' && state.tenure === undefined) drained(turn, yielding);
  else if (phase === 'draining' && now >= yielding.until) yielding.phase = 'refusing';
}

function drain(turn: Turn, yielding: Yielding): void {
  const { options, state, now, effects } = turn;
  const { tenure } = state;
  refuseAsked(turn, 'the lease is being handed over');
  yielding.phase = 'draining';
  yielding.until = now + options.handOverMs;
  if (tenure === undefined) drained(turn, yielding);
  else if (!tenure.revoked) effects.push(send(tenure.control, { type: 'drain', fence: tenure.cell.fence }));
}

/** No worker is left; but a crashed one may have left calls behind, and records that would come again. */
function drained(turn: Turn, yielding: Yielding): void {
  yielding.phase = isClean(turn) ? 'ready' : 'refusing';
}

function isClean(turn: Turn): boolean {
  return turn.state.tenure === undefined && !turn.state.callsMayRun && !isBehind(turn);
}

function isFresh({ options, now }: Turn, { wish, seenAt }: Yielding): boolean {
  return now - seenAt < wishLastsMs(wish, options.failoverMs);
}

/** To whom a lease that is being released goes directly; undefined: to whoever comes. */
export function heirOf(turn: Turn): HoldChange['handOver'] {
  const { yielding, release } = turn.state;
  if (yielding === undefined) return undefined;
  if (release !== undefined && (release.recordsLeft !== 0 || !isClean(turn) || !isFresh(turn, yielding)))
    return undefined;
  const { workerId, writer, failoverMs } = yielding.wish;
  return { workerId, writer, failoverMs };
}

/** The lease is another's, with everything that was handed out here settled. */
export function handedOver(turn: Turn, to: string): void {
  const { options, state } = turn;
  if (state.release !== undefined) return released(turn, true);
  const { leaseKey, shardId, source } = options;
  emit(turn, { name: 'leaseHandedOver', data: { source, shardId, leaseKey, to } });
  finish(turn, { type: 'handedOver', to }, `handed over to ${to}`);
}

/** What a refused write says of a hand-over. True: nothing else is to be done about it. */
export function settledByRow(turn: Turn, current: LeaseRow | undefined): boolean {
  const { options, state, now } = turn;
  const { hold, yielding } = state;
  if (yielding === undefined || current === undefined) return false;
  const { workerId, writer } = yielding.wish;
  // Its reply was lost; the new owner may have written since, or even given the lease back.
  const isTheirs = current.leaseOwner === workerId || current.kinactWriter === writer;
  if (isTheirs && hold.unknown.some(({ owner }) => owner === workerId)) {
    handedOver(turn, workerId);
    return true;
  }
  const isSame =
    current.leaseCounter === hold.row.leaseCounter &&
    current.leaseOwner === options.workerId &&
    current.kinactWriter === options.writer;
  if (!isSame) return false;
  // Withdrawn, or another worker has asked since.
  hold.unknown = [];
  state.yielding = undefined;
  wishSeen(turn, current.kinactWish);
  state.retryAt = now;
  return true;
}
