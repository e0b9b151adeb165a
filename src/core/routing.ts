// Which stage takes the records of a shard, and which reducer gets the items of a key. Both are the same in every process
// and version, so these rules must never change. They keep the order of a key within a shard, unless `spread` is
// `round-robin`. One stage takes the shard. One queue leads from it to the reducer of the key. A reducer handles one call at
// a time.
import { murmur3 } from './murmur3.js';

/** Which of `reducers` reducers a key belongs to: an integer in [0, reducers). `reducers` is a positive integer. */
export function reducerOf(key: string, reducers: number): number {
  return reducers === 1 ? 0 : murmur3(key) % reducers;
}

/** Which of `stages` stages takes a shard that sticks to one: an integer in [0, stages). `stages` is a positive integer. */
export function stageOf(shardId: string, stages: number): number {
  return murmur3(shardId) % stages;
}
