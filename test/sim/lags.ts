// I41, replays are bounded per fault: a holder whose calls work writes what its workers have said to be done with the next
// renewals, so that whatever hits it then costs no more than what was done since. One of these per process.
import type { LeaseRow } from '../../src/core/lease.js';
import { compareRows } from './stream-log.js';
import type { FrontierReport, Notify } from './tenures.js';

export interface LagsOptions {
  readonly process: string;
  /** World time. */
  readonly now: () => number;
  /** From the word of a worker until the row says it. */
  readonly limitMs: number;
  readonly nameOf: (source: string, shardId: string, sequenceNumber: string) => string;
  readonly rowOf: (leaseKey: string) => LeaseRow | undefined;
  /** Changes with whatever may keep this process from writing. */
  readonly troubles: () => string;
  readonly violate: (invariant: string, text: string) => void;
}

export interface Lags {
  notified(message: Notify): void;
  reported(message: FrontierReport): void;
  /** Looks whether the rows say what they should by now. */
  look(): void;
}

interface Said {
  readonly row: Pick<LeaseRow, 'checkpoint' | 'checkpointSubSequenceNumber'>;
  /** Of the row, as it was: a later take may begin before what was said. */
  readonly writer: string | undefined;
  readonly at: number;
  readonly troubles: string;
}

export function createLags({ process, now, limitMs, nameOf, rowOf, troubles, violate }: LagsOptions): Lags {
  const tenures = new Map<number, Notify['tenure']>();
  /** Of each shard the oldest word that its row does not say yet. */
  const waiting = new Map<string, Said>();
  const isOver = (leaseKey: string, said: Said): boolean => {
    const row = rowOf(leaseKey);
    if (row?.leaseOwner !== process || row.kinactWriter !== said.writer) return true;
    return said.troubles !== troubles() || compareRows(row, said.row) >= 0;
  };
  return {
    notified: ({ tenure }) => void tenures.set(tenure.worker, tenure),
    reported: ({ frontier: { worker, position } }) => {
      const tenure = tenures.get(worker);
      if (tenure === undefined) return;
      const { sequenceNumber, subSequenceNumber } = position;
      const leaseKey = nameOf(tenure.source, tenure.shardId, sequenceNumber);
      const known = waiting.get(leaseKey);
      if (known !== undefined && !isOver(leaseKey, known)) return;
      const row = { checkpoint: sequenceNumber, checkpointSubSequenceNumber: subSequenceNumber };
      const writer = rowOf(leaseKey)?.kinactWriter;
      waiting.set(leaseKey, { row, writer, at: now(), troubles: troubles() });
    },
    look: () => {
      for (const [leaseKey, said] of waiting) {
        const ms = Math.round(now() - said.at);
        if (isOver(leaseKey, said)) waiting.delete(leaseKey);
        else if (ms > limitMs) {
          waiting.delete(leaseKey);
          violate(
            'I41',
            `${process} has known for ${ms} ms that ${leaseKey} is done up to ${said.row.checkpoint}, and has not written it`,
          );
        }
      }
    },
  };
}
