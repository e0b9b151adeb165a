// A shard worker's part in the byte budget of the process. The shard worker opens an account for its tenure, updates it after every
// message, and closes it when the shard worker ends. `countingReader` asks the account before each read of a reader that counts
// nothing itself.
import type { ShardWorkerState } from './state.js';
import type { ShardWorkerTurn } from './turn.js';
import {
  releaseReservation,
  closeAccount,
  createByteBudget,
  moveToShardWorker,
  setShardWorkerBytes,
  keepAhead,
  openAccount,
  requestRecords,
  type ByteAccount,
} from '../../src/core/byte-budget.js';
import type { StartPosition } from '../../src/core/position.js';
import { bytesOf } from '../../src/core/record-bytes.js';
import { addRead } from '../../src/core/settled-tally.js';
import type { LeasedRead, ShardReader, SourceNotice } from '../../src/api/ports.js';

export function openReader({ options, state }: ShardWorkerTurn, start: StartPosition, lease: LeasedRead): ShardReader {
  const { source, sendFromOutside, tallyEntry } = options;
  const { self } = state;
  const account = openAccount(options.budget ?? createByteBudget(Infinity), () =>
    sendFromOutside(self, { type: 'askedToFlush' }),
  );
  state.account = account;

  const passNotice = (notice: SourceNotice): void => sendFromOutside(self, { type: 'notice', notice });
  const noteRead = tallyEntry === undefined ? {} : { noteRead: (ms: number) => addRead(tallyEntry, ms) };
  const reader = source.open(options.lease.shardId, start, passNotice, { ...lease, ...noteRead, bytes: account });

  return source.countsBytes === true ? reader : countingReader(reader, account);
}

/** Called before the next read: every record that the reader has handed over is admitted, buffered or dropped. */
export function noteReadOver({ account, admission, ledger }: ShardWorkerState): void {
  if (account !== undefined) setShardWorkerBytes(account, admission.rawBytes + ledger.heldBytes, true);
}

/** Updates the account, or closes it once the shard worker has ended. */
export function updateAccount({ account, finished, admission, ledger }: ShardWorkerState): void {
  if (account === undefined) return;
  if (finished) closeAccount(account);
  else setShardWorkerBytes(account, admission.rawBytes + ledger.heldBytes, false);
}

/**
 * Each read waits until there is room for an answer as large as the last one. No bytes stay reserved for the answer, because a
 * source may wait for records for any length of time. So each such shard may exceed the bound by one answer.
 */
function countingReader(reader: ShardReader, account: ByteAccount): ShardReader {
  let answerBytes = 1;
  return {
    async read(signal) {
      await awaitRoom(account, answerBytes, signal);
      releaseReservation(account);
      const result = await reader.read(signal);
      if (result.type === 'records' && result.records.length > 0) {
        answerBytes = Math.max(1, bytesOf(result.records));
        keepAhead(account, answerBytes);
        moveToShardWorker(account, answerBytes);
      }
      return result;
    },
    hold: (isHeld) => reader.hold?.(isHeld),
    close: () => reader.close(),
  };
}

function awaitRoom(account: ByteAccount, bytes: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      withdraw();
      reject(signal.reason as Error);
    };

    signal.addEventListener('abort', onAbort, { once: true });
    const withdraw = requestRecords(account, { recordBytes: bytes, maxRecords: 1, answerBytes: Infinity }, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
