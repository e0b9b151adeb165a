// Splits and merges the stream of a fleet, and checks by the sinks that no child is delivered before the end of its parents.
import { ListShardsCommand, MergeShardsCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { isActive, type Fleet } from './fleet.js';

export const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;

/** Splits a shard in the middle, or at the given hash key. */
export async function split(fleet: Fleet, shardId: string, at?: bigint): Promise<void> {
  const { kinesis, streamName } = fleet;
  const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: streamName }));
  const range = Shards.find(({ ShardId }) => ShardId === shardId)?.HashKeyRange;
  const middle = (BigInt(range?.StartingHashKey ?? 0) + BigInt(range?.EndingHashKey ?? 0)) / 2n + 1n;
  const where = { ShardToSplit: shardId, NewStartingHashKey: String(at ?? middle) };
  await kinesis.send(new SplitShardCommand({ StreamName: streamName, ...where }));
  await active(fleet);
}

export async function merge(fleet: Fleet, ShardToMerge: string, AdjacentShardToMerge: string): Promise<void> {
  const shards = { StreamName: fleet.streamName, ShardToMerge, AdjacentShardToMerge };
  await fleet.kinesis.send(new MergeShardsCommand(shards));
  await active(fleet);
}

const active = (fleet: Fleet): Promise<true> => fleet.until('ACTIVE', () => isActive(fleet.kinesis, fleet.streamName));

export function delivering(fleet: Fleet, shardId: string): Promise<true> {
  return fleet.until(`${shardId} is delivering`, () => fleet.deliveries().some((each) => each.shardId === shardId));
}

/** Parents with a delivery after the first delivery of their child: `shardId-…2 before the end of shardId-…0`. */
export function beforeParents(fleet: Fleet, lineage: Readonly<Record<string, readonly string[]>>): readonly string[] {
  const all = fleet.deliveries();
  return Object.entries(lineage).flatMap(([child, parents]) => {
    const from = all.find(({ shardId }) => shardId === child)?.at ?? Infinity;
    const late = parents.filter((parent) => all.some(({ shardId, at }) => shardId === parent && at > from));
    return late.map((parent) => `${child} before the end of ${parent}`);
  });
}
