// Describes a stream and lists its shards: DescribeStream, one attempt per request; callers retry. Invariant: a shard that has a listed
// child is closed in every listing, because the service sometimes shows it without an ending number. Called by the source.
import { isSequenceNumber } from '../../core/sequence-number.js';
import { KinactError } from '../../api/errors.js';
import type {
  Clock,
  Shard,
  ShardFilter,
  ShardListing,
  StreamDescription,
  StreamStatus,
  Timers,
} from '../../api/ports.js';
import { describeTurn } from './describe-budget.js';
import { javaStreamName, streamArnParts } from './stream-arn.js';
import type { StreamsCaller } from './streams-client.js';
import type { DescribeStreamInput } from './streams-sdk.js';
import type { AwsFailure } from '../aws-errors.js';

/** How long a stream keeps its records. */
const retentionHours = 24;
/** Not below any sequence number: the longest that the service accepts. It ends a shard that must be closed, because it has a child. */
export const someEnd = '9'.repeat(40);

/** A page is a description, too. One that is so young saves a call: the ARN alone identifies the stream, so it cannot have changed. */
const freshMs = 1_000;

export interface StreamPages {
  readonly caller: StreamsCaller;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The last page, of any call. */
  readonly latest: LatestPage;
}

export interface LatestPage {
  arn: string;
  /** When it was asked for, on the monotonic clock. */
  at: number;
  page: Page | undefined;
}

export function noPage(): LatestPage {
  return { arn: '', at: -Infinity, page: undefined };
}

/** The description in an answer of DescribeStream; any member may be missing. */
interface Described {
  readonly StreamStatus?: string;
  readonly Shards?: readonly (Partial<ListedShard> | null)[];
  readonly LastEvaluatedShardId?: string;
}

interface ListedShard {
  readonly ShardId: string;
  readonly ParentShardId: string;
  readonly SequenceNumberRange: { readonly StartingSequenceNumber?: string; readonly EndingSequenceNumber?: string };
}

interface Page {
  readonly description: Described;
  readonly serviceTimeMs: number;
}

/** Rejects with STREAM_NOT_FOUND if the service does not have the stream, or no longer. */
export async function describeStream(
  pages: StreamPages,
  streamArn: string,
  signal: AbortSignal,
): Promise<StreamDescription> {
  const { latest, clock } = pages;
  const isFresh = latest.page !== undefined && latest.arn === streamArn && clock.now() - latest.at < freshMs;
  const { description, serviceTimeMs } = isFresh
    ? (latest.page as Page)
    : await pageOf(pages, { StreamArn: streamArn, Limit: 1 }, signal);
  const parts = streamArnParts(streamArn);
  return {
    streamName: parts === undefined ? streamArn : javaStreamName(parts),
    streamArn,
    accountId: parts?.accountId ?? '',
    // The ARN has the time at which the stream was enabled: it alone is the identity.
    creationEpochSeconds: 0,
    status: statusOf(description.StreamStatus),
    ...(description.StreamStatus === 'DISABLED' ? { disabled: true } : {}),
    retentionHours,
    describedAtMs: serviceTimeMs,
  };
}

/** A disabled stream is readable for 24 hours, and its listings are as good as those of an enabled one. */
function statusOf(status: string | undefined): StreamStatus {
  switch (status) {
    case 'ENABLED':
    case 'DISABLED':
      return 'ACTIVE';
    case 'ENABLING':
      return 'CREATING';
    case 'DISABLING':
      return 'UPDATING';
    default:
      return 'UNKNOWN';
  }
}

/** All shards of a stream, as one listing shows them. */
export interface WholeListing extends ShardListing {
  readonly streamArn: string;
  readonly pages: number;
}

/** The children of one shard, or why nothing is known: the server has no such filter, or it lists no child. */
export type FilteredChildren =
  | { readonly type: 'children'; readonly children: readonly Shard[]; readonly serviceTimeMs: number }
  | { readonly type: 'none' }
  | { readonly type: 'noFilter' };

/** Lists every page. `serviceTimeMs` is that of the first page, so nothing in the listing is older. */
export async function listShards(
  pages: StreamPages,
  streamArn: string,
  filter: ShardFilter,
  signal: AbortSignal,
): Promise<WholeListing> {
  const shards = new Map<string, Shard>();
  let serviceTimeMs: number | undefined;
  let after: string | undefined;
  for (let count = 1; ; count += 1) {
    const start = after === undefined ? {} : { ExclusiveStartShardId: after };
    const page = await pageOf(pages, { StreamArn: streamArn, ...start }, signal);
    serviceTimeMs ??= page.serviceTimeMs;
    for (const listed of page.description.Shards ?? []) {
      const shard = toShard(listed);
      shards.set(shard.shardId, shard);
    }
    const { LastEvaluatedShardId: last } = page.description;
    // Otherwise the loop would never end, and report nothing.
    if (last !== undefined && last === after) throw badAnswer('the shard after which it was asked to begin');
    if (last === undefined)
      return { streamArn, shards: narrow(closed([...shards.values()]), filter), serviceTimeMs, pages: count };
    after = last;
  }
}

