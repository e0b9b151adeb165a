// Calls of one kind that fail one after the other: what `retrying` reports of each, and what `ready()` reports when they go
// on for long. Kept by the actor that repeats the call, and cleared by the first success.
import type { ShardEvent, KinactEvent } from '../../src/api/events.js';
import { kindOf } from '../../src/api/failures.js';
import type { FailingSnapshot } from '../../src/api/status.js';
import { messageOf } from '../../src/core/thrown.js';

export interface Failing {
  /** Monotonic: when the first of them failed, and the last. */
  readonly since: number;
  readonly last: number;
  /** How many have failed. */
  readonly attempts: number;
  readonly operation: string;
  readonly error: unknown;
}

/**
 * Longer than any call and the wait after it. An operation without a failure for this long has nothing to report: maybe its
 * success was not seen.
 */
const staleMs = 90_000;

export function failedAgain(before: Failing | undefined, operation: string, error: unknown, now: number): Failing {
  const known = before !== undefined && now - before.last <= staleMs ? before : undefined;
  return { since: known?.since ?? now, last: now, attempts: (known?.attempts ?? 0) + 1, operation, error };
}

export function retryingEvent(failing: Failing, delayMs: number, about: Partial<ShardEvent>): KinactEvent {
  const { operation, error, attempts: attempt } = failing;
  return { name: 'retrying', data: { operation, kind: kindOf(error), attempt, error, delayMs, ...about } };
}

export function failingStatus(failing: readonly (Failing | undefined)[], now: number): readonly FailingSnapshot[] {
  return failing.flatMap((each) => {
    if (each === undefined || now - each.last > staleMs) return [];
    const { operation, attempts, error } = each;
    const kind = kindOf(error);
    return [{ operation, kind, attempts, forMs: now - each.since, error: messageOf(error) }];
  });
}
