// One description of the stream for all readers of a source that need one at the same time. Invariant: whoever asks gets an
// answer to a request that was begun after asking, and at most one request a second leaves: iterators of a thousand shards
// may expire together, and the account has twenty descriptions a second. Called by the polling readers.
import type { Clock, StreamDescription, Timers } from '../ports.js';
import { stopped } from './prefetch-buffer.js';

export type DescribeOnce = (signal: AbortSignal) => Promise<StreamDescription>;

export interface SharedDescribe {
  /** Rejects with what the request failed with, or when `signal` aborts. */
  ask: DescribeOnce;
  close(): void;
}

const intervalMs = 1_000;

interface Waiter {
  readonly resolve: (description: StreamDescription) => void;
  readonly reject: (error: unknown) => void;
}

export function sharedDescribe(
  describe: DescribeOnce,
  { clock, timers }: { clock: Clock; timers: Timers },
): SharedDescribe {
  const closing = new AbortController();
  let waiters = new Set<Waiter>();
  let busy = false;
  let nextAt = -Infinity;
  let cancel: (() => void) | undefined;

  async function request(): Promise<void> {
    cancel = undefined;
    const asking = waiters;
    waiters = new Set();
    if (asking.size === 0) {
      busy = false;
      return;
    }
    nextAt = clock.now() + intervalMs;
    try {
      const description = await describe(closing.signal);
      for (const { resolve } of asking) resolve(description);
    } catch (error) {
      for (const { reject } of asking) reject(error);
    }
    busy = false;
    schedule();
  }

  function schedule(): void {
    if (busy || waiters.size === 0 || closing.signal.aborted) return;
    busy = true;
    const waitMs = nextAt - clock.now();
    if (waitMs <= 0) void request();
    else cancel = timers.after(waitMs, () => void request());
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
          // The last one that waited for the timer takes it along.
          if (waiters.size > 0 || cancel === undefined) return;
          cancel();
          cancel = undefined;
          busy = false;
        };
        const waiter: Waiter = {
          resolve: (description) => {
            settled();
            resolve(description);
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
