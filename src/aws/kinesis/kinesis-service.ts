// The calls of Kinesis that the polling reader makes.
import { GetRecordsCommand } from '@aws-sdk/client-kinesis';
import { bytesOf } from '../../core/record-bytes.js';
import type { StreamDescription } from '../../api/ports.js';
import { classifyAwsError } from '../aws-errors.js';
import type { Ask } from '../shared-request.js';
import { recordsOf } from './get-records-answer.js';
import type { KinesisCaller, StreamNames } from './kinesis-client.js';
import type { PolledService } from './polled-service.js';
import { kinesisBytesPerSecond } from './read-quota.js';
import { findIterator } from './shard-iterator.js';

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
    hasAggregates: true,
    timeUnitMs: undefined,
    operations: { describe: 'DescribeStreamSummary', list: 'ListShards' },
    bytesPerSecond: kinesisBytesPerSecond,
    async getRecords({ shardId, signal }, iterator, limit) {
      const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: limit, ...arn });
      const call = { operation: 'GetRecords', shardId };
      const answer = await caller.attempt(command, call, signal);
      if (answer.type === 'failed') return { failure: answer.failure };
      try {
        const records = recordsOf(answer.output);
        return { output: answer.output, records, bytes: bytesOf(records), serviceTimeMs: answer.serviceTimeMs };
      } catch (thrown) {
        return { failure: classifyAwsError(thrown, { ...call, service: 'kinesis' }) };
      }
    },
    findIterator: ({ shardId, signal }, position) => findIterator({ ...service, shardId, signal }, position),
  };
}
