// The end of a shard, from its shard worker's report until SHARD_END is written or the end is withdrawn. Written by
// ended-shard-worker.ts, lease-end.ts and end-hook.ts.
import type { ChildShard } from '../../src/api/ports.js';

export interface ShardEnd {
  readonly children: readonly ChildShard[] | undefined;
  /** The service does not know the shard, which does not mean that it is closed. */
  readonly notFound: boolean;
  /** When the shard worker reported the end, or when the keeper last had to wait for another shard's holder. */
  since: number;
  /** Until when SHARD_END waits for `onCheckpoint` calls that run. */
  readonly callsUntil: number;
  asking: boolean;
  askAt: number;
  blocked: boolean;
  /** `onShardEnded` has not succeeded yet. */
  awaitsHook: boolean;
  /** Set once SHARD_END may be written. */
  childShardIds: readonly string[] | undefined;
}
