// Repeats a call, for a limited time, while its failure is temporary (throttling, a lost connection). For commands, which have no
// actor that repeats calls.
import { backoffMs, type Backoff } from '../core/backoff.js';
import { isKinactError } from '../api/errors.js';
import type { Environment } from '../api/source.js';
import { sleep } from './sleep.js';

export interface RetryOptions extends Environment {
  /** Milliseconds after which no new attempt is begun. See `mayOverrun`. */
  readonly retryForMs: number;
  /** The name of the call, for messages. */
  readonly name: string;
  /** Called for each failure before a retry, because a command that waits in silence looks as if it hangs. */
  readonly onRetry?: OnRetry | undefined;
  /** Default: 0.2 to 3 s. */
  readonly backoff?: Backoff;
  /** The shortest wait, because full jitter may be 0. Milliseconds, default 0. */
  readonly minDelayMs?: number;
  /** Whether an attempt may begin later than `retryForMs`, if the one before failed in time. Default false. */
  readonly mayOverrun?: boolean;
}

/** Gets the operation that is repeated, in words, and its error. */
export type OnRetry = (operation: string, error: unknown) => void;

const usualBackoff: Backoff = { baseMs: 200, capMs: 3_000 };

/** Rejects with the last failure, and at once with a failure that is not retryable. */
export async function withRetry<Result>(
  options: RetryOptions,
  call: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const { clock, timers, random, retryForMs, name, onRetry } = options;
  const { backoff = usualBackoff, minDelayMs = 0, mayOverrun = false } = options;
  const giveUpAt = clock.now() + retryForMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const delayMs = Math.max(minDelayMs, backoffMs(backoff, attempt, random));
      const dueAt = clock.now() + (mayOverrun ? 0 : delayMs);
      if (!isKinactError(error) || !error.retryable || dueAt > giveUpAt) throw error;

      onRetry?.(error.data.operation ?? name, error);
      await sleep(timers, delayMs, signal, name);
    }
  }
}
