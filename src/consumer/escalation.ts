// Decides what a crash of the pipeline leads to: a restart after a delay, or the end of the consumer. The consumer ends if kinact's own
// crashes come too often (`restart`). It also ends if user code fails too often under the policy `crash`, or if one record keeps
// failing. Two more ends are only passed on here: the supervisor in tree.ts counts the crashes of the coordinators, and an application
// may stop the parent that the consumer runs under. consumer.ts handles the failure of the last source.
import type { Ending } from '../../actors/protocol/actor.js';
import { exponentialMs } from '../core/backoff.js';
import { createPoisonWatch, noteFailedRecord } from '../core/poison.js';
import { isError } from '../core/thrown.js';
import { excerpt } from '../core/visible.js';
import { isKinactError, KinactError } from '../api/errors.js';

/** How long the releases may take when the consumer ends by itself. No pipeline is left to drain: a release is one write per lease. */
export const escalationDeadlineMs = 5_000;

export interface EscalationOptions {
  /** How many restarts kinact's own crashes may cause, and in which time: the crash after that many ends the consumer. */
  readonly restart: { readonly intensity: number; readonly periodMs: number };
  /**
   * The longest delay of a restart, beside the limit of 30 s. Keepers without a shard worker give their leases up after `callDeadlineMs` +
   * `failoverMs`, so it must be shorter.
   */
  readonly maxDelayMs: number;
  readonly clock: { now(): number };
  readonly random: { next(): number };
  /** How many items have been settled so far. */
  readonly settled: () => number;
  readonly end: (error: Error) => void;
}

/** What follows a failure of the pipeline: the end, or a restart after a delay. */
export interface Consequence {
  readonly end?: KinactError;
  readonly delayMs: number;
}

export interface Escalation {
  /** Counts the failure, and decides what follows. */
  noteFailureAndDecide(error: Error): Consequence;
  pipelineEnded(ending: Ending): void;
  rootEnded(ending: Ending): void;
}

/** Failures of user code that crash the pipeline: at most this many in this time. */
const userFailures = { intensity: 8, periodMs: 300_000 };
const restartBackoff = { baseMs: 500, capMs: 30_000 };
/** The delays begin again from the shortest after this time without a failure, if items were settled in it. */
const calmMs = 60_000;

export function createEscalation(options: EscalationOptions): Escalation {
  const { restart, maxDelayMs, clock, random, settled, end } = options;
  const watch = createPoisonWatch();
  const crashes: number[] = [];
  const failures: number[] = [];
  const delays = { count: 0, at: -Infinity, settled: 0 };
  let reason: Error | undefined;

  const endOnce = (error: Error): void => {
    if (reason !== undefined) return;
    reason = error;
    end(error);
  };

  const takeNextDelayMs = (): number => {
    const now = clock.now();
    if (now - delays.at >= calmMs && settled() > delays.settled) delays.count = 0;
    const fullMs = Math.min(exponentialMs(restartBackoff, delays.count), maxDelayMs);
    delays.count += 1;
    delays.at = now;
    delays.settled = settled();
    return Math.round(fullMs * (0.5 + random.next() / 2));
  };

  return {
    noteFailureAndDecide: (error) => {
      const failed = failureOfUserCode(error);
      const record = failed === undefined ? undefined : identityOf(failed);
      const { times, othersSucceed } = noteFailedRecord(watch, record, settled());
      if (failed === undefined) {
        const isOver = noteAndCheck(crashes, restart, clock.now());
        return isOver ? { end: tooManyRestarts(restart, error), delayMs: 0 } : { delayMs: 0 };
      }
      if (times > restart.intensity && othersSucceed) return { end: poison(failed, times), delayMs: 0 };
      if (noteAndCheck(failures, userFailures, clock.now())) return { end: tooManyFailures(failed), delayMs: 0 };
      return { delayMs: takeNextDelayMs() };
    },
    pipelineEnded: ({ reason: how, error }) => {
      // A pipeline that was stopped, with the tree or for a restart of the coordinators, needs no decision here.
      if (how === 'crash' && error !== undefined) endOnce(error);
    },
    rootEnded: ({ error }) => {
      if (error !== undefined) endOnce(error);
    },
  };
}

/** Notes an event at this time. Returns true if there are now more than `intensity` within `periodMs`. */
function noteAndCheck(
  times: number[],
  limit: { readonly intensity: number; readonly periodMs: number },
  now: number,
): boolean {
  times.push(now);
  while ((times[0] as number) < now - limit.periodMs) times.shift();
  return times.length > limit.intensity;
}

function tooManyRestarts({ intensity, periodMs }: EscalationOptions['restart'], cause: Error): KinactError {
  const text = `The pipeline crashed more than ${intensity} times within ${periodMs / 1_000} s; last cause: ${cause.message}`;
  return new KinactError('RESTART_INTENSITY', text, { cause });
}

function tooManyFailures(failed: KinactError): KinactError {
  const { intensity, periodMs } = userFailures;
  const text = `Your code has crashed the pipeline more than ${intensity} times within ${periodMs / 60_000} minutes; last: ${failed.message}`;
  return new KinactError('TOO_MANY_FAILURES', text, { cause: failed, data: failed.data });
}

const codesOfUserCode: ReadonlySet<string> = new Set(['PROCESSING_FAILED', 'UNDECODABLE_RECORD', 'PIPE_EXITED']);

/** Finds the error that user code has caused, however often supervisors have wrapped it. */
function failureOfUserCode(error: Error): KinactError | undefined {
  for (let at: unknown = error; isError(at); at = at.cause)
    if (isKinactError(at) && codesOfUserCode.has(at.code)) return at;
  return undefined;
}

/** The record that a failure is about. Undefined: it is about none. */
function identityOf({
  code,
  data,
}: KinactError): { shard: string; sequenceNumber: string; subSequenceNumber?: number | undefined } | undefined {
  if (code === 'PIPE_EXITED') return undefined;
  const { source = '', shardId = '', sequenceNumber = '', subSequenceNumber } = data;
  return { shard: `${source}/${shardId}`, sequenceNumber, subSequenceNumber };
}

/** The longest partition key has 256 characters. A key from `extract` may be longer, and is cut. */
const maxKeyCharacters = 256;

function poison(failed: KinactError, times: number): KinactError {
  const { shardId, sequenceNumber, key } = failed.data;
  const at = key === undefined ? '' : `, key '${excerpt(key, maxKeyCharacters)}'`;
  const text = `Record ${sequenceNumber} of ${shardId}${at} failed ${times} times in a row, across pipeline restarts, and will fail wherever it is read next. Choose an onFailure policy or fix the failure.`;
  return new KinactError('POISON_RECORD', text, { cause: failed, data: failed.data });
}

/**
 * The error of the coordinator itself. Its supervisor allows no crash: it escalates at once, with an error of its own around this one.
 */
export function coordinatorError(error: Error): Error {
  return isKinactError(error) && error.code === 'RESTART_INTENSITY' && error.cause instanceof Error
    ? error.cause
    : error;
}
