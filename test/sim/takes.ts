// Who has lost a lease to another, as the writes alone show: I30, what a checkpoint has passed its holder does not hand out again;
// I32, nobody hands out for longer than a renewal and a write after another's take.
import type { LeaseRow } from '../../src/core/lease.js';
import type { Written } from './oracle.js';

export interface TakesOptions {
  /** World time. */
  readonly now: () => number;
  readonly failoverMsOf: (process: string) => number;
  /** Changes when a call of this process to the table is harmed, its mail held up, or when it stands still. */
  readonly troublesOf: (process: string) => string;
  /** How much longer than in calm weather a call of this process to the table may take now. Default: none. */
  readonly wayMsOf?: (process: string) => number;
}

export interface Takes {
  wrote(written: Written): void;
  /** An item is handed out; undefined, or how long ago another has taken the lease. */
  overstays(process: string, leaseKey: string): number | undefined;
}

/** Calls take some milliseconds each way in calm weather, and what is answered at once is mailed at once. */
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
