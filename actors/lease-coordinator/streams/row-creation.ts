// Creates the missing rows of a stream, several at once, generation by generation, and reports the progress. Invariant: a row is created
// only when the rows of all its parents exist. The shard sync calls `createRows`. It rejects with the first failure, after every write
// under way has ended.
import { generationsOf } from '../../../src/core/row-generations.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { LeaseStore } from '../../../src/api/ports.js';

/** How many rows of a stream have been created. The shard sync writes the numbers, and the start deadline reads them. */
export interface RowProgress {
  created: number;
  toCreate: number;
  /** Monotonic: when the last row was created. */
  at: number | undefined;
}

interface CreationCallbacks {
  readonly shardIdOf: (row: LeaseRow) => string;
  /** Called for each row that exists now. */
  readonly noteExisting: () => void;
}

/** At most this many rows of a generation are being created at once. */
const maxCreationsAtOnce = 10;

/** Creates the rows, and returns those that did not exist before. */
export async function createRows(
  store: LeaseStore,
  rows: readonly LeaseRow[],
  { shardIdOf, noteExisting }: CreationCallbacks,
  signal: AbortSignal,
): Promise<LeaseRow[]> {
  const created: LeaseRow[] = [];
  for (const generation of generationsOf(rows, shardIdOf)) {
    const waiting = generation[Symbol.iterator]();
    let failure: { readonly error: unknown } | undefined;
    const createWaiting = async (): Promise<void> => {
      for (const row of waiting) {
        if (failure !== undefined) return;
        try {
          if ((await store.create(row, signal)) === 'created') created.push(row);
          noteExisting();
        } catch (error) {
          failure ??= { error };
        }
      }
    };

    await Promise.all(Array.from({ length: Math.min(maxCreationsAtOnce, generation.length) }, createWaiting));
    if (failure !== undefined) throw failure.error;
  }
  return created;
}
