// The failures of user code in one actor that are not over yet: the failure policy answers by a promise, or a sink parks what has
// failed (parking.ts). Until then the record stays open. Reducers, stages and shard workers each keep such failures; `Subject` is what
// the actor has to know of one.
import { effect, type Effect } from './actor.js';
import { judgeFailure, unanswered, type Failure, type Verdict } from './failure-policy.js';
import type { Whereabouts } from './disposition.js';
import type { LeftItems } from './left-items.js';
import type { Parkable } from './parkable.js';
import type { Tenure } from './tenure.js';
import { createDeque, type Deque } from '../../src/core/deque.js';
import { chainText } from '../../src/core/thrown.js';
import type { OnFailure, Park } from '../../src/api/failure-policy.js';
import type { Clock, Random } from '../../src/api/ports.js';
import type { WaitingSnapshot } from '../../src/api/status.js';
import type { DoubtOf } from '../../src/options/policy-sinks.js';

export interface PendingFailure<Subject> {
  readonly number: number;
  readonly subject: Subject;
  readonly failure: Failure;
  /** The tenures of what has failed. */
  readonly tenures: ReadonlySet<Tenure>;
  /** Absent while the policy has not answered. */
  readonly parking?: Parking;
}

export interface PendingFailures<Subject> {
  readonly byNumber: Map<number, PendingFailure<Subject>>;
  /** How many failures have been added so far: the next one gets the next number. */
  count: number;
  /** The numbers of the failures that wait for a free call of a sink. */
  readonly queued: Deque<number>;
  /**
   * The numbers of the failures whose sink is being called. A number stays here until its call ends or has been overdue twice, even if
   * its failure was dropped.
   */
  readonly called: Set<number>;
}

export function createPendingFailures<Subject>(): PendingFailures<Subject> {
  return { byNumber: new Map(), count: 0, queued: createDeque(), called: new Set() };
}

/** The message that brings the verdict of a policy function that answered by a promise, or did not answer in time. */
export interface Decided {
  readonly type: 'decided';
  readonly number: number;
  /** Absent if the function has not answered in time. */
  readonly verdict?: Verdict;
}

export interface Parking {
  readonly policy: Park;
  /** When the call first failed. Monotonic milliseconds. */
  readonly failedSince: number;
  /** What the sink has not kept yet. */
  notParked: readonly Parkable[];
  /** The number of the last call, and why it has failed. */
  attempt: number;
  error: unknown;
  /** `overdue`: its deadline has passed, its signal has aborted, and it is waited for once more. */
  phase: 'queued' | 'calling' | 'overdue' | 'paused';
}

/** The sink has answered about every item of a call. */
export interface ParkingEnded {
  readonly type: 'parkingEnded';
  readonly number: number;
  readonly parked: readonly Parkable[];
  /** The first error of the sink, if something is not parked. */
  readonly error?: unknown;
}

/** The deadline of a call has passed. */
export interface ParkingOverdue {
  readonly type: 'parkingOverdue';
  readonly number: number;
  /** Its signal has aborted before, and it has been waited for once more. */
  readonly isLast: boolean;
}

/** A delay is over: the sink may be called again. */
export interface ParkingDue {
  readonly type: 'parkingDue';
  readonly number: number;
}

export type FailureMessage = Decided | ParkingEnded | ParkingOverdue | ParkingDue;

export interface FailureOptions {
  readonly application: string;
  readonly onFailure: OnFailure;
  /** How long a policy function, or a call of a sink, may take to answer. */
  readonly answerDeadlineMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Says once of a sink that it may park into a stream that the consumer reads. Default: nothing is known of streams. */
  readonly doubtOf?: DoubtOf;
  /** What waits when a stop gives its shard up. Default: nothing is noted. */
  readonly leftItems?: LeftItems;
}

/** The part of an actor's turn that these functions use. */
export interface FailureTurn<Subject> {
  readonly options: FailureOptions;
  readonly state: { readonly pendingFailures: PendingFailures<Subject> };
  readonly now: number;
  readonly effects: { push(...effects: readonly Effect<FailureMessage>[]): unknown };
}

