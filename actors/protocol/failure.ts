// What a failed record costs: the application's policy, applied the same way wherever user code throws.
import { isThenable } from '../../src/callback.js';
import { isKinactError, KinactError } from '../../src/errors.js';
import type { FailedItem, FailurePolicy, OnFailure } from '../../src/reducer.js';

const policies: readonly unknown[] = ['crash', 'skip', 'stopShard'];

export interface Verdict {
  readonly policy: FailurePolicy;
  /** What the policy acts with: the application's error, wrapped so that it names the record. */
  readonly error: KinactError;
}

/** A policy function that throws, or answers something unknown, means `crash`: nothing is ever advanced by mistake. */
export function judge(onFailure: OnFailure, cause: unknown, failed: FailedItem): Verdict {
  let policy: unknown = onFailure;
  let reason = cause;
  if (typeof onFailure === 'function') {
    try {
      policy = onFailure(cause, failed);
      if (isThenable(policy)) {
        policy.then(undefined, () => {});
        throw new TypeError('onFailure must be synchronous, it returned a promise');
      }
    } catch (thrown) {
      reason = new AggregateError([cause, thrown], 'onFailure threw while it handled a failure', { cause });
      policy = 'crash';
    }
  }
  return { policy: policies.includes(policy) ? (policy as FailurePolicy) : 'crash', error: failure(reason, failed) };
}

function failure(cause: unknown, failed: FailedItem): KinactError {
  const code = isKinactError(cause) && cause.code === 'UNDECODABLE_RECORD' ? cause.code : 'PROCESSING_FAILED';
  const text = cause instanceof Error ? cause.message : String(cause);
  const what =
    failed.items > 1 ? `${failed.items} items from record ${failed.sequenceNumber}` : `record ${failed.sequenceNumber}`;
  return new KinactError(code, `${failed.at} failed for ${what} of ${failed.shardId}: ${text}`, {
    cause,
    data: {
      stream: failed.source,
      shardId: failed.shardId,
      sequenceNumber: failed.sequenceNumber,
      ...(failed.subSequenceNumber === undefined ? {} : { subSequenceNumber: failed.subSequenceNumber }),
      ...(failed.key === undefined ? {} : { key: failed.key }),
    },
  });
}
