// Records whose `extract` or `key` has failed. The failure policy answers, at once or by a promise, and a sink may keep the record. The
// record stays open until then, and later ones go on.
import { effect } from '../protocol/actor.js';
import type { Failure, Verdict } from '../protocol/failure-policy.js';
import {
  beginParking,
  dropParkings,
  hurryParkings,
  parkingDue as due,
  parkingEnded as ended,
  parkingOverdue as overdue,
  type ParkingNews,
} from '../protocol/parking.js';
import {
  askPolicy,
  pendingAt,
  pendingOf,
  pendingSnapshot,
  takeDecided,
  type Decided,
  type ParkingDue,
  type ParkingEnded,
  type ParkingOverdue,
} from '../protocol/pending-failures.js';
import { endIfLate, stopTenure } from '../protocol/tenure.js';
import type { HeldRecord, Whereabouts } from '../protocol/disposition.js';
import type { FailedRecord, StageState, ShardWorkerEntry } from './state.js';
import type { StageTurn } from './turn.js';
import type { StageOptions } from './options.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import type { UserRecord } from '../../src/api/ports.js';
import type { WaitingSnapshot } from '../../src/api/status.js';

/** Handles a record that has failed. Returns false when the stage crashes, and no record after this one may be routed. */
export function recordFailed(
  turn: StageTurn,
  entry: ShardWorkerEntry,
  { record, ordinal }: { readonly record: UserRecord; readonly ordinal: number },
  cause: unknown,
): boolean {
  const { options, now: since } = turn;
  const { source, shardId } = entry.tenure;
  const { sequenceNumber, subSequenceNumber, data, arrivedAt } = record;

  // Without either function, the source has failed to make an item of its record.
  const at = options.key === undefined ? 'extract' : 'key';
  const failed: FailedItem = { source, shardId, sequenceNumber, subSequenceNumber, data, arrivedAt, at, items: 1 };
  const failure: Failure = { cause, failed, attempt: 1 };
  const subject: FailedRecord = { entry, ordinal, record, since };
  const verdict = askPolicy(turn, subject, failure, new Set([entry.tenure]));
  return verdict === undefined || endRecord(turn, subject, failure, verdict);
}

/** The policy has decided, or has not in time. */
export function recordDecided(turn: StageTurn, message: Decided): void {
  const known = takeDecided(turn, message);
  if (known === undefined) return;
  const { subject, failure, verdict } = known;
  closeIfLate(turn, subject);
  // If the lease has ended in the meantime, the new owner extracts the record again.
  if (isOpen(turn, subject)) endRecord(turn, subject, failure, verdict);
}

/** Ends the tenure of the record if its deadline has passed. The shard worker hears of it with the next dispositions. */
function closeIfLate({ options }: StageTurn, { entry }: FailedRecord): void {
  if (endIfLate(entry.tenure, options.clock)) entry.outbox.ended = true;
}

function isOpen({ state }: StageTurn, { entry }: FailedRecord): boolean {
  return state.shardWorkerEntries.get(entry.tenure.shardWorkerNumber) === entry && !entry.tenure.ended;
}

/** A call of a sink has ended. */
export function recordParkingEnded(turn: StageTurn, message: ParkingEnded): void {
  applyNews(turn, ended(turn, message));
}

export function recordParkingOverdue(turn: StageTurn, message: ParkingOverdue): void {
  applyNews(turn, overdue(turn, message));
}

export function recordParkingDue(turn: StageTurn, message: ParkingDue): void {
  applyNews(turn, due(turn, message));
}

function applyNews(turn: StageTurn, news: ParkingNews<FailedRecord> | undefined): void {
  if (news === undefined) return;
  const { subject, failure } = news.pending;
  closeIfLate(turn, subject);
  if (!isOpen(turn, subject)) return;
  if (news.parked.length > 0) settleWithoutItem(subject.entry, subject.ordinal);
  if (news.verdict !== undefined) endRecord(turn, subject, failure, news.verdict);
}

