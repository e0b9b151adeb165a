// The records that a reader has fetched ahead of its shard worker. Invariant: fetching waits while any bound is reached, so the buffer
// holds at most the bounds and one answer. It also waits while the intake is paused (`hold`). Batches come out in order. After them,
// every read gets the end or the error.
import { dropAhead, moveToShardWorker, keepAhead, type ByteAccount } from '../../core/byte-budget.js';
import { createDeque } from '../../core/deque.js';
import { KinactError } from '../../api/errors.js';
import type { RawRecord, RecordList, ReadResult } from '../../api/ports.js';

/** How far ahead a reader may fetch; it stops as soon as one of the bounds is reached. */
export interface PrefetchBounds {
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
}

export interface PrefetchBuffer {
  /** Resolves when fetching may continue; rejects when `signal` aborts. */
  whenRoom(signal: AbortSignal): Promise<void>;
  /** `fetchedAt`: when the answer came, epoch milliseconds. An empty one, too, shows the tip as it was then. */
  push(
    records: RecordList<RawRecord<Buffer>>,
    bytes: number,
    millisBehindLatest: number | undefined,
    fetchedAt?: number,
  ): void;
  /** Sets what every read gets after all pushed batches. Only the first call counts. */
  finish(end: Extract<ReadResult, { type: 'shardEnd' }> | KinactError): void;
  read(signal: AbortSignal): Promise<ReadResult>;
  /** While held, fetching waits as if a bound were reached. */
  hold(isHeld: boolean): void;
  readonly isHeld: boolean;
  /** Drops the batches that have not been read. */
  clear(): void;
}

interface Batch {
  result: Extract<ReadResult, { type: 'records' }>;
  bytes: number;
}

interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: KinactError) => void;
}

/** Makes a buffer that counts its bytes in `account`, if there is one. */
export function createPrefetchBuffer(bounds: PrefetchBounds, account?: ByteAccount): PrefetchBuffer {
  const batches = createDeque<Batch>();
  let records = 0;
  let bytes = 0;
  let end: ReadResult | KinactError | undefined;
  let reader: Waiter<ReadResult> | undefined;
  let fetcher: Waiter<void> | undefined;

  let held = false;
  const mustWait = (): boolean =>
    held || batches.length >= bounds.batches || records >= bounds.records || bytes >= bounds.bytes;

  function takeBatch(): ReadResult | undefined {
    const batch = batches.shift();
    if (batch === undefined) return undefined;
    records -= batch.result.records.length;
    bytes -= batch.bytes;
    if (account !== undefined) moveToShardWorker(account, batch.bytes);
    if (!mustWait()) fetcher?.resolve();
    return batch.result;
  }

  /** Gives a waiting read the next batch or the end, if there is one. */
  function serve(): void {
    if (reader === undefined) return;
    const result = takeBatch() ?? end;
    if (result === undefined) return;
    if (result instanceof KinactError) reader.reject(result);
    else reader.resolve(result);
  }

  return {
    whenRoom: (signal) => (mustWait() ? wait<void>(signal, (waiter) => (fetcher = waiter)) : Promise.resolve()),
    push(fetched, size, millisBehindLatest, fetchedAt) {
      const lag = millisBehindLatest === undefined ? {} : { millisBehindLatest };
      const at = fetchedAt === undefined ? {} : { fetchedAt };
      const result = { type: 'records' as const, records: fetched, ...lag, ...at };

      const newest = batches.at(batches.length - 1);
      // Empty batches of an idle shard are merged into one while the shard worker does not read.
      if (fetched.length === 0 && newest?.result.records.length === 0) {
        newest.result = result;
        newest.bytes += size;
      } else batches.push({ result, bytes: size });

      records += fetched.length;
      bytes += size;
      if (account !== undefined) keepAhead(account, size);
      serve();
    },
    finish(how) {
      end ??= how;
      serve();
    },
    read(signal) {
      if (reader !== undefined) {
        return Promise.reject(new KinactError('BROKEN_INVARIANT', 'A shard was read twice at the same time.'));
      }
      const result = wait<ReadResult>(signal, (waiter) => (reader = waiter));
      serve();
      return result;
    },
    get isHeld() {
      return held;
    },
    hold(isHeld) {
      held = isHeld;
      if (!mustWait()) fetcher?.resolve();
    },
    clear() {
      while (batches.shift() !== undefined);
      records = 0;
      bytes = 0;
      if (account !== undefined) dropAhead(account);
    },
  };
}

/** A promise that rejects when `signal` aborts. `keep` gets its waiter, and undefined once the promise has settled. */
export function wait<T>(signal: AbortSignal, keep: (waiter: Waiter<T> | undefined) => void): Promise<T> {
  if (signal.aborted) return Promise.reject(stoppedError());
  return new Promise((resolve, reject) => {
    const settled = (): void => {
      signal.removeEventListener('abort', onAbort);
      keep(undefined);
    };
    const onAbort = (): void => {
      settled();
      reject(stoppedError());
    };
    // The listener comes first, because `keep` may resolve the promise at once.
    signal.addEventListener('abort', onAbort, { once: true });
    keep({
      resolve: (value) => {
        settled();
        resolve(value);
      },
      reject: (error) => {
        settled();
        reject(error);
      },
    });
  });
}

/** The error of a canceled read or wait. */
export function stoppedError(): KinactError {
  return new KinactError('STOPPED', 'The shard reader was stopped.');
}
