// How long to wait before the next attempt: exponential, capped, with full jitter. Without jitter, workers that failed
// together would come back together.

/** The shape of a back-off. */
export interface Backoff {
  /** The ceiling of the wait before the first repetition, milliseconds. */
  readonly baseMs: number;
  /** No wait is longer than this, milliseconds. */
  readonly capMs: number;
}

/**
 * The wait in whole milliseconds before repetition `attempt` (0 is the first): evenly spread over 0 up to
 * `min(capMs, baseMs * 2^attempt)`, both included.
 */
export function backoffMs(shape: Backoff, attempt: number, random: { next(): number }): number {
  const ceiling = Math.floor(Math.min(shape.capMs, shape.baseMs * 2 ** attempt));
  return Math.floor(random.next() * (ceiling + 1));
}
