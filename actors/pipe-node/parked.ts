// What the sinks of `park` answer about a message that stands for one item. What a sink keeps is settled. (A message that stands for
// several items has no record that could be parked.)
import {
  parkingDue as due,
  parkingEnded as ended,
  parkingOverdue as overdue,
  type ParkingNews,
} from '../protocol/parking.js';
import type { ParkingDue, ParkingEnded, ParkingOverdue } from '../protocol/pending-failures.js';
import { SentMessage } from '../protocol/pipe-message.js';
import type { Call } from './calls.js';
import { applyVerdict, giveUp } from './failures.js';
import { settle } from './settled.js';
import type { NodeTurn, PipeNodeState } from './state.js';

export function parkingEnded(turn: NodeTurn, message: ParkingEnded): void {
  applyNews(turn, ended(turn, message));
}

export function parkingOverdue(turn: NodeTurn, message: ParkingOverdue): void {
  applyNews(turn, overdue(turn, message));
}

export function parkingDue(turn: NodeTurn, message: ParkingDue): void {
  applyNews(turn, due(turn, message));
}

function applyNews(turn: NodeTurn, news: ParkingNews<Call> | undefined): void {
  const { state } = turn;
  if (news === undefined || state.work === undefined) return;
  const { subject: call, failure } = news.pending;
  if (state.waiting?.call !== call) return;
  if (news.verdict !== undefined) {
    applyVerdict(turn, state.work, { call, failure }, news.verdict);
    return;
  }
  // The sink is called again.
  if (news.notParked.length > 0) return;
  if (news.parked.length > 0 && call.message !== undefined)
    settle(state.settled, SentMessage.referencesOf(call.message));
  giveUp(turn, state.work, call);
}

/** Whether the sink has not kept what the call is about, and is called again later, or does not answer. */
export function hasFailedToPark({ pendingFailures }: PipeNodeState, call: Call): boolean {
  for (const { subject, parking } of pendingFailures.byNumber.values())
    if (subject === call) return parking?.phase === 'paused' || parking?.phase === 'overdue';
  return false;
}
