// How long to wait before the next attempt: exponential, capped, with full jitter. Without jitter, workers that failed
// together would come back together. The shapes, with their caps, are where the calls are made:
//   lease-coordinator/sources/start.ts        5 s: scans, listings, opening a source
//   lease-coordinator/shard-end/shard-end.ts  0.5 s to 2.5 s, constant: retries after evidence of a shard's end could not be gathered
//   lease-keeper/turn.ts                      failoverMs / 6: writes to a row
//   lease-keeper/endings.ts                   failoverMs: reading on after a false end of shard
//   src/aws/kinesis/                          20 s: reads; 3 s: a shard not found; 5 s: puts of the producer
//   src/aws/patience.ts                       3 s: calls of commands
//   src/cli/tail-stream.ts                    5 s: calls of `kinact tail`
// Jitter may come out as 0. So reads, puts, shard syncs and `kinact tail` wait at least 100 ms, and a scan waits at least a
// tenth of its interval.
//
// Pauses that double without jitter (`doubledMs`):
//   lease-coordinator/unread/cool-downs.ts    a lease left alone: the cap of cool-downs; a row taken again: failoverMs
//   lease-coordinator/unread/unread.ts        a source whose reads fail: the cap of cool-downs
//   lease-coordinator/shard-end/shard-end.ts  10 s: the next question of an end that is not proven
//   lease-keeper/yielding.ts                  10 minutes: after a failed drain

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

/** `baseMs` doubled `times` times, at most `capMs`: a pause that grows with every failed attempt. `times` is not negative. */
export function doubledMs({ baseMs, capMs }: Backoff, times: number): number {
  return Math.min(capMs, baseMs * 2 ** times);
}
