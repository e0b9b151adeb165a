// Chooses the reducer of a key and the stage of a shard. For a given number of stages and reducers, the choice is the same in
// every process and version, so these rules must never change. They keep the order of a key within a shard: one stage handles the
// shard, and one queue leads from that stage to the reducer of the key. A reducer runs one call at a time; with `concurrency`
// several, but never two with one key. With `spread: 'round-robin'` a shard has no fixed stage: record-admission.ts chooses one per
// record.
import { murmur3 } from './murmur3.js';

/** Which of `reducers` reducers a key belongs to: an integer in [0, reducers). `reducers` is a positive integer. */
export function reducerIndexOf(key: string, reducers: number): number {
  return reducers === 1 ? 0 : murmur3(key) % reducers;
}

/** Which of `stages` stages handles a shard with a fixed stage: an integer in [0, stages). `stages` is a positive integer. */
export function stageIndexOf(shardId: string, stages: number): number {
  return murmur3(shardId) % stages;
}
