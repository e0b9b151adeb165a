// Timers of the consumer's runtime that can all be taken away at once: nothing of a nemesis outlives it.
import type { Runtime } from '../../../supervision/index.js';

/** Sets a timer; returns what cancels it. */
export type Later = (ms: number, act: () => void) => () => void;

export function createTimers({ timers }: Runtime): { readonly later: Later; readonly heal: () => void } {
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