/**
 * Asks for the children of one shard, in one call. DynamoDB Local ignores the filter, an older server refuses it, and an older client
 * leaves it out.
 */
export async function childrenOf(
  pages: StreamPages,
  streamArn: string,
  shardId: string,
  signal: AbortSignal,
): Promise<FilteredChildren> {
  const answer = await attemptPage(
    pages,
    { StreamArn: streamArn, ShardFilter: { Type: 'CHILD_SHARDS', ShardId: shardId } },
    signal,
  );
  if ('kind' in answer) {
    if (answer.kind === 'invalidArgument') return { type: 'noFilter' };
    // The stream or the shard: a listing tells which.
    if (answer.kind === 'notFound') return { type: 'none' };
    throw answer.error;
  }
  const { Shards: listed = [], LastEvaluatedShardId: last } = answer.description;
  const children = listed.map(toShard);
  // A filtered answer has two shards at most.
  if (last !== undefined || children.some(({ parentShardId }) => parentShardId !== shardId))
    return { type: 'noFilter' };
  return children.length === 0 ? { type: 'none' } : { type: 'children', children, serviceTimeMs: answer.serviceTimeMs };
}

async function pageOf(pages: StreamPages, input: DescribeStreamInput, signal: AbortSignal): Promise<Page> {
  const answer = await attemptPage(pages, input, signal);
  if ('kind' in answer) throw answer.error;
  return answer;
}

async function attemptPage(
  { caller, clock, timers, latest }: StreamPages,
  input: DescribeStreamInput,
  signal: AbortSignal,
): Promise<Page | AwsFailure> {
  await describeTurn(clock, timers, signal);
  const at = clock.now();
  const answer = await caller.attempt<{ readonly StreamDescription: Described }>(
    { operation: 'DescribeStream' },
    ({ DescribeStreamCommand }) => new DescribeStreamCommand(input),
    signal,
  );
  if (answer.type === 'failed') return answer.failure;
  const { StreamDescription: description } = answer.output;
  if (description === undefined) throw badAnswer('no StreamDescription');
  const page = { description, serviceTimeMs: answer.serviceTimeMs };
  Object.assign(latest, { arn: input.StreamArn, at, page });
  return page;
}

function closed(shards: readonly Shard[]): readonly Shard[] {
  const parents = new Set(shards.map(({ parentShardId }) => parentShardId));
  return shards.map((shard) =>
    shard.endingSequenceNumber === undefined && parents.has(shard.shardId)
      ? { ...shard, endingSequenceNumber: someEnd }
      : shard,
  );
}

/** The service has no such filters. The listing does not show which shards were open at a time, so all of them are given. */
function narrow(shards: readonly Shard[], filter: ShardFilter): readonly Shard[] {
  switch (filter.type) {
    case 'all':
    case 'atTimestamp':
      return shards;
    case 'atLatest':
      return shards.filter((shard) => shard.endingSequenceNumber === undefined);
    case 'atTrimHorizon': {
      const listed = new Set(shards.map((shard) => shard.shardId));
      return shards.filter(({ parentShardId }) => parentShardId === undefined || !listed.has(parentShardId));
    }
  }
}

/** Throws if the entry has no shard id: a row for a shard without a name must never be made. */
function toShard(listed: Partial<ListedShard> | null): Shard {
  const { ShardId: shardId, ParentShardId: parent, SequenceNumberRange: range } = listed ?? {};
  if (shardId === undefined) throw badAnswer('a shard without ShardId');
  const { StartingSequenceNumber: first = '0', EndingSequenceNumber: last } = range ?? {};
  return {
    shardId,
    ...(parent === undefined || parent === shardId ? {} : { parentShardId: parent }),
    startingSequenceNumber: isSequenceNumber(first) ? first : '0',
    ...(last === undefined ? {} : { endingSequenceNumber: last }),
  };
}

/** The error for an answer that the service's model does not allow. It is retryable, because the next answer may be right. */
function badAnswer(flaw: string): KinactError {
  return new KinactError('AWS_ERROR', `dynamodb:DescribeStream was answered with ${flaw}`, {
    retryable: true,
    data: { operation: 'dynamodb:DescribeStream' },
  });
}
