// How many records a reader may ask for next. The byte budget of the process decides: as many as fit if they are as
// large as those read last. Without an account every read may be as large as it likes.
import { releaseReservation, requestRecords, type ByteAccount } from '../../core/byte-budget.js';
import type { RawRecord } from '../../api/ports.js';
import { bytesOf } from '../../core/record-bytes.js';
import { wait } from './prefetch-buffer.js';

/** What GetRecords gives at most in one answer. */
const answerBytes = 10 * 1024 * 1024;

/** The size of a stream's records, by those its readers have read: a reader that has read none begins with this. */
export interface RecordSizes {
  recordBytes: number | undefined;
}

export interface ReadAllowance {
  /** Resolves to the limit of the next request, once there is room for its answer; rejects when `signal` aborts. */
  ask(signal: AbortSignal): Promise<number>;
  /** After the answer has been kept, or none came. */
  answered(records: readonly RawRecord[]): void;
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
