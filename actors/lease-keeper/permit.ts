// Permission to write: the queue of the table (`src/core/lease-traffic.ts`) lets one keeper after the other send, due
// renewals first. A keeper decides what to write when its turn has come, not when it asks.
import { run } from '../protocol/actor.js';
import type { LeaseKeeperMessage, LeaseKeeperState } from './state.js';
import type { Turn } from './turn.js';
import type { LeaseWriteKind } from '../../src/core/lease-schedule.js';
import type { TrafficOrder, TrafficPermit } from '../../src/core/lease-traffic.js';

/** Asks for permission for the write that is due. True when it may begin now; if not, its turn comes as a message. */
export function requestPermit(turn: Turn, kind: LeaseWriteKind | undefined): boolean {
  const { options, state, effects } = turn;
  const { traffic } = options;
  const { order } = state;
  if (traffic === undefined || order === undefined) return kind !== undefined;
  const before = order.kind;
  keepUpToDate(turn, order, kind);
  if (state.queued && order.kind !== before) traffic.moved(order);
  if (kind === undefined) {
    givePermitBack(state);
    return false;
  }
  if (state.permit !== undefined) return true;
  if (state.queued) return false;
  state.permit = traffic.enter(order);
  if (state.permit !== undefined) return true;
  state.queued = true;
  state.queues += 1;
  effects.push(
    run({
      name: `turn#${state.queues}`,
      kind: 'io',
      start: (signal) => traffic.wait(order, signal),
      done: (permit): LeaseKeeperMessage => ({ type: 'permitCame', permit }),
      failed: (): LeaseKeeperMessage => ({ type: 'permitCame', permit: undefined }),
    }),
  );
  return false;
}

function keepUpToDate({ options, state, now }: Turn, order: TrafficOrder, kind: LeaseWriteKind | undefined): void {
  const { failoverMs, marginMs } = options;
  // The take of a row that was created again cannot wait like another take: peers leave the row alone only for a while. A
  // hand-over is the renewal as well, once that is due.
  const isRenewal = kind === 'renew' || (kind === 'handOver' && now >= state.renewAt);
  order.kind = isRenewal ? 'renew' : kind === 'checkpoint' ? kind : state.everHeld ? 'owed' : 'take';
  order.deadline = isRenewal ? state.liveUntil : Infinity;
  const renewed = state.liveUntil + marginMs - failoverMs;
  order.renewalDue = state.phase === 'held' && state.release === undefined ? renewed + failoverMs / 3 : Infinity;
}

export function permitCame(turn: Turn, permit: TrafficPermit | undefined): void {
  const { state } = turn;
  state.queued = false;
  state.permit = permit;
  if (state.phase === 'over') givePermitBack(state);
}

function givePermitBack(state: LeaseKeeperState): void {
  state.permit?.end('unused');
  state.permit = undefined;
}

/** The keeper writes nothing any more. */
export function quitTraffic({ options, state }: Turn): void {
  givePermitBack(state);
  state.write?.permit?.end('failed');
  if (state.order !== undefined) options.traffic?.leave(state.order);
}

/**
 * A take that still waits for its turn by now is given up: the table carries no further lease. If an earlier attempt was
 * written after all, the next scan finds the row as this process's own. A take that was never sent is given up at a release,
 * too.
 */
export function takeIsInVain({ state, now }: Turn): boolean {
  if (state.phase !== 'taking' || state.write !== undefined || !state.queued) return false;
  // Writes of a wish are not attempts at a take.
  const isUnsent = state.writes === 0 || (state.wishing !== undefined && state.lease.unknown.length === 0);
  const isOurs = state.handedFrom !== undefined;
  return now >= state.takeBy || (state.release !== undefined && isUnsent && !isOurs);
}
