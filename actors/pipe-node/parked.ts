// What the sinks of `park` answer about a failed call. What has failed is settled when the sink keeps all of it, and not before. If only a
// part is kept, the rest is passed to the sink again.
import {
  dropParkings,
  parkingDue as due,
  parkingEnded as ended,
  parkingOverdue as overdue,
  type ParkingNews,
} from '../protocol/parking.js';
import { ParkableMessage } from '../protocol/parkable-message.js';
import type { ParkingDue, ParkingEnded, ParkingOverdue } from '../protocol/pending-failures.js';
import type { Call } from './calls.js';
import { notParked, settleParked } from './failures.js';
import type { NodeTurn } from './state.js';

export function parkingEnded(turn: NodeTurn, message: ParkingEnded): void {
  applyNews(turn, ended(turn, message));
}

export function parkingOverdue(turn: NodeTurn, message: ParkingOverdue): void {
  applyNews(turn, overdue(turn, message));
}

export function parkingDue(turn: NodeTurn, message: ParkingDue): void {
  applyNews(turn, due(turn, message));
}

/** Gives up what belongs to leases that have ended. Nobody waits for its sink any more. */
export function dropLateParkings(turn: NodeTurn, shardWorker: number): void {
  for (const news of dropParkings(turn, shardWorker)) applyNews(turn, news);
}

function applyNews(turn: NodeTurn, news: ParkingNews<Call> | undefined): void {
  const { state } = turn;
  if (news === undefined || state.task === undefined) return;
  const { subject: call, failure } = news.pending;
  if (state.waiting?.call !== call) return;
  for (const parked of news.parked)
    if (parked instanceof ParkableMessage) for (const held of parked.of) (call.parked ??= new Set()).add(held);
  if (news.verdict !== undefined) {
    notParked(turn, state.task, { call, failure }, news.verdict);
    return;
  }
  // No verdict yet: the sink is called again for what it has not kept.
  if (news.notParked.length > 0) return;
  settleParked(turn, state.task, call);
}
