// I41: the replay after a fault is bounded. A holder whose calls work writes the frontier of its worker with the next renewals, or as
// often as its options demand. A fault then repeats only records since the last write. Each process has one instance of this law.
import type { LeaseRow } from '../../src/core/lease.js';
import { compareRows } from './stream-log.js';
import type { FrontierReport, Notify } from './tenures.js';

export interface LagsOptions {
  readonly process: string;
  /** World time. */
  readonly now: () => number;
  /** The longest time from a frontier report until the row has it: always, and if nothing was wrong for a while before. */
  readonly limitMs: number;
  readonly calmLimitMs: number;
  /** Whether this row cannot be read or written now. Default: every row can be. */
  readonly isGarbled?: (leaseKey: string) => boolean;
  /** How much longer than in calm weather a call to the table may take now. Default: none. */
  readonly wayMs?: () => number;
  readonly nameOf: (source: string, shardId: string, sequenceNumber: string) => string;
  readonly rowOf: (leaseKey: string) => LeaseRow | undefined;
  /** Changes with everything that may keep this process from writing. */
  readonly troubles: () => string;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Lags {
  notified(message: Notify): void;
  reported(message: FrontierReport): void;
  /** Some process has written the row of this name. */
  wrote(leaseKey: string): void;
  /** Checks whether the rows have what they should have by now. */
  look(): void;
}

interface Said {
  readonly row: Pick<LeaseRow, 'checkpoint' | 'checkpointSubSequenceNumber'>;
  /** The writer in the row at that time: a later take may begin before the reported frontier. */
  readonly writer: string | undefined;
  readonly at: number;
  readonly troubles: string;
  readonly limitMs: number;
}

/** After this time, a refusal no longer slows a process down. */
const calmAfterMs = 20_000;

export function createLags(options: LagsOptions): Lags {
  const { process, now, nameOf, rowOf, violate } = options;
  const tenures = new Map<number, Notify['tenure']>();
  /** Per shard, the oldest reported frontier that its row does not have yet. */
  const waiting = new Map<string, Said>();
  let known: string | undefined;
  let restlessAt = -Infinity;
  const troubles = (): string => {
    const next = options.troubles();
    // The first call counts as trouble, because earlier troubles are not known.
    if (next !== known) restlessAt = now();
    known = next;
    return next;
  };
  const isExcused = (leaseKey: string, said: Said): boolean => {
    const row = rowOf(leaseKey);
    if (row?.leaseOwner !== process || row.kinactWriter !== said.writer) return true;
    return options.isGarbled?.(leaseKey) === true || said.troubles !== troubles();
  };
  const isWritten = (leaseKey: string, said: Said): boolean => {
    const row = rowOf(leaseKey);
    return row !== undefined && compareRows(row, said.row) >= 0;
  };
  const judge = (leaseKey: string, said: Said, how: string): void => {
    const ms = Math.round(now() - said.at);
    if (ms <= said.limitMs) return;
    waiting.delete(leaseKey);
    violate(
      'I41',
      `${process} has known for ${ms} ms that ${leaseKey} is done up to ${said.row.checkpoint}, and ${how}`,
    );
  };
  return {
    notified: ({ tenure }) => void tenures.set(tenure.shardWorkerNumber, tenure),
    reported: ({ frontier: { shardWorker, position } }) => {
      const tenure = tenures.get(shardWorker);
      if (tenure === undefined) return;
      const { sequenceNumber, subSequenceNumber } = position;
      const leaseKey = nameOf(tenure.source, tenure.shardId, sequenceNumber);
      const before = waiting.get(leaseKey);
      if (before !== undefined && !isExcused(leaseKey, before) && !isWritten(leaseKey, before)) return;
      const row = { checkpoint: sequenceNumber, checkpointSubSequenceNumber: subSequenceNumber };
      const writer = rowOf(leaseKey)?.kinactWriter;
      const said = { row, writer, at: now(), troubles: troubles() };
      const isCalm = now() - restlessAt > calmAfterMs;
      // An earlier write may be under way.
      const wayMs = 2 * (options.wayMs?.() ?? 0);
      waiting.set(leaseKey, { ...said, limitMs: wayMs + (isCalm ? options.calmLimitMs : options.limitMs) });
    },
    wrote: (leaseKey) => {
      const said = waiting.get(leaseKey);
      if (said === undefined || !isWritten(leaseKey, said)) return;
      if (!isExcused(leaseKey, said)) judge(leaseKey, said, 'has written it only now');
      waiting.delete(leaseKey);
    },
    look: () => {
      for (const [leaseKey, said] of waiting) {
        if (isExcused(leaseKey, said) || isWritten(leaseKey, said)) waiting.delete(leaseKey);
        else judge(leaseKey, said, 'has not written it');
      }
    },
  };
}
