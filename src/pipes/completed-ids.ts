// The ids of objects that are whole: a chunk of theirs that comes once more is a retransmission, and not a new object.

/** How many ids a route remembers. */
const mostIds = 1_000;

/** When each object became whole, epoch milliseconds, in this order. */
export type CompletedIds = Map<string | number, number>;

/** Remembers an id, and forgets those that are too old or too many. */
export function rememberId(ids: CompletedIds, id: string | number, [now, maxAgeMs]: readonly [number, number]): void {
  ids.set(id, now);
  for (const [each, completedAt] of ids) {
    if (ids.size <= mostIds && completedAt + maxAgeMs > now) return;
    ids.delete(each);
  }
}
