// How a keeper gets permission to write. The queue of the table (`src/core/lease-traffic.ts`) lets one keeper after the other
// send, due renewals first. A keeper decides what to write when it has a permit, not when it asks for one.
import { effect } from '../protocol/actor.js';
import type { QueuePlace } from './state.js';
import type { Message, LeaseKeeperMessage } from './messages.js';
import type { KeeperTurn } from './turn.js';
import { renewalIntervalMs } from '../../src/core/lease-failover.js';
import type { LeaseWriteKind } from '../../src/core/lease-schedule.js';
import type { LeaseTraffic, QueueEntry } from '../../src/core/lease-traffic.js';

/** Asks for a permit for the write that is due. Returns true if the write may begin now. Otherwise `permitCame` follows. */
export function requestPermit(turn: KeeperTurn, kind: LeaseWriteKind): boolean {
  const { options, state, effects } = turn;
  const { traffic: queue } = options;
  const { queuePlace } = state;
  const { entry } = queuePlace;
  if (queue === undefined || entry === undefined) return true;
  updatePlace(turn, queue, entry, kind);

  if (queuePlace.permit !== undefined) return true;
  if (queuePlace.queued) return false;
  queuePlace.permit = queue.enter(entry);
  if (queuePlace.permit !== undefined) return true;

  queuePlace.queued = true;
  queuePlace.timesQueued += 1;
  effects.push(
    effect.run({
      name: `permit#${queuePlace.timesQueued}`,
      kind: 'io',
      start: (signal) => queue.wait(entry, signal),
      done: (permit): LeaseKeeperMessage => ({ type: 'permitCame', permit }),
      failed: (): LeaseKeeperMessage => ({ type: 'permitCame', permit: undefined }),
    }),
  );
  return false;
}

/** Gives back a permit that came for a write that is not due any more. A keeper that waits for a permit goes on waiting. */
export function giveUnusedPermitBack(turn: KeeperTurn): void {
  const { traffic: queue } = turn.options;
  const { entry } = turn.state.queuePlace;
  if (queue === undefined || entry === undefined) return;
  updatePlace(turn, queue, entry, undefined);
  givePermitBack(turn.state.queuePlace);
}

/** Updates the keeper's place in the queue: which write is due decides how soon the keeper gets its permit. */
function updatePlace(turn: KeeperTurn, queue: LeaseTraffic, entry: QueueEntry, kind: LeaseWriteKind | undefined): void {
  const before = entry.kind;
  updateEntry(turn, entry, kind);
  if (turn.state.queuePlace.queued && entry.kind !== before) queue.moved(entry);
}

function updateEntry({ options, state, now }: KeeperTurn, entry: QueueEntry, kind: LeaseWriteKind | undefined): void {
  const { failoverMs, marginMs } = options;

  // The take of a row that was created again ranks as a duty, because peers leave such a row alone only for a while. A hand-over
  // ranks as a renewal once a renewal is due.
  const isRenewal = kind === 'renew' || (kind === 'handOver' && now >= state.timing.renewAt);
  if (isRenewal) entry.kind = 'renew';
  else if (kind === 'checkpoint') entry.kind = 'checkpoint';
  else entry.kind = state.taking.hasHeldLease ? 'duty' : 'take';

  entry.deadline = isRenewal ? state.timing.liveUntil : Infinity;
  const renewed = state.timing.liveUntil + marginMs - failoverMs;
  entry.renewalDue =
    state.phase === 'held' && state.releaseOrder === undefined ? renewed + renewalIntervalMs(failoverMs) : Infinity;
}

export function permitCame(turn: KeeperTurn, { permit }: Message<'permitCame'>): void {
  const { state } = turn;
  state.queuePlace.queued = false;
  state.queuePlace.permit = permit;
  if (state.phase === 'over') givePermitBack(state.queuePlace);
}

function givePermitBack(queuePlace: QueuePlace): void {
  queuePlace.permit?.end('unused');
  queuePlace.permit = undefined;
}

/** Leaves the queue, because the keeper has nothing more to write. */
export function leaveQueue({ options, state }: KeeperTurn): void {
  givePermitBack(state.queuePlace);
  state.writes.current?.permit?.end('failed');
  if (state.queuePlace.entry !== undefined) options.traffic?.leave(state.queuePlace.entry);
}

/**
 * Whether the keeper gives up a take that has waited too long for a permit: the table is too busy for another lease. If an
 * earlier attempt took effect after all, the next scan finds a row that this process wrote. A release also gives up a take that
 * was never sent.
 */
export function shouldGiveUpTake({ state, now }: KeeperTurn): boolean {
  if (state.phase !== 'taking' || state.writes.current !== undefined || !state.queuePlace.queued) return false;
  // Writes of a wish do not count as attempts at the take.
  const isUnsent = state.writes.begun === 0 || (state.wishing !== undefined && state.lease.unknownWrites.length === 0);
  const isOurs = state.taking.previousOwner !== undefined;
  return now >= state.queuePlace.takeBy || (state.releaseOrder !== undefined && isUnsent && !isOurs);
}

/** A take waits this many times `failoverMs` for its permit. After that the row may have changed completely. */
const takePatience = 3;

/** Until when a take that is wanted from `now` on waits for its permit. */
export function takeByFrom(now: number, failoverMs: number): number {
  return now + takePatience * failoverMs;
}
