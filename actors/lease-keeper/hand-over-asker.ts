// How a keeper asks another worker for a lease. The keeper writes a wish into the row, and reads the row at intervals (each read is a
// look). As long as it wants the lease, it raises the wish: it writes a higher number into it, which shows the holder that the asker
// still waits. It withdraws the wish if the lease does not come. After a hand-over, it takes the lease like any other.
import { effect } from '../protocol/actor.js';
import { finishNotHeld } from './lease-end.js';
import type { LeaseKeeperOptions } from './options.js';
import type { ReleaseOrder, Wishing, WishWrite, Write } from './state.js';
import type { Message, LeaseKeeperMessage } from './messages.js';
import { stopAwaitingCalls, noteOwnershipEnded } from './leftovers.js';
import { takeByFrom } from './permit.js';
import { count, effectName, type KeeperTurn } from './turn.js';
import { isExpired, effectiveFailoverMs, renewalIntervalMs } from '../../src/core/lease-failover.js';
import { durableCheckpoint, adoptRow } from '../../src/core/lease-state.js';
import { answerTo, wishText } from '../../src/core/lease-wish.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { isWriterOf } from '../../src/core/writer-signature.js';
import { hasEnded } from '../../src/core/shard-graph.js';
import type { WishOutcome } from '../../src/api/ports.js';

/** The times between two reads of the row, before and after the holder has answered that it yields. */
const readIntervalMs = 1_000;
const yieldingReadMs = 100;

export function wishingOf({ seenRow, wish, failoverMs }: LeaseKeeperOptions, now: number): Wishing | undefined {
  const { leaseOwner: owner, kinactWriter: writer } = seenRow;
  if (wish === undefined || owner === undefined || writer === undefined) return undefined;
  return {
    holder: { owner, writer },
    stale: wish.stale,
    number: 0,
    raiseAt: now,
    readRowAt: Infinity,
    readingRow: false,
    looks: 0,
    isYielding: false,
    until: now + 3 * effectiveFailoverMs(seenRow, failoverMs),
    counter: seenRow.leaseCounter,
    counterAt: now,
    withdrawal: undefined,
  };
}

/** Whether the wish has been written: from then on the keeper looks for the answer. */
function isInRow({ readRowAt }: Wishing): boolean {
  return readRowAt < Infinity;
}

/** Sends the request that writes the wish, raises its number, or withdraws it. */
export function wishEffect(turn: KeeperTurn, write: WishWrite): void {
  const { options, state, effects } = turn;
  const { store, leaseKey, writer, workerId, failoverMs } = options;
  const { holder, stale, number } = state.wishing!;
  const wasWritten = isInRow(state.wishing!);
  const { id, kind } = write;
  const wish = { writer, workerId, failoverMs, number: number + 1, holder: holder.writer };
  const text = kind === 'wish' ? wishText(wish) : null;
  if (kind === 'wish') state.wishing!.number += 1;

  effects.push(
    effect.run({
      name: effectName(write),
      kind: 'io',
      start: (signal) =>
        store.wish(leaseKey, { ...holder, stale, mustHaveOwnWish: wasWritten }, { author: writer, text }, signal),
      done: (outcome): LeaseKeeperMessage => ({ type: 'wished', id, outcome }),
      failed: (error): LeaseKeeperMessage => ({ type: 'writeFailed', id, error }),
    }),
  );
}

export function wishAnswered(turn: KeeperTurn, write: Write, outcome: WishOutcome): void {
  const { options, state } = turn;
  const wishing = state.wishing!;
  if (outcome.type === 'refused') return rowSeen(turn, outcome.current, write.kind);
  if (write.kind === 'withdrawWish') return finishWithdrawn(turn);

  state.writes.failed = 0;
  state.writes.failing = undefined;
  wishing.raiseAt = write.startedAt + renewalIntervalMs(options.failoverMs);

  if (isInRow(wishing)) return;
  wishing.readRowAt = write.startedAt + readIntervalMs;
  wishing.until = write.startedAt + 2 * effectiveFailoverMs(options.seenRow, options.failoverMs);
}

/** Begins to withdraw the wish. If that fails, the wish stays in the row, and workers soon ignore it. */
function giveUpWish({ options, now }: KeeperTurn, wishing: Wishing, reason: string, inVain: boolean): void {
  const { failoverMs } = options;
  // In a release the time is shorter: this keeper holds nothing, and workers soon ignore a wish that is not raised.
  wishing.withdrawal ??= { reason, inVain, until: now + (inVain ? failoverMs : renewalIntervalMs(failoverMs)) };
}

/** Takes the step of the wish that is due by now, if any. */
export function proceedWishing(turn: KeeperTurn): void {
  const { options, state, now, effects } = turn;
  const { wishing, releaseOrder } = state;
  if (wishing === undefined) return;

  // The lease was handed over, and a release was requested before the take.
  const isUntaken =
    state.phase === 'taking' && state.taking.previousOwner !== undefined && state.lease.unknownWrites.length === 0;
  if (releaseOrder !== undefined && isUntaken && state.writes.current === undefined)
    return releaseUntaken(turn, releaseOrder);

  if (state.phase !== 'wishing') return;
  if (releaseOrder !== undefined) giveUpWish(turn, wishing, releaseOrder.reason, false);
  else if (now >= wishing.until) giveUpWish(turn, wishing, 'its holder has not answered', true);

  if (wishing.withdrawal !== undefined) {
    if (wishing.number === 0 || now >= wishing.withdrawal.until) finishWithdrawn(turn);
    return;
  }

  if (wishing.readingRow || now < wishing.readRowAt) return;
  wishing.readingRow = true;
  wishing.looks += 1;
  wishing.readRowAt = now + (wishing.isYielding ? yieldingReadMs : readIntervalMs);
  effects.push(
    effect.run({
      name: `look#${wishing.looks}`,
      kind: 'io',
      // No queue bounds this read: only the coordinator's reads have a queue (store-traffic.ts).
      start: (signal) => options.store.get(options.leaseKey, signal),
      done: (row): LeaseKeeperMessage => ({ type: 'looked', row }),
      failed: (): LeaseKeeperMessage => ({ type: 'lookFailed' }),
    }),
  );
}

