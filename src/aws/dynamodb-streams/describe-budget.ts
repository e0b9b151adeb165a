// Bounds how often this process calls DescribeStream, over all its sources: an account has ten such calls a second, for all processes
// together. Invariant: a call waits here before it is sent, so its deadline does not count the wait.
import { createTokenBucket, take, waitMs, type TokenBucket } from '../../core/token-bucket.js';
import type { Clock, Timers } from '../../api/ports.js';
import { sleep } from '../sleep.js';

/** Ten pages list a thousand shards at once. */
const burst = 10;
const perSecond = 2;

/** One bucket per clock: a process has one clock, a test brings its own. */
const buckets = new WeakMap<Clock, TokenBucket>();

/** Resolves when the call may be sent; rejects when `signal` aborts. */
export async function describeTurn(clock: Clock, timers: Timers, signal: AbortSignal): Promise<void> {
  let bucket = buckets.get(clock);
  if (bucket === undefined)
    buckets.set(clock, (bucket = createTokenBucket({ capacity: burst, perSecond }, clock.now())));
  // A take may leave a debt, so each call waits behind those that came before it.
  const ms = waitMs(bucket, 1, clock.now());
  take(bucket, 1, clock.now());
  if (ms > 0) await sleep(timers, ms, signal, 'DescribeStream');
}
