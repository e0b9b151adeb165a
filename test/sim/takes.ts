// Finds from the writes alone which process has lost a lease to another. The oracle uses it for I32: after another worker's take, the
// old holder hands out items for at most the time of one renewal and one write. The oracle itself checks I30, next to I32.
import type { LeaseRow } from '../../src/core/lease.js';
import type { Written } from './oracle.js';

export interface TakesOptions {
  /** World time. */
  readonly now: () => number;
  readonly failoverMsOf: (process: string) => number;
  /** Changes when a call of this process to the table is harmed, its mail is held up, or the process stands still. */
  readonly troublesOf: (process: string) => string;
  /** How much longer than in calm weather a call of this process to the table may take now. Default: none. */
  readonly wayMsOf?: (process: string) => number;
}

export interface Takes {
  wrote(written: Written): void;
  /** Called when an item is handed out. If it is too late for that, returns how long ago another process took the lease. */
  overstays(process: string, leaseKey: string): number | undefined;
}

/** The time of one write: in calm weather a call takes some milliseconds each way, and an immediate answer is mailed at once. */
export const writeMs = 500;

interface Taken {
  readonly at: number;
  readonly troubles: string;
}

export function createTakes({ now, failoverMsOf, troublesOf, wayMsOf = () => 0 }: TakesOptions): Takes {
  const takenFrom = new Map<string, Taken>();
  const isOf = (row: LeaseRow | undefined, process: string): boolean => row?.leaseOwner === process;
  return {
    wrote: ({ process, leaseKey, before, after }) => {
      const loser = before?.leaseOwner;
      if (isOf(after, process)) takenFrom.delete(`${process}/${leaseKey}`);
      if (loser === undefined || loser === process || !isOf(after, process)) return;
      takenFrom.set(`${loser}/${leaseKey}`, { at: now(), troubles: troublesOf(loser) });
    },
    overstays: (process, leaseKey) => {
      const taken = takenFrom.get(`${process}/${leaseKey}`);
      if (taken === undefined || taken.troubles !== troublesOf(process)) return undefined;
      const ms = now() - taken.at;
      return ms > failoverMsOf(process) / 3 + writeMs + wayMsOf(process) ? ms : undefined;
    },
  };
}
