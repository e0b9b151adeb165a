// Death watch: every watcher of an actor learns once how it ended, after everything it sent. nact has no monitors. A
// watcher that stops first is removed, so that a long-lived actor does not collect dead watchers.
import type { Ending } from './actor.js';

export interface DeathWatch {
  /**
   * Calls back once. Returns a function that removes the watcher. When the ending is known already, calls back before it
   * returns.
   */
  add(down: (how: Ending) => void): () => void;
  /** Calls every watcher, in the order in which they came. */
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
      const told = [...watchers];
      watchers.clear();
      for (const down of told) down(how);
    },
  };
}
