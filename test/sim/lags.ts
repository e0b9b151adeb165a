// I41, replays are bounded per fault: a holder whose calls work writes what its workers have said to be done with the next
// renewals, or as often as it was told to, so that whatever hits it then costs no more than what was done since. One of these per
// process.
import type { LeaseRow } from '../../src/core/lease.js';
import { compareRows } from './stream-log.js';
import type { FrontierReport, Notify } from './tenures.js';

export interface LagsOptions {
  readonly process: string;
  /** World time. */
  readonly now: () => number;
  /** From the word of a worker until the row says it; and where nothing was wrong for a while before. */
  readonly limitMs: number;
  readonly calmLimitMs: number;
  /** Nobody can read, or write, this row now. Default: every row can be. */
  readonly isGarbled?: (leaseKey: string) => boolean;
  /** How much longer than in calm weather a call to the table may take now. Default: none. */
  readonly wayMs?: () => number;
  readonly nameOf: (source: string, shardId: string, sequenceNumber: string) => string;
  readonly rowOf: (leaseKey: string) => LeaseRow | undefined;
  /** Changes with whatever may keep this process from writing. */
  readonly troubles: () => string;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Lags {
  notified(message: Notify): void;
  reported(message: FrontierReport): void;
  /** The row of this name was written, by whomever. */
  wrote(leaseKey: string): void;
  /** Looks whether the rows say what they should by now. */
  look(): void;
}

interface Said {
  readonly row: Pick<LeaseRow, 'checkpoint' | 'checkpointSubSequenceNumber'>;
  /** Of the row, as it was: a later take may begin before what was said. */
  readonly writer: string | undefined;
  readonly at: number;
  readonly troubles: string;
  readonly limitMs: number;
}

/** Within this a process that was refused has forgotten it. */
const calmAfterMs = 20_000;

export function createLags(options: LagsOptions): Lags {
  const { process, now, nameOf, rowOf, violate } = options;
  const tenures = new Map<number, Notify['tenure']>();
  /** Of each shard the oldest word that its row does not say yet. */
  const waiting = new Map<string, Said>();
  let known: string | undefined;
  let restlessAt = -Infinity;
  const troubles = (): string => {
    const next = options.troubles();
    // What has befallen it before anybody looked is not known.
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
    notified: ({ tenure }) => void tenures.set(tenure.worker, tenure),
    reported: ({ frontier: { worker, position } }) => {
      const tenure = tenures.get(worker);
      if (tenure === undefined) return;
      const { sequenceNumber, subSequenceNumber } = position;
      const leaseKey = nameOf(tenure.source, tenure.shardId, sequenceNumber);
      const before = waiting.get(leaseKey);
      if (before !== undefined && !isExcused(leaseKey, before) && !isWritten(leaseKey, before)) return;
      const row = { checkpoint: sequenceNumber, checkpointSubSequenceNumber: subSequenceNumber };
      const writer = rowOf(leaseKey)?.kinactWriter;
      const said = { row, writer, at: now(), troubles: troubles() };
      const isCalm = now() - restlessAt > calmAfterMs;
      // The write before it may be under way.
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
