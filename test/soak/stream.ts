// The stream of the soak, through the SDK alone and an endpoint without faults. It is written at a constant rate, half in plain
// records and half in aggregates, and resharded now and then.
import {
  CreateStreamCommand,
  DescribeStreamCommand,
  KinesisClient,
  MergeShardsCommand,
  PutRecordsCommand,
  SplitShardCommand,
  type Shard,
} from '@aws-sdk/client-kinesis';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeAggregate } from '../../src/aws/aggregation/aggregate-encoder.js';
import { localClientConfig } from '../../src/testing/local-servers.js';
import type { Dice } from '../sim/dice.js';

export interface SoakStream {
  create(shards: number): Promise<void>;
  /** Puts the ids from `from` to `from + count - 1`; resolves when the service has them. */
  put(from: number, count: number): Promise<void>;
  /** Splits a shard or merges two, so that there are always a few. Resolves with a text that says which. */
  reshard(dice: Dice): Promise<string>;
  close(): void;
}

const perAggregate = 20;
const keys = 97;
const padding = '.'.repeat(60);
const fewestShards = 5;
const mostShards = 8;
/** A put fails here because of the machine, not because of a fault of the soak. */
const mostAttempts = 5;

export function openStream(endpoint: string, StreamName: string): SoakStream {
  const config = localClientConfig(endpoint);
  const client = new KinesisClient(config);
  const open = async (): Promise<readonly Shard[]> => {
    for (;;) {
      const all = await allShards(client, StreamName);
      if (all !== undefined)
        return all.filter(({ SequenceNumberRange: range }) => range?.EndingSequenceNumber === undefined);
      await delay(20);
    }
  };
  return {
    async create(ShardCount) {
      await client.send(new CreateStreamCommand({ StreamName, ShardCount }));
      await open();
    },
    async put(from, count) {
      const Records = recordsOf(from, count);
      for (let attempt = 1; ; attempt += 1) {
        try {
          const { FailedRecordCount } = await client.send(new PutRecordsCommand({ StreamName, Records }));
          if (FailedRecordCount !== 0) throw new Error(`${FailedRecordCount} records were refused`);
          return;
        } catch (error) {
          if (attempt === mostAttempts) throw error;
          await delay(200);
        }
      }
    },
    async reshard(dice) {
      const shards = (await open()).toSorted((a, b) => (startOf(a) < startOf(b) ? -1 : 1));
      const mayMerge = shards.length > fewestShards;
      const split = shards.length < mostShards && (!mayMerge || dice.chance(0.5));
      if (!split) {
        const at = dice.between(0, shards.length - 2);
        const [ShardToMerge = '', AdjacentShardToMerge = ''] = [shards[at]?.ShardId, shards[at + 1]?.ShardId];
        await client.send(new MergeShardsCommand({ StreamName, ShardToMerge, AdjacentShardToMerge }));
        await open();
        return `merged ${ShardToMerge} and ${AdjacentShardToMerge}`;
      }
      const widest = shards.toSorted((a, b) => (widthOf(a) > widthOf(b) ? -1 : 1))[0] as Shard;
      const ShardToSplit = widest.ShardId ?? '';
      const NewStartingHashKey = (startOf(widest) + widthOf(widest) / 2n).toString();
      await client.send(new SplitShardCommand({ StreamName, ShardToSplit, NewStartingHashKey }));
      await open();
      return `split ${ShardToSplit}`;
    },
    close: () => {
      client.destroy();
      config.requestHandler.destroy();
    },
  };
}

/** All shards, including closed shards. Undefined while the stream changes. */
async function allShards(client: KinesisClient, StreamName: string): Promise<readonly Shard[] | undefined> {
  const all: Shard[] = [];
  for (;;) {
    const after = all.at(-1)?.ShardId;
    const { StreamDescription: page } = await client.send(
      new DescribeStreamCommand({ StreamName, ...(after === undefined ? {} : { ExclusiveStartShardId: after }) }),
    );
    if (page?.StreamStatus !== 'ACTIVE') return undefined;
    all.push(...(page.Shards ?? []));
    if (page.HasMoreShards !== true) return all;
  }
}

const startOf = ({ HashKeyRange }: Shard): bigint => BigInt(HashKeyRange?.StartingHashKey ?? 0);
const widthOf = (shard: Shard): bigint => BigInt(shard.HashKeyRange?.EndingHashKey ?? 0) - startOf(shard) + 1n;

/** Even ids are plain records, and odd ids are in aggregates. */
function recordsOf(from: number, count: number): { readonly PartitionKey: string; readonly Data: Uint8Array }[] {
  const records: { readonly PartitionKey: string; readonly Data: Uint8Array }[] = [];
  let together: { readonly partitionKey: string; readonly data: Uint8Array }[] = [];
  const pack = (): void => {
    const first = together[0];
    if (first !== undefined) records.push({ PartitionKey: first.partitionKey, Data: encodeAggregate(together) });
    together = [];
  };
  for (let id = from; id < from + count; id += 1) {
    const partitionKey = `key-${Math.floor(id / 2) % keys}`;
    const data = Buffer.from(`${id} ${padding}`);
    if (id % 2 === 0) records.push({ PartitionKey: partitionKey, Data: data });
    else if (together.push({ partitionKey, data }) === perAggregate) pack();
  }
  pack();
  return records;
}
