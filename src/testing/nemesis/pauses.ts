// Actors that stand still: what they would handle waits, in order, until the pause ends.
import type { Ref, Runtime } from '../../../supervision/index.js';

interface Paused {
  /** One per pause that has not been resumed. */
  readonly by: Set<object>;
  readonly waiting: (() => void)[];
}

export interface Pauses {
  /** Runs `handle` now, or when its actor goes on. */
  pass(actor: Ref<never>, handle: () => void): void;
  /** Returns a function that resumes it: true the first time, while it is paused. */
  pause(actor: Ref<never>): () => boolean;
  /** Resumes everyone. */
  heal(): void;
  readonly empty: boolean;
}

/** `emptied` is called whenever nobody stands still any more. */
export function createPauses({ timers }: Runtime, emptied: () => void): Pauses {
  const paused = new Map<number, Paused>();

  /** On a stack of its own: the caller of a resume may itself be in the middle of handling a message. */
  const resume = (id: number, by: object): boolean => {
    const actor = paused.get(id);
    if (actor?.by.delete(by) !== true) return false;
    if (actor.by.size === 0) goOn(id, actor);
    return true;
  };
  const goOn = (id: number, actor: Paused): void => {
    timers.after(0, () => {
      while (actor.by.size === 0 && actor.waiting.length > 0) actor.waiting.shift()?.();
      if (actor.by.size > 0 || paused.get(id) !== actor) return;
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
      const actor = paused.get(id) ?? { by: new Set(), waiting: [] };
      const by = {};
      paused.set(id, actor);
      actor.by.add(by);
      return () => resume(id, by);
    },
    heal: () => {
      for (const [id, { by }] of paused) for (const each of by) resume(id, each);
    },
    get empty() {
      return paused.size === 0;
    },
  };
}