/** Asks the policy. Undefined: it answers by a promise, and `decided` brings the verdict. */
export function askPolicy<Subject>(
  turn: FailureTurn<Subject>,
  subject: Subject,
  failure: Failure,
  tenures: ReadonlySet<Tenure>,
): Verdict | undefined {
  const { answerDeadlineMs, onFailure } = turn.options;
  const verdict = judgeFailure(onFailure, failure);
  if (!(verdict instanceof Promise)) return verdict;

  const { number } = addPending(turn.state.pendingFailures, { subject, failure, tenures });
  const name = `onFailure#${number}`;
  const overdue: Decided = { type: 'decided', number };
  turn.effects.push(
    effect.after(name, answerDeadlineMs, overdue),
    effect.run({
      name,
      kind: 'user',
      start: () => verdict,
      done: (answer: Verdict): Decided => ({ type: 'decided', number, verdict: answer }),
      failed: () => overdue,
    }),
  );
  return undefined;
}

export function addPending<Subject>(
  pending: PendingFailures<Subject>,
  failure: Omit<PendingFailure<Subject>, 'number'>,
): PendingFailure<Subject> {
  pending.count += 1;
  const added = { number: pending.count, ...failure };
  pending.byNumber.set(added.number, added);
  return added;
}

/** The failure that is decided now, and its verdict. Undefined for a message that comes too late. */
export function takeDecided<Subject>(
  { options, state, effects }: FailureTurn<Subject>,
  { number, verdict }: Decided,
): (PendingFailure<Subject> & { readonly verdict: Verdict }) | undefined {
  const { byNumber } = state.pendingFailures;
  const known = byNumber.get(number);
  if (known === undefined || known.parking !== undefined) return undefined;
  byNumber.delete(number);
  if (verdict === undefined) return { ...known, verdict: unanswered(known.failure, options.answerDeadlineMs) };
  effects.push(effect.cancel(`onFailure#${number}`));
  return { ...known, verdict };
}

/** The pending failures of one shard worker. */
export function* pendingOf<Subject>(
  { byNumber }: PendingFailures<Subject>,
  shardWorker: number,
): Generator<PendingFailure<Subject>> {
  for (const pending of byNumber.values())
    for (const tenure of pending.tenures)
      if (tenure.shardWorkerNumber === shardWorker) {
        yield pending;
        break;
      }
}

/** Whether an answer about this shard worker is on its way: of a policy, or of a sink that is called or about to be called. */
export function awaitsAnswer<Subject>(pending: PendingFailures<Subject>, shardWorker: number): boolean {
  for (const { parking } of pendingOf(pending, shardWorker)) if (parking?.phase !== 'paused') return true;
  return false;
}

/** A record that gave no item, and since when it waits. */
interface WaitingRecord {
  readonly since: number;
}

/** As `status()` and the report of a stop show it. */
export function pendingSnapshot(
  { subject, failure, parking }: PendingFailure<WaitingRecord>,
  now: number,
): WaitingSnapshot {
  const { source, shardId, sequenceNumber, at } = failure.failed;
  const forMs = Math.round(now - subject.since);
  return {
    source,
    shardId,
    sequenceNumber,
    at,
    attempts: parking?.attempt ?? 0,
    forMs,
    error: waitingText(failure.cause, parking?.error),
  };
}

/** As the answer to the question where the record is. */
export function pendingAt(
  actor: string,
  { subject, failure }: Pick<PendingFailure<WaitingRecord>, 'subject' | 'failure'>,
  now: number,
): Whereabouts {
  const { arrivedAt } = failure.failed;
  const known = arrivedAt === undefined ? {} : { arrivedAt };
  return { actor, state: 'waiting', forMs: now - subject.since, error: failure.cause, ...known };
}

/** Why something waits: its failure, and the last error of the sink that does not keep it. Both with their causes. */
export function waitingText(error: unknown, refusal: unknown): string {
  return refusal === undefined ? chainText(error) : `${chainText(error)} (not parked: ${chainText(refusal)})`;
}

/** What sinks have refused, and their last errors. */
export function refusals({ byNumber }: PendingFailures<unknown>): ReadonlyMap<Parkable, unknown> {
  const found = new Map<Parkable, unknown>();
  for (const { parking } of byNumber.values())
    if (parking?.error !== undefined) for (const each of parking.notParked) found.set(each, parking.error);
  return found;
}
