// The failure policies: what becomes of a record, an item or a batch on which the application's code has failed. `retry`
// (src/options/retry-policy.ts) makes the policy that tries again, `park` (src/options/park-policy.ts) the one that sets aside.
import type { FailedItem } from './failed-item.js';
import type { ParkingSink } from './parking.js';
import { isBranded } from '../core/thrown.js';

/**
 * A policy without options. `crash`: the pipeline restarts and delivers the record again. `skip`: the record is settled, counted and
 * reported as `recordSkipped`. `stopShard`: the lease of its shard is released, and this worker leaves it alone for a time that doubles
 * with each failure.
 */
export type PlainPolicy = 'crash' | 'skip' | 'stopShard';

/** The policy that `park` makes: a sink keeps the failed item, which is then settled. */
export interface Park {
  readonly type: 'park';
  /** Keeps the failed items. */
  readonly sink: ParkingSink;
  /** What happens if the sink fails. `retry`: the sink is called again after a growing delay. */
  readonly then: PlainPolicy | 'retry';
}

/** A policy that ends a failure. */
export type FinalPolicy = PlainPolicy | Park;

/** The policy that `retry` makes: the call is repeated after a growing delay. */
export interface Retry {
  readonly type: 'retry';
  /** How many attempts there are, the first call included. */
  readonly attempts: number;
  /** The shortest delay, in milliseconds. */
  readonly minMs: number;
  /** The longest delay, in milliseconds. */
  readonly maxMs: number;
  /** What happens after the last attempt, and at failures that are not retried. */
  readonly then: FinalPolicy;
}

/** What happens to a failed record or batch. */
export type FailurePolicy = FinalPolicy | Retry;

/**
 * A policy, or a function that picks one for each failure. `attempt` is 1 for the first failure of an item or batch, 2 for the
 * next. While a promise of the function is pending, the record stays open, its key waits, and other keys go on. If the function
 * throws, rejects, returns anything else, or does not answer within `callDeadlineMs`, `crash` applies.
 */
export type OnFailure =
  | FailurePolicy
  | ((error: unknown, item: FailedItem, attempt: number) => FailurePolicy | PromiseLike<FailurePolicy>);

const brand = Symbol.for('kinact.nonRetryableError');

/**
 * An error that no repetition can mend. Throw it from `reduce`, `flush` or a behaviour, or pass it to `ctx.fail`: a `retry` policy
 * then does not retry, and its `then` applies at once.
 *
 * @example
 * ```ts
 * import { NonRetryableError } from 'kinact';
 *
 * const centsOf = (text: string): number => {
 *   const cents = Number(text);
 *   if (Number.isNaN(cents)) throw new NonRetryableError(`no number: ${text}`);
 *   return cents;
 * };
 * ```
 */
export class NonRetryableError extends Error {
  /** The name in stacks and logs. A subclass may have another. */
  override readonly name: string = 'NonRetryableError';
  /** Marks the errors of every copy of the package. */
  readonly [brand] = true;
}

/** Whether the error is a NonRetryableError, of this or another copy of the package. */
export function isNonRetryable(error: unknown): boolean {
  return isBranded(error, brand);
}

/** Whether the value is a policy. */
export function isFailurePolicy(value: unknown): value is FailurePolicy {
  return isFinalPolicy(value) || isRetry(value);
}

/** Whether the value is a policy that may end a failure. */
export function isFinalPolicy(value: unknown): value is FinalPolicy {
  return isPlainPolicy(value) || isPark(value);
}

function isPlainPolicy(value: unknown): value is PlainPolicy {
  return value === 'crash' || value === 'skip' || value === 'stopShard';
}

function isPark(value: unknown): value is Park {
  if (typeof value !== 'object' || value === null) return false;
  const { type, sink, then } = value as Partial<Park>;
  return type === 'park' && typeof sink === 'function' && (then === 'retry' || isPlainPolicy(then));
}

function isRetry(value: unknown): value is Retry {
  if (typeof value !== 'object' || value === null) return false;
  const { type, attempts, minMs, maxMs, then } = value as Partial<Retry>;
  return type === 'retry' && [attempts, minMs, maxMs].every((each) => typeof each === 'number') && isFinalPolicy(then);
}
