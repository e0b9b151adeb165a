// The policy `retry`, its options as a table, and the policy that applies if the application names none.
import { isFailurePolicy, isFinalPolicy, type FinalPolicy, type Retry } from '../api/failure-policy.js';
import type { RetryOptions } from '../api/generated/retry-options.js';
import { marked, refuseShown, shownPolicy } from '../api/misplaced.js';
import { defaulting, milliseconds, resolveTable, times, type Kind } from './option-table.js';

const finalPolicy: Kind<FinalPolicy> = {
  expected: "'crash', 'skip', 'stopShard' or park()",
  type: 'FinalPolicy',
  parse(value, path) {
    if (isFinalPolicy(value)) return value;
    return refuseShown(path, this.expected, isFailurePolicy(value) ? 'the policy of retry()' : shownPolicy(value));
  },
};

export const retryTable = {
  attempts: defaulting(
    times,
    Infinity,
    'How many attempts there are, the first call included. After the last one, `then` applies.',
    '10',
  ),
  minMs: defaulting(milliseconds(1), 100, 'The shortest delay between two attempts.', '1_000'),
  maxMs: defaulting(
    milliseconds(1),
    30_000,
    'The longest delay. Each delay is random, between `minMs` and a bound that doubles with every attempt, up to `maxMs`.',
    '5_000',
  ),
  then: defaulting(
    finalPolicy,
    'crash',
    'What happens after the last attempt. It applies at once to a NonRetryableError, and to failures that no repetition can mend: those of `extract`, of `key` and of decoding.',
    "'skip'",
  ),
};

/**
 * Makes the failure policy that repeats a failed call after a growing delay. It is the default of `onFailure`. An item that waits
 * holds its key: later items of the key wait behind it, and other keys go on. A flush that waits holds its reducer. So `reduce` and
 * `flush` must be repeatable: throw before you change the state, or return a new one.
 *
 * @throws KinactError INVALID_OPTION (path, expected, got).
 *
 * @example
 * ```ts
 * const consumer = createConsumer({
 *   application: 'order-totals',
 *   source: kinesisStream({ streamName: 'orders' }),
 *   reducer: totals,
 *   onFailure: retry({ attempts: 20, then: 'skip' }),
 * });
 * ```
 */
export function retry(options: RetryOptions = {}): Retry {
  const { attempts, minMs, maxMs, then } = resolveTable(retryTable, options, 'retry');
  return Object.freeze({ type: 'retry', attempts, minMs, maxMs: Math.max(minMs, maxMs), then });
}

marked(retry, { name: 'the function retry itself', asPolicy: 'retry()', asSink: 'fileSink({ path: … })' });
