// Time and randomness of the host, and the timers of one actor. A timer never acts once it was canceled or replaced, or its actor
// has stopped. That holds even when the timer had fired and its message was already queued.
import type { Clock, Random, Timers } from '../src/api/ports.js';

/** The host's clock. The globals are looked up at every call, so that virtual time can replace them. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
};

/** The host's randomness. */
export const systemRandom: Random = { next: () => Math.random() };

/** With a longer timeout, `setTimeout` fires at once. */
const maxTimeoutMs = 2 ** 31 - 1;

/** The host's timers, without its limits: any duration up to Infinity, and never early. */
export const systemTimers: Timers = {
  after(ms, callback) {
    let handle: ReturnType<typeof setTimeout> | undefined;
    const due = performance.now() + ms;

    const sleep = (restMs: number): void => {
      if (restMs === Infinity) return;
      const longer = restMs > maxTimeoutMs;
      handle = setTimeout(
        () => (longer ? sleep(restMs - maxTimeoutMs) : wake()),
        longer ? maxTimeoutMs : Math.max(0, Math.ceil(restMs)),
      );
    };

    const wake = (): void => {
      // setTimeout counts whole milliseconds and may fire up to one early. Waiting one more is enough. Waiting only once also
      // avoids an endless loop when tests replace setTimeout but not performance.now.
      if (performance.now() < due) handle = setTimeout(callback, 1);
      else callback();
    };

    sleep(Number.isNaN(ms) ? 0 : ms);
    return () => clearTimeout(handle);
  },
};

/** A fired timer on its way to its actor. `claim` returns false if the timer was canceled or replaced in the meantime. */
export interface FiredTimer {
  readonly message: unknown;
  claim(): boolean;
}

/** The timers of one actor, at most one per key. */
export interface ActorTimers {
  set(key: string, ms: number, message: unknown): void;
  cancel(key: string): void;
  cancelAll(): void;
}

/** Makes the timers of one actor. `fire` queues the fired timer; its receiver must `claim` it. */
export function createActorTimers(timers: Timers, fire: (timer: FiredTimer) => void): ActorTimers {
  const pending = new Map<string, () => void>();

  const cancel = (key: string): void => {
    pending.get(key)?.();
    pending.delete(key);
  };

  return {
    set(key, ms, message) {
      cancel(key);
      const stop = timers.after(ms, () =>
        fire({
          message,
          claim: () => pending.get(key) === stop && pending.delete(key),
        }),
      );
      pending.set(key, stop);
    },
    cancel,
    cancelAll() {
      for (const stop of pending.values()) stop();
      pending.clear();
    },
  };
}
