// What the canned Kinesis answers, from a workload: the same bytes from memory (stub-handler.ts) and over a socket (canned-server.ts).
// It remembers when it handed out each answer of GetRecords.
import { monotonicMs } from './delays.js';
import { bodyOfPull, shardIds, type Workload } from './workload.js';

export interface Answers {
  /** The body of an answer. Undefined for a read after the last pull of a shard: it is never answered. */
  readonly to: (target: string, request: Buffer) => Buffer | undefined;
  /** Milliseconds by `${shardId}/${pull}`. */
  readonly arrivals: Record<string, number>;
}

interface Input {
  readonly ShardId?: string;
  readonly ShardIterator?: string;
}

const streamArn = 'arn:aws:kinesis:us-east-1:000000000000:stream/bench';
const largestHashKey = 2n ** 128n - 1n;

/** An iterator names the shard and the number of the next pull. */
export function createAnswers(workload: Workload): Answers {
  const ids = shardIds(workload);
  const arrivals: Record<string, number> = {};
  const answers: Readonly<Record<string, (input: Input) => Buffer | undefined>> = {
    DescribeStreamSummary: () => json({ StreamDescriptionSummary: summaryOf(ids.length) }),
    ListShards: () => json({ Shards: ids.map((id, index) => shardOf(id, BigInt(index), BigInt(ids.length))) }),
    GetShardIterator: ({ ShardId }) => json({ ShardIterator: `${ShardId}/0` }),
    GetRecords({ ShardIterator = '' }) {
      const answer = pulled(workload, ShardIterator);
      if (answer !== undefined) arrivals[ShardIterator] = monotonicMs();
      return answer;
    },
  };
  return {
    arrivals,
    to(target, request) {
      const operation = target.replace(/^.*\./, '');
      const answer = answers[operation];
      if (answer === undefined) throw new TypeError(`the canned Kinesis has no answer to '${operation}'`);
      return answer(JSON.parse(request.toString()) as Input);
    },
  };
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function summaryOf(shards: number): object {
  return {
    StreamName: 'bench',
    StreamARN: streamArn,
    StreamStatus: 'ACTIVE',
    StreamCreationTimestamp: 1_767_225_600,
    RetentionPeriodHours: 24,
    OpenShardCount: shards,
    EnhancedMonitoring: [],
  };
}

function shardOf(id: string, index: bigint, count: bigint): object {
  const width = (largestHashKey + 1n) / count;
  return {
    ShardId: id,
    HashKeyRange: {
      StartingHashKey: String(width * index),
      EndingHashKey: String(index === count - 1n ? largestHashKey : width * (index + 1n) - 1n),
    },
    SequenceNumberRange: { StartingSequenceNumber: '1' },
  };
}

function pulled(workload: Workload, iterator: string): Buffer | undefined {
  const [shardId = '', at = ''] = iterator.split('/');
  const pull = Number(at);
  if (pull >= workload.pullsPerShard) return undefined;
  const behindMs = pull < workload.pullsPerShard - 1 ? 60_000 : 0;
  const rest = `,"NextShardIterator":"${shardId}/${pull + 1}","MillisBehindLatest":${behindMs}}`;
  // A copy, because the body is written again while an earlier answer may still be read.
  return Buffer.concat([bodyOfPull(workload, pull).subarray(0, -1), Buffer.from(rest)]);
}
