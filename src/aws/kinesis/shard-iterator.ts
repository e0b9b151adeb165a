// Turns a position into the iterator at which a chain begins, or begins again. This file knows how the answers of AWS and of the
// local servers differ. Invariant: no path through this file leaves out a record. If the service cannot find a position, reading
// starts earlier, never later.
import { GetShardIteratorCommand, type GetShardIteratorInput } from '@aws-sdk/client-kinesis';
import type { Position, StartPosition } from '../../core/position.js';
import { isKinactError, KinactError } from '../../api/errors.js';
import { classifyAwsError, type AwsFailure } from '../aws-errors.js';
import type { KinesisAttempt, KinesisCaller, StreamNames } from './kinesis-client.js';
import type { StreamDescription } from '../../api/ports.js';
import type { Ask } from '../shared-request.js';

/** Where a chain begins. */
export type IteratorPosition =
  | Exclude<StartPosition, { readonly type: 'after' }>
  /** Inclusive: the chain begins with this record, because some of its user records may not be done. */
  | { readonly type: 'atRecord'; readonly position: Position }
  /** Exclusive: the chain begins after the last raw record that this reader has read. */
  | { readonly type: 'afterRecord'; readonly sequenceNumber: string };

/** The first chain begins with the record of the start position, and the shard worker leaves out what is done of it. */
export function iteratorPosition(start: StartPosition): IteratorPosition {
  return start.type === 'after' ? { type: 'atRecord', position: start.position } : start;
}

/** The calls of a polling reader. The event `retrying` names the one that fails. */
export type ReadOperation =
  | 'GetRecords'
  | 'GetShardIterator'
  | 'ListShards'
  | 'DescribeStreamSummary'
  | 'DescribeStream';

export type FoundIterator =
  | {
      readonly type: 'iterator';
      readonly iterator: string;
      /** The record to begin at no longer exists, so reading starts at TRIM_HORIZON. */
      readonly trimmed: boolean;
      /** Reading starts before this time (epoch milliseconds): leave out records that arrived before it. */
      readonly skipBefore?: number;
      /** Whether asking for the time again may find a later start than this one. */
      readonly askAgain: boolean;
      /** Why reading does not start at the requested time. */
      readonly instead?: KinactError;
    }
  /** The service does not find the shard, but the stream exists and can be read. */
  | { readonly type: 'missing'; readonly failure: AwsFailure; readonly description: StreamDescription }
  | { readonly type: 'failed'; readonly failure: AwsFailure; readonly operation: ReadOperation };

export interface IteratorSearch {
  readonly caller: KinesisCaller;
  readonly names: StreamNames;
  readonly shardId: string;
  readonly signal: AbortSignal;
  /** How long AT_TIMESTAMP may take; kinesalite never answers if no record is that late. */
  readonly timestampTimeoutMs: number;
  readonly describe: Ask<StreamDescription>;
}

/** A `Date` header has whole seconds, and two machines' clocks differ a little. */
const clockSlackMs = 2_000;

/** Makes one search of up to four requests, without waiting. On `failed`, the caller may repeat it. */
export async function findIterator(search: IteratorSearch, position: IteratorPosition): Promise<FoundIterator> {
  const answer = await ask(search, position);
  if (answer.type === 'answered') return iteratorIn(answer, {});

  const { failure } = answer;
  switch (position.type) {
    case 'trimHorizon':
      return failure.kind === 'notFound' ? missingShardOrStream(search, failure) : failedSearch(failure);
    case 'atRecord':
    case 'afterRecord':
      // For a number that no record has, AWS and kinesalite answer invalid argument, kinesis-local not found.
      if (failure.kind !== 'invalidArgument' && failure.kind !== 'notFound') return failedSearch(failure);
      return fromTrimHorizon(search, { trimmed: true });
    case 'atTimestamp':
      return fromEarlier(search, position.timestampMs, answer);
  }
}

