// Kinesis, or DynamoDB Streams, as a client that answers from memory: one stream of many shards, most of which have no record most of the
// time. Each answer comes in a later turn of the event loop.
export interface NearlyIdle {
  readonly name: string;
  readonly streamArn: string;
  send(command: object): Promise<object>;
  /** Puts a record into the shard of this number, modulo the number of shards. */
  put(shard: number): void;
  /** How many shards have been read. */
  shardsRead(): number;
}

interface Input {
  readonly ShardId?: string;
  readonly ShardIterator?: string;
  readonly ExclusiveStartShardId?: string;
  readonly ShardIteratorType?: string;
  readonly SequenceNumber?: string;
}

const largestHashKey = 2n ** 128n - 1n;
const pageSize = 100;

type Kind = 'kinesis' | 'table';

interface Put {
  readonly number: string;
  readonly record: object;
}

/** Makes records, each with a number of its own. */
function recordsOf(kind: Kind): () => Put {
  let number = 10n ** 20n;
  return () => {
    number += 1n;
    const SequenceNumber = String(number);
    const at = new Date();
    if (kind === 'kinesis') {
      const Data = Buffer.from('x');
      const record = { Data, PartitionKey: SequenceNumber, SequenceNumber, ApproximateArrivalTimestamp: at };
      return { number: SequenceNumber, record };
    }
    const dynamodb = {
      SequenceNumber,
      Keys: { id: { S: SequenceNumber } },
      SizeBytes: 20,
      StreamViewType: 'KEYS_ONLY',
      ApproximateCreationDateTime: at,
    };
    return { number: SequenceNumber, record: { eventName: 'INSERT', eventID: SequenceNumber, dynamodb } };
  };
}

/** A shard as the service lists it. */
function listed(
  kind: Kind,
  id: string,
  { index, shards }: { readonly index: number; readonly shards: number },
): object {
  if (kind === 'table')
    return { ShardId: id, SequenceNumberRange: { StartingSequenceNumber: '100000000000000000000' } };
  const at = (part: number): bigint => ((largestHashKey + 1n) * BigInt(part)) / BigInt(shards);
  const HashKeyRange = { StartingHashKey: String(at(index)), EndingHashKey: String(at(index + 1) - 1n) };
  return { ShardId: id, SequenceNumberRange: { StartingSequenceNumber: '1' }, HashKeyRange };
}

function idOf(kind: Kind, index: number): string {
  return kind === 'kinesis'
    ? `shardId-${String(index).padStart(12, '0')}`
    : `shardId-${String(1_700_000_000_000 + index).padStart(20, '0')}-00000000`;
}

export function nearlyIdle(kind: Kind, name: string, shards: number): NearlyIdle {
  const streamArn =
    kind === 'kinesis'
      ? `arn:aws:kinesis:us-east-1:000000000000:stream/${name}`
      : `arn:aws:dynamodb:us-east-1:000000000000:table/${name}aa/stream/2026-01-01T00:00:00.000`;
  const ids = Array.from({ length: shards }, (_, index) => idOf(kind, index));
  const kept = new Map<string, Put[]>(ids.map((id) => [id, []]));
  const read = new Set<string>();
  const record = recordsOf(kind);
  const shardOf = (id: string, index: number): object => listed(kind, id, { index, shards });

  const records = (iterator: string): object => {
    const [id = '', index] = iterator.split(' ');
    read.add(id);
    const puts = kept.get(id) ?? [];
    const Records = puts.slice(Number(index)).map((put) => put.record);
    const NextShardIterator = `${id} ${puts.length}`;
    return { Records, NextShardIterator, ...(kind === 'kinesis' ? { MillisBehindLatest: 0 } : {}) };
  };
  // A worker that lost its lease, because the machine was busy, reads again from its checkpoint.
  const iteratorOf = ({ ShardId = '', ShardIteratorType, SequenceNumber }: Input): string => {
    const at = (kept.get(ShardId) ?? []).findIndex(({ number }) => number === SequenceNumber);
    return `${ShardId} ${ShardIteratorType === 'AT_SEQUENCE_NUMBER' ? Math.max(0, at) : at + 1}`;
  };
  const describe = (after: string | undefined): object => {
    const from = after === undefined ? 0 : ids.indexOf(after) + 1;
    const Shards = ids.slice(from, from + pageSize).map((id, index) => shardOf(id, from + index));
    const more = from + pageSize < shards ? { LastEvaluatedShardId: ids[from + pageSize - 1] } : {};
    return { StreamDescription: { StreamArn: streamArn, StreamStatus: 'ENABLED', Shards, ...more } };
  };
  const answer = (operation: string, input: Input): object => {
    switch (operation) {
      case 'DescribeStreamSummaryCommand':
        return { StreamDescriptionSummary: { StreamName: name, StreamARN: streamArn, StreamStatus: 'ACTIVE' } };
      case 'ListShardsCommand':
        return { Shards: ids.map(shardOf) };
      case 'DescribeStreamCommand':
        return describe(input.ExclusiveStartShardId);
      case 'GetShardIteratorCommand':
        return { ShardIterator: iteratorOf(input) };
      case 'GetRecordsCommand':
        return records(String(input.ShardIterator));
      default:
        throw new TypeError(`no answer to ${operation}`);
    }
  };

  return {
    name,
    streamArn,
    async send(command) {
      await new Promise((resolve) => setImmediate(resolve));
      return answer(command.constructor.name, (command as { input: Input }).input);
    },
    put: (shard) => {
      kept.get(ids[shard % shards]!)!.push(record());
    },
    shardsRead: () => read.size,
  };
}
