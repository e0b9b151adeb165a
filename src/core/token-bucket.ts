// A rate with a burst: tokens flow in at `perSecond` up to `capacity`. Time is passed in, so there is no timer here:
// the reader asks how long to wait and waits itself. A take may go into debt, because the size of a response is known
// only when it has come. The next request then waits until the debt is paid.

/** A bucket's state; made by `createTokenBucket`, changed by `take` alone. */
export interface TokenBucket {
  readonly capacity: number;
  readonly perSecond: number;
  /** Below zero: in debt. */
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
 * Milliseconds, rounded up, until `amount` tokens are there; 0 when they are. An amount above the capacity waits for a
 * full bucket; otherwise it would wait for ever.
 */
export function waitMs(bucket: TokenBucket, amount: number, nowMs: number): number {
  refill(bucket, nowMs);
  const missing = Math.min(amount, bucket.capacity) - bucket.tokens;
  return missing <= 0 ? 0 : Math.ceil((missing * 1000) / bucket.perSecond);
}

/** Takes `amount` tokens whether they are there or not. */
export function take(bucket: TokenBucket, amount: number, nowMs: number): void {
  refill(bucket, nowMs);
  bucket.tokens -= amount;
}

function refill(bucket: TokenBucket, nowMs: number): void {
  if (nowMs <= bucket.updatedAt) return;
  bucket.tokens = Math.min(bucket.capacity, bucket.tokens + ((nowMs - bucket.updatedAt) * bucket.perSecond) / 1000);
  bucket.updatedAt = nowMs;
}
