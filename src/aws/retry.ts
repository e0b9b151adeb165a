// Repeats a call, for a limited time, while its failure may pass (throttling, a lost connection). For commands, which have no
// actor that repeats calls.
import { backoffMs, type Backoff } from '../core/backoff.js';
import { isKinactError } from '../api/errors.js';
import type { Environment } from '../api/source.js';
import { pause } from './pause.js';

export interface Patience extends Environment {
  /** Milliseconds after which no new attempt is begun. */
  readonly retryForMs: number;
  /** The name of the call, for messages. */
  readonly name: string;
  /** Called for each failure before a retry, because a command that waits in silence looks as if it hangs. */
  readonly repeating?: Repeating | undefined;
}

/** Gets the operation that is repeated, in words, and its error. */
export type Repeating = (operation: string, error: unknown) => void;

const again: Backoff = { baseMs: 200, capMs: 3_000 };

/** Rejects with the last failure, and at once with a failure that is not retryable. */
export async function patiently<Result>(
  { clock, timers, random, retryForMs, name, repeating }: Patience,
  call: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const giveUpAt = clock.now() + retryForMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const delayMs = backoffMs(again, attempt, random);
      if (!isKinactError(error) || !error.retryable || clock.now() + delayMs > giveUpAt) throw error;
      repeating?.(error.data.operation ?? name, error);
      await pause(timers, delayMs, signal, name);
    }
  }
}
