// A linked map: items by id, in the order in which they were added. Appending, removing and finding take constant time, and
// iteration may start at any item, which a `Map` cannot do. `strategy.ts` keeps a supervisor's children in one.

interface Link<T> {
  readonly item: T;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
}

export interface LinkedMap<T> {
  get(id: string): T | undefined;
  /** Adds an item at the end. The id must be free. */
  append(id: string, item: T): void;
  remove(id: string): void;
  /** All items, or the item with this id and those after it. Do not change the map during the iteration. */
  from(id?: string): Iterable<T>;
}

export function createLinkedMap<T>(): LinkedMap<T> {
  const links = new Map<string, Link<T>>();
  let first: Link<T> | undefined;
  let last: Link<T> | undefined;
  return {
    get: (id) => links.get(id)?.item,
    append(id, item) {
      const place: Link<T> = { item, before: last, after: undefined };
      if (last === undefined) first = place;
      else last.after = place;
      last = place;
      links.set(id, place);
    },
    remove(id) {
      const place = links.get(id);
      if (place === undefined) return;
      links.delete(id);
      if (place.before === undefined) first = place.after;
      else place.before.after = place.after;
      if (place.after === undefined) last = place.before;
      else place.after.before = place.before;
    },
    *from(id) {
      for (let at = id === undefined ? first : links.get(id); at !== undefined; at = at.after) yield at.item;
    },
  };
}
