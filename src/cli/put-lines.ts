// The work of `kinact put`: reads lines, makes records, and sends them while it reads on. Invariants: a line is counted once,
// as put or as refused. At most `maxPending…` wait, so the input is read no faster than the stream accepts records.
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  aggregateRecords,
  MAX_PARTITION_KEY_CHARACTERS,
  USUAL_RECORD_BYTES,
  type RecordToPut,
} from '../aws/aggregation/aggregate-encoder.js';
import type { PackedRecord } from '../aws/aggregation/aggregate.js';
import { sizeOf, type KinesisProducer, type OutgoingRecord, type PutResult } from '../aws/kinesis/kinesis-producer.js';
import { isKinactError, KinactError } from '../api/errors.js';
import type { Shard } from '../api/ports.js';
import { linesOf } from './input-lines.js';
import { numberText } from './json-member.js';

export interface PutCounts {
  put: number;
  refused: number;
}

export interface PutJob {
  readonly input: Readable;
  readonly producer: KinesisProducer;
  readonly keyField: string | undefined;
  readonly aggregate: boolean;
  /** Ends the reading. Lines that were read by then are put. */
  readonly signal: AbortSignal;
  /** Always up to date: if the job fails, the counts are its only result. */
  readonly counts: PutCounts;
  readonly refused: (line: number, reason: string) => void;
  readonly warn: (text: string) => void;
}

interface Pending extends OutgoingRecord {
  readonly line: number;
}

const maxPendingRecords = 10_000;
const maxPendingBytes = 16 * 1024 * 1024;
/** The KPL's default size of an aggregate. */
const aggregateBytes = 51_200;

/** An abort does not cancel a put: the producer's own limits bound it, and a later signal ends the process. */
const neverAborted = new AbortController().signal;

/** Resolves when the input has ended and every line is counted. Rejects with the error that ended the job early. */
export async function putLines(job: PutJob): Promise<void> {
  const { input, producer, signal, counts } = job;
  // Also fails at once if the stream is missing, before `put` waits for input.
  let shards = await producer.openShards(signal);
  const stream = await inspectStream(job);

  let pending: Pending[] = [];
  let bytes = 0;
  let sending: Promise<void> | undefined;
  let line = 0;
  let failure: Error | undefined;

  const send = async (): Promise<void> => {
    while (pending.length > 0) {
      const records = pending;
      pending = [];
      bytes = 0;
      if (job.aggregate) shards = await sendAggregates(job, records, shards);
      else
        countResults(
          job,
          records.map((record) => [record]),
          await producer.put(records, neverAborted),
        );
    }
  };
  /** Sends pending records while the reading continues. A failure ends the reading. */
  const startSending = (): void => {
    if (sending !== undefined) return;
    sending = send().finally(() => (sending = undefined));
    sending.catch((error: Error) => {
      failure = error;
      // Without the error: the input may have been read to its end, and then nothing listens for its 'error' event.
      input.destroy();
    });
  };

  const inputFailure = await readLines(job, stream.maxRecordBytes, async (lines) => {
    for (const data of lines) {
      line += 1;
      const made = recordOf(data, line, job.keyField, stream);
      if (typeof made === 'string') {
        counts.refused += 1;
        job.refused(line, made);
        continue;
      }
      pending.push(made);
      bytes += sizeOf(made);
      if (pending.length < maxPendingRecords && bytes < maxPendingBytes) continue;
      await sending;
      startSending();
    }
    startSending();
  }).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );

  // Lines that came before the input broke are put and counted too.
  await sending;
  if (failure !== undefined) throw failure;
  startSending();
  await sending;
  if (inputFailure !== undefined) throw inputFailure.error;
}

/** The properties of the stream that decide how lines become records. */
interface PutStream {
  readonly placesByKey: boolean;
  readonly maxRecordBytes: number;
}

/**
 * How the stream places records, and how large they may be. Assumes the usual values if `describe` is denied, or, without
 * `aggregate`, fails for now. Throws for `aggregate` if the stream places records itself.
 */
