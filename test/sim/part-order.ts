// I56: the parts of a failed batch are called in the order of the batch. An item of it is called again only once each earlier item has
// been called again. Left out are items that wait behind a failed one of their key, items of ended tenures, and all items in an outage.
import type { Item } from '../../src/api/reducer.js';

export interface PartOrder {
  /** A call of this reducer begins. The returned function notes its end. */
  begins(reducer: number, items: readonly Item<string>[]): (hasFailed: boolean) => void;
  /** An item of this key has failed alone. */
  failedAlone(key: string): void;
}

/** So many keys fail in a row that it may be an outage: then items are called in any order of their keys. */
const outageKeys = 8;

interface Watched {
  /** The batches that have failed, in the order of their calls. */
  batches: (readonly Item<string>[])[];
  /** The items that have failed together with others and were not called again. */
  readonly pending: Set<Item<string>>;
  /** The keys with an item that has failed alone since the oldest of the batches. */
  readonly held: Set<string>;
  /** The keys that have failed alone since the last success. */
  readonly failedKeys: Set<string>;
}

const isDead = (item: Item<string>): boolean => (item as unknown as { tenure: { ended: boolean } }).tenure.ended;

export function createPartOrder(violate: (invariant: string, text: string) => void): PartOrder {
  const reducers = new Map<number, Watched>();
  const reducerOf = new Map<string, number>();
  const watchedOf = (reducer: number): Watched => {
    const known = reducers.get(reducer);
    if (known !== undefined) return known;
    const made = { batches: [], pending: new Set<never>(), held: new Set<string>(), failedKeys: new Set<string>() };
    reducers.set(reducer, made);
    return made;
  };
  const forget = (watched: Watched): void => {
    watched.batches = [];
    watched.pending.clear();
    watched.held.clear();
  };

  const check = ({ batches, pending, held }: Watched, items: readonly Item<string>[]): void => {
    const called = new Set(items);
    for (const batch of batches) {
      const last = batch.findLastIndex((item) => called.has(item));
      const left = batch
        .slice(0, Math.max(0, last))
        .find((item) => pending.has(item) && !called.has(item) && !held.has(item.key) && !isDead(item));
      if (left !== undefined)
        violate(
          'I56',
          `${batch[last]?.value} of a failed batch is called again before ${left.value}, which comes first`,
        );
    }
  };

  return {
    begins: (reducer, items) => {
      const watched = watchedOf(reducer);
      for (const { key } of items) reducerOf.set(key, reducer);
      // An item that is tried alone, after it has failed alone, has its own time.
      if (items.length > 1 || !watched.held.has(items[0]?.key ?? '')) check(watched, items);
      for (const item of items) watched.pending.delete(item);
      return (hasFailed) => {
        if (!hasFailed) watched.failedKeys.clear();
        else if (items.length > 1) {
          for (const item of items) watched.pending.add(item);
          watched.batches.push(items);
        }
        for (const item of watched.pending) if (isDead(item)) watched.pending.delete(item);
        watched.batches = watched.batches.filter((batch) => batch.some((item) => watched.pending.has(item)));
        if (watched.batches.length === 0) forget(watched);
      };
    },
    failedAlone: (key) => {
      const watched = watchedOf(reducerOf.get(key) ?? 0);
      watched.held.add(key);
      watched.failedKeys.add(key);
      if (watched.failedKeys.size >= outageKeys) forget(watched);
    },
  };
}
