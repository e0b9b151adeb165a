// Shares one request among all readers of a source that need its answer at the same time: the stream's identity, or which shards
// are closed. Invariant: every caller gets an answer to a request that began after the caller asked. A few requests leave
// quickly, then one a second, because iterators of a thousand shards may expire together. The account has only twenty
// descriptions a second.
import type { Clock, Timers } from '../api/ports.js';
import { stopped } from './kinesis/prefetch-buffer.js';

export type Ask<T> = (signal: AbortSignal) => Promise<T>;

export interface SharedRequest<T> {
  /** Rejects with the error of the request, or when `signal` aborts. */
  ask: Ask<T>;
  close(): void;
}

const quickMs = 250;
const slowMs = 1_000;
/** `quickOnes` requests leave quickly; after a pause of `restMs`, as many may leave quickly again. */
const quickOnes = 4;
const restMs = 10_000;

interface Waiter<T> {
  readonly resolve: (answer: T) => void;
  readonly reject: (error: unknown) => void;
}

export function sharedRequest<T>(request: Ask<T>, deps: { clock: Clock; timers: Timers }): SharedRequest<T> {
  const { clock, timers } = deps;
  const closing = new AbortController();
  let waiters = new Set<Waiter<T>>();
  let busy = false;
  let lastAt = -Infinity;
  let streak = 0;
  let cancel: (() => void) | undefined;

  async function send(): Promise<void> {
    cancel = undefined;
    const asking = waiters;
    waiters = new Set();
    const now = clock.now();
    streak = now - lastAt > restMs ? 1 : streak + 1;
    lastAt = now;

    try {
      const answer = await request(closing.signal);
      for (const { resolve } of asking) resolve(answer);
    } catch (error) {
      for (const { reject } of asking) reject(error);
    }

    busy = false;
    schedule();
  }

  function schedule(): void {
    if (busy || waiters.size === 0 || closing.signal.aborted) return;
    busy = true;
    const waitMs = lastAt + (streak < quickOnes ? quickMs : slowMs) - clock.now();
    if (waitMs <= 0) void send();
    else cancel = timers.after(Math.ceil(waitMs), () => void send());
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
        if (signal.aborted || closing.signal.aborted) return reject(stopped());
        const settled = (): void => {
          signal.removeEventListener('abort', abort);
          waiters.delete(waiter);
        };
        const abort = (): void => {
          waiter.reject(stopped());
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
      for (const { reject } of [...waiters]) reject(stopped());
    },
  };
}
