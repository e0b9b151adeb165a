// What the sinks of `park` answer about failed calls: what they keep is settled, and the rest waits, or ends as the policy says.
import type { DeliveredItem } from '../../protocol/item.js';
import {
  dropParkings,
  parkingDue as due,
  parkingEnded as ended,
  parkingOverdue as overdue,
  type ParkingNews,
} from '../../protocol/parking.js';
import type { ParkingDue, ParkingEnded, ParkingOverdue } from '../../protocol/pending-failures.js';
import { applyVerdict, verdictArrived, leaveKey } from './failed-call.js';
import { settleOwn } from '../emitting/emitting.js';
import { reportEnded } from '../../protocol/stage-reports.js';
import type { FailedCall, ReducerTurn } from '../state.js';
import { renewState } from '../calls/user-calls.js';

export function parkingEnded(turn: ReducerTurn, message: ParkingEnded): void {
  applyNews(turn, ended(turn, message));
}

export function parkingOverdue(turn: ReducerTurn, message: ParkingOverdue): void {
  applyNews(turn, overdue(turn, message));
}

export function parkingDue(turn: ReducerTurn, message: ParkingDue): void {
  applyNews(turn, due(turn, message));
}

/** Ends the parkings for a shard worker that has ended. */
export function dropParkingsOf(turn: ReducerTurn, shardWorker: number): void {
  for (const news of dropParkings(turn, shardWorker)) applyNews(turn, news);
}

function applyNews(turn: ReducerTurn, news: ParkingNews<FailedCall> | undefined): void {
  if (news === undefined) return;
  const { state, options } = turn;
  const { subject: call, failure } = news.pending;
  // A cast, because reducers park nothing but items.
  const [parked, late, notParked] = [
    news.parked,
    news.late,
    news.notParked,
  ] as readonly (readonly DeliveredItem[])[] as Lists;

  for (const item of [...parked, ...late]) {
    if (call.type === 'items') leaveKey(turn, item);
    if (item.tenure.ended) reportEnded(state.reports, item);
    else settleOwn(turn, item);
  }
  if (notParked.length > 0 && news.verdict === undefined) return;

  if (call.type === 'items') {
    if (news.verdict !== undefined) applyVerdict(turn, { ...call, items: notParked }, failure, news.verdict);
  } else if (call.type === 'flush') {
    const group = { ...call.group, items: notParked };
    if (news.verdict === undefined) renewState(group.slot, options.definition);
    else applyVerdict(turn, { ...call, group }, failure, news.verdict);
    verdictArrived(turn, call);
  }
}

type Lists = readonly [readonly DeliveredItem[], readonly DeliveredItem[], readonly DeliveredItem[]];
