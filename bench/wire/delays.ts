// The time from the arrival of an answer to the acknowledgement of its records, for some records of a run. An answer arrives when the
// stub or the canned server hands it out. Both sides of a socket read the same clock: the machine's monotonic one.
import { pullOf, type Workload } from './workload.js';
import type { Tally } from './tally.js';

/** When the answers of a run were handed out: milliseconds by `${shardId}/${pull}`. */
export type Arrivals = Readonly<Record<string, number>>;

export interface Delays {
  /** Whether to time the record that this tally counted last. */
  readonly isDue: (tally: Tally) => boolean;
  /** A record is acknowledged now. */
  readonly settled: (shardId: string, sequenceNumber: string) => void;
  /** The delays in milliseconds. Throws if a record never arrived. */
  readonly since: (arrivals: Arrivals) => readonly number[];
}

const timedRecords = 2_000;

export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export function createDelays({ records }: Workload): Delays {
  const every = Math.max(1, Math.floor(records / timedRecords));
  const settled: { readonly pull: string; readonly at: number }[] = [];
  return {
    isDue: (tally) => tally.records % every === 0,
    settled(shardId, sequenceNumber) {
      settled.push({ pull: `${shardId}/${pullOf(sequenceNumber)}`, at: monotonicMs() });
    },
    since: (arrivals) =>
      settled.map(({ pull, at }) => {
        const from = arrivals[pull];
        if (from === undefined) throw new Error(`${pull} was acknowledged, but never handed out`);
        return at - from;
      }),
  };
}
