// A wait between two calls of a loop, which ends at once when `signal` aborts.
import { KinactError } from '../api/errors.js';
import type { Timers } from '../api/ports.js';

/** Resolves after `ms`; rejects with STOPPED, with `activity` in its message, as soon as `signal` aborts. */
export function sleep(timers: Timers, ms: number, signal: AbortSignal, activity: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      reject(new KinactError('STOPPED', `${activity} was aborted`));
    };
    const cancel = timers.after(ms, () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
