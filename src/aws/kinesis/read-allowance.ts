// How many records a reader may ask for next. The byte budget of the process allows as many as fit, if they are as large as the
// last ones read. Without an account, a read may be of any size.
import {
  releaseReservation,
  requestNow,
  requestRecords,
  type ByteAccount,
  type ByteRequest,
} from '../../core/byte-budget.js';
import type { RawRecord, RecordList } from '../../api/ports.js';
import { bytesOf } from '../../core/record-bytes.js';
import { wait } from './prefetch-buffer.js';

/** The most bytes that GetRecords returns in one answer. */
const answerBytes = 10 * 1024 * 1024;

/** The size of a stream's records, as its readers have seen it. A reader that has read none yet begins with this size. */
export interface RecordSizes {
  recordBytes: number | undefined;
}

export interface ReadAllowance {
  /** The limit of the next request if there is room for its answer now, else 0. */
  askNow(): number;
  /** Resolves to the limit of the next request, once there is room for its answer; rejects when `signal` aborts. */
  ask(signal: AbortSignal): Promise<number>;
  /** Called when the answer has been kept, or when none came. */
  answered(records: RecordList<RawRecord<Buffer>>): void;
}

export function createReadAllowance(
  account: ByteAccount | undefined,
  sizes: RecordSizes,
  maxRecords: number,
): ReadAllowance {
  if (account === undefined) {
    return { askNow: () => maxRecords, ask: () => Promise.resolve(maxRecords), answered: () => {} };
  }
  let recordBytes: number | undefined;
  const nextRequest = (): ByteRequest => ({ recordBytes: recordBytes ?? sizes.recordBytes, maxRecords, answerBytes });
  return {
    askNow: () => requestNow(account, nextRequest()),
    ask: async (signal) => {
      let withdraw = (): void => {};
      try {
        return await wait<number>(signal, (waiter) => {
          if (waiter === undefined) return;
          withdraw = requestRecords(account, nextRequest(), waiter.resolve);
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
