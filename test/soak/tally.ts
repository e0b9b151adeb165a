// Compares the written ids with the seen ids, for any number of records in little memory. Ids count from 0. Of the seen ids, the tally
// keeps only the end of the unbroken run and the few ids beyond it. Invariant: `missing` is exact at any time.

export interface Tally {
  /** The next `count` ids are in the stream. */
  write(count: number, atMs: number): void;
  see(id: number): void;
  readonly written: number;
  /** The number of different ids. */
  readonly seen: number;
  /** The number of deliveries of an id that had been seen before. */
  readonly replayed: number;
  /** Ids that were written and not seen. They are lost once nothing more can come. */
  readonly missing: number;
  /** The lowest ids that are missing. */
  firstMissing(most: number): readonly number[];
  /** When the oldest missing record was written. Undefined if none is missing. */
  readonly oldestMissingAtMs: number | undefined;
}

export function openTally(): Tally {
  let written = 0;
  let replayed = 0;
  /** Every id below this one was seen. */
  let frontier = 0;
  const beyond = new Set<number>();
  /** End and time of each write that is not wholly below the frontier. */
  const writes: { readonly end: number; readonly atMs: number }[] = [];
  return {
    write(count, atMs) {
      written += count;
      writes.push({ end: written, atMs });
    },
    see(id) {
      if (id < frontier || beyond.has(id)) {
        replayed += 1;
        return;
      }
      beyond.add(id);
      while (beyond.delete(frontier)) frontier += 1;
      let done = 0;
      while (done < writes.length && (writes[done]?.end ?? 0) <= frontier) done += 1;
      writes.splice(0, done);
    },
    get written() {
      return written;
    },
    get seen() {
      return frontier + beyond.size;
    },
    get replayed() {
      return replayed;
    },
    get missing() {
      // An id that is seen before its write is confirmed does not make up for a missing id.
      let there = 0;
      for (const id of beyond) if (id < written) there += 1;
      return Math.max(0, written - frontier) - there;
    },
    firstMissing(most) {
      const ids: number[] = [];
      for (let id = frontier; id < written && ids.length < most; id += 1) if (!beyond.has(id)) ids.push(id);
      return ids;
    },
    get oldestMissingAtMs() {
      return writes[0]?.atMs;
    },
  };
}
