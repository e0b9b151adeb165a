// I43: while a table refuses what is too much for it, a process renews its leases and writes no checkpoint that no renewal waits
// for. Told by the writes alone: one that moves a checkpoint long before the lease needs it, after a refusal was heard.
import { calmMs } from '../../src/core/lease-traffic.js';
import type { Written } from './oracle.js';
import { compareRows } from './stream-log.js';

export interface RefusalsOptions {
  /** World time. */
  readonly now: () => number;
  /** Of a process. */
  readonly failoverMsOf: (process: string) => number;
  /** Changes with whatever makes a process renew before the time: an answer lost, a clock set, a pause. */
  readonly troublesOf: (process: string) => string;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Refusals {
  /** This process hears that the table has refused a call for its pace, which was sent then. */
  refused(process: string, operation: string, table: string, sentAt: number): void;
  /** Of this process, so far, whatever the call. */
  count(process: string): number;
  /** A worker of this process asks for a tenure: its fence is a renewal. */
  begins(process: string): void;
  wrote(table: string, written: Written): void;
}

interface Write {
  readonly sentAt: number;
  readonly troubles: string;
}

/** Until the process has heard of a refusal; and until its own clock is that far, which may be a little slower. */
const heardMs = 100;

export function createRefusals({ now, failoverMsOf, troublesOf, violate }: RefusalsOptions): Refusals {
  const counts = new Map<string, number>();
  const begun = new Map<string, number>();
  const heard = new Map<string, number[]>();
  /** The last two of each row by its holder. */
  const writes = new Map<string, readonly Write[]>();
  const earlyMs = (process: string): number => (0.8 * failoverMsOf(process)) / 3;
  const add = (to: Map<string, number>, name: string): void => void to.set(name, (to.get(name) ?? 0) + 1);
  const refuses = (of: string, sentAt: number): boolean =>
    (heard.get(of) ?? []).some((at) => at <= sentAt - heardMs && at >= sentAt - calmMs + heardMs);
  return {
    refused: (process, operation, table, sentAt) => {
      add(counts, process);
      // An answer that comes after the time limit of its call is not listened to any more.
      if (operation !== 'UpdateItem' || now() - sentAt > failoverMsOf(process) / 3) return;
      const name = `${process} ${table}`;
      heard.set(name, [...(heard.get(name) ?? []).filter((at) => at > now() - 2 * calmMs), now()]);
    },
    count: (process) => counts.get(process) ?? 0,
    begins: (process) => add(begun, process),
    wrote: (table, { process, leaseKey, before, after, sentAt }) => {
      if (before?.leaseOwner !== process || after?.leaseOwner !== process) return;
      if (before.leaseCounter === after.leaseCounter) return;
      const name = `${process}/${leaseKey}`;
      const troubles = `${troublesOf(process)} ${begun.get(process)}`;
      const [first, last] = writes.get(name) ?? [];
      writes.set(name, [last ?? { sentAt: -Infinity, troubles }, { sentAt, troubles }]);
      if (last === undefined || first?.troubles !== troubles || sentAt >= last.sentAt + earlyMs(process)) return;
      if (after.checkpoint === 'SHARD_END' || compareRows(after, before) <= 0) return;
      if (refuses(`${process} ${table}`, sentAt))
        violate(
          'I43',
          `${process} has written a checkpoint of ${leaseKey} ${Math.round(sentAt - last.sentAt)} ms after its last renewal, although ${table} refuses what is too much`,
        );
    },
  };
}
