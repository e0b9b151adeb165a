// Faults that wait for their moment: the next actor of a target that handles a message of some type, or starts some effect.
import { isMeant } from './targets.js';

/** Fires once, for the next of `target` that comes to `name`; without a name, at whatever comes first. */
export interface Trigger<T> {
  readonly target: string;
  readonly name: string | undefined;
  readonly wanted: T;
}

export interface Triggers<T> {
  add(trigger: Trigger<T>): () => void;
  /** Fires the first that fits; undefined when none does. */
  take(path: string, name: unknown): T | undefined;
  /** Whether any is left. */
  readonly any: boolean;
  /** Withdraws all, and returns them. */
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

/** Effects of one sort that may run at once carry a number or a key: `renew#3`, `parents/shardId-000000000000/1`. */
export function isEffect(wanted: string, name: unknown): boolean {
  return (
    typeof name === 'string' && (name === wanted || name.startsWith(`${wanted}#`) || name.startsWith(`${wanted}/`))
  );
}
