// Shares one request among all readers of a source that need its answer at the same time: the stream's identity, or which shards
// are closed. Invariant: every caller gets an answer to a request that began after the caller asked. Some requests leave quickly,
// because a change of the shards needs several, one after the other, and every wait keeps a child unread. Then one a second leaves:
// iterators of a thousand shards may expire together, and the account has only twenty descriptions a second.
import type { Clock, Timers } from '../api/ports.js';
import { createTokenBucket, take, waitMs, type TokenBucket } from '../core/token-bucket.js';
import { stoppedError } from './kinesis/prefetch-buffer.js';

export type Ask<T> = (signal: AbortSignal) => Promise<T>;

export interface SharedRequest<T> {
  /** Rejects with the error of the request, or when `signal` aborts. */
  ask: Ask<T>;
  close(): void;
}

/** Five a second at most, so that four processes may hurry at one time. */
const defaultQuickMs = 200;
/** A change of all shards takes about ten. Twelve generations of shards that ended long ago, one after the other, take all. */
const quickOnes = 50;
const perSecond = 1;
/** Within `restMs` after a request, the next waits this long for more callers: shards that end together ask within milliseconds. */
const gatherMs = 20;
const restMs = 2_000;

interface Waiter<T> {
  readonly resolve: (answer: T) => void;
  readonly reject: (error: unknown) => void;
}

function fullBucket(now: number): TokenBucket {
  return createTokenBucket({ capacity: quickOnes, perSecond }, now);
}

interface SharedRequestDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** How soon a request may follow another while it leaves quickly. Default 200. */
  readonly quickMs?: number;
}

export function sharedRequest<T>(request: Ask<T>, deps: SharedRequestDeps): SharedRequest<T> {
  const { clock, timers, quickMs = defaultQuickMs } = deps;
  const closing = new AbortController();
  let waiters = new Set<Waiter<T>>();
  let busy = false;
  let lastAt = -Infinity;
  const bucket = fullBucket(clock.now());
  let cancel: (() => void) | undefined;

  async function send(): Promise<void> {
    cancel = undefined;
    const asking = waiters;
    waiters = new Set();
    lastAt = clock.now();
    take(bucket, 1, lastAt);

    try {
      const answer = await request(closing.signal);
      for (const { resolve } of asking) resolve(answer);
    } catch (error) {
      // The service may be short of calls, so there is no hurry any more.
      take(bucket, Math.max(0, bucket.tokens), clock.now());
      for (const { reject } of asking) reject(error);
    }

    busy = false;
    schedule();
  }

  function schedule(): void {
    if (busy || waiters.size === 0 || closing.signal.aborted) return;
    busy = true;
    const now = clock.now();
    const ms = Math.max(now - lastAt < restMs ? gatherMs : 0, lastAt + quickMs - now, waitMs(bucket, 1, now));
    if (ms <= 0) void send();
    else cancel = timers.after(Math.ceil(ms), () => void send());
  }

  /** Cancels the timer when the last waiter has left. */
  function unschedule(): void {
    if (waiters.size > 0 || cancel === undefined) return;
    cancel();
    cancel = undefined;
    busy = false;
  }

  return {
    ask: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted || closing.signal.aborted) return reject(stoppedError());
        const settled = (): void => {
          signal.removeEventListener('abort', abort);
          waiters.delete(waiter);
        };
        const abort = (): void => {
          waiter.reject(stoppedError());
          unschedule();
        };
        const waiter: Waiter<T> = {
          resolve: (answer) => {
            settled();
            resolve(answer);
          },
          reject: (error) => {
            settled();
            reject(error as Error);
          },
        };
        waiters.add(waiter);
        signal.addEventListener('abort', abort, { once: true });
        schedule();
      }),
    close() {
      closing.abort();
      cancel?.();
      for (const { reject } of [...waiters]) reject(stoppedError());
    },
  };
}
