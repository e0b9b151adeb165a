// Death watch: every watcher of an actor is informed once how the actor ended, after everything that the actor sent. nact has no
// monitors. A watcher that stops first is removed, so a long-lived actor does not collect dead watchers.
import type { Ending } from './actor.js';

export interface DeathWatch {
  /**
   * Calls `down` once. Returns a function that removes the watcher. If the actor has already ended, calls `down` before it
   * returns.
   */
  add(down: (how: Ending) => void): () => void;
  /** Calls every watcher, in the order in which they were added. */
  tell(how: Ending): void;
}

export function createDeathWatch(): DeathWatch {
  const watchers = new Set<(how: Ending) => void>();
  let ending: Ending | undefined;
  return {
    add(down) {
      if (ending !== undefined) {
        down(ending);
        return () => {};
      }
      const watcher = (how: Ending): void => down(how);
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    tell(how) {
      ending = how;
      const informed = [...watchers];
      watchers.clear();
      for (const down of informed) down(how);
    },
  };
}
