// What a reader has fetched ahead of its worker. Invariant: fetching waits while any bound is reached, so at most the bounds
// and one answer are held; batches come out in order, then the end or the error, which stays.
import { createDeque } from '../core/deque.js';
import { KinactError } from '../errors.js';
import type { RawRecord, ReadResult } from '../ports.js';

/** How far ahead a reader may fetch; it stops as soon as one of them is reached. */
export interface PrefetchBounds {
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
}

export interface PrefetchBuffer {
  /** Resolves when fetching may go on; rejects when `signal` aborts. */
  room(signal: AbortSignal): Promise<void>;
  push(records: readonly RawRecord[], bytes: number, millisBehindLatest: number | undefined): void;
  /** After everything pushed, this is what every further read gets. The first call counts. */
  finish(end: Extract<ReadResult, { type: 'shardEnd' }> | KinactError): void;
  read(signal: AbortSignal): Promise<ReadResult>;
}

interface Batch {
  result: Extract<ReadResult, { type: 'records' }>;
  readonly bytes: number;
}

interface Waiter {
  readonly resolve: (result: ReadResult) => void;
  readonly reject: (error: KinactError) => void;
}

export function createPrefetchBuffer(bounds: PrefetchBounds): PrefetchBuffer {
  const batches = createDeque<Batch>();
  let records = 0;
  let bytes = 0;
  let end: ReadResult | KinactError | undefined;
  let reader: Waiter | undefined;
  let fetcher: (() => void) | undefined;

  const full = (): boolean => batches.length >= bounds.batches || records >= bounds.records || bytes >= bounds.bytes;

  function takeBatch(): ReadResult | undefined {
    const batch = batches.shift();
    if (batch === undefined) return undefined;
    records -= batch.result.records.length;
    bytes -= batch.bytes;
    if (!full()) fetcher?.();
    return batch.result;
  }

  /** Gives a waiting reader what there is. */
  function serve(): void {
    const waiting = reader;
    if (waiting === undefined) return;
    const result = takeBatch() ?? end;
    if (result === undefined) return;
    reader = undefined;
    if (result instanceof KinactError) waiting.reject(result);
    else waiting.resolve(result);
  }

  return {
    room(signal) {
      if (!full()) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          fetcher = undefined;
          reject(stopped());
        };
        fetcher = () => {
          fetcher = undefined;
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    push(fetched, size, millisBehindLatest) {
      const result = {
        type: 'records' as const,
        records: fetched,
        ...(millisBehindLatest === undefined ? {} : { millisBehindLatest }),
      };
      const newest = batches.at(batches.length - 1);
      // An idle shard says so once, however long nobody asks.
      if (fetched.length === 0 && newest?.result.records.length === 0) newest.result = result;
      else batches.push({ result, bytes: size });
      records += fetched.length;
      bytes += size;
      serve();
    },
    finish(how) {
      end ??= how;
      serve();
    },
    read(signal) {
      if (reader !== undefined) {
        return Promise.reject(new KinactError('BROKEN_INVARIANT', 'a shard was read twice at the same time'));
      }
      if (signal.aborted) return Promise.reject(stopped());
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          reader = undefined;
          reject(stopped());
        };
        const settled = (): void => signal.removeEventListener('abort', onAbort);
        reader = {
          resolve: (result) => {
            settled();
            resolve(result);
          },
          reject: (error) => {
            settled();
            reject(error);
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        serve();
      });
    },
  };
}

/** How a read or a wait ends that was called off. */
export function stopped(): KinactError {
  return new KinactError('STOPPED', 'the shard reader was stopped');
}
