// Timers of the consumer's runtime that `heal` cancels all at once, so that none outlives its nemesis.
import type { Runtime } from '../../../supervision/index.js';

/** Sets a timer. Returns a function that cancels it. */
export type Later = (ms: number, act: () => void) => () => void;

export function createFaultTimers({ timers }: Runtime): { readonly later: Later; readonly heal: () => void } {
  const set = new Set<() => void>();
  return {
    later: (ms, act) => {
      const cancelTimer = timers.after(ms, () => {
        set.delete(cancel);
        act();
      });
      const cancel = (): void => {
        set.delete(cancel);
        cancelTimer();
      };
      set.add(cancel);
      return cancel;
    },
    heal: () => {
      for (const cancel of set) cancel();
    },
  };
}
