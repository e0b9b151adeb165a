// Applies the application's failure policy when user code fails on a record. The rules are the same wherever the code throws.
import { isThenable, ignoreRejection } from '../../src/core/callback.js';
import { messageOf } from '../../src/core/thrown.js';
import { isKinactError, KinactError } from '../../src/api/errors.js';
import type { FailedItem, FailurePolicy, OnFailure } from '../../src/api/reducer.js';

const policies: readonly unknown[] = ['crash', 'skip', 'stopShard'];

export interface Verdict {
  readonly policy: FailurePolicy;
  /** The application's error, wrapped in an error that names the record. */
  readonly error: KinactError;
}

/**
 * Asks the policy. If a policy function throws, or returns an unknown policy, the answer is `crash`: no record is skipped by
 * mistake.
 */
export function judgeFailure(onFailure: OnFailure, cause: unknown, failed: FailedItem): Verdict {
  let policy: unknown = onFailure;
  let reason = cause;
  let note = '';

  if (typeof onFailure === 'function') {
    try {
      policy = ignoreRejection(onFailure(cause, failed) as unknown);
      if (isThenable(policy)) {
        note = 'onFailure must be synchronous, got a promise: treated as crash';
      } else if (!policies.includes(policy)) {
        note = `onFailure must return 'crash', 'skip' or 'stopShard', got ${shown(policy)}: treated as crash`;
      }
    } catch (thrown) {
      reason = new AggregateError([cause, thrown], 'onFailure threw while it handled a failure', { cause });
      note = `onFailure threw: ${messageOf(thrown)}`;
      policy = 'crash';
    }
  }

  const text = note === '' ? messageOf(cause) : `${messageOf(cause)} (${note})`;
  return {
    policy: policies.includes(policy) ? (policy as FailurePolicy) : 'crash',
    error: failure(reason, text, failed),
  };
}

function shown(answer: unknown): string {
  if (typeof answer === 'string') return `'${answer}'`;
  return typeof answer === 'object' && answer !== null ? 'an object' : String(answer);
}

function failure(cause: unknown, text: string, failed: FailedItem): KinactError {
  const code = isKinactError(cause) && cause.code === 'UNDECODABLE_RECORD' ? cause.code : 'PROCESSING_FAILED';
  const what =
    failed.items > 1 ? `${failed.items} items from record ${failed.sequenceNumber}` : `record ${failed.sequenceNumber}`;
  return new KinactError(code, `${failed.at} failed for ${what} of ${failed.shardId}: ${text}`, {
    cause,
    data: {
      source: failed.source,
      shardId: failed.shardId,
      sequenceNumber: failed.sequenceNumber,
      ...(failed.subSequenceNumber === undefined ? {} : { subSequenceNumber: failed.subSequenceNumber }),
      ...(failed.key === undefined ? {} : { key: failed.key }),
    },
  });
}
