// Makes items of records: it calls the application's `extract` and `key`, record by record, and queues the items for the reducers. It gives
// way after a time slice and continues later, with the shard workers in turn. The order within a shard worker is kept: its next batch comes
// only after this one is extracted completely.
import { endIfLate } from '../protocol/tenure.js';
import { isThenable, ignoreRejection } from '../../src/core/callback.js';
import { recordFailed } from './failed-record.js';
import { dataOfRecord, DeliveredItem, type Fetch } from '../protocol/item.js';
import { enqueue, queueOf } from './reducer-queue.js';
import type { Batch, ShardWorkerEntry } from './state.js';
import type { StageTurn } from './turn.js';
import { unpacked } from '../../src/core/slab-record.js';
import { reducerIndexOf } from '../../src/core/routing.js';
import { recordKey } from '../../src/core/record-key.js';
import { startSlice, type TimeSlice } from '../../src/core/time-slice.js';
import type { UserRecord } from '../../src/api/ports.js';
import type { Extracted, RecordContext } from '../../src/api/reducer.js';

/** One shard worker's batch in one turn. */
interface Extraction {
  readonly turn: StageTurn;
  readonly entry: ShardWorkerEntry;
  readonly batch: Batch;
  readonly context: RecordContext;
}

export function isExtracted({ next, records }: Batch): boolean {
  return next >= records.length;
}

/** Whether a record of this shard worker, or the record `ordinal`, waits for extraction. */
export function waitsForExtraction({ openNotify }: ShardWorkerEntry, ordinal?: number): boolean {
  if (openNotify === undefined || isExtracted(openNotify.batch)) return false;
  return ordinal === undefined || openNotify.batch.ordinals.includes(ordinal, openNotify.batch.next);
}

/** The oldest record of a shard worker that waits for extraction, for `status()`. */
export function unextracted(
  { tenure, openNotify, extractedAt }: ShardWorkerEntry,
  now: number,
): { shardWorker: number; ordinal: number; state: 'queued'; forMs: number }[] {
  const ordinal = openNotify?.batch.ordinals[openNotify.batch.next];
  if (ordinal === undefined) return [];
  return [{ shardWorker: tenure.shardWorkerNumber, ordinal, state: 'queued', forMs: now - extractedAt }];
}

/** Does one slice of work. Returns false when the stage crashes, and no record after the failed one may be routed. */
export function extractForAWhile(turn: StageTurn): boolean {
  const { options, state } = turn;
  const slice = startSlice(options.clock);
  const { extractionQueue, shardWorkerEntries } = state;

  for (let entry = extractionQueue.shift(); entry !== undefined; entry = extractionQueue.shift()) {
    // A shard worker that has retired since can no longer settle its records.
    if (shardWorkerEntries.get(entry.tenure.shardWorkerNumber) !== entry) continue;
    if (!extractBatch(turn, entry, slice)) return false;
    if (waitsForExtraction(entry)) {
      extractionQueue.push(entry);
      return true;
    }

    for (const punctuation of entry.deferredPunctuation.splice(0))
      for (const queue of state.queues) enqueue(queue, punctuation, undefined);
    if (slice.isOver()) return true;
  }
  return true;
}

function extractBatch(turn: StageTurn, entry: ShardWorkerEntry, slice: TimeSlice): boolean {
  const { options } = turn;
  const { tenure, openNotify } = entry;
  const batch = (openNotify as NonNullable<typeof openNotify>).batch;

  const { source, shardId } = tenure;
  const context: RecordContext = { source, shardId, opaque: options.opaqueOf(source) };
  const extraction: Extraction = { turn, entry, batch, context };

  endIfLate(tenure, options.clock);
  while (batch.next < batch.records.length && !tenure.ended) {
    const index = batch.next;
    batch.next += 1;
    if (!extractOne(extraction, index)) return false;
    if (slice.isOver()) break;
  }

  entry.extractedAt = options.clock.now();
  if (!tenure.ended) return true;

  // The lease's new holder extracts the rest again. `ended` tells the shard worker to end.
  batch.next = batch.records.length;
  entry.outbox.ended = true;
  return true;
}

