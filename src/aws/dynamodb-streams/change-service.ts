// The calls of DynamoDB Streams for the polling reader of ../kinesis. What differs from Kinesis: reading resumes after a record. There
// is no start at a time. Lag is computed here. The service refuses by name a position whose records have expired.
import { bytesOf } from '../../core/record-bytes.js';
import type { RawRecord, StreamDescription } from '../../api/ports.js';
import { classifyAwsError } from '../aws-errors.js';
import type { PolledService } from '../kinesis/polled-service.js';
import {
  failedSearch,
  iteratorIn,
  missingShardOrStream,
  type FoundIterator,
  type IteratorPosition,
} from '../kinesis/shard-iterator.js';
import type { Ask } from '../shared-request.js';
import { recordsOf, type ChangesOutput } from './changes-answer.js';
import type { StreamsAttempt, StreamsCaller } from './streams-client.js';
import type { GetShardIteratorInput } from './streams-sdk.js';
import { trimmedReading } from './trimmed-reading.js';

/** A shard takes about 1 MB of writes a second, and each may bring two images. Catching up must be faster. */
const bytesPerSecond = 10_000_000;
/** Records older than this, or this many bytes, suggest that there are more. */
const behindMs = 10_000;
const behindBytes = 512 * 1024;

export interface ChangeServiceParts {
  readonly caller: StreamsCaller;
  /** The stream whose shards are read. */
  readonly arn: Ask<string>;
  readonly describe: Ask<StreamDescription>;
}

type IteratorAttempt = StreamsAttempt<{ readonly ShardIterator?: string | undefined }>;
type Search = Parameters<PolledService['findIterator']>[0];

export function changeService({ caller, arn, describe }: ChangeServiceParts): PolledService {
  const ask = async ({ shardId, signal }: Search, position: IteratorPosition): Promise<IteratorAttempt> => {
    const streamArn = await arn(signal);
    return caller.attempt(
      { operation: 'GetShardIterator', shardId },
      ({ GetShardIteratorCommand }) =>
        new GetShardIteratorCommand({ StreamArn: streamArn, ShardId: shardId, ...inputFor(position) }),
      signal,
    );
  };

  const fromTrimHorizon = async (
    search: Search,
    why: { readonly trimmed?: boolean; readonly skipBefore?: number },
  ): Promise<FoundIterator> => {
    const asked = await ask(search, { type: 'trimHorizon' });
    if (asked.type === 'answered') return iteratorIn(asked, why);
    if (asked.failure.kind !== 'notFound') return failedSearch(asked.failure);
    return missingShardOrStream({ ...search, describe }, asked.failure, 'DescribeStream');
  };

  return {
    name: 'dynamodb',
    operations: { describe: 'DescribeStream', list: 'DescribeStream' },
    bytesPerSecond,
    hasAggregates: false,
    timeUnitMs: 60_000,
    async getRecords({ shardId, signal }, iterator, limit) {
      const call = { operation: 'GetRecords', shardId } as const;
      const answer = await caller.attempt<ChangesOutput>(
        call,
        ({ GetRecordsCommand }) => new GetRecordsCommand({ ShardIterator: iterator, Limit: limit }),
        signal,
      );
      if (answer.type === 'failed') return { failure: answer.failure };
      try {
        const records = recordsOf(answer.output);
        const bytes = bytesOf(records);
        const { serviceTimeMs } = answer;
        const lagMs = lagOf(records, serviceTimeMs);
        const { NextShardIterator: next } = answer.output;
        const output = typeof next === 'string' ? { NextShardIterator: next } : {};
        const isBehind = lagMs > behindMs || bytes >= behindBytes;
        return { output, records, bytes, lagMs, isBehind, serviceTimeMs };
      } catch (thrown) {
        return { failure: classifyAwsError(thrown, { ...call, service: 'dynamodb' }) };
      }
    },
    async findIterator(search, position) {
      switch (position.type) {
        case 'trimHorizon':
          return fromTrimHorizon(search, {});
        case 'atTimestamp':
          return fromTrimHorizon(search, { skipBefore: position.timestampMs });
        case 'atRecord':
        case 'afterRecord': {
          const asked = await ask(search, position);
          if (asked.type === 'answered') return iteratorIn(asked, {});
          // The number is not one of the shard's.
          if (asked.failure.kind === 'invalidArgument') return fromTrimHorizon(search, { trimmed: true });
          if (asked.failure.kind !== 'notFound') return failedSearch(asked.failure);
          return missingShardOrStream({ ...search, describe }, asked.failure, 'DescribeStream');
        }
      }
    },
    onTrimmed: trimmedReading,
  };
}

function inputFor(position: IteratorPosition): Pick<GetShardIteratorInput, 'ShardIteratorType' | 'SequenceNumber'> {
  switch (position.type) {
    case 'trimHorizon':
    case 'atTimestamp':
      return { ShardIteratorType: 'TRIM_HORIZON' };
    case 'atRecord':
      return { ShardIteratorType: 'AT_SEQUENCE_NUMBER', SequenceNumber: position.position.sequenceNumber };
    case 'afterRecord':
      return { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: position.sequenceNumber };
  }
}

/** The service does not report how far a reader is behind. An empty answer counts as up to date. */
function lagOf(records: readonly RawRecord[], nowMs: number): number {
  const createdAt = records.at(-1)?.arrivedAt;
  return createdAt === undefined ? 0 : Math.max(0, nowMs - createdAt);
}
