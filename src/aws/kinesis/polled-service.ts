// The calls of a service that polling-reader.ts makes. Kinesis is here, DynamoDB Streams in ../dynamodb-streams/change-service.ts. The
// rules of reading (prefetch, quotas, retries, the proof of an end) are the reader's, and the same for both.
import { GetRecordsCommand, type GetRecordsOutput } from '@aws-sdk/client-kinesis';
import { bytesOf } from '../../core/record-bytes.js';
import type { RawRecord, StreamDescription } from '../../api/ports.js';
import { classifyAwsError, type AwsFailure } from '../aws-errors.js';
import type { Ask } from '../shared-request.js';
import { recordsOf } from './get-records-answer.js';
import type { KinesisCaller, StreamNames } from './kinesis-client.js';
import type { Next, ReaderContext } from './polling-reader.js';
import { kinesisBytesPerSecond } from './read-quota.js';
import type { Progress } from './reading-progress.js';
import { findIterator, type FoundIterator, type IteratorPosition, type ReadOperation } from './shard-iterator.js';

/** An answer of GetRecords. */
export interface Answer {
  readonly output: Pick<Partial<GetRecordsOutput>, 'MillisBehindLatest' | 'NextShardIterator' | 'ChildShards'>;
  readonly records: readonly RawRecord<Buffer>[];
  readonly bytes: number;
  /** The service does not report MillisBehindLatest, and these records suggest that there are more. */
  readonly isBehind?: boolean;
  /** Milliseconds behind the tip, for a service that does not report it. */
  readonly lagMs?: number;
}

type Reading = Pick<ReaderContext, 'shardId' | 'signal'>;

export interface PolledService {
  /** The service's name in IAM actions. */
  readonly name: 'kinesis' | 'dynamodb';
  /** The calls behind the reader's `describe` and `list`, for messages. */
  readonly operations: { readonly describe: ReadOperation; readonly list: ReadOperation };
  readonly bytesPerSecond: number;
  /** A record never holds several, so reading resumes after the last one. */
  readonly resumesAfter?: boolean;
  getRecords(reading: Reading, iterator: string, limit: number): Promise<Answer | { readonly failure: AwsFailure }>;
  findIterator(reading: Reading, position: IteratorPosition): Promise<FoundIterator>;
  /** Handles an answer that the records at the position have expired, for a service that gives it. */
  onTrimmed?(reader: ReaderContext, progress: Progress): Promise<Next>;
}

export function kinesisService(service: {
  readonly caller: KinesisCaller;
  readonly names: StreamNames;
  readonly timestampTimeoutMs: number;
  readonly describe: Ask<StreamDescription>;
}): PolledService {
  const { caller, names } = service;
  const arn = names.StreamARN === undefined ? {} : { StreamARN: names.StreamARN };
  return {
    name: 'kinesis',
    operations: { describe: 'DescribeStreamSummary', list: 'ListShards' },
    bytesPerSecond: kinesisBytesPerSecond,
    async getRecords({ shardId, signal }, iterator, limit) {
      const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: limit, ...arn });
      const call = { operation: 'GetRecords', shardId };
      const answer = await caller.attempt(command, call, signal);
      if (answer.type === 'failed') return { failure: answer.failure };
      try {
        const records = recordsOf(answer.output);
        return { output: answer.output, records, bytes: bytesOf(records) };
      } catch (thrown) {
        return { failure: classifyAwsError(thrown, { ...call, service: 'kinesis' }) };
      }
    },
    findIterator: ({ shardId, signal }, position) => findIterator({ ...service, shardId, signal }, position),
  };
}
