// The streams and shards of the scripted Kinesis, and ListShards over them: filters, pages, tokens. Called by scripted-kinesis.ts.
import { AwsAnswerError, invalidArgument } from './answer-errors.js';

/** A record to put. */
export interface ScriptedPut {
  /** The key. It chooses the shard, unless one of the next members does. */
  partitionKey?: string;
  /** The bytes; a text is put as UTF-8. */
  data: Uint8Array | string;
  /** A decimal hash key, which chooses the shard instead of the key. */
  explicitHashKey?: string;
  /** Chooses the shard, whatever the keys are. */
  shardId?: string;
}

/** Where a record is that was put. */
export interface ScriptedPlace {
  /** The record's sequence number. */
  sequenceNumber: string;
  /** The shard that has it. */
  shardId: string;
}

/** A record of the model. */
export interface ScriptedRecord {
  /** Rises within a stream with each record. */
  readonly sequenceNumber: string;
  /** Absent if the record was put without one. */
  readonly partitionKey?: string;
  /** Base64, as in the API. */
  readonly data: string;
  /** The size of the data. */
  readonly bytes: number;
  /** When it was put, milliseconds since the epoch. */
  readonly arrivedAt: number;
}

/** A shard of the model. */
export interface ScriptedShard {
  /** The id, such as `shardId-000000000000`. */
  readonly shardId: string;
  /** The ids of the shards that it was split or merged from. */
  readonly parents: readonly string[];
  /** The first hash key of the shard. */
  readonly startingHashKey: bigint;
  /** The last hash key of the shard. */
  readonly endingHashKey: bigint;
  /** All its records have higher sequence numbers. */
  readonly startingSequenceNumber: string;
  /** When it was created, milliseconds since the epoch. */
  readonly createdAt: number;
  /** Present once the shard is closed. */
  endingSequenceNumber?: string;
  /** When it was closed, milliseconds since the epoch. */
  closedAt?: number;
  /** The records that are not trimmed, oldest first. */
  records: ScriptedRecord[];
  /** Time and size of the recent reads, for the read limits. */
  reads: {
    /** When the read was, milliseconds since the epoch. */
    at: number;
    /** How many bytes it returned. */
    bytes: number;
  }[];
}

/** A registered consumer of a stream. */
export interface ScriptedConsumer {
  /** The name, one within the stream. */
  readonly name: string;
  /** The ARN, with the time of its creation in seconds. */
  readonly arn: string;
  /** When it was registered, milliseconds since the epoch. */
  readonly createdAt: number;
  /** Until then it is CREATING, milliseconds since the epoch. */
  readonly activeAt: number;
  /** Set by DeregisterStreamConsumer: until then it is DELETING, and afterwards it is gone. Milliseconds since the epoch. */
  goneAt?: number;
}

/** A stream of the model. `createStream` makes it. */
export interface ScriptedStream {
  /** The stream's name. */
  readonly name: string;
  /** The stream's ARN, in the region and account of the options. */
  readonly arn: string;
  /** When it was created, milliseconds since the epoch. */
  readonly createdAt: number;
  /** How long records stay, in hours; 24 at first. */
  retentionHours: number;
  /** Set by `dropShard`: the trim horizon of filters is not earlier. */
  trimmedTo?: number;
  /** Shards are found only while the stream is ACTIVE or UPDATING. Tests may set it. */
  status: 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING';
  /** An on-demand stream may change its distribution at any time. */
  mode: 'PROVISIONED' | 'ON_DEMAND';
  /** `RecordDistributionStrategy`. Every value but USER_PARTITION_KEY ignores the keys of records. */
  distribution: string;
  /** The largest record that `put` takes, data and key together; 1,024 at first. */
  maxRecordKiB: number;
  /** How many records were placed without regard to their keys: it decides which shard is next. */
  placed: number;
  /** The shards by id, closed ones included. */
  readonly shards: Map<string, ScriptedShard>;
  /** The number of the next shard. */
  shardNumber: number;
  /** Set by a change of the shards: until then the stream is UPDATING, milliseconds since the epoch. */
  updatingUntil?: number;
  /** When it scales by itself, and to how many shards; the earliest first. `scale` adds to it. */
  readonly scalings: {
    /** Milliseconds since the epoch. */
    readonly at: number;
    /** How many shards are open then. */
    readonly shards: number;
  }[];
  /** The registered consumers of enhanced fan-out, by name. */
  readonly consumers: Map<string, ScriptedConsumer>;
}

export interface ListShardsInput {
  readonly StreamName?: string;
  readonly StreamARN?: string;
  readonly NextToken?: string;
  readonly MaxResults?: number;
  readonly ExclusiveStartShardId?: string;
  readonly ShardFilter?: { readonly Type: string; readonly ShardId?: string; readonly Timestamp?: number };
}

