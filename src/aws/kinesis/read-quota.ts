// How often a reader may call the service for its shard. Called by polling-step.ts.
import { createTokenBucket, type TokenBucket } from '../../core/token-bucket.js';

/**
 * AWS grants all readers of a shard together five reads and 2 MB a second. The reader allows no burst, and counts a call from its
 * answer on. So no six calls arrive within a second, however they are delayed on their way. The margin below 5 is for clocks that
 * count in whole milliseconds.
 */
const readsPerSecond = 4.9;
export const kinesisBytesPerSecond = 2_000_000;

/** The rate limits of the shard: iterators, reads and bytes. */
export interface Quota {
  readonly iterators: TokenBucket;
  readonly reads: TokenBucket;
  readonly bytes: TokenBucket;
}

export function fullQuota(now: number, bytesPerSecond: number): Quota {
  return {
    iterators: createTokenBucket({ capacity: 1, perSecond: readsPerSecond }, now),
    reads: createTokenBucket({ capacity: 1, perSecond: readsPerSecond }, now),
    bytes: createTokenBucket({ capacity: 1, perSecond: bytesPerSecond }, now),
  };
}
