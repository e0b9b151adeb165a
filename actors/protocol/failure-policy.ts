// Asks the application's failure policy when user code fails on a record. The rules are the same wherever the code throws.
// pending-failures.ts keeps the failures whose answer comes later.
import { isThenable, ignoreRejection } from '../../src/core/callback.js';
import { chainText } from '../../src/core/thrown.js';
import { isKinactError, KinactError } from '../../src/api/errors.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import { shownPolicy } from '../../src/api/misplaced.js';
import {
  isFailurePolicy,
  isNonRetryable,
  type FailurePolicy,
  type FinalPolicy,
  type OnFailure,
  type PlainPolicy,
  type Retry,
} from '../../src/api/failure-policy.js';

/** A failure of user code. */
export interface Failure {
  readonly cause: unknown;
  readonly failed: FailedItem;
  /** 1 for the first failure of the item or batch. */
  readonly attempt: number;
}

export interface Verdict {
  /** What follows. `Retry` means another attempt; any other policy decides how the failure ends. */
  readonly policy: FinalPolicy | Retry;
  /** What `onFailure` says, before the attempts are counted and it is known whether a retry can help. `policy` may be its `then`. */
  readonly configured: FailurePolicy;
  /** The application's error, wrapped in an error that names the record. */
  readonly error: KinactError;
  /** It follows `park`, and `error` also says why the sink has not kept it. */
  readonly isNotParked?: true;
}

/** Failures at these places are never repeated, because the same bytes would fail again. */
const notRetried: readonly FailedItem['at'][] = ['decode', 'key', 'extract'];

/**
 * Asks the policy. If a policy function throws, rejects, or returns an unknown policy, the answer is `crash`: no record is skipped
 * by mistake. Returns a promise only if the function does. The promise never rejects.
 */
export function judgeFailure(onFailure: OnFailure, failure: Failure): Verdict | Promise<Verdict> {
  if (typeof onFailure !== 'function') return verdictFor(failure, onFailure);
  try {
    const answer: unknown = onFailure(failure.cause, failure.failed, failure.attempt);
    if (!isThenable(answer)) return verdictOfAnswer(failure, answer);
    return Promise.resolve(answer).then(
      (policy) => verdictOfAnswer(failure, policy),
      (thrown: unknown) => verdictOfThrow(failure, thrown),
    );
  } catch (thrown) {
    return verdictOfThrow(failure, thrown);
  }
}

function verdictOfAnswer(failure: Failure, answer: unknown): Verdict {
  if (isFailurePolicy(answer)) return verdictFor(failure, answer);
  ignoreRejection(answer);
  const expected = "'crash', 'skip', 'stopShard', retry() or park()";
  return crashVerdict(
    failure,
    failure.cause,
    `onFailure must return ${expected}, got ${shownPolicy(answer)}; treated as crash`,
  );
}

function verdictOfThrow(failure: Failure, thrown: unknown): Verdict {
  const { cause } = failure;
  const reason = new AggregateError([cause, thrown], 'onFailure threw while it handled a failure', { cause });
  return crashVerdict(failure, reason, `onFailure threw: ${chainText(thrown)}`);
}

/** The verdict if a policy function has not answered in time. */
export function unanswered(failure: Failure, afterMs: number): Verdict {
  return crashVerdict(failure, failure.cause, `onFailure did not answer within ${afterMs} ms; treated as crash`);
}

/** The verdict if the sink of `park` has failed, or has not answered in time, and the policy is not to call it again. */
export function verdictNotParked(failure: Failure, policy: PlainPolicy, thrown: unknown): Verdict {
  const { cause } = failure;
  const reason = new AggregateError([cause, thrown], 'the sink of park failed', { cause });
  const text = `${chainText(cause)} (not parked: ${chainText(thrown)})`;
  return { policy, configured: policy, error: errorOf(failure, reason, text), isNotParked: true };
}

function crashVerdict(failure: Failure, reason: unknown, note: string): Verdict {
  return {
    policy: 'crash',
    error: errorOf(failure, reason, `${chainText(failure.cause)} (${note})`),
    configured: 'crash',
  };
}

function verdictFor(failure: Failure, policy: FailurePolicy): Verdict {
  const { cause } = failure;
  return { policy: applicable(failure, policy), configured: policy, error: errorOf(failure, cause, chainText(cause)) };
}

function applicable({ cause, failed, attempt }: Failure, policy: FailurePolicy): FinalPolicy | Retry {
  if (typeof policy === 'string' || policy.type === 'park') return policy;
  const isOver = attempt >= policy.attempts || notRetried.includes(failed.at) || isNonRetryable(cause);
  return isOver ? policy.then : policy;
}

function errorOf({ failed, cause: thrown, attempt }: Failure, cause: unknown, text: string): KinactError {
  const code = isKinactError(thrown) && thrown.code === 'UNDECODABLE_RECORD' ? thrown.code : 'PROCESSING_FAILED';
  const { source, shardId, sequenceNumber, subSequenceNumber, key, at, node, items } = failed;
  const what = items > 1 ? `${items} items from record ${sequenceNumber}` : `record ${sequenceNumber}`;
  const times = attempt > 1 ? `, attempt ${attempt}` : '';
  return new KinactError(code, `${node ?? at} failed for ${what} of ${shardId}${times}: ${text}`, {
    cause,
    data: {
      source,
      shardId,
      sequenceNumber,
      ...(subSequenceNumber === undefined ? {} : { subSequenceNumber }),
      ...(key === undefined ? {} : { key }),
      ...(node === undefined ? {} : { node }),
    },
  });
}
