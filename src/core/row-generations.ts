// The order in which the lease rows of a stream are made. A row answers for all its ancestors. If it were made before
// them and its maker then died, they would stay unread for ever. Called by the coordinator's shard sync.
import type { LeaseRow } from './lease.js';

/** Groups of rows, each to be begun when the one before is there; within a group no row has another for an ancestor. */
export function generationsOf(rows: readonly LeaseRow[], shardIdOf: (row: LeaseRow) => string): readonly LeaseRow[][] {
  const byShard = new Map(rows.map((row) => [shardIdOf(row), row]));
  const depths = new Map<string, number>();
  const depthOf = (shardId: string): number => {
    const row = byShard.get(shardId);
    if (row === undefined) return -1;
    // A chain of resharding is as long as the stream is old: no recursion.
    const open = [shardId];
    while (open.length > 0) {
      const id = open.at(-1)!;
      const parents = byShard.get(id)!.parentShardIds.filter((parent) => byShard.has(parent) && parent !== id);
      const unknown = parents.filter((parent) => !depths.has(parent) && !open.includes(parent));
      if (unknown.length > 0) open.push(...unknown);
      else {
        depths.set(id, 1 + Math.max(-1, ...parents.map((parent) => depths.get(parent) ?? -1)));
        open.pop();
      }
    }
    return depths.get(shardId)!;
  };
  const generations: LeaseRow[][] = [];
  for (const row of rows) (generations[depthOf(shardIdOf(row))] ??= []).push(row);
  return generations;
}
