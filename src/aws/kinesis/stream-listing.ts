// Describes a stream and lists its shards: DescribeStreamSummary and ListShards, one attempt per request. Called by the polling
// source, the producer and the stream's administration; callers retry.
import {
  DescribeStreamCommand,
  DescribeStreamSummaryCommand,
  ListShardsCommand,
  type Shard as SdkShard,
  type ShardFilter as SdkShardFilter,
} from '@aws-sdk/client-kinesis';
import { isSequenceNumber } from '../../core/sequence-number.js';
import { KinactError } from '../../api/errors.js';
import type { Shard, ShardFilter, ShardListing, StreamDescription, StreamStatus } from '../../api/ports.js';
import { hashKeyRangeOf } from '../aggregation/hash-key.js';
import type { KinesisCaller, StreamNames } from './kinesis-client.js';

/** How often a listing may begin, because its token may expire: a token lives five minutes, a page takes milliseconds. */
const listingAttempts = 3;

interface Summary {
  readonly StreamName?: string | undefined;
  readonly StreamARN?: string | undefined;
  readonly StreamCreationTimestamp?: Date | undefined;
  readonly StreamStatus?: string | undefined;
  readonly RecordDistributionStrategy?: string | undefined;
  readonly StreamModeDetails?: { readonly StreamMode?: string | undefined } | undefined;
  readonly RetentionPeriodHours?: number | undefined;
  readonly MaxRecordSizeInKiB?: number | undefined;
}

/** Rejects with STREAM_NOT_FOUND also while the stream is being deleted. */
export async function describeStream(
  caller: KinesisCaller,
  names: StreamNames,
  signal: AbortSignal,
): Promise<StreamDescription> {
  const { summary, serviceTimeMs } = await summaryOf(caller, names, signal);
  const { StreamARN: arn, RecordDistributionStrategy: strategy, RetentionPeriodHours: retentionHours } = summary;
  const { MaxRecordSizeInKiB: maxRecordKiB } = summary;

  if (summary.StreamStatus === 'DELETING') {
    throw new KinactError('STREAM_NOT_FOUND', `Stream '${names.StreamName}' is being deleted.`, {
      data: { stream: names.StreamName, operation: 'kinesis:DescribeStreamSummary' },
    });
  }
  if (arn === undefined) {
    throw badAnswer('DescribeStreamSummary', 'a stream without StreamARN');
  }

  return {
    streamName: summary.StreamName ?? names.StreamName,
    streamArn: arn,
    accountId: arn.split(':')[4] ?? '',
    creationEpochSeconds: secondsOf(summary.StreamCreationTimestamp),
    status: statusOf(summary.StreamStatus),
    // With a strategy that kinact does not know, keys may not decide.
    ...(strategy === undefined ? {} : { distribution: strategy === 'USER_PARTITION_KEY' ? strategy : 'AUTO' }),
    ...(isSwitchable(summary) ? { switchable: true } : {}),
    ...(typeof retentionHours === 'number' ? { retentionHours } : {}),
    ...(typeof maxRecordKiB === 'number' ? { maxRecordBytes: maxRecordKiB * 1024 } : {}),
    describedAtMs: serviceTimeMs,
  };
}

/** How many consumers of enhanced fan-out the stream has. Undefined if the service does not count them, or the call fails. */
export async function consumersOf(
  caller: KinesisCaller,
  StreamARN: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const asked = await caller.attempt(
    new DescribeStreamSummaryCommand({ StreamARN }),
    { operation: 'DescribeStreamSummary' },
    signal,
  );
  return asked.type === 'answered' ? asked.output.StreamDescriptionSummary?.ConsumerCount : undefined;
}

/**
 * A service that knows neither modes nor strategies has nothing to switch. In a mode that kinact does not know,
 * switching may be possible.
 */
function isSwitchable({ StreamModeDetails: details, RecordDistributionStrategy: strategy }: Summary): boolean {
  const mode = details?.StreamMode;
  return mode === undefined ? strategy !== undefined : mode !== 'PROVISIONED';
}

const statuses: ReadonlySet<string> = new Set<StreamStatus>(['CREATING', 'ACTIVE', 'UPDATING', 'DELETING']);

function statusOf(text: string | undefined): StreamStatus {
  return text !== undefined && statuses.has(text) ? (text as StreamStatus) : 'UNKNOWN';
}

/** 0 if there is no time, or no readable one. */
function secondsOf(created: Date | undefined): number {
  const ms = created instanceof Date ? created.getTime() : Number.NaN;
  return Number.isFinite(ms) ? Math.floor(ms / 1000) : 0;
}

