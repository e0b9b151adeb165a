// Items by id, in the order in which they came. Appending, removing and finding take constant time, and iteration may start
// at any of them. `strategy.ts` keeps a supervisor's children in it.

interface Place<T> {
  readonly item: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

export interface Roster<T> {
  get(id: string): T | undefined;
  /** As the last one. The id must be free. */
  append(id: string, item: T): void;
  remove(id: string): void;
  /** All of them, or that one and those after it. Take what you need before you change anything. */
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
