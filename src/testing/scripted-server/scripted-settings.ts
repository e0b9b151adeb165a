// The settings of a scripted stream, and DescribeStreamSummary, which shows them: capacity mode, record distribution,
// retention, the size of a record. Called by scripted-kinesis.ts.
import { createHash } from 'node:crypto';
import { invalidArgument } from './answer-errors.js';
import { describeShard, openShards, type ScriptedShard, type ScriptedStream } from './scripted-shards.js';

/** The settings that `createStream` takes. The defaults are the service's, except that a stream is provisioned. */
export interface ScriptedStreamSettings {
  /** Default `PROVISIONED`. */
  readonly mode?: 'PROVISIONED' | 'ON_DEMAND';
  /** How records are placed; AUTO needs the mode ON_DEMAND. Default `USER_PARTITION_KEY`. */
  readonly distribution?: string;
  /** The largest record, data and key together. Default 1,024. */
  readonly maxRecordKiB?: number;
}

type Input = Readonly<Record<string, unknown>>;

/** The settings in a CreateStream request. */
export function settingsIn(input: Input): ScriptedStreamSettings {
  const mode = (input['StreamModeDetails'] as { readonly StreamMode?: string } | undefined)?.StreamMode;
  const distribution = input['RecordDistributionStrategy'];
  const maxRecordKiB = input['MaxRecordSizeInKiB'];
  return {
    ...(mode === 'ON_DEMAND' ? { mode } : {}),
    ...(typeof distribution === 'string' ? { distribution } : {}),
    ...(typeof maxRecordKiB === 'number' ? { maxRecordKiB } : {}),
  };
}

/** Carries out a request that changes a setting. Undefined for any other operation. */
export function changeSetting(stream: () => ScriptedStream, operation: string, input: Input): object | undefined {
  switch (operation) {
    case 'IncreaseStreamRetentionPeriod':
    case 'DecreaseStreamRetentionPeriod':
      stream().retentionHours = Number(input['RetentionPeriodHours']);
      return {};
    case 'UpdateStreamMode': {
      const changed = stream();
      const mode = settingsIn(input).mode ?? 'PROVISIONED';
      if (mode === 'PROVISIONED' && changed.distribution === 'AUTO')
        throw invalidArgument('A provisioned stream cannot have RecordDistributionStrategy AUTO.');
      changed.mode = mode;
      return {};
    }
    case 'UpdateStreamRecordDistributionStrategy':
      distribute(stream(), String(input['RecordDistributionStrategy']));
      return {};
    case 'UpdateMaxRecordSize':
      stream().maxRecordKiB = Number(input['MaxRecordSizeInKiB']);
      return {};
    default:
      return undefined;
  }
}

/** Changes how a stream places records. */
export function distribute(stream: ScriptedStream, distribution: string): void {
  if (stream.mode !== 'ON_DEMAND' && distribution !== 'USER_PARTITION_KEY')
    throw invalidArgument('RecordDistributionStrategy AUTO is for streams in the on-demand mode only.');
  stream.distribution = distribution;
}

/** StreamDescriptionSummary. */
export function summaryOf(stream: ScriptedStream): object {
  return {
    StreamName: stream.name,
    StreamARN: stream.arn,
    StreamStatus: stream.status,
    StreamModeDetails: { StreamMode: stream.mode },
    StreamCreationTimestamp: stream.createdAt / 1_000,
    RetentionPeriodHours: stream.retentionHours,
    OpenShardCount: openShards(stream).length,
    ConsumerCount: stream.consumers.size,
    EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
    MaxRecordSizeInKiB: stream.maxRecordKiB,
    ...(stream.mode === 'ON_DEMAND' ? { RecordDistributionStrategy: stream.distribution } : {}),
  };
}

/** StreamDescription, all shards on one page. */
export function descriptionOf(stream: ScriptedStream): object {
  const shards = [...stream.shards.values()].map(describeShard);
  return { StreamDescription: { ...summaryOf(stream), Shards: shards, HasMoreShards: false } };
}

/** The parts of a record that decide where it goes. */
export interface PlacedRecord {
  readonly partitionKey?: string;
  readonly explicitHashKey?: string;
}

/** The open shard for a record. Under AUTO the open shards take turns, and keys and hash keys are ignored. */
export function shardFor(stream: ScriptedStream, record: PlacedRecord): ScriptedShard | undefined {
  const open = openShards(stream);
  if (stream.distribution !== 'USER_PARTITION_KEY') {
    stream.placed += 1;
    return open[stream.placed % open.length];
  }

  const { partitionKey, explicitHashKey } = record;
  if (partitionKey === undefined) throw invalidArgument('PartitionKey is required.');
  const hash = explicitHashKey === undefined ? hashOf(partitionKey) : explicitHashOf(explicitHashKey);

  return open.find((one) => one.startingHashKey <= hash && hash <= one.endingHashKey);
}

/** The service refuses any other text. The length is checked first: `BigInt` takes long for a long one. */
function explicitHashOf(text: string): bigint {
  const hash = /^\d{1,39}$/.test(text) ? BigInt(text) : undefined;
  if (hash === undefined || hash >= 2n ** 128n)
    throw invalidArgument('ExplicitHashKey must be in the range [0, 2^128-1].');
  return hash;
}

const hashOf = (partitionKey: string): bigint => BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);

/** Throws PutRecord's error for a record that is too large for the stream. */
export function checkSize(stream: ScriptedStream, record: PlacedRecord, bytes: number): void {
  const limit = stream.maxRecordKiB * 1_024;
  if (bytes + Buffer.byteLength(record.partitionKey ?? '') > limit)
    throw invalidArgument(`A record of stream ${stream.name} has at most ${limit} bytes.`);
}
