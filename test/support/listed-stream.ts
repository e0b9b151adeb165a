// A StreamSource that can only be described and listed, which is all that the coordinator sees of a stream. The test reshards it.
import type { Shard, ShardFilter, ShardListing, StreamDescription, StreamSource } from '../../src/api/ports.js';

const top = (1n << 128n) - 1n;

export interface ListedStream extends StreamSource {
  shards: Shard[];
  serviceTimeMs: number;
  /** Errors that the next calls throw, in order. */
  readonly faults: { describe: unknown[]; listShards: unknown[] };
  readonly filters: ShardFilter[];
  /** Closes a shard and opens one in its place, as DynamoDB Streams does every few hours. */
  rollOver(shardId: string): string;
  /** Closes a shard and opens two in its place. */
  split(shardId: string): [string, string];
  /** Closes two shards and opens one in their place. */
  merge(left: string, right: string): string;
  /** Deletes the stream and creates it again a minute later, with the same name and shard ids, and higher sequence numbers. */
  recreate(shards?: number): void;
}

export interface ListedStreamOptions {
  readonly name?: string;
  readonly shards?: number;
  /** False: shards without hash ranges, as in DynamoDB Streams. */
  readonly hashRanges?: boolean;
  /** The source says that lineage proves its listings; implies `hashRanges: false`. */
  readonly lineage?: boolean;
}

export function listedStream({
  name = 'orders',
  shards = 2,
  lineage = false,
  hashRanges = !lineage,
}: ListedStreamOptions = {}): ListedStream {
  let description: StreamDescription = {
    streamName: name,
    streamArn: `arn:aws:kinesis:x:1:stream/${name}`,
    accountId: '123456789012',
    creationEpochSeconds: 1_700_000_000,
    status: 'ACTIVE',
  };
  const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;
  let origin = 0;
  const range = (start: bigint, end: bigint): Partial<Shard> =>
    hashRanges ? { hashKeyRange: { startingHashKey: String(start), endingHashKey: String(end) } } : {};
  const closed = (shard: Shard): Shard => ({
    ...shard,
    endingSequenceNumber: String(Number(shard.startingSequenceNumber) + 999),
  });
  const add = (parents: readonly string[], keys: Partial<Shard>): string => {
    const shardId = idOf(stream.shards.length);
    const [parentShardId, adjacentParentShardId] = parents;
    stream.shards = [
      ...stream.shards.map((shard) => (parents.includes(shard.shardId) ? closed(shard) : shard)),
      {
        shardId,
        startingSequenceNumber: String(origin + stream.shards.length),
        ...keys,
        ...(parentShardId === undefined ? {} : { parentShardId }),
        ...(adjacentParentShardId === undefined ? {} : { adjacentParentShardId }),
      },
    ];
    return shardId;
  };
  const keysOf = (shardId: string): readonly [bigint, bigint] => {
    const found = stream.shards.find((shard) => shard.shardId === shardId)?.hashKeyRange;
    return [BigInt(found?.startingHashKey ?? 0), BigInt(found?.endingHashKey ?? 0)];
  };
  const fail = (faults: unknown[]): void => {
    if (faults.length > 0) throw faults.shift();
  };
  const stream: ListedStream = {
    name,
    ...(lineage ? { listingProof: 'lineage' } : {}),
    shards: [],
    serviceTimeMs: 1_700_000_500_000,
    faults: { describe: [], listShards: [] },
    filters: [],
    describe: async () => {
      fail(stream.faults.describe);
      return description;
    },
    listShards: async (filter): Promise<ShardListing> => {
      stream.filters.push(filter);
      fail(stream.faults.listShards);
      return { shards: stream.shards, serviceTimeMs: stream.serviceTimeMs };
    },
    open: () => {
      throw new Error('not read in these tests');
    },
    unpack: () => ({ records: [], isDivisible: true }),
    close: () => undefined,
    rollOver: (shardId) => add([shardId], {}),
    split(shardId) {
      const [start, end] = keysOf(shardId);
      const middle = (start + end) / 2n;
      return [add([shardId], range(start, middle)), add([shardId], range(middle + 1n, end))];
    },
    recreate(count = shards) {
      const { creationEpochSeconds } = description;
      description = { ...description, creationEpochSeconds: creationEpochSeconds + 60 };
      origin += 1_000_000;
      stream.shards = [];
      create(count);
    },
    merge: (left, right) => add([left, right], range(keysOf(left)[0], keysOf(right)[1])),
  };
  const create = (count: number): void => {
    const width = (top + 1n) / BigInt(count);
    for (let index = 0; index < count; index++) {
      add([], range(BigInt(index) * width, index === count - 1 ? top : BigInt(index + 1) * width - 1n));
    }
  };
  create(shards);
  return stream;
}
