// Makes the rows that a stream lacks, several at once, generation by generation, and reports the progress. Invariant: a row is
// begun only when the rows of all its parents exist. The shard sync calls it. It rejects with the first failure, after every
// write that was under way has settled.
import { generationsOf } from '../../../src/core/row-generations.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { LeaseStore } from '../../../src/api/ports.js';

/** How many rows a stream's first sync has made. The sync writes the numbers, and the start reads them. */
export interface RowProgress {
  made: number;
  toMake: number;
  /** Monotonic: when the last row was made. */
  at: number | undefined;
}

interface Noting {
  readonly shardIdOf: (row: LeaseRow) => string;
  /** Called for each row that exists now. */
  readonly noted: () => void;
}

/** This many writes are under way at once: more would wait in the table's own queue, where their time limit already runs. */
const width = 10;

/** Makes the rows, and returns those that did not exist yet. */
export async function makeRows(
  store: LeaseStore,
  rows: readonly LeaseRow[],
  { shardIdOf, noted }: Noting,
  signal: AbortSignal,
): Promise<LeaseRow[]> {
  const created: LeaseRow[] = [];
  for (const generation of generationsOf(rows, shardIdOf)) {
    const waiting = generation[Symbol.iterator]();
    let failure: { readonly error: unknown } | undefined;
    const make = async (): Promise<void> => {
      for (const row of waiting) {
        if (failure !== undefined) return;
        try {
          if ((await store.create(row, signal)) === 'created') created.push(row);
          noted();
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(width, generation.length) }, make));
    if (failure !== undefined) throw failure.error;
  }
  return created;
}
