// The failure policies: what becomes of a record, an item or a batch on which the application's code has failed. `retry`
// (src/options/retry-policy.ts) makes the policy that tries again.

/** The facts about a failure, as `onFailure` gets them. */
export interface FailedItem {
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  readonly sequenceNumber: string;
  readonly subSequenceNumber?: number | undefined;
  /** The record's bytes, not a copy. Absent if a raw call failed without an item. */
  readonly data?: Buffer | undefined;
  /** When Kinesis received the record, milliseconds since the epoch; absent if the service does not report it. */
  readonly arrivedAt?: number | undefined;
  /** Absent when no key was known yet (`extract`, `key`, decoding). */
  readonly key?: string | undefined;
  /** The value that `extract` made; absent if there is no item yet. */
  readonly value?: unknown;
  /**
   * Where the failure happened.
   * - `decode`: some user records of an aggregate cannot be decoded.
   * - `key`, `extract`: this function threw, or returned a value that it must not return.
   * - `reduce`: `reduce` threw, or a raw behaviour threw at `items`.
   * - `flush`: `flush` threw, or a raw behaviour threw at another message.
   * - `process`: `process` threw, or called `ctx.fail` for this item.
   * - `ack`: the application called `ctx.fail`, in a reducer of another kind.
   */
  readonly at: 'decode' | 'key' | 'extract' | 'reduce' | 'flush' | 'process' | 'ack';
  /**
   * The number of failed items: after a failed flush all items that it covered, after a failed raw call those that are not
   * acknowledged. After a failed call of `process`: all its items, or 1 if an item has failed alone. The other members name the
   * oldest. If a raw call fails without an item, this is 0, and they may be empty.
   */
  readonly items: number;
}

/**
 * A policy that ends a failure. `crash`: the pipeline restarts and delivers the record again. `skip`: the record is settled,
 * counted and reported as `recordSkipped`. `stopShard`: the lease of its shard is released, and this worker leaves it alone for a
 * growing time.
 */
export type FinalPolicy = 'crash' | 'skip' | 'stopShard';

/** The policy that `retry` makes: the call is repeated after a growing pause. */
export interface Retry {
  readonly type: 'retry';
  /** How many attempts there are, the first call included. */
  readonly attempts: number;
  /** The shortest pause, in milliseconds. */
  readonly minMs: number;
  /** The longest pause, in milliseconds. */
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
  override readonly name: string = 'NonRetryableError';
  readonly [brand] = true;
}

/** Whether the error is a NonRetryableError, of this or another copy of the package. */
export function isNonRetryable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { [brand]?: unknown })[brand] === true;
}

/** Whether the value is a policy. */
export function isFailurePolicy(value: unknown): value is FailurePolicy {
  return isFinalPolicy(value) || isRetry(value);
}

function isFinalPolicy(value: unknown): value is FinalPolicy {
  return value === 'crash' || value === 'skip' || value === 'stopShard';
}

function isRetry(value: unknown): value is Retry {
  if (typeof value !== 'object' || value === null) return false;
  const { type, attempts, minMs, maxMs, then } = value as Partial<Retry>;
  return type === 'retry' && [attempts, minMs, maxMs].every((each) => typeof each === 'number') && isFinalPolicy(then);
}
