// What is to happen once, to whoever gets there first: an actor that handles a message of some type, or starts some effect.
import { isMeant } from './whom.js';

/** A wish of kind `T` for the next of `target` that comes to `name`; without a name, whatever comes. */
export interface Wish<T> {
  readonly target: string;
  readonly name: string | undefined;
  readonly wanted: T;
}

export interface Wishes<T> {
  add(wish: Wish<T>): () => void;
  /** The first that fits, which is then fulfilled; undefined when none does. */
  take(path: string, name: unknown): T | undefined;
  /** Is there anything left to wish for? */
  readonly any: boolean;
  /** Withdraws all, and returns them. */
  clear(): readonly T[];
}

export function createWishes<T>(fits: (wished: string, name: unknown) => boolean): Wishes<T> {
  let wishes: readonly Wish<T>[] = [];
  const without = (gone: Wish<T>): void => {
    wishes = wishes.filter((each) => each !== gone);
  };
  return {
    add: (wish) => {
      wishes = [...wishes, wish];
      return () => without(wish);
    },
    take: (path, name) => {
      const found = wishes.find(
        (wish) => isMeant(wish.target, path) && (wish.name === undefined || fits(wish.name, name)),
      );
      if (found !== undefined) without(found);
      return found?.wanted;
    },
    get any() {
      return wishes.length > 0;
    },
    clear: () => {
      const left = wishes;
      wishes = [];
      return left.map(({ wanted }) => wanted);
    },
  };
}

/** Effects of one sort that may run at once carry a number or a key: `renew#3`, `parents/shardId-000000000000/1`. */
export function isEffect(wished: string, name: unknown): boolean {
  return (
    typeof name === 'string' && (name === wished || name.startsWith(`${wished}#`) || name.startsWith(`${wished}/`))
  );
}
