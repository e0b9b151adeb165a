// I43: while a table throttles, a process renews its leases, and only due renewals write checkpoints. The law looks at writes
// alone. It is broken by a write that moves a checkpoint long before the lease needs a renewal, after the process got a refusal.
import { calmMs } from '../../src/core/lease-traffic.js';
import type { Written } from './oracle.js';
import { compareRows } from './stream-log.js';

export interface RefusalsOptions {
  /** World time. */
  readonly now: () => number;
  readonly failoverMsOf: (process: string) => number;
  /** Changes with everything that makes a process renew early: a lost answer, a clock that is set, a pause. */
  readonly troublesOf: (process: string) => string;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Refusals {
  /** This process learns that the table has throttled a call that was sent at `sentAt`. */
  refused(process: string, operation: string, table: string, sentAt: number): void;
  /** How many calls of this process have been refused so far, whatever the operation. */
  count(process: string): number;
  /** A worker of this process asks for a tenure: the fence needs a renewal. */
  begins(process: string): void;
  wrote(table: string, written: Written): void;
  /** The process has removed a source of the table. If it was the last one, the queue of its writes is gone, with what it has learned. */
  closed(process: string, table: string): void;
}

interface Write {
  readonly sentAt: number;
  readonly troubles: string;
}

/** Allows for the time until a refusal reaches the process, and for a process clock that is a little slow. */
const heardMs = 100;

export function createRefusals({ now, failoverMsOf, troublesOf, violate }: RefusalsOptions): Refusals {
  const counts = new Map<string, number>();
  const begun = new Map<string, number>();
  const heard = new Map<string, number[]>();
  /** The last two writes of each row by its holder. */
  const writes = new Map<string, readonly Write[]>();
  const earlyMs = (process: string): number => (0.8 * failoverMsOf(process)) / 3;
  const add = (to: Map<string, number>, name: string): void => void to.set(name, (to.get(name) ?? 0) + 1);
  const refuses = (of: string, sentAt: number): boolean =>
    (heard.get(of) ?? []).some((at) => at <= sentAt - heardMs && at >= sentAt - calmMs + heardMs);
  return {
    refused: (process, operation, table, sentAt) => {
      add(counts, process);
      // A process ignores an answer that comes after the time limit of its call.
      if (operation !== 'UpdateItem' || now() - sentAt > failoverMsOf(process) / 3) return;
      const name = `${process} ${table}`;
      heard.set(name, [...(heard.get(name) ?? []).filter((at) => at > now() - 2 * calmMs), now()]);
    },
    count: (process) => counts.get(process) ?? 0,
    begins: (process) => add(begun, process),
    closed: (process, table) => void heard.delete(`${process} ${table}`),
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
