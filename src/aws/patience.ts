// A call that is repeated, for a limited time, while its failure may pass (throttling, a lost connection). For
// commands, which have no actor that repeats.
import { backoffMs, type Backoff } from '../core/backoff.js';
import { isKinactError } from '../api/errors.js';
import type { Environment } from '../api/source.js';
import { pause } from './pause.js';

export interface Patience extends Environment {
  /** Milliseconds after which no new attempt is begun. */
  readonly retryForMs: number;
  /** What waits, for the error when `signal` aborts. */
  readonly name: string;
  /** Hears of each failure that is waited out: a command that waited in silence would look as if it hung. */
  readonly repeating?: Repeating | undefined;
}

/** What is repeated, in words, and what it failed with. */
export type Repeating = (operation: string, error: unknown) => void;

const again: Backoff = { baseMs: 200, capMs: 3_000 };

/** Rejects with the last failure: at once with one that is not retryable. */
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