async function inspectStream({ producer, aggregate, signal }: PutJob): Promise<PutStream> {
  const description = await producer.describe(signal).catch((error: unknown) => {
    if (isKinactError(error) && (error.code === 'ACCESS_DENIED' || (error.retryable && !aggregate))) return undefined;
    throw error;
  });
  const { streamName, distribution = 'USER_PARTITION_KEY', maxRecordBytes = USUAL_RECORD_BYTES } = description ?? {};
  const placesByKey = distribution === 'USER_PARTITION_KEY';
  if (aggregate && !placesByKey) {
    const message = `--aggregate: the RecordDistributionStrategy of '${streamName}' is AUTO: the service places each record itself. The lines of an aggregate then have no shard in common, and a KCL drops lines outside their shard. Omit --aggregate.`;
    throw new KinactError('INVALID_OPTION', message, { data: { option: '--aggregate' } });
  }
  return { placesByKey, maxRecordBytes };
}

/** Passes lines to `take` until the input ends or `signal` aborts. An abort drops an unfinished line. */
async function readLines(
  { input, signal }: Pick<PutJob, 'input' | 'signal'>,
  maxLineBytes: number,
  take: (lines: readonly Uint8Array[]) => Promise<void>,
): Promise<void> {
  const stop = (): void => void input.destroy();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const lines of linesOf(input, maxLineBytes)) await take(lines);
  } catch (error) {
    // After `destroy`, the iteration ends with an error.
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Packs and puts. Resolves to the open shards, listed again if an aggregate landed in another one than expected. */
async function sendAggregates(
  job: PutJob,
  records: readonly Pending[],
  shards: readonly Shard[],
): Promise<readonly Shard[]> {
  const { producer } = job;
  // Only a stream that places records by key gets aggregates, so each record has a key.
  const aggregates: readonly RecordToPut[] = aggregateRecords(records as (Pending & PackedRecord)[], shards, {
    maxBytes: aggregateBytes,
  });

  const results = await producer.put(aggregates, neverAborted);
  countResults(
    job,
    aggregates.map((aggregate) => aggregate.records as readonly Pending[]),
    results,
  );

  const astray = aggregates.filter(({ shardId, records: inside }, index) => {
    const result = results[index]!;
    return inside.length > 1 && result.type === 'put' && result.shardId !== shardId;
  });
  if (astray.length === 0) return shards;
  job.warn(
    `the stream was resharded: ${astray.length} aggregates landed in other shards than they were made for; ` +
      'kinact reads them whole, a KCL drops them',
  );
  return producer.openShards(neverAborted);
}

function countResults(job: PutJob, lines: readonly (readonly Pending[])[], results: readonly PutResult[]): void {
  for (const [index, result] of results.entries()) {
    for (const { line } of lines[index]!) {
      if (result.type === 'put') {
        job.counts.put += 1;
        continue;
      }
      job.counts.refused += 1;
      job.refused(line, result.reason);
    }
  }
}

/** The record of a line, or why the line is refused. */
function recordOf(
  data: Uint8Array,
  line: number,
  keyField: string | undefined,
  { placesByKey, maxRecordBytes }: PutStream,
): Pending | string {
  if (data.length > maxRecordBytes) return tooLarge(maxRecordBytes);
  const made = placesByKey ? { partitionKey: randomUUID() } : {};
  const key = keyField === undefined ? made : keyOf(data, keyField);
  if (typeof key === 'string') return key;
  const record = { ...key, data, line };
  const size = sizeOf(record);
  return size <= maxRecordBytes ? record : tooLarge(maxRecordBytes);
}

function tooLarge(maxRecordBytes: number): string {
  return `larger than the stream's limit of ${maxRecordBytes} bytes, partition key included`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function keyOf(data: Uint8Array, keyField: string): { readonly partitionKey: string } | string {
  let text: string;
  let parsed: unknown;
  try {
    text = utf8.decode(data);
    parsed = JSON.parse(text);
  } catch {
    return 'not JSON';
  }

  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'not a JSON object';
  if (!Object.hasOwn(parsed, keyField)) return `no member '${keyField}'`;
  const value = (parsed as Record<string, unknown>)[keyField];
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    return `member '${keyField}' is no string, number or boolean`;

  const partitionKey = typeof value === 'number' ? numberText(text, keyField) : String(value);
  const characters = [...partitionKey].length;
  if (characters === 0 || characters > MAX_PARTITION_KEY_CHARACTERS)
    return `member '${keyField}' has ${characters} characters; a partition key has 1 to ${MAX_PARTITION_KEY_CHARACTERS}`;
  return { partitionKey };
}
