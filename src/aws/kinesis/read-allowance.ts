// How many records a reader may ask for next. The byte budget of the process allows as many as fit, if they are as large as the
// last ones read. Without an account, a read may be of any size.
import { releaseReservation, requestRecords, type ByteAccount } from '../../core/byte-budget.js';
import type { RawRecord } from '../../api/ports.js';
import { bytesOf } from '../../core/record-bytes.js';
import { wait } from './prefetch-buffer.js';

/** The most bytes that GetRecords returns in one answer. */
const answerBytes = 10 * 1024 * 1024;

/** The size of a stream's records, as its readers have seen it. A reader that has read none yet begins with this size. */
export interface RecordSizes {
  recordBytes: number | undefined;
}

export interface ReadAllowance {
  /** Resolves to the limit of the next request, once there is room for its answer; rejects when `signal` aborts. */
  ask(signal: AbortSignal): Promise<number>;
  /** Called when the answer has been kept, or when none came. */
  answered(records: readonly RawRecord<Buffer>[]): void;
}

export function createReadAllowance(
  account: ByteAccount | undefined,
  sizes: RecordSizes,
  maxRecords: number,
): ReadAllowance {
  if (account === undefined) return { ask: () => Promise.resolve(maxRecords), answered: () => {} };
  let recordBytes: number | undefined;
  return {
    ask: async (signal) => {
      let withdraw = (): void => {};
      try {
        return await wait<number>(signal, (waiter) => {
          if (waiter === undefined) return;
          const request = { recordBytes: recordBytes ?? sizes.recordBytes, maxRecords, answerBytes };
          withdraw = requestRecords(account, request, waiter.resolve);
        });
      } finally {
        withdraw();
      }
    },
    answered: (records) => {
      if (records.length > 0) {
        recordBytes = Math.max(1, Math.ceil(bytesOf(records) / records.length));
        sizes.recordBytes = recordBytes;
      }
      releaseReservation(account);
    },
  };
}
