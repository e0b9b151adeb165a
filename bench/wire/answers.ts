// What the canned Kinesis answers, from a workload: the same bytes from memory (stub-handler.ts) and over a socket (canned-server.ts).
// It remembers when it handed out each answer of GetRecords.
import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from './delays.js';
import { bodyOfPull, shardIds, type Workload } from './workload.js';

export interface Answers {
  /** The body of an answer. Undefined for a read after the last pull of a shard: it is never answered. */
  readonly to: (target: string, request: Buffer) => Promise<Buffer | undefined>;
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
  let firstReadAt: number | undefined;
  const isDue = async (shardId: string, pull: number): Promise<void> => {
    const { everyMs } = workload;
    if (everyMs === 0) return;
    firstReadAt ??= monotonicMs();
    // The shards take turns, so that their answers do not all come at once.
    const turn = ids.indexOf(shardId) / ids.length;
    await pause(Math.max(0, firstReadAt + (pull + turn) * everyMs - monotonicMs()));
  };
  const answers: Readonly<Record<string, (input: Input) => Buffer | undefined | Promise<Buffer | undefined>>> = {
    DescribeStreamSummary: () => json({ StreamDescriptionSummary: summaryOf(ids.length) }),
    ListShards: () => json({ Shards: ids.map((id, index) => shardOf(id, BigInt(index), BigInt(ids.length))) }),
    GetShardIterator: ({ ShardId }) => json({ ShardIterator: `${ShardId}/0` }),
    async GetRecords({ ShardIterator = '' }) {
      const [shardId = '', at = ''] = ShardIterator.split('/');
      await isDue(shardId, Number(at));
      const answer = pulled(workload, shardId, Number(at));
      if (answer !== undefined) arrivals[ShardIterator] = monotonicMs();
      return answer;
    },
  };
  return {
    arrivals,
    async to(target, request) {
      const operation = target.replace(/^.*\./, '');
      const answer = answers[operation];
      if (answer === undefined) throw new TypeError(`the canned Kinesis has no answer to '${operation}'`);
      return await answer(JSON.parse(request.toString()) as Input);
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

function pulled(workload: Workload, shardId: string, pull: number): Buffer | undefined {
  if (pull >= workload.pullsPerShard) return undefined;
  const behindMs = pull < workload.pullsPerShard - 1 ? 60_000 : 0;
  const rest = `,"NextShardIterator":"${shardId}/${pull + 1}","MillisBehindLatest":${behindMs}}`;
  // A copy, because the body is written again while an earlier answer may still be read.
  return Buffer.concat([bodyOfPull(workload, pull).subarray(0, -1), Buffer.from(rest)]);
}
