// Faults that wait for the next actor of a target to handle a message of some type, or to start some effect.
import { isTarget } from './targets.js';

/** Fires once, for the next actor of `target` with the message or effect `name`; without a name, with any. */
export interface Trigger<T> {
  readonly target: string;
  readonly name: string | undefined;
  readonly fault: T;
}

export interface Triggers<T> {
  add(trigger: Trigger<T>): () => void;
  /** Removes the first trigger that fits, and returns its `fault`; undefined if none fits. */
  take(path: string, name: unknown): T | undefined;
  /** True if any trigger is left. */
  readonly hasAny: boolean;
  /** Removes all triggers, and returns their faults. */
  clear(): readonly T[];
}

export function createTriggers<T>(fits: (wanted: string, name: unknown) => boolean): Triggers<T> {
  let triggers: readonly Trigger<T>[] = [];
  const remove = (gone: Trigger<T>): void => {
    triggers = triggers.filter((each) => each !== gone);
  };
  return {
    add: (trigger) => {
      triggers = [...triggers, trigger];
      return () => remove(trigger);
    },
    take: (path, name) => {
      const found = triggers.find(
        (trigger) => isTarget(trigger.target, path) && (trigger.name === undefined || fits(trigger.name, name)),
      );
      if (found !== undefined) remove(found);
      return found?.fault;
    },
    get hasAny() {
      return triggers.length > 0;
    },
    clear: () => {
      const left = triggers;
      triggers = [];
      return left.map(({ fault }) => fault);
    },
  };
}

/** Effects of one name that run at once end in a number or a key: `renew#3`, `parents/shardId-000000000000/1`. */
export function isEffectName(wanted: string, name: unknown): boolean {
  return (
    typeof name === 'string' && (name === wanted || name.startsWith(`${wanted}#`) || name.startsWith(`${wanted}/`))
  );
}
