// How long to wait before the next attempt: exponential, capped, with full jitter. Without jitter, workers that failed
// together would come back together. The shapes are where the calls are made:
//   start.ts of the coordinator     scans, listings, opening a source
//   turn.ts of the keeper           writes to a row: up to failoverMs / 6
//   src/aws/kinesis/                reads, and puts of the producer
// Pauses of a whole lease double without jitter: cool-downs.ts, yielding.ts, shard-end.ts and unread.ts.

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
  const ceiling = Math.floor(doubledMs(shape, attempt));
  return Math.floor(random.next() * (ceiling + 1));
}

/** `baseMs` doubled `times` times, at most `capMs`: a pause that grows with every vain attempt. `times` is not negative. */
export function doubledMs({ baseMs, capMs }: Backoff, times: number): number {
  return Math.min(capMs, baseMs * 2 ** times);
}
