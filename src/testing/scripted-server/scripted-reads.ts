// How the scripted Kinesis reads a shard: where a reader begins, which records come next, iterators and GetRecords.
// Called by scripted-kinesis.ts, and by scripted-subscriptions.ts for SubscribeToShard.
import type { Resolved } from '../../options/option-table.js';
import type { scriptedKinesisTable } from '../option-tables.js';
import { AwsAnswerError, invalidArgument, notFound, requiredText } from './answer-errors.js';
import { childrenOf, type ScriptedRecord, type ScriptedShard, type ScriptedStream } from './scripted-shards.js';

type Input = Record<string, unknown>;

const iteratorLifeMs = 300_000;
const maxAnswerBytes = 10 * 1024 * 1024;
const bytesPerSecond = 2 * 1024 * 1024;

const precedes = (a: string, b: string): boolean => a.length < b.length || (a.length === b.length && a < b);

/** The parts of ScriptedKinesis that a reader needs. */
export interface ReadModel {
  readonly options: Resolved<typeof scriptedKinesisTable>;
  now(): number;
  stream(name: string): ScriptedStream;
  shard(streamName: string, shardId: string): ScriptedShard;
  /** Above all numbers of records so far, below all later ones. */
  nextSequence(): string;
  /** The highest number given out so far. */
  lastSequence(): string;
}

/** A position in a request: the type, and the member that the type needs. */
export interface Start {
  readonly operation: string;
  readonly type: string;
  readonly sequenceNumber: unknown;
  /** Seconds since the epoch. */
  readonly timestamp: unknown;
}

/** The sequence number where a reader begins: records below it are not read. */
export function startOf(model: ReadModel, streamName: string, shard: ScriptedShard, start: Start): string {
  const at = String(start.sequenceNumber);
  switch (start.type) {
    case 'TRIM_HORIZON':
      return '0';
    case 'LATEST':
      return model.nextSequence();
    case 'AT_TIMESTAMP': {
      const timestampMs = Number(start.timestamp) * 1_000;
      if (timestampMs > model.now())
        throw invalidArgument('The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.');
      const first = shard.records.find((record) => record.arrivedAt >= timestampMs);
      return first?.sequenceNumber ?? model.nextSequence();
    }
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER': {
      const exists = at === shard.startingSequenceNumber || shard.records.some((one) => one.sequenceNumber === at);
      const missing = model.options.missingRecord;
      const message = `StartingSequenceNumber ${at} used in ${start.operation} on shard ${shard.shardId} in stream ${streamName} is invalid.`;
      if (!exists && missing === 'invalidArgument') throw invalidArgument(message);
      if (!exists && missing === 'resourceNotFound') throw notFound(message);
      return start.type === 'AT_SEQUENCE_NUMBER' ? at : after(at);
    }
    default:
      throw invalidArgument(`Unknown position ${start.type} used in ${start.operation}`);
  }
}

const after = (sequenceNumber: string): string => String(BigInt(sequenceNumber) + 1n);

/** Consecutive records of a shard. */
export interface Page {
  readonly records: readonly ScriptedRecord[];
  readonly bytes: number;
  /** Where the next page begins. */
  readonly next: string;
  /** How far the page is behind the end of the shard: 0 if nothing is left. */
  readonly behindMs: number;
  /** True if the shard is closed, and nothing is left after this page. */
  readonly atEnd: boolean;
}

/** The records from `from` on, within `limit` and `maxBytes`; one record always fits. */
export function pageOf(
  model: Pick<ReadModel, 'now'>,
  stream: ScriptedStream,
  shard: ScriptedShard,
  { from, limit, maxBytes }: { readonly from: string; readonly limit: number; readonly maxBytes: number },
): Page {
  const oldest = model.now() - stream.retentionHours * 3_600_000;
  const first = firstOf(shard.records, from, oldest);

  const records: ScriptedRecord[] = [];
  let bytes = 0;
  for (let index = first; index >= 0 && index < shard.records.length && records.length < limit; index += 1) {
    const record = shard.records[index]!;
    if (bytes + record.bytes > maxBytes && records.length > 0) break;
    bytes += record.bytes;
    records.push(record);
  }

  const behind = first < 0 ? undefined : shard.records[first + records.length];
  const last = records.at(-1);
  return {
    records,
    bytes,
    next: last === undefined ? from : after(last.sequenceNumber),
    behindMs: behind === undefined ? 0 : Math.max(1, model.now() - behind.arrivedAt),
    atEnd: shard.endingSequenceNumber !== undefined && behind === undefined,
  };
}

