// The small in-memory Kinesis behind scriptedServer(): streams, shards, iterators, resharding, trimming. It handles one
// operation at a time, from plain JSON to plain JSON, without HTTP. Called by scripted-server.ts and by tests.
import { resolveTable, type Resolved } from '../../options/option-table.js';
import type { ScriptedKinesisOptions } from '../generated/scripted-kinesis-options.js';
import { scriptedKinesisTable } from '../option-tables.js';
import { AwsAnswerError, invalidArgument, notFound } from './scripted-answer.js';
import {
  childrenOf,
  listShards,
  type ScriptedPlace,
  type ScriptedPut,
  type ScriptedRecord,
  type ScriptedShard,
  type ScriptedStream,
} from './scripted-shards.js';
import {
  changeSetting,
  checkSize,
  descriptionOf,
  distribute,
  settingsIn,
  shardFor,
  summaryOf,
  type ScriptedStreamSettings,
} from './scripted-settings.js';

/** The body of a request. */
type Input = Record<string, unknown>;

const hashKeys = 2n ** 128n;
const iteratorLifeMs = 300_000;
const maxAnswerBytes = 10 * 1024 * 1024;
const bytesPerSecond = 2 * 1024 * 1024;
/** Sequence numbers on AWS have 56 digits. Ours start in the same range, and rise in the order of creation. */
const firstSequenceNumber = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898n;

const precedes = (a: string, b: string): boolean => a.length < b.length || (a.length === b.length && a < b);

/** The model. Tests drive it directly; clients reach it through the scripted server. */
export class ScriptedKinesis {
  /** The streams by name. */
  readonly streams = new Map<string, ScriptedStream>();
  /** The options, with defaults for what was not given. */
  readonly options: Resolved<typeof scriptedKinesisTable>;
  #skewMs = 0;
  #sequence = 0;
  /** Iterators up to this number have expired. */
  #oldestIterator = 0;
  #iterators = 0;

  /** @throws KinactError INVALID_OPTION. */
  constructor(options: ScriptedKinesisOptions = {}) {
    this.options = resolveTable(scriptedKinesisTable, options, 'kinesis');
  }

  /** The server's wall clock, epoch milliseconds. */
  now(): number {
    return (this.options.now ?? Date.now)() + this.#skewMs;
  }

  /** Moves the server's clock: retention passes, iterators age. */
  advance(ms: number): void {
    this.#skewMs += ms;
  }

  /** Every iterator issued until now gets ExpiredIteratorException. */
  expireIterators(): void {
    this.#oldestIterator = this.#iterators;
  }

  /** Creates a stream, which is ACTIVE at once. The shards divide the hash keys evenly. An error is the one that Kinesis answers with. */
  createStream(name: string, shardCount = 1, settings: ScriptedStreamSettings = {}): ScriptedStream {
    if (this.streams.has(name))
      throw new AwsAnswerError('ResourceInUseException', `Stream ${name} under account already exists.`);

    const arn = `arn:aws:kinesis:${this.options.region}:${this.options.accountId}:stream/${name}`;
    const stream: ScriptedStream = {
      name,
      arn,
      createdAt: this.now(),
      retentionHours: 24,
      status: 'ACTIVE',
      mode: settings.mode ?? 'PROVISIONED',
      distribution: 'USER_PARTITION_KEY',
      maxRecordKiB: settings.maxRecordKiB ?? 1_024,
      placed: 0,
      shards: new Map(),
      shardNumber: 0,
    };

    distribute(stream, settings.distribution ?? stream.distribution);

    const width = hashKeys / BigInt(shardCount);
    for (let index = 0n; index < shardCount; index += 1n) {
      const last = index === BigInt(shardCount) - 1n;
      this.#addShard(stream, [], index * width, last ? hashKeys - 1n : (index + 1n) * width - 1n);
    }

    this.streams.set(name, stream);
    return stream;
  }

  /** The stream of this name. Throws ResourceNotFoundException if there is none. */
  stream(name: string): ScriptedStream {
    const stream = this.streams.get(name);
    if (stream === undefined) throw notFound(`Stream ${name} under account 123456789012 not found.`);
    return stream;
  }

