// A linked map: items by id, in the order in which they were added. Appending, removing and finding take constant time, and
// iteration may start at any item, which a `Map` cannot do. `strategy.ts` keeps a supervisor's children in one.

interface Place<T> {
  readonly item: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

export interface Roster<T> {
  get(id: string): T | undefined;
  /** Adds an item at the end. The id must be free. */
  append(id: string, item: T): void;
  remove(id: string): void;
  /** All items, or the item with this id and those after it. Do not change the map during the iteration. */
  from(id?: string): Iterable<T>;
}

export function createRoster<T>(): Roster<T> {
  const places = new Map<string, Place<T>>();
  let first: Place<T> | undefined;
  let last: Place<T> | undefined;
  return {
    get: (id) => places.get(id)?.item,
    append(id, item) {
      const place: Place<T> = { item, before: last, after: undefined };
      if (last === undefined) first = place;
      else last.after = place;
      last = place;
      places.set(id, place);
    },
    remove(id) {
      const place = places.get(id);
      if (place === undefined) return;
      places.delete(id);
      if (place.before === undefined) first = place.after;
      else place.before.after = place.after;
      if (place.after === undefined) last = place.before;
      else place.after.before = place.before;
    },
    *from(id) {
      for (let at = id === undefined ? first : places.get(id); at !== undefined; at = at.after) yield at.item;
    },
  };
}