function extractOne(extraction: Extraction, index: number): boolean {
  const { entry, batch } = extraction;
  const { queues } = extraction.turn.state;
  const record = batch.records[index] as UserRecord;
  const ordinal = batch.ordinals[index] as number;

  let items: DeliveredItem[];
  try {
    items = itemsOf(extraction, index);
  } catch (error) {
    return recordFailed(extraction.turn, entry, { record, ordinal }, error);
  }

  if (items.length !== 1) entry.outbox.itemCounts.push(ordinal, items.length);
  if (items.length === 0) return true;

  entry.recordsQueued += 1;
  batch.recordsQueued += 1;
  if (items.length > 1) batch.itemsQueued.set(ordinal, items.length);
  for (const item of items) enqueue(queueOf(queues, reducerIndexOf(item.key, queues.length)), item, batch);
  return true;
}

/** Makes all items of a record, or throws: if an iterable throws half way, none of its items may be routed. */
function itemsOf({ turn, entry, batch, context }: Extraction, index: number): DeliveredItem[] {
  const record = batch.records[index] as UserRecord;
  const ordinal = batch.ordinals[index] as number;
  const fetch = batch.fetches[index] as Fetch;
  const { options, state } = turn;
  const stage = state.self;
  const { tenure } = entry;
  const { opaque } = context;

  if (options.extract === undefined) {
    const parts = options.itemOf?.(tenure.source, record);
    const key =
      options.key === undefined
        ? (parts?.key ?? recordKey(record))
        : refuseThenable('key', options.key(unpacked(record)));
    const value = parts === undefined ? dataOfRecord : parts.value;
    const checked = checkedKey('key must return', key);
    return [new DeliveredItem(stage, checked, value, tenure, ordinal, 0, record, opaque, fetch)];
  }

  const items: DeliveredItem[] = [];
  const returned = checkedIterable(options.extract(unpacked(record), context));
  try {
    for (const made of returned) {
      if (isThenable(ignoreRejection(made))) throw extractError('a promise item: it must be synchronous');
      if (typeof made !== 'object' || made === null) throw extractError(`one of ${kindOfValue(made)}`);
      // A value may be a promise that the application awaits later. If it rejects before that, the process must not end.
      const value = ignoreRejection(made.value);
      const key = checkedKey('extract must return items whose key is', made.key);
      items.push(new DeliveredItem(stage, key, value, tenure, ordinal, items.length, record, opaque, fetch));
    }
  } catch (error) {
    // The record has failed, so promises in the other elements are never awaited.
    if (Array.isArray(returned)) returned.forEach(ignoreRejections);
    throw error;
  }

  return items;
}

function ignoreRejections(made: unknown): void {
  ignoreRejection(made);
  const { key, value } = (made ?? {}) as Partial<Extracted>;
  ignoreRejection(key);
  ignoreRejection(value);
}

function checkedIterable(returned: Iterable<Extracted>): Iterable<Extracted> {
  const made = refuseThenable('extract', returned) as Partial<Iterable<Extracted>> & Partial<AsyncIterable<unknown>>;
  if (typeof made?.[Symbol.iterator] === 'function') return returned;
  const isAsync = typeof made?.[Symbol.asyncIterator] === 'function';
  throw extractError(isAsync ? 'an async iterable: it must be synchronous' : kindOfValue(made));
}

function extractError(got: string): TypeError {
  return new TypeError(`extract must return an iterable of { key, value }, got ${got}`);
}

function kindOfValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Awaiting a promise would reorder a key: a later record could be extracted first. */
function refuseThenable<T>(name: string, returned: T): T {
  if (!isThenable(ignoreRejection(returned))) return returned;
  throw new TypeError(`${name} must be synchronous, it returned a promise`);
}

function checkedKey(rule: string, key: unknown): string {
  if (typeof key === 'string') return key;
  ignoreRejection(key);
  throw new TypeError(`${rule} a string, got ${kindOfValue(key)}`);
}
