// A lease row as kinact reads and writes it (KCL clause 1.1). `checkpoint.ts` has the order of checkpoints.
import type { CheckpointText } from './position.js';

/** One row of the lease table. Members that are absent in the table are absent here; lists are empty when absent there. */
export interface LeaseRow {
  readonly leaseKey: string;
  readonly leaseOwner?: string;
  /** Rises with every write that concerns the owner; the condition of every write to a held row; the fence. */
  readonly leaseCounter: number;
  readonly ownerSwitchesSinceCheckpoint: number;
  readonly checkpoint: CheckpointText;
  readonly checkpointSubSequenceNumber: number;
  readonly parentShardIds: readonly string[];
  readonly childShardIds: readonly string[];
  readonly startingHashKey?: string;
  readonly endingHashKey?: string;
  /** KCL 3 only: a graceful handoff is pending and this worker still processes. */
  readonly checkpointOwner?: string;
  readonly entityType?: string;
  /** Multi-stream rows only (KCL clause 1.2). */
  readonly streamName?: string;
  readonly shardId?: string;
  /** Ours: epoch milliseconds that LATEST was resolved to when the row was created. */
  readonly kinactLatestAt?: number;
  /** Ours: epoch milliseconds when the stream's `RecordDistributionStrategy` was last seen to be AUTO. In a few rows only. */
  readonly kinactAutoAt?: number;
  /** Ours: which process and keeper incarnation wrote last. Absent in rows that only a Java worker has written. */
  readonly kinactWriter?: string;
  /**
   * Ours: the owner's `failoverMs` and the `kinactWriter` that it belongs to (lease-failover.ts). Present from a take
   * of ours to the release.
   */
  readonly kinactFailover?: string;
  /**
   * Ours: another worker's wish for this lease, and the holder's answer (lease-wish.ts). They go with the tenure that
   * they are about.
   */
  readonly kinactWish?: string;
  readonly kinactAnswer?: string;
  /** Ours: the stream this row was made for, as `streamIdentityOf` writes it. Absent until a shard sync has stamped the row. */
  readonly kinactStream?: string;
}