/** Ends the parkings for a shard worker that has ended. */
export function dropFailedRecords(turn: StageTurn, shardWorker: number): void {
  dropParkings(turn, shardWorker);
}

/** Tries once more what waits of this shard worker. */
export function hurryFailedRecords(turn: StageTurn, shardWorker: number): void {
  hurryParkings(turn, (tenure) => tenure.shardWorkerNumber === shardWorker);
}

/** The ordinals of the shard worker's records that have failed and are not over. */
export function failedOrdinals({ pendingFailures }: StageState, shardWorker: number): readonly number[] {
  return [...pendingOf(pendingFailures, shardWorker)].map(({ subject }) => subject.ordinal);
}

/** The oldest of each shard worker, for `status()`. */
export function oldestFailed({ pendingFailures }: StageState, now: number): readonly HeldRecord[] {
  const oldest = new Map<number, HeldRecord>();
  for (const { subject } of pendingFailures.byNumber.values()) {
    const { ordinal, since, entry } = subject;
    const { shardWorkerNumber: shardWorker } = entry.tenure;
    if ((oldest.get(shardWorker)?.ordinal ?? Infinity) < ordinal) continue;
    oldest.set(shardWorker, { shardWorker, ordinal, state: 'waiting', forMs: now - since });
  }
  return [...oldest.values()];
}

/** Where a record is that waits for a policy or a sink; undefined if it does not. */
export function failedRecordAt(
  { pendingFailures, self }: StageState,
  { shardWorker, ordinal, now }: { readonly shardWorker: number; readonly ordinal: number; readonly now: number },
): Whereabouts | undefined {
  for (const { subject, failure } of pendingOf(pendingFailures, shardWorker))
    if (subject.ordinal === ordinal) return pendingAt(self.path, { subject, failure }, now);
  return undefined;
}

/** The records that have failed and that a sink does not keep yet. */
export function waitingRecords({ pendingFailures }: StageState, now: number): readonly WaitingSnapshot[] {
  const parked = [...pendingFailures.byNumber.values()].filter(({ parking }) => parking !== undefined);
  return parked.map((pending) => pendingSnapshot(pending, now));
}

/** Notes for the report of a stop what waits of this shard worker; of all shard workers without one. */
export function noteLeftRecords(
  { leftItems }: StageOptions,
  state: StageState,
  now: number,
  shardWorker?: number,
): void {
  if (leftItems?.isStopping !== true) return;
  for (const pending of state.pendingFailures.byNumber.values()) {
    const { subject } = pending;
    if (shardWorker === undefined || subject.entry.tenure.shardWorkerNumber === shardWorker)
      leftItems.noted.set(subject, pendingSnapshot(pending, now));
  }
}

/** Settles a record that has no items to route. The ledger counts it as a record with one item, number 0. */
function settleWithoutItem({ outbox }: ShardWorkerEntry, ordinal: number): void {
  outbox.ordinals.push(ordinal);
  outbox.items.push(0);
}

function endRecord(turn: StageTurn, subject: FailedRecord, failure: Failure, { policy, error }: Verdict): boolean {
  const { effects } = turn;
  const { entry, ordinal, record, since } = subject;
  if (policy === 'stopShard') {
    stopTenure(entry.tenure, error);
    entry.outbox.ended = true;
    return true;
  }
  if (typeof policy === 'object' && policy.type === 'park') {
    const items = [{ tenure: entry.tenure, record }];
    beginParking(turn, subject, failure, { policy, items, failedSince: since });
    return true;
  }
  if (policy !== 'skip') {
    effects.push(effect.fail(error));
    return false;
  }

  settleWithoutItem(entry, ordinal);
  const { source, shardId, sequenceNumber, subSequenceNumber = 0 } = failure.failed;
  const data = { source, shardId, sequenceNumber, subSequenceNumber, error: failure.cause };
  effects.push(effect.count('skippedItems'), effect.emit({ name: 'recordSkipped', data }));
  return true;
}