async function summaryOf(
  caller: KinesisCaller,
  names: StreamNames,
  signal: AbortSignal,
): Promise<{ readonly summary: Summary; readonly serviceTimeMs: number }> {
  const operation = 'DescribeStreamSummary';
  const answer = await caller.attempt(new DescribeStreamSummaryCommand(names), { operation }, signal);
  if (answer.type === 'answered') {
    return { summary: answer.output.StreamDescriptionSummary ?? {}, serviceTimeMs: answer.serviceTimeMs };
  }

  // A server without the newer call has the older one.
  const cause = answer.failure.error.cause as { readonly name?: unknown } | undefined;
  if (cause?.name !== 'UnknownOperationException') throw answer.failure.error;
  const older = new DescribeStreamCommand({ ...names, Limit: 1 });
  const second = await caller.attempt(older, { operation: 'DescribeStream' }, signal);
  if (second.type === 'answered')
    return { summary: second.output.StreamDescription ?? {}, serviceTimeMs: second.serviceTimeMs };
  // DynamoDB Streams has a DescribeStream as well, which refuses the name of a stream of Kinesis.
  throw second.failure.kind === 'invalidArgument' ? answer.failure.error : second.failure.error;
}

/** Lists every page. `serviceTimeMs` is that of the first page, so nothing in the listing is older. */
export async function listShards(
  caller: KinesisCaller,
  names: StreamNames,
  filter: ShardFilter,
  signal: AbortSignal,
): Promise<ShardListing> {
  const call = { operation: 'ListShards' };
  const wanted = sdkFilter(filter);
  for (let begun = 1; ; begun += 1) {
    const shards = new Map<string, Shard>();
    let serviceTimeMs: number | undefined;
    let token: string | undefined;
    for (;;) {
      // A token implies the stream and filter. A request that repeats them is refused.
      const input = token === undefined ? { ...names, ...wanted } : { NextToken: token };
      const page = await caller.attempt(new ListShardsCommand(input), call, signal);
      if (page.type === 'failed') {
        if (page.failure.kind === 'expiredToken' && begun < listingAttempts) break;
        throw page.failure.error;
      }
      serviceTimeMs ??= page.serviceTimeMs;
      for (const listed of page.output.Shards ?? []) {
        const shard = toShard(listed);
        shards.set(shard.shardId, shard);
      }
      // Otherwise the loop would never end, and report nothing.
      if (token !== undefined && page.output.NextToken === token)
        throw badAnswer('ListShards', 'the token it was given');
      token = page.output.NextToken;
      if (token === undefined) return { shards: narrow([...shards.values()], filter), serviceTimeMs };
    }
  }
}

function sdkFilter(filter: ShardFilter): { readonly ShardFilter?: SdkShardFilter } {
  switch (filter.type) {
    case 'all':
      return {};
    case 'atTrimHorizon':
      return { ShardFilter: { Type: 'AT_TRIM_HORIZON' } };
    case 'atLatest':
      return { ShardFilter: { Type: 'AT_LATEST' } };
    case 'atTimestamp':
      return { ShardFilter: { Type: 'AT_TIMESTAMP', Timestamp: new Date(filter.timestampMs) } };
  }
}

/**
 * Applies the filter here, for servers that ignore it, as far as the listing allows. At the tip only open shards exist. A shard
 * with a listed parent was made after the trim horizon. The listing does not show which shards were open at a time.
 */
function narrow(shards: readonly Shard[], filter: ShardFilter): readonly Shard[] {
  switch (filter.type) {
    case 'all':
    case 'atTimestamp':
      return shards;
    case 'atLatest':
      return shards.filter((shard) => shard.endingSequenceNumber === undefined);
    case 'atTrimHorizon': {
      const listed = new Set(shards.map((shard) => shard.shardId));
      const has = (parent: string | undefined): boolean => parent !== undefined && listed.has(parent);
      return shards.filter((shard) => !has(shard.parentShardId) && !has(shard.adjacentParentShardId));
    }
  }
}

/** Throws if the entry has no shard id: a row for a shard without a name must never be made. */
function toShard(listed: SdkShard | null): Shard {
  const { ShardId, ParentShardId, AdjacentParentShardId, HashKeyRange, SequenceNumberRange } = listed ?? {};
  if (ShardId === undefined) throw badAnswer('ListShards', 'a shard without ShardId');
  const { StartingSequenceNumber = '0', EndingSequenceNumber } = SequenceNumberRange ?? {};
  return {
    shardId: ShardId,
    ...(ParentShardId === undefined ? {} : { parentShardId: ParentShardId }),
    ...(AdjacentParentShardId === undefined ? {} : { adjacentParentShardId: AdjacentParentShardId }),
    ...hashKeyRangeOf(HashKeyRange),
    startingSequenceNumber: isSequenceNumber(StartingSequenceNumber) ? StartingSequenceNumber : '0',
    ...(EndingSequenceNumber === undefined ? {} : { endingSequenceNumber: EndingSequenceNumber }),
  };
}

/** The error for an answer that the service's model does not allow. It is retryable, because the next answer may be right. */
function badAnswer(operation: string, flaw: string): KinactError {
  return new KinactError('AWS_ERROR', `kinesis:${operation} was answered with ${flaw}`, {
    retryable: true,
    data: { operation: `kinesis:${operation}` },
  });
}