export function looked(turn: KeeperTurn, { row }: Message<'looked'>): void {
  const { wishing, phase } = turn.state;
  if (wishing === undefined || phase !== 'wishing') return count(turn, 'lateLook');
  wishing.readingRow = false;
  rowSeen(turn, row, undefined);
}

/** Counts a failed look. The keeper still raises its wish and looks again, because nothing depends on one look. */
export function lookFailed(turn: KeeperTurn): void {
  const { state, now } = turn;
  const wishing = state.wishing!;
  count(turn, 'failedLooks');
  wishing.readingRow = false;
  wishing.readRowAt = Math.max(wishing.readRowAt, now + readIntervalMs);
}

/** Decides what a row means for the wish. `refused`: the write that the row has refused, if any. */
function rowSeen(turn: KeeperTurn, row: LeaseRow | undefined, refused: Write['kind'] | undefined): void {
  const { options, state, now } = turn;
  const { workerId, writerPrefix, writer, failoverMs } = options;
  const wishing = state.wishing!;
  const isWithdrawing = wishing.withdrawal !== undefined;

  if (row === undefined) return finishNotHeld(turn, 'the row is gone');
  if (hasEnded(row)) return finishNotHeld(turn, 'the shard has ended');
  if (row.leaseOwner === workerId && row.kinactWriter === writer) return leaseReceived(turn, row);
  if (row.leaseOwner === undefined) return isWithdrawing ? finishWithdrawn(turn) : beginTake(turn, row);

  if (row.leaseOwner !== wishing.holder.owner || row.kinactWriter !== wishing.holder.writer) {
    const isOwn = row.leaseOwner === workerId && isWriterOf(writerPrefix, row.kinactWriter);
    return finishNotHeld(turn, `taken by ${row.leaseOwner}`, { retake: isOwn });
  }

  if (row.leaseCounter !== wishing.counter) {
    wishing.counter = row.leaseCounter;
    wishing.counterAt = now;
  }

  if (refused === 'withdrawWish') return finishWithdrawn(turn);
  if (isWithdrawing) return;
  if (isExpired(row, now - wishing.counterAt, failoverMs)) return beginTake(turn, row);
  if (refused === 'wish') return finishNotHeld(turn, 'another worker has asked for it');

  const answer = answerTo(writer, row);
  if (answer?.answer === 'refused') giveUpWish(turn, wishing, 'its holder has refused', true);
  if (answer?.answer !== 'yielding' || wishing.isYielding) return;

  wishing.isYielding = true;
  wishing.readRowAt = now + yieldingReadMs;
  // If the hand-over fails, the holder's answer in the row shows it.
  wishing.until = now + answer.handOverMs + 2 * effectiveFailoverMs(row, failoverMs);
}

/** Takes a lease whose row names this keeper already. If a release was requested in the meantime, gives the lease back at once. */
function leaseReceived(turn: KeeperTurn, row: LeaseRow): void {
  const { state } = turn;
  const { releaseOrder } = state;
  noteOwnershipEnded(turn);
  beginTake(turn, row);
  state.taking.previousOwner = state.wishing!.holder.owner;
  if (releaseOrder !== undefined) releaseUntaken(turn, releaseOrder);
}

function releaseUntaken(turn: KeeperTurn, releaseOrder: ReleaseOrder): void {
  const { state, now } = turn;
  state.phase = 'held';
  state.taking.hasHeldLease = true;
  releaseOrder.recordsLeft = 0;
  // Nothing was handed out in this ownership. Calls from an earlier ownership delay nothing, because another worker has held the lease
  // since.
  stopAwaitingCalls(turn);
  state.timing.renewAt = now;
}

/** Aborts a write of the wish that is under way: the row would refuse it now. */
function abortWishWrite({ state, effects }: KeeperTurn): void {
  if (state.writes.current === undefined) return;
  effects.push(effect.abort(effectName(state.writes.current), new Error('the lease has come')));
  state.writes.current.permit?.end('unused');
  state.writes.current = undefined;
}

/** Begins to take a lease that has no living holder, or that names this keeper. The take is a conditional write like any other. */
function beginTake(turn: KeeperTurn, row: LeaseRow): void {
  const { options, state, now } = turn;
  abortWishWrite(turn);
  adoptRow(state.lease, row);
  state.timing.reportedCheckpoint = durableCheckpoint(row);
  state.phase = 'taking';
  state.queuePlace.takeBy = takeByFrom(now, options.failoverMs);
  state.writes.failed = 0;
  state.writes.retryAt = now;
}

function finishWithdrawn(turn: KeeperTurn): void {
  const { withdrawal, number } = turn.state.wishing!;
  const { reason, inVain } = withdrawal!;
  if (number > 0) count(turn, 'withdrawnWishes');
  finishNotHeld(turn, reason, { wishFailed: inVain && number > 0 });
}