interface Token {
  readonly stream: string;
  readonly after: string;
  readonly at: number;
  readonly filter?: ListShardsInput['ShardFilter'];
}

const tokenLifeMs = 300_000;

/** Lists one page. As on AWS, a token excludes the stream's name. A token is valid for five minutes. */
export function listShards(
  input: ListShardsInput,
  page: { readonly pageSize: number; readonly now: number },
  find: (name: string | undefined, arn: string | undefined) => ScriptedStream,
): object {
  if (input.NextToken !== undefined && (input.StreamName !== undefined || input.StreamARN !== undefined))
    throw invalidArgument('NextToken and StreamName cannot be provided together.');

  const token = input.NextToken === undefined ? undefined : openToken(input.NextToken, page.now);
  const stream = find(token?.stream ?? input.StreamName, token === undefined ? input.StreamARN : undefined);
  const filter = token?.filter ?? input.ShardFilter;
  const after =
    token?.after ?? input.ExclusiveStartShardId ?? (filter?.Type === 'AFTER_SHARD_ID' ? filter.ShardId : undefined);

  const horizon = page.now - stream.retentionHours * 3_600_000;
  const named = [...stream.shards.values()]
    .filter((shard) => shard.closedAt === undefined || shard.closedAt >= horizon)
    .filter((shard) => passes(shard, filter, Math.max(horizon, stream.createdAt, stream.trimmedTo ?? 0)))
    .filter((shard) => after === undefined || shard.shardId > after);

  const size = Math.min(input.MaxResults ?? page.pageSize, page.pageSize);
  const shards = named.slice(0, size);
  const last = shards.at(-1);
  const next: Token | undefined =
    last === undefined || named.length <= size
      ? undefined
      : { stream: stream.name, after: last.shardId, at: page.now, ...(filter === undefined ? {} : { filter }) };

  return {
    Shards: shards.map(describeShard),
    ...(next === undefined ? {} : { NextToken: Buffer.from(JSON.stringify(next)).toString('base64') }),
  };
}

/** A shard as ListShards and DescribeStream write it. */
export function describeShard(shard: ScriptedShard): object {
  const [parent, adjacent] = shard.parents;
  return {
    ShardId: shard.shardId,
    ...(parent === undefined ? {} : { ParentShardId: parent }),
    ...(adjacent === undefined ? {} : { AdjacentParentShardId: adjacent }),
    HashKeyRange: { StartingHashKey: String(shard.startingHashKey), EndingHashKey: String(shard.endingHashKey) },
    SequenceNumberRange: {
      StartingSequenceNumber: shard.startingSequenceNumber,
      ...(shard.endingSequenceNumber === undefined ? {} : { EndingSequenceNumber: shard.endingSequenceNumber }),
    },
  };
}

function passes(shard: ScriptedShard, filter: ListShardsInput['ShardFilter'], trimHorizon: number): boolean {
  const openAt = (ms: number): boolean =>
    shard.createdAt <= ms && (shard.closedAt === undefined || shard.closedAt > ms);
  const timestampMs = (filter?.Timestamp ?? 0) * 1_000;
  switch (filter?.Type) {
    case undefined:
    case 'FROM_TRIM_HORIZON':
    case 'AFTER_SHARD_ID':
      return true;
    case 'AT_LATEST':
      return shard.closedAt === undefined;
    case 'AT_TRIM_HORIZON':
      return openAt(trimHorizon);
    case 'AT_TIMESTAMP':
      return openAt(Math.max(timestampMs, trimHorizon));
    case 'FROM_TIMESTAMP':
      return shard.closedAt === undefined || shard.closedAt > timestampMs;
    default:
      throw invalidArgument(`Unknown shard filter ${filter?.Type}`);
  }
}

function openToken(token: string, now: number): Token {
  const opened = JSON.parse(Buffer.from(token, 'base64').toString()) as Token;
  if (opened.at < now - tokenLifeMs) throw new AwsAnswerError('ExpiredNextTokenException', 'The token has expired.');
  return opened;
}

/** The shards that still take records. */
export function openShards(stream: ScriptedStream): ScriptedShard[] {
  return [...stream.shards.values()].filter((shard) => shard.endingSequenceNumber === undefined);
}

/** The children of a shard as GetRecords names them. */
export function childrenOf(stream: ScriptedStream, shardId: string): object[] {
  return [...stream.shards.values()]
    .filter((shard) => shard.parents.includes(shardId))
    .map((shard) => ({
      ShardId: shard.shardId,
      ParentShards: shard.parents,
      HashKeyRange: { StartingHashKey: String(shard.startingHashKey), EndingHashKey: String(shard.endingHashKey) },
    }));
}
