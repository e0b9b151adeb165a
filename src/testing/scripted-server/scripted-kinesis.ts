// The small in-memory Kinesis behind scriptedServer(): streams, shards, iterators, resharding, trimming. It handles one
// operation at a time, from plain JSON to plain JSON, without HTTP. Called by scripted-server.ts and by tests.
import { integer, resolveTable, type Resolved } from '../../options/option-table.js';
import type { ScriptedKinesisOptions } from '../generated/scripted-kinesis-options.js';
import { scriptedKinesisTable } from '../option-tables.js';
import { AwsAnswerError, invalidArgument, notFound, requiredText } from './answer-errors.js';
import { consumerOperation, present } from './scripted-consumers.js';
import { ShardReads, type ReadModel } from './scripted-reads.js';
import { beginUpdate, requireActive, settle, updateShardCount, type ScalingModel } from './scripted-scaling.js';
import {
  listShards,
  type ScriptedPlace,
  type ScriptedPut,
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
import { ScriptedSubscriptions, type ScriptedSubscription } from './scripted-subscriptions.js';

/** The body of a request. */
type Input = Record<string, unknown>;

const hashKeys = 2n ** 128n;
const shardCount = integer(1);
/** Sequence numbers on AWS have 56 digits. Ours start in the same range, and rise in the order of creation. */
const firstSequenceNumber = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898n;

/** The model. Tests drive it directly; clients reach it through the scripted server. */
export class ScriptedKinesis {
  /** The streams by name. */
  readonly streams = new Map<string, ScriptedStream>();
  /** The options, with defaults for what was not given. */
  readonly options: Resolved<typeof scriptedKinesisTable>;
  #skewMs = 0;
  #sequence = 0;
  readonly #model: ReadModel;
  readonly #scaling: ScalingModel;
  readonly #reads: ShardReads;
  readonly #subscriptions: ScriptedSubscriptions;

  /** @throws KinactError INVALID_OPTION. */
  constructor(options: ScriptedKinesisOptions = {}) {
    this.options = resolveTable(scriptedKinesisTable, options, 'kinesis');
    const model: ReadModel = {
      options: this.options,
      now: () => this.now(),
      stream: (name) => this.stream(name),
      shard: (streamName, shardId) => this.shard(streamName, shardId),
      nextSequence: () => this.#nextSequence(),
      lastSequence: () => String(firstSequenceNumber + BigInt(this.#sequence) * 16n),
    };
    this.#model = model;
    this.#scaling = {
      updateMs: this.options.updateMs,
      now: () => this.now(),
      split: (...input) => this.split(...input),
      merge: (...input) => this.merge(...input),
    };
    this.#reads = new ShardReads(model);
    this.#subscriptions = new ScriptedSubscriptions(model);
  }

  /** The open subscriptions of enhanced fan-out, the oldest first. */
  get subscriptions(): readonly ScriptedSubscription[] {
    return this.#subscriptions.list;
  }

  /**
   * SubscribeToShard without HTTP. The input is that of the API, with `Timestamp` in seconds.
   *
   * @example
   * ```ts
   * import { scriptedServer } from 'kinact/testing';
   *
   * await using server = await scriptedServer();
   * const { arn } = server.kinesis.createStream('orders');
   * const { Consumer } = server.kinesis.handle('RegisterStreamConsumer', { StreamARN: arn, ConsumerName: 'app' }) as {
   *   Consumer: { ConsumerARN: string };
   * };
   * const subscription = server.kinesis.subscribe({
   *   ConsumerARN: Consumer.ConsumerARN,
   *   ShardId: 'shardId-000000000000',
   *   StartingPosition: { Type: 'TRIM_HORIZON' },
   * });
   * for (let sent = subscription.next(); sent !== undefined; sent = subscription.next()) console.log(sent);
   * ```
   *
   * @throws The error that Kinesis answers the call with.
   */
  subscribe(input: Readonly<Record<string, unknown>>): ScriptedSubscription {
    return this.#subscriptions.subscribe(input);
  }

  /** The server's wall clock, epoch milliseconds. */
  now(): number {
    return (this.options.now ?? Date.now)() + this.#skewMs;
  }

  /** Moves the server's clock: retention passes, iterators age, subscriptions end. */
  advance(ms: number): void {
    this.#skewMs += ms;
    this.#subscriptions.wake();
  }

  /** Every iterator issued until now gets ExpiredIteratorException. */
  expireIterators(): void {
    this.#reads.expireIterators();
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
      scalings: [],
      consumers: new Map(),
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
    settle(this.#scaling, stream);
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
    this.#subscriptions.wake();

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
    const lower = this.#addShard(stream, [shardId], parent.startingHashKey, middle - 1n);
    const upper = this.#addShard(stream, [shardId], middle, parent.endingHashKey);
    this.#subscriptions.wake();
    return [lower, upper];
  }

  /** Closes two adjacent shards and opens one. Returns the child's id. */
  merge(streamName: string, shardId: string, adjacentShardId: string): string {
    const [a, b] = [this.shard(streamName, shardId), this.shard(streamName, adjacentShardId)];
    const [low, high] = a.startingHashKey < b.startingHashKey ? [a, b] : [b, a];
    if (low.endingHashKey + 1n !== high.startingHashKey) throw invalidArgument('The shards are not adjacent.');

    this.#closeShard(a);
    this.#closeShard(b, a.closedAt);
    const parents = [shardId, adjacentShardId];
    const child = this.#addShard(this.stream(streamName), parents, low.startingHashKey, high.endingHashKey);
    this.#subscriptions.wake();
    return child;
  }

  /**
   * The stream scales by itself to `shards` open shards, as an on-demand stream does: now, or once the server's clock has moved on by
   * `afterMs`. Splits and merges make the shards equally wide.
   *
   * @example
   * ```ts
   * import { scriptedServer } from 'kinact/testing';
   *
   * await using server = await scriptedServer();
   * server.kinesis.createStream('orders', 4, { mode: 'ON_DEMAND' });
   * server.kinesis.scale('orders', 8, 60_000);
   * server.kinesis.advance(60_000);
   * ```
   */
  scale(streamName: string, shards: number, afterMs = 0): void {
    shardCount.parse(shards, 'shards');
    const stream = this.stream(streamName);
    stream.scalings.push({ at: this.now() + afterMs, shards });
    stream.scalings.sort((a, b) => a.at - b.at);
    settle(this.#scaling, stream);
    this.#subscriptions.wake();
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
    this.#subscriptions.wake();
  }

  /** Carries out one API call. Throws AwsAnswerError if the service would answer with an error. */
  handle(operation: string, input: Input): object {
    switch (operation) {
      case 'CreateStream':
        this.createStream(requiredText(input['StreamName']), Number(input['ShardCount'] ?? 1), settingsIn(input));
        return {};
      case 'DeleteStream':
        this.#deleteStream(this.#streamOf(input), input['EnforceConsumerDeletion'] === true);
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
      case 'MergeShards':
        return this.#reshard(operation, this.#streamOf(input), input);
      case 'UpdateShardCount':
        return updateShardCount(this.#scaling, this.#streamOf(input), input);
      case 'PutRecord':
        return this.#putRecord(this.#streamOf(input).name, input);
      case 'PutRecords': {
        const name = this.#streamOf(input).name;
        const records = input['Records'] as Input[];
        if (records.length > 500) throw invalidArgument('500 records at most.');
        return { FailedRecordCount: 0, Records: records.map((record) => this.#putRecord(name, record)) };
      }
      case 'GetShardIterator':
        return this.#reads.getShardIterator(this.#streamOf(input).name, input);
      case 'GetRecords':
        return this.#reads.getRecords(input);
      default: {
        const changed =
          changeSetting(() => this.#streamOf(input), operation, input) ??
          consumerOperation(this.#model, operation, input);
        if (changed !== undefined) {
          this.#subscriptions.wake();
          return changed;
        }
        throw new AwsAnswerError('UnknownOperationException', `scriptedServer has no ${operation}`);
      }
    }
  }

  #streamOf(input: Input): ScriptedStream {
    const arn = input['StreamARN'];
    return this.stream(
      typeof arn === 'string' ? arn.slice(arn.lastIndexOf('/') + 1) : requiredText(input['StreamName']),
    );
  }

  #reshard(operation: 'SplitShard' | 'MergeShards', stream: ScriptedStream, input: Input): object {
    requireActive(stream);
    const member = (name: string): string => requiredText(input[name]);
    if (operation === 'SplitShard') this.split(stream.name, member('ShardToSplit'), member('NewStartingHashKey'));
    else this.merge(stream.name, member('ShardToMerge'), member('AdjacentShardToMerge'));
    beginUpdate(this.#scaling, stream);
    return {};
  }

  #deleteStream(stream: ScriptedStream, withConsumers: boolean): void {
    if (!withConsumers && present(stream, this.now()).length > 0)
      throw new AwsAnswerError('ResourceInUseException', `Stream ${stream.name} has registered consumers.`);
    this.streams.delete(stream.name);
    this.#subscriptions.wake();
  }

  #putRecord(streamName: string, input: Input): object {
    const explicit = input['ExplicitHashKey'];
    const put = this.put(streamName, {
      ...(input['PartitionKey'] === undefined ? {} : { partitionKey: requiredText(input['PartitionKey']) }),
      data: Buffer.from(requiredText(input['Data']), 'base64'),
      ...(typeof explicit === 'string' ? { explicitHashKey: explicit } : {}),
    });
    return { SequenceNumber: put.sequenceNumber, ShardId: put.shardId };
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
