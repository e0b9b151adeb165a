// A Kinesis client that answers from a workload's bodies, the same for both sides of the benchmark. Each GetRecords parses its body
// again, in a later turn of the event loop, as if the body came from a socket. The answer equals that of the SDK's client.
import type { _Record, GetRecordsOutput } from '@aws-sdk/client-kinesis';
import { stampDigits, stampOf, type Body, type Workload } from './workload.js';

export interface CannedKinesis {
  send(command: object, options?: { readonly abortSignal?: AbortSignal }): Promise<object>;
}

interface Command {
  readonly input: { readonly ShardId?: string; readonly ShardIterator?: string };
}

export const streamArn = 'arn:aws:kinesis:us-east-1:000000000000:stream/bench';
const largestHashKey = 2n ** 128n - 1n;

export function shardIds(workload: Workload): readonly string[] {
  return Array.from({ length: workload.shards }, (_, index) => `shardId-${String(index).padStart(12, '0')}`);
}

/** An iterator names the shard and the number of the next pull. A call after the last pull waits until it is aborted. */
export function cannedKinesis(workload: Workload): CannedKinesis {
  const ids = shardIds(workload);
  const answer = (name: string, input: Command['input']): object | undefined => {
    switch (name) {
      case 'DescribeStreamSummaryCommand':
        return {
          StreamDescriptionSummary: { StreamName: 'bench', StreamARN: streamArn, StreamStatus: 'ACTIVE' },
        };
      case 'ListShardsCommand':
        return { Shards: ids.map((id, index) => shardOf(id, BigInt(index), BigInt(ids.length))) };
      case 'GetShardIteratorCommand':
        return { ShardIterator: `${input.ShardId}/0` };
      case 'GetRecordsCommand':
        return pull(workload, String(input.ShardIterator));
      default:
        throw new TypeError(`the canned client has no answer to ${name}`);
    }
  };
  return {
    async send(command, options) {
      await new Promise((resolve) => setImmediate(resolve));
      return answer(command.constructor.name, (command as Command).input) ?? aborted(options?.abortSignal);
    },
  };
}

function pull(workload: Workload, iterator: string): Partial<GetRecordsOutput> | undefined {
  const [shardId = '', at = ''] = iterator.split('/');
  const number = Number(at);
  if (number >= workload.pullsPerShard) return undefined;
  const body = workload.bodies[number % workload.bodies.length] as Body;
  const behind = number < workload.pullsPerShard - 1;
  return {
    Records: decode(body, stampOf(number)),
    NextShardIterator: `${shardId}/${number + 1}`,
    MillisBehindLatest: behind ? 60_000 : 0,
  };
}

/** Writes the number of a pull into the sequence numbers of a body. */
export function stampBody({ bytes, stamps }: Body, stamp: string): void {
  for (let digit = 0; digit < stampDigits; digit += 1) {
    const code = stamp.charCodeAt(digit);
    for (const at of stamps) bytes[at + digit] = code;
  }
}

function decode(body: Body, stamp: string): _Record[] {
  stampBody(body, stamp);
  const { bytes } = body;
  const { Records: records } = JSON.parse(bytes.toString()) as {
    readonly Records: readonly {
      readonly SequenceNumber: string;
      readonly PartitionKey: string;
      readonly Data: string;
      readonly ApproximateArrivalTimestamp: number;
    }[];
  };
  return records.map((record) => ({
    SequenceNumber: record.SequenceNumber,
    ApproximateArrivalTimestamp: new Date(record.ApproximateArrivalTimestamp * 1000),
    Data: Buffer.from(record.Data, 'base64'),
    PartitionKey: record.PartitionKey,
  }));
}

export function shardOf(id: string, index: bigint, count: bigint): object {
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

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }));
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
