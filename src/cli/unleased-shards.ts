// The shards of a stream that an application has yet to read although it has no row for them: children of a reshard while no worker ran.
// A row is missing too when SHARD_END was written and the row then removed. Such a shard has a descendant with a row. Called by
// shard-lag.ts.
import type { Shard } from '../api/ports.js';

/** `shards`: the whole listing. `leased`: ids of the shards of this stream that have rows, ended or not. */
export function unleasedShards(shards: readonly Shard[], leased: ReadonlySet<string>): readonly Shard[] {
  const byId = new Map(shards.map((shard) => [shard.shardId, shard]));
  const parentsOf = (shardId: string): readonly string[] => parentIds(byId.get(shardId));
  // Ancestors of the shards with rows. Iterating a Set also visits members added during the loop.
  const passed = new Set([...leased].flatMap(parentsOf));
  for (const shardId of passed) for (const parent of parentsOf(shardId)) passed.add(parent);

  const hasLeasedAncestor = (shard: Shard): boolean => {
    const ancestors = new Set(parentIds(shard));
    for (const shardId of ancestors) for (const parent of parentsOf(shardId)) ancestors.add(parent);
    return [...ancestors].some((shardId) => leased.has(shardId));
  };
  return shards.filter(
    (shard) =>
      !leased.has(shard.shardId) &&
      !passed.has(shard.shardId) &&
      (shard.endingSequenceNumber === undefined || hasLeasedAncestor(shard)),
  );
}

export function parentIds(shard: Shard | undefined): readonly string[] {
  return [shard?.parentShardId, shard?.adjacentParentShardId].flatMap((each) => each ?? []);
}
