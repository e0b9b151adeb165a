// Parts of aggregates that cannot be decoded. The failure policy answers, at once or by a promise, and a sink may keep the aggregate.
// Until then the part's place in the ledger holds the checkpoint back, and later records go on.
import { effect } from '../protocol/actor.js';
import type { Failure, Verdict } from '../protocol/failure-policy.js';
import {
  beginParking,
  parkingDue as due,
  parkingEnded as ended,
  parkingOverdue as overdue,
  type ParkingNews,
} from '../protocol/parking.js';
import {
  askPolicy,
  pendingAt,
  pendingSnapshot,
  takeDecided,
  type Decided,
  type ParkingDue,
  type ParkingEnded,
  type ParkingOverdue,
} from '../protocol/pending-failures.js';
import { endIfLate, stopTenure, type Tenure } from '../protocol/tenure.js';
import type { Whereabouts } from '../protocol/disposition.js';
import type { AdmissionEnd, ShardWorkerState, UndecodedPart } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import type { ShardWorkerOptions } from './options.js';
import { settle } from '../../src/core/ledger.js';
import { unpacked } from '../../src/core/slab-record.js';
import { KinactError } from '../../src/api/errors.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import type { WaitingSnapshot } from '../../src/api/status.js';

/** Applies the failure policy to a part. Undefined: the shard worker goes on. */
export function partNotDecoded(
  turn: ShardWorkerTurn,
  tenure: Tenure,
  part: Omit<UndecodedPart, 'since'>,
  reason: string,
): AdmissionEnd | undefined {
  const { position, record } = part;
  const { source, shardId } = tenure;
  const { sequenceNumber, data, arrivedAt } = record;
  const cause = new KinactError(
    'UNDECODABLE_RECORD',
    `The user records after the first ${position.subSequenceNumber} cannot be decoded: ${reason}.`,
  );

  const failed: FailedItem = { source, shardId, sequenceNumber, data, arrivedAt, at: 'decode', items: 1 };
  const failure: Failure = { cause, failed, attempt: 1 };
  const subject: UndecodedPart = { ...part, since: turn.now };
  const verdict = askPolicy(turn, subject, failure, new Set([tenure]));
  return verdict === undefined ? undefined : endPart(turn, tenure, subject, failure, verdict);
}

// oxlint-disable-next-line max-params -- what a verdict is about: the lease, the part, and its failure
function endPart(
  turn: ShardWorkerTurn,
  tenure: Tenure,
  part: UndecodedPart,
  failure: Failure,
  { policy, error }: Verdict,
): AdmissionEnd | undefined {
  const { state, effects } = turn;
  if (typeof policy === 'object' && policy.type === 'park') {
    const { record, position, since } = part;
    const items = [{ tenure, record: { ...unpacked(record), ...position } }];
    beginParking(turn, part, failure, { policy, items, failedSince: since });
    return undefined;
  }
  if (policy !== 'skip') return { type: policy === 'stopShard' ? 'stopShard' : 'crash', error };

  settle(state.ledger, part.ordinal, 0);
  effects.push(effect.count('skippedItems'));
  const { source, shardId } = tenure;
  effects.push(
    effect.emit({ name: 'recordSkipped', data: { source, shardId, ...part.position, error: failure.cause } }),
  );
  return undefined;
}

/** The policy has decided, or has not in time. */
export function decided(turn: ShardWorkerTurn, message: Decided): void {
  const known = takeDecided(turn, message);
  if (known !== undefined) endLater(turn, known.subject, known.failure, known.verdict);
}

export function parkingEnded(turn: ShardWorkerTurn, message: ParkingEnded): void {
  applyNews(turn, ended(turn, message));
}

export function parkingOverdue(turn: ShardWorkerTurn, message: ParkingOverdue): void {
  applyNews(turn, overdue(turn, message));
}

export function parkingDue(turn: ShardWorkerTurn, message: ParkingDue): void {
  applyNews(turn, due(turn, message));
}

function applyNews(turn: ShardWorkerTurn, news: ParkingNews<UndecodedPart> | undefined): void {
  if (news === undefined) return;
  const { subject, failure } = news.pending;
  if (news.parked.length > 0) settle(turn.state.ledger, subject.ordinal, 0);
  if (news.verdict !== undefined) endLater(turn, subject, failure, news.verdict);
}

function endLater(turn: ShardWorkerTurn, part: UndecodedPart, failure: Failure, verdict: Verdict): void {
  const { options, state, effects } = turn;
  const { tenure } = state;
  // If the lease has ended in the meantime, the new owner decides again.
  if (tenure === undefined || endIfLate(tenure, options.clock)) return;
  const end = endPart(turn, tenure, part, failure, verdict);
  if (end?.type === 'stopShard') stopTenure(tenure, end.error);
  else if (end?.type === 'crash') effects.push(effect.fail(end.error));
}

/** The ordinals of the parts that wait for nothing but the next call of their sink. */
export function pausedParts({ pendingFailures }: ShardWorkerState): readonly number[] {
  return [...pendingFailures.byNumber.values()].flatMap(({ subject, parking }) =>
    parking?.phase === 'paused' ? [subject.ordinal] : [],
  );
}

/** Since when the part of this ordinal waits for a policy or a sink; undefined if it does not. */
export function partSince({ pendingFailures }: ShardWorkerState, ordinal: number | undefined): number | undefined {
  for (const { subject } of pendingFailures.byNumber.values()) if (subject.ordinal === ordinal) return subject.since;
  return undefined;
}

/** Where the part of this ordinal is, if it waits for a policy or a sink. */
export function partAt(
  { self, pendingFailures }: ShardWorkerState,
  ordinal: number | undefined,
  now: number,
): Whereabouts | undefined {
  for (const pending of pendingFailures.byNumber.values())
    if (pending.subject.ordinal === ordinal) return pendingAt(self.path, pending, now);
  return undefined;
}

/** The parts that a sink does not keep yet. */
export function waitingParts({ pendingFailures }: ShardWorkerState, now: number): readonly WaitingSnapshot[] {
  const parked = [...pendingFailures.byNumber.values()].filter(({ parking }) => parking !== undefined);
  return parked.map((pending) => pendingSnapshot(pending, now));
}

/** Notes for the report of a stop what waits. */
export function noteLeftParts({ leftItems, clock }: ShardWorkerOptions, { pendingFailures }: ShardWorkerState): void {
  if (leftItems?.isStopping !== true) return;
  for (const pending of pendingFailures.byNumber.values())
    leftItems.noted.set(pending.subject, pendingSnapshot(pending, clock.now()));
}