/** The index of the first record from `from` on that is not older than `oldest`; -1 if there is none. A reader polls long shards often. */
function firstOf(records: readonly ScriptedRecord[], from: string, oldest: number): number {
  let first = 0;
  for (let end = records.length; first < end;) {
    const middle = (first + end) >> 1;
    if (precedes(records[middle]!.sequenceNumber, from)) first = middle + 1;
    else end = middle;
  }
  while (first < records.length && records[first]!.arrivedAt < oldest) first += 1;
  return first < records.length ? first : -1;
}

/** Records as GetRecords and SubscribeToShard write them. */
export function describeRecords(records: readonly ScriptedRecord[]): object[] {
  return records.map((record) => ({
    SequenceNumber: record.sequenceNumber,
    ...(record.partitionKey === undefined ? {} : { PartitionKey: record.partitionKey }),
    Data: record.data,
    ApproximateArrivalTimestamp: record.arrivedAt / 1_000,
  }));
}

/** GetShardIterator and GetRecords. */
export class ShardReads {
  readonly #model: ReadModel;
  /** Iterators up to this number have expired. */
  #oldestIterator = 0;
  #iterators = 0;

  constructor(model: ReadModel) {
    this.#model = model;
  }

  expireIterators(): void {
    this.#oldestIterator = this.#iterators;
  }

  getShardIterator(streamName: string, input: Input): object {
    const shardId = requiredText(input['ShardId']);
    const shard = this.#model.shard(streamName, shardId);
    const from = startOf(this.#model, streamName, shard, {
      operation: 'GetShardIterator',
      type: requiredText(input['ShardIteratorType']),
      sequenceNumber: input['StartingSequenceNumber'],
      timestamp: input['Timestamp'],
    });
    return { ShardIterator: this.#issueIterator(streamName, shardId, from) };
  }

  getRecords(input: Input): object {
    const { options } = this.#model;
    const iterator = this.#openIterator(requiredText(input['ShardIterator']));
    const shard = this.#model.shard(iterator.stream, iterator.shard);
    const limit = Number(input['Limit'] ?? 10_000);
    if (limit < 1 || limit > 10_000) throw invalidArgument('Limit must be between 1 and 10000.');

    const stream = this.#model.stream(iterator.stream);
    const page = pageOf(this.#model, stream, shard, { from: iterator.from, limit, maxBytes: maxAnswerBytes });
    this.#countRead(shard, page.bytes);

    const ended = page.atEnd && (page.records.length === 0 || options.endOfShard === 'withRecords');
    return {
      Records: describeRecords(page.records),
      MillisBehindLatest: page.behindMs,
      ...(ended ? {} : { NextShardIterator: this.#issueIterator(iterator.stream, iterator.shard, page.next) }),
      ...(ended && options.childShards ? { ChildShards: childrenOf(stream, shard.shardId) } : {}),
    };
  }

  #countRead(shard: ScriptedShard, bytes: number): void {
    const now = this.#model.now();
    // A read of 10 MiB counts for five seconds: until they have passed, reads are refused.
    shard.reads = shard.reads.filter((read) => read.at > now - Math.max(1_000, (read.bytes / bytesPerSecond) * 1_000));

    const recent = shard.reads.reduce((sum, read) => sum + read.bytes, 0);
    if (this.#model.options.enforceReadLimits && (shard.reads.length >= 5 || recent > bytesPerSecond))
      throw new AwsAnswerError('ProvisionedThroughputExceededException', `Rate exceeded for shard ${shard.shardId}`);

    shard.reads.push({ at: now, bytes });
  }

  #issueIterator(stream: string, shard: string, from: string): string {
    this.#iterators += 1;
    const issued = { stream, shard, from, at: this.#model.now(), number: this.#iterators };
    return Buffer.from(JSON.stringify(issued)).toString('base64');
  }

  #openIterator(iterator: string): { stream: string; shard: string; from: string } {
    let opened: { stream: string; shard: string; from: string; at: number; number: number };
    try {
      opened = JSON.parse(Buffer.from(iterator, 'base64').toString()) as typeof opened;
    } catch {
      throw invalidArgument('Invalid ShardIterator.');
    }
    if (opened.number <= this.#oldestIterator || opened.at < this.#model.now() - iteratorLifeMs)
      throw new AwsAnswerError(
        'ExpiredIteratorException',
        'Iterator expired. The iterator was created more than 300000 milliseconds ago.',
      );
    return opened;
  }
}
