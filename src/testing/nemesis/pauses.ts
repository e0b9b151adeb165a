// Paused actors: their messages, timers and results wait, in order, until the pause ends.
import type { Ref, Runtime } from '../../../supervision/index.js';

interface Paused {
  /** One per pause that has not ended. */
  readonly pauses: Set<object>;
  readonly waiting: (() => void)[];
}

export interface Pauses {
  /** Runs `handle` now, or when the pause of its actor ends. */
  pass(actor: Ref<never>, handle: () => void): void;
  /** Returns a function that ends this pause; it returns true if the pause had not ended before. */
  pause(actor: Ref<never>): () => boolean;
  /** Resumes every actor. */
  heal(): void;
  readonly isEmpty: boolean;
}

/** `emptied` is called whenever no actor is paused any longer. */
export function createPauses({ timers }: Runtime, emptied: () => void): Pauses {
  const paused = new Map<number, Paused>();

  /** Work that waited runs from a timer: the caller of `resume` may itself be handling a message. */
  const resume = (id: number, pause: object): boolean => {
    const actor = paused.get(id);
    if (actor?.pauses.delete(pause) !== true) return false;
    if (actor.pauses.size === 0) resumeLater(id, actor);
    return true;
  };
  const resumeLater = (id: number, actor: Paused): void => {
    timers.after(0, () => {
      while (actor.pauses.size === 0 && actor.waiting.length > 0) actor.waiting.shift()?.();
      if (actor.pauses.size > 0 || paused.get(id) !== actor) return;
      paused.delete(id);
      if (paused.size === 0) emptied();
    });
  };

  return {
    pass: ({ id }, handle) => {
      const actor = paused.get(id);
      if (actor === undefined) handle();
      else actor.waiting.push(handle);
    },
    pause: ({ id }) => {
      const actor = paused.get(id) ?? { pauses: new Set(), waiting: [] };
      const pause = {};
      paused.set(id, actor);
      actor.pauses.add(pause);
      return () => resume(id, pause);
    },
    heal: () => {
      for (const [id, { pauses }] of paused) for (const pause of pauses) resume(id, pause);
    },
    get isEmpty() {
      return paused.size === 0;
    },
  };
}