  /** A shard. Throws ResourceNotFoundException if there is none, its records have expired, or the stream is not ACTIVE. */
  shard(streamName: string, shardId: string): ScriptedShard {
    const stream = this.stream(streamName);
    const shard = stream.shards.get(shardId);
    const gone = shard?.closedAt !== undefined && shard.closedAt < this.now() - stream.retentionHours * 3_600_000;
    const isThere = stream.status === 'ACTIVE' || stream.status === 'UPDATING';
    if (shard === undefined || gone || !isThere)
      throw notFound(`Shard ${shardId} in stream ${streamName} under account 123456789012 does not exist`);
    return shard;
  }

  /**
   * Adds one record to `shardId`, or to the open shard that the record belongs to. Returns the record's sequence number and
   * shard. Only a stream with `distribution: 'AUTO'` takes records without a partition key.
   */
  put(streamName: string, record: ScriptedPut): ScriptedPlace {
    const stream = this.stream(streamName);
    const shard = record.shardId === undefined ? shardFor(stream, record) : this.shard(streamName, record.shardId);
    if (shard === undefined || shard.endingSequenceNumber !== undefined)
      throw invalidArgument(`No open shard for that record in ${streamName}`);

    const bytes = typeof record.data === 'string' ? Buffer.from(record.data) : Buffer.from(record.data);
    checkSize(stream, record, bytes.length);

    const sequenceNumber = this.#nextSequence();
    shard.records.push({
      sequenceNumber,
      ...(record.partitionKey === undefined ? {} : { partitionKey: record.partitionKey }),
      data: bytes.toString('base64'),
      bytes: bytes.length,
      arrivedAt: this.now(),
    });

    return { sequenceNumber, shardId: shard.shardId };
  }

  /** Closes a shard and opens two. By default the second one begins in the middle. Returns the children's ids. */
  split(streamName: string, shardId: string, newStartingHashKey?: string): [string, string] {
    const stream = this.stream(streamName);
    const parent = this.shard(streamName, shardId);

    const middle =
      newStartingHashKey === undefined
        ? (parent.startingHashKey + parent.endingHashKey) / 2n + 1n
        : BigInt(newStartingHashKey);

    this.#closeShard(parent);
    return [
      this.#addShard(stream, [shardId], parent.startingHashKey, middle - 1n),
      this.#addShard(stream, [shardId], middle, parent.endingHashKey),
    ];
  }

  /** Closes two adjacent shards and opens one. Returns the child's id. */
  merge(streamName: string, shardId: string, adjacentShardId: string): string {
    const [a, b] = [this.shard(streamName, shardId), this.shard(streamName, adjacentShardId)];
    const [low, high] = a.startingHashKey < b.startingHashKey ? [a, b] : [b, a];
    if (low.endingHashKey + 1n !== high.startingHashKey) throw invalidArgument('The shards are not adjacent.');

    this.#closeShard(a);
    this.#closeShard(b, a.closedAt);
    return this.#addShard(this.stream(streamName), [shardId, adjacentShardId], low.startingHashKey, high.endingHashKey);
  }

  /** Removes the first `count` records of a shard, as retention does. */
  trim(streamName: string, shardId: string, count = Infinity): void {
    const shard = this.shard(streamName, shardId);
    shard.records = shard.records.slice(Math.min(count, shard.records.length));
  }

  /** Removes a shard: every later call for it fails with ResourceNotFoundException. */
  dropShard(streamName: string, shardId: string): void {
    const stream = this.stream(streamName);
    const { closedAt = 0 } = stream.shards.get(shardId) ?? {};
    stream.trimmedTo = Math.max(stream.trimmedTo ?? 0, closedAt);
    stream.shards.delete(shardId);
  }

