// The order in which the lease rows of a stream are created. If a shard has a row, its ancestors need none. So if a row were created
// before its ancestors' rows and the worker then died, the ancestors would stay unread forever. The coordinator's shard sync calls this.
import type { LeaseRow } from './lease.js';

/** Groups of rows, to be created one group after the other. No row of a group is an ancestor of another row in the group. */
export function generationsOf(rows: readonly LeaseRow[], shardIdOf: (row: LeaseRow) => string): readonly LeaseRow[][] {
  const byShard = new Map(rows.map((row) => [shardIdOf(row), row]));
  const depths = new Map<string, number>();
  const depthOf = (shardId: string): number => {
    // Not recursive: a chain of reshards grows with the age of the stream.
    const pending = [shardId];
    while (pending.length > 0) {
      const id = pending.at(-1)!;
      const parents = byShard.get(id)!.parentShardIds.filter((parent) => byShard.has(parent) && parent !== id);
      const unmeasured = parents.filter((parent) => !depths.has(parent) && !pending.includes(parent));
      if (unmeasured.length > 0) pending.push(...unmeasured);
      else {
        depths.set(id, 1 + Math.max(-1, ...parents.map((parent) => depths.get(parent) ?? -1)));
        pending.pop();
      }
    }
    return depths.get(shardId)!;
  };

  const generations: LeaseRow[][] = [];
  for (const row of rows) (generations[depthOf(shardIdOf(row))] ??= []).push(row);
  return generations;
}
