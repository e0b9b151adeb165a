// Faults that wait for the next actor of a target to handle a message of some type, or to start some effect.
import { isMeant } from './targets.js';

/** Fires once, for the next actor of `target` with the message or effect `name`; without a name, with any. */
export interface Trigger<T> {
  readonly target: string;
  readonly name: string | undefined;
  readonly wanted: T;
}

export interface Triggers<T> {
  add(trigger: Trigger<T>): () => void;
  /** Removes the first trigger that fits, and returns its `wanted`; undefined if none fits. */
  take(path: string, name: unknown): T | undefined;
  /** True if any trigger is left. */
  readonly any: boolean;
  /** Removes all triggers, and returns their `wanted`. */
  clear(): readonly T[];
}

export function createTriggers<T>(fits: (wanted: string, name: unknown) => boolean): Triggers<T> {
  let triggers: readonly Trigger<T>[] = [];
  const without = (gone: Trigger<T>): void => {
    triggers = triggers.filter((each) => each !== gone);
  };
  return {
    add: (trigger) => {
      triggers = [...triggers, trigger];
      return () => without(trigger);
    },
    take: (path, name) => {
      const found = triggers.find(
        (trigger) => isMeant(trigger.target, path) && (trigger.name === undefined || fits(trigger.name, name)),
      );
      if (found !== undefined) without(found);
      return found?.wanted;
    },
    get any() {
      return triggers.length > 0;
    },
    clear: () => {
      const left = triggers;
      triggers = [];
      return left.map(({ wanted }) => wanted);
    },
  };
}

/** Effects of one name that run at once end in a number or a key: `renew#3`, `parents/shardId-000000000000/1`. */
export function isEffect(wanted: string, name: unknown): boolean {
  return (
    typeof name === 'string' && (name === wanted || name.startsWith(`${wanted}#`) || name.startsWith(`${wanted}/`))
  );
}
