// A lease row as kinact reads and writes it (KCL clause 1.1). `checkpoint.ts` defines the order of checkpoints.
import type { CheckpointText } from './position.js';

/** One row of the lease table. Members that are absent in the table are absent here; lists are empty when absent there. */
export interface LeaseRow {
  readonly leaseKey: string;
  readonly leaseOwner?: string;
  /** The counter. Every take and every write of the holder raises it, and is conditional on it. */
  readonly leaseCounter: number;
  readonly ownerSwitchesSinceCheckpoint: number;
  readonly checkpoint: CheckpointText;
  readonly checkpointSubSequenceNumber: number;
  readonly parentShardIds: readonly string[];
  readonly childShardIds: readonly string[];
  readonly startingHashKey?: string;
  readonly endingHashKey?: string;
  /** KCL 3 only: the worker that still processes the shard while a graceful handoff is pending. */
  readonly checkpointOwner?: string;
  readonly entityType?: string;
  /** Multi-stream rows only (KCL clause 1.2). */
  readonly streamName?: string;
  readonly shardId?: string;
  /** kinact's own: the time, in epoch milliseconds, that LATEST stands for. */
  readonly kinactLatestAt?: number;
  /** kinact's own, in a few rows: when the `RecordDistributionStrategy` was last seen to be AUTO, in epoch milliseconds. */
  readonly kinactAutoAt?: number;
  /** kinact's own: which process and keeper incarnation wrote last. Absent in rows that only a Java worker has written. */
  readonly kinactWriter?: string;
  /**
   * kinact's own: the owner's `failoverMs` and the `kinactWriter` that it belongs to (lease-failover.ts). Present from a kinact
   * take until the release.
   */
  readonly kinactFailover?: string;
  /**
   * kinact's own: another worker's wish for this lease, and the holder's answer (lease-wish.ts). Both are void once the lease has
   * another holder.
   */
  readonly kinactWish?: string;
  readonly kinactAnswer?: string;
  /** kinact's own: the stream of this row, as `streamIdentityOf` writes it. Absent until a shard sync has stamped the row. */
  readonly kinactStream?: string;
}
