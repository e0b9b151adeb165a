// A rate limit with bursts: tokens are added at `perSecond`, up to `capacity`. There is no timer here: the reader passes the
// time, asks how long to wait, and waits itself. A take may leave a debt, because the size of a response is known only after it
// has arrived. The next request then waits until the debt is paid.

/** The state of a bucket. Only the functions of this file change it. */
export interface TokenBucket {
  readonly capacity: number;
  readonly perSecond: number;
  /** Negative: the bucket is in debt. */
  tokens: number;
  updatedAt: number;
}

/** A full bucket. `capacity` and `perSecond` are above 0; `nowMs` is monotonic. */
export function createTokenBucket(
  shape: { readonly capacity: number; readonly perSecond: number },
  nowMs: number,
): TokenBucket {
  return { capacity: shape.capacity, perSecond: shape.perSecond, tokens: shape.capacity, updatedAt: nowMs };
}

/**
 * Milliseconds, rounded up, until `amount` tokens are available; 0 if they are. For an amount above the capacity, a full bucket
 * is enough; otherwise the wait would never end.
 */
export function waitMs(bucket: TokenBucket, amount: number, nowMs: number): number {
  refill(bucket, nowMs);
  const missing = Math.min(amount, bucket.capacity) - bucket.tokens;
  return missing <= 0 ? 0 : Math.ceil((missing * 1000) / bucket.perSecond);
}

/** Takes `amount` tokens, even if there are fewer. */
export function take(bucket: TokenBucket, amount: number, nowMs: number): void {
  refill(bucket, nowMs);
  bucket.tokens -= amount;
}

function refill(bucket: TokenBucket, nowMs: number): void {
  if (nowMs <= bucket.updatedAt) return;
  bucket.tokens = Math.min(bucket.capacity, bucket.tokens + ((nowMs - bucket.updatedAt) * bucket.perSecond) / 1000);
  bucket.updatedAt = nowMs;
}
