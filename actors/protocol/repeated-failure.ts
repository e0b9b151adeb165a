// Counts the calls of one kind that fail in a row. The event `retrying` reports each failure, and `ready()` reports failures that
// last. The actor that repeats the call keeps the count, and clears it at the first success.
import type { ShardEvent } from '../../src/api/event-members.js';
import type { KinactEvent } from '../../src/api/events.js';
import { kindOf } from '../../src/api/final-errors.js';
import type { FailingSnapshot } from '../../src/api/status.js';
import { chainText } from '../../src/core/thrown.js';

export interface RepeatedFailure {
  /** The monotonic times of the first and the last of these failures. */
  readonly since: number;
  readonly last: number;
  /** How many calls have failed. */
  readonly attempts: number;
  readonly operation: string;
  readonly error: unknown;
}

/**
 * Longer than any call and the wait after it. An operation that has not failed for this long is not reported, because its success
 * may have gone unnoticed.
 */
const staleMs = 90_000;

/** Longer than the time between two calls of any kind: a failure that comes after this long starts a new count. */
const forgottenMs = 600_000;

export function failedAgain(
  before: RepeatedFailure | undefined,
  operation: string,
  error: unknown,
  now: number,
): RepeatedFailure {
  const known = before !== undefined && now - before.last <= forgottenMs ? before : undefined;
  return { since: known?.since ?? now, last: now, attempts: (known?.attempts ?? 0) + 1, operation, error };
}

export function retryingEvent(failing: RepeatedFailure, delayMs: number, about: Partial<ShardEvent>): KinactEvent {
  const { operation, error, attempts: attempt } = failing;
  return { name: 'retrying', data: { operation, kind: kindOf(error), attempt, error, delayMs, ...about } };
}

export function failingStatus(
  failing: readonly (RepeatedFailure | undefined)[],
  now: number,
): readonly FailingSnapshot[] {
  return failing.flatMap((each) => {
    if (each === undefined || now - each.last > staleMs) return [];
    const { operation, attempts, error } = each;
    const kind = kindOf(error);
    return [{ operation, kind, attempts, forMs: now - each.since, error: chainText(error) }];
  });
}