  /** Carries out one API call. Throws AwsAnswerError if the service would answer with an error. */
  handle(operation: string, input: Input): object {
    switch (operation) {
      case 'CreateStream':
        this.createStream(text(input['StreamName']), Number(input['ShardCount'] ?? 1), settingsIn(input));
        return {};
      case 'DeleteStream':
        this.streams.delete(this.#streamOf(input).name);
        return {};
      case 'ListStreams':
        return { StreamNames: [...this.streams.keys()], HasMoreStreams: false };
      case 'DescribeStreamSummary':
        return { StreamDescriptionSummary: summaryOf(this.#streamOf(input)) };
      case 'DescribeStream':
        return descriptionOf(this.#streamOf(input));
      case 'ListShards': {
        const page = { pageSize: this.options.pageSize, now: this.now() };
        return listShards(input, page, (name, arn) => this.#streamOf({ StreamName: name, StreamARN: arn }));
      }
      case 'SplitShard':
        this.split(this.#streamOf(input).name, text(input['ShardToSplit']), text(input['NewStartingHashKey']));
        return {};
      case 'MergeShards':
        this.merge(this.#streamOf(input).name, text(input['ShardToMerge']), text(input['AdjacentShardToMerge']));
        return {};
      case 'PutRecord':
        return this.#putRecord(this.#streamOf(input).name, input);
      case 'PutRecords': {
        const name = this.#streamOf(input).name;
        const records = input['Records'] as Input[];
        if (records.length > 500) throw invalidArgument('500 records at most.');
        return { FailedRecordCount: 0, Records: records.map((record) => this.#putRecord(name, record)) };
      }
      case 'GetShardIterator':
        return this.#getShardIterator(this.#streamOf(input).name, input);
      case 'GetRecords':
        return this.#getRecords(input);
      default: {
        const changed = changeSetting(() => this.#streamOf(input), operation, input);
        if (changed !== undefined) return changed;
        throw new AwsAnswerError('UnknownOperationException', `scriptedServer has no ${operation}`);
      }
    }
  }

  #streamOf(input: Input): ScriptedStream {
    const arn = input['StreamARN'];
    return this.stream(typeof arn === 'string' ? arn.slice(arn.lastIndexOf('/') + 1) : text(input['StreamName']));
  }

  #putRecord(streamName: string, input: Input): object {
    const explicit = input['ExplicitHashKey'];
    const put = this.put(streamName, {
      ...(input['PartitionKey'] === undefined ? {} : { partitionKey: text(input['PartitionKey']) }),
      data: Buffer.from(text(input['Data']), 'base64'),
      ...(typeof explicit === 'string' ? { explicitHashKey: explicit } : {}),
    });
    return { SequenceNumber: put.sequenceNumber, ShardId: put.shardId };
  }

  #getShardIterator(streamName: string, input: Input): object {
    const shardId = text(input['ShardId']);
    const shard = this.shard(streamName, shardId);
    const from = this.#iteratorStart(streamName, shard, input);
    return { ShardIterator: this.#issueIterator(streamName, shardId, from) };
  }

  /** The sequence number where the iterator begins: records below it are not read. */
  #iteratorStart(streamName: string, shard: ScriptedShard, input: Input): string {
    const type = text(input['ShardIteratorType']);
    const at = String(input['StartingSequenceNumber']);
    switch (type) {
      case 'TRIM_HORIZON':
        return '0';
      case 'LATEST':
        return this.#nextSequence();
      case 'AT_TIMESTAMP': {
        const timestampMs = Number(input['Timestamp']) * 1_000;
        if (timestampMs > this.now())
          throw invalidArgument('The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.');
        const first = shard.records.find((record) => record.arrivedAt >= timestampMs);
        return first?.sequenceNumber ?? this.#nextSequence();
      }
      case 'AT_SEQUENCE_NUMBER':
      case 'AFTER_SEQUENCE_NUMBER': {
        const exists = at === shard.startingSequenceNumber || shard.records.some((one) => one.sequenceNumber === at);
        const missing = this.options.missingRecord;
        const message = `StartingSequenceNumber ${at} used in GetShardIterator on shard ${shard.shardId} in stream ${streamName} is invalid.`;
        if (!exists && missing === 'invalidArgument') throw invalidArgument(message);
        if (!exists && missing === 'resourceNotFound') throw notFound(message);
        return type === 'AT_SEQUENCE_NUMBER' ? at : String(BigInt(at) + 1n);
      }
      default:
        throw invalidArgument(`Unknown ShardIteratorType ${type}`);
    }
  }

  #getRecords(input: Input): object {
    const iterator = this.#openIterator(text(input['ShardIterator']));
    const shard = this.shard(iterator.stream, iterator.shard);
    const limit = Number(input['Limit'] ?? 10_000);
    if (limit < 1 || limit > 10_000) throw invalidArgument('Limit must be between 1 and 10000.');

    const stream = this.stream(iterator.stream);
    const oldest = this.now() - stream.retentionHours * 3_600_000;
    const first = shard.records.findIndex(
      (one) => one.arrivedAt >= oldest && !precedes(one.sequenceNumber, iterator.from),
    );

    const page: ScriptedRecord[] = [];
    let bytes = 0;
    for (let index = first; index >= 0 && index < shard.records.length && page.length < limit; index += 1) {
      const record = shard.records[index]!;
      if (bytes + record.bytes > maxAnswerBytes && page.length > 0) break;
      bytes += record.bytes;
      page.push(record);
    }

    this.#countRead(shard, bytes);

    const behind = first < 0 ? undefined : shard.records[first + page.length];
    const closedNow = shard.endingSequenceNumber !== undefined && behind === undefined;
    const ended = closedNow && (page.length === 0 || this.options.endOfShard === 'withRecords');
    const last = page.at(-1);
    const next = last === undefined ? iterator.from : String(BigInt(last.sequenceNumber) + 1n);

    return {
      Records: page.map((record) => ({
        SequenceNumber: record.sequenceNumber,
        ...(record.partitionKey === undefined ? {} : { PartitionKey: record.partitionKey }),
        Data: record.data,
        ApproximateArrivalTimestamp: record.arrivedAt / 1_000,
      })),
      MillisBehindLatest: behind === undefined ? 0 : Math.max(1, this.now() - behind.arrivedAt),
      ...(ended ? {} : { NextShardIterator: this.#issueIterator(iterator.stream, iterator.shard, next) }),
      ...(ended && this.options.childShards ? { ChildShards: childrenOf(stream, shard.shardId) } : {}),
    };
  }

  #countRead(shard: ScriptedShard, bytes: number): void {
    const now = this.now();
    // A read of 10 MiB counts for five seconds: until they have passed, reads are refused.
    shard.reads = shard.reads.filter((read) => read.at > now - Math.max(1_000, (read.bytes / bytesPerSecond) * 1_000));

    const recent = shard.reads.reduce((sum, read) => sum + read.bytes, 0);
    if (this.options.enforceReadLimits && (shard.reads.length >= 5 || recent > bytesPerSecond))
      throw new AwsAnswerError('ProvisionedThroughputExceededException', `Rate exceeded for shard ${shard.shardId}`);

    shard.reads.push({ at: now, bytes });
  }

  #issueIterator(stream: string, shard: string, from: string): string {
    this.#iterators += 1;
    return Buffer.from(JSON.stringify({ stream, shard, from, at: this.now(), number: this.#iterators })).toString(
      'base64',
    );
  }

  #openIterator(iterator: string): { stream: string; shard: string; from: string } {
    let opened: { stream: string; shard: string; from: string; at: number; number: number };
    try {
      opened = JSON.parse(Buffer.from(iterator, 'base64').toString()) as typeof opened;
    } catch {
      throw invalidArgument('Invalid ShardIterator.');
    }
    if (opened.number <= this.#oldestIterator || opened.at < this.now() - iteratorLifeMs)
      throw new AwsAnswerError(
        'ExpiredIteratorException',
        'Iterator expired. The iterator was created more than 300000 milliseconds ago.',
      );
    return opened;
  }

  #addShard(
    stream: ScriptedStream,
    parents: readonly string[],
    startingHashKey: bigint,
    endingHashKey: bigint,
  ): string {
    const shardId = `shardId-${String(stream.shardNumber).padStart(12, '0')}`;
    stream.shardNumber += 1;
    stream.shards.set(shardId, {
      shardId,
      parents,
      startingHashKey,
      endingHashKey,
      startingSequenceNumber: this.#nextSequence(),
      // A child begins when its parent closes, a first shard with its stream. Otherwise a filter by time could find a stream
      // without shards, or a gap between parent and child.
      createdAt: stream.shards.get(parents.at(-1) ?? '')?.closedAt ?? stream.createdAt,
      records: [],
      reads: [],
    });
    return shardId;
  }

  #closeShard(shard: ScriptedShard, at = this.now()): void {
    if (shard.endingSequenceNumber !== undefined)
      throw new AwsAnswerError('ResourceInUseException', `Shard ${shard.shardId} is closed.`);
    shard.endingSequenceNumber = this.#nextSequence();
    shard.closedAt = at;
  }

  #nextSequence(): string {
    this.#sequence += 1;
    return String(firstSequenceNumber + BigInt(this.#sequence) * 16n);
  }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new AwsAnswerError('ValidationException', 'A required member is missing.');
  return value;
}