/** The time was refused or not answered: begins at an earlier moment and skips records. */
async function fromEarlier(
  search: IteratorSearch,
  timestampMs: number,
  asked: Extract<KinesisAttempt<unknown>, { type: 'failed' }>,
): Promise<FoundIterator> {
  const { failure } = asked;
  if (failure.kind === 'notFound') return fromTrimHorizon(search, { skipBefore: timestampMs, instead: failure.error });
  // On AWS a timeout is an accident, so the reader asks again while it skips. On kinesalite it means that no record is that late.
  if (failure.kind === 'timeout')
    return fromTrimHorizon(search, { skipBefore: timestampMs, askAgain: true, instead: failure.error });
  if (failure.kind !== 'invalidArgument') return failedSearch(failure);

  // The service refuses a time in the future. Records that arrive before that time are skipped; no later one is missed.
  const earlierMs = Math.min(timestampMs, asked.serviceTimeMs - clockSlackMs);
  const clampedAnswer = await ask(search, { type: 'atTimestamp', timestampMs: earlierMs });
  if (clampedAnswer.type === 'answered')
    return iteratorIn(clampedAnswer, { skipBefore: timestampMs, instead: failure.error });

  const { kind } = clampedAnswer.failure;
  const useless = kind === 'timeout' || kind === 'invalidArgument' || kind === 'notFound';
  return useless
    ? fromTrimHorizon(search, { skipBefore: timestampMs, instead: failure.error })
    : failedSearch(clampedAnswer.failure);
}

interface Circumstances {
  readonly trimmed?: boolean;
  readonly skipBefore?: number;
  readonly askAgain?: boolean;
  readonly instead?: KinactError;
}

async function fromTrimHorizon(search: IteratorSearch, why: Circumstances): Promise<FoundIterator> {
  const asked = await ask(search, { type: 'trimHorizon' });
  if (asked.type === 'answered') return iteratorIn(asked, why);
  return asked.failure.kind === 'notFound' ? missingShardOrStream(search, asked.failure) : failedSearch(asked.failure);
}

/** Called when even TRIM_HORIZON is not found: finds out whether the shard is missing, or the stream. */
export async function missingShardOrStream(
  search: Pick<IteratorSearch, 'describe' | 'shardId' | 'signal'>,
  failure: AwsFailure,
  operation: ReadOperation = 'DescribeStreamSummary',
): Promise<FoundIterator> {
  try {
    const description = await search.describe(search.signal);
    const { status, streamName } = description;
    if (status === 'ACTIVE' || status === 'UPDATING') return { type: 'missing', failure, description };
    const error = new KinactError('AWS_ERROR', `Stream '${streamName}' is ${status}: its shards cannot be read yet.`, {
      retryable: true,
      data: { stream: streamName, shardId: search.shardId },
    });
    return failedSearch({ kind: 'other', error, outcomeUnknown: false });
  } catch (thrown) {
    return { type: 'failed', operation, failure: failureOf(thrown, operation) };
  }
}

/** The failure of a shared request. Its kind is that of the KinactError's cause, if there is one. */
export function failureOf(thrown: unknown, operation: ReadOperation): AwsFailure {
  const call = { service: 'kinesis', operation } as const;
  const classified = classifyAwsError(thrown, call);
  const cause: unknown = isKinactError(thrown) ? thrown.cause : undefined;
  return cause === undefined ? classified : { ...classified, kind: classifyAwsError(cause, call).kind };
}

function ask(
  search: IteratorSearch,
  position: IteratorPosition,
): Promise<KinesisAttempt<{ readonly ShardIterator?: string | undefined }>> {
  const { caller, names, shardId, signal } = search;
  const command = new GetShardIteratorCommand({ ...names, ShardId: shardId, ...inputFor(position) });
  const timeout = position.type === 'atTimestamp' ? { timeoutMs: search.timestampTimeoutMs } : {};
  return caller.attempt(command, { operation: 'GetShardIterator', shardId, ...timeout }, signal);
}

function inputFor(
  position: IteratorPosition,
): Pick<GetShardIteratorInput, 'ShardIteratorType' | 'StartingSequenceNumber' | 'Timestamp'> {
  switch (position.type) {
    case 'trimHorizon':
      return { ShardIteratorType: 'TRIM_HORIZON' };
    case 'atTimestamp':
      return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(position.timestampMs) };
    case 'atRecord':
      return {
        ShardIteratorType: 'AT_SEQUENCE_NUMBER',
        StartingSequenceNumber: position.position.sequenceNumber,
      };
    case 'afterRecord':
      return { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: position.sequenceNumber };
  }
}

export function iteratorIn(
  asked: Extract<KinesisAttempt<{ readonly ShardIterator?: string | undefined }>, { type: 'answered' }>,
  why: Circumstances,
): FoundIterator {
  const iterator = asked.output.ShardIterator;
  if (typeof iterator !== 'string' || iterator === '') {
    const cause = new SyntaxError('GetShardIterator was answered without ShardIterator');
    return failedSearch(classifyAwsError(cause, { service: 'kinesis', operation: 'GetShardIterator' }));
  }
  return { type: 'iterator', iterator, trimmed: false, askAgain: false, ...why };
}

export function failedSearch(failure: AwsFailure): FoundIterator {
  return { type: 'failed', failure, operation: 'GetShardIterator' };
}
