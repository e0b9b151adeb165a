// The ids of objects that are whole: a chunk of theirs that comes once more is a retransmission, and not a new object.
import type { MessageLease } from '../api/pipe.js';

/** How many ids a route remembers. */
const mostIds = 1_000;

/** When each object became whole, epoch milliseconds, in this order, and under which lease. */
export type CompletedIds = Map<string | number, { readonly at: number; readonly lease: MessageLease | undefined }>;

/**
 * Whether the object became whole under this lease. Under another one its chunks make a new object: the old one may have been lost with
 * its lease before it was done.
 */
export function isCompleted(ids: CompletedIds, id: string | number, lease: MessageLease | undefined): boolean {
  return lease !== undefined && ids.get(id)?.lease === lease;
}

interface Completion {
  readonly lease: MessageLease | undefined;
  readonly now: number;
  readonly maxAgeMs: number;
}

/** Remembers an id, and forgets those that are too old or too many. */
export function rememberId(ids: CompletedIds, id: string | number, { lease, now, maxAgeMs }: Completion): void {
  // At the end, also if the object was whole before.
  ids.delete(id);
  ids.set(id, { at: now, lease });
  for (const [each, { at }] of ids) {
    if (ids.size <= mostIds && at + maxAgeMs > now) return;
    ids.delete(each);
  }
}
