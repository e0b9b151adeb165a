// I64: once `removeSource` has resolved, the process asks for nothing of this source, hands out none of its items, and takes none of
// its leases. It owns none of them, except those that it has reported as not released.
import type { Written } from './oracle.js';

export interface RowTroubles {
  /** Changes with all that may keep the process from reading its rows: see conditions.ts. */
  readonly troubles: () => string;
  /** Since when this row cannot be read. Default: every row can be. */
  readonly garbledSince?: (leaseKey: string) => number | undefined;
}

export interface SourceLaw {
  /** The application removes the source. */
  removing(source: string): void;
  /** `removeSource` has resolved. `owned`: leases that have this owner in the table, and are not reported as kept. */
  removed(source: string, owned: readonly string[]): void;
  /** The application adds it again. */
  adding(source: string): void;
  /** `addSource` has resolved. */
  added(source: string): void;
  /** Whether the process lacks a source, or is about to. */
  readonly areAway: () => boolean;
  readonly isAway: (source: string) => boolean;
  /** Whether it was added again since it was last removed. */
  readonly isWanted: (source: string) => boolean;
  /** Whether `removeSource` has resolved, and no `addSource` since. */
  readonly isGone: (source: string) => boolean;
  /** How often a source was removed or added. */
  readonly changes: () => number;
  asks(operation: string, source: string): void;
  handedOut(source: string, id: string): void;
  /** Any process has written a row. */
  wrote(written: Written): void;
}

export function createSourceLaw(
  process: string,
  worldNow: () => number,
  { troubles, garbledSince = () => undefined }: RowTroubles,
  violate: (invariant: string, text: string) => void,
): SourceLaw {
  const away = new Set<string>();
  const gone = new Set<string>();
  const removedAt = new Map<string, number>();
  /** The sources that were added again, perhaps while they were being removed. */
  const wanted = new Set<string>();
  /** The troubles at the removal of a source, and when another worker handed a lease over. */
  const troublesAtRemoval = new Map<string, string>();
  const troublesWhenGiven = new Map<string, string>();
  /** The leases that another worker handed over while their row was garbled, and since when it was. */
  const garbledWhenGiven = new Map<string, number | undefined>();
  let changes = 0;
  /**
   * Whether the process may not know that the lease is its own: a call was harmed during the removal, or since another worker handed
   * the lease over. The asker reads that only with a look or a write of its wish, and the removal waits for neither (seed 870028).
   */
  const isUnknown = (source: string, leaseKey: string): boolean =>
    troublesAtRemoval.get(source) !== troubles() || (troublesWhenGiven.get(leaseKey) ?? troubles()) !== troubles();
  /** Whether the process cannot see that a peer gave it the lease: the row has been garbled all the time since (seed 994175). */
  const isUnseen = (leaseKey: string): boolean => {
    const since = garbledWhenGiven.get(leaseKey);
    return since !== undefined && since === garbledSince(leaseKey);
  };
  const broken = (source: string, what: string): void => {
    const at = removedAt.get(source);
    if (at !== undefined) violate('I64', `it ${what} ${Math.round(worldNow() - at)} ms after ${source} was removed`);
  };
  return {
    removing: (source) => {
      changes += 1;
      away.add(source);
      wanted.delete(source);
      troublesAtRemoval.set(source, troubles());
    },
    removed: (source, owned) => {
      changes += 1;
      gone.add(source);
      if (wanted.has(source)) return;
      removedAt.set(source, worldNow());
      const left = owned.filter((leaseKey) => !isUnknown(source, leaseKey) && !isUnseen(leaseKey));
      if (left.length > 0) violate('I64', `${source} was removed, and ${left.join(', ')} are still its own`);
    },
    adding: (source) => {
      wanted.add(source);
      removedAt.delete(source);
    },
    added: (source) => {
      changes += 1;
      away.delete(source);
      gone.delete(source);
    },
    areAway: () => away.size > 0,
    isAway: (source) => away.has(source),
    isWanted: (source) => wanted.has(source),
    isGone: (source) => gone.has(source),
    changes: () => changes,
    asks: (operation, source) => broken(source, `asks for ${operation}`),
    handedOut: (source, id) => broken(source, `hands ${id} out`),
    wrote: ({ process: writer, leaseKey, before, after, sentAt }) => {
      if (after?.leaseOwner !== process) return;
      const isNew = before?.leaseOwner !== process;
      if (writer === process) {
        garbledWhenGiven.delete(leaseKey);
        if (isNew) troublesWhenGiven.delete(leaseKey);
      } else if (isNew) {
        troublesWhenGiven.set(leaseKey, troubles());
        garbledWhenGiven.set(leaseKey, garbledSince(leaseKey));
      }
      if (writer !== process) return;
      const source = leaseKey.split(/[@/]/)[0] as string;
      if (sentAt > (removedAt.get(source) ?? Infinity) && before?.leaseOwner !== process)
        broken(source, `takes ${leaseKey}`);
    },
  };
}
