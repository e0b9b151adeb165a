// What a stop reports: each lease that was given up, and what still waited in its shard.
import type { WaitingSnapshot } from '../api/status.js';

/** The result of `stop()`, with one entry per lease that was held. */
export interface StopReport {
  /** What became of each lease that this process held. */
  readonly leases: readonly ReleasedLease[];
  /** True if every lease was released without open records, and no call of user code still runs. */
  readonly drained: boolean;
  /**
   * The items that still waited in shards that were given up with records left, the longest wait first. They come again at the next
   * owner. An item is here if
   * - it waited for another attempt, or behind an item that did;
   * - its call had not ended, or it waited behind such a call in its reducer;
   * - a node of a pipe kept it beyond its flush: one item is here for each state that keeps something.
   *
   * Records that no reducer had yet count in `recordsLeft` only. `attempts` 0: the item waited behind another one, or for the end of
   * its first call. `error`: the last error with its causes, 'its call has not ended', 'it waits behind a call that has not ended',
   * '<node> keeps it', or ''.
   */
  readonly waiting: readonly WaitingSnapshot[];
}

/** The result of `removeSource()`. */
export interface RemovalReport {
  /** What became of each lease of the source that this process held. */
  readonly leases: readonly ReleasedLease[];
  /** True if every lease was released without open records. */
  readonly drained: boolean;
}

/** One line of the report that `consumer.stop()` returns. */
export interface ReleasedLease {
  /** The source's name. */
  readonly source: string;
  /** The shard of the lease. */
  readonly shardId: string;
  /** The key of the lease's row in the lease table. */
  readonly leaseKey: string;
  /**
   * Records that were open when the lease was given up: they will be delivered again. -1: unknown, because the shard worker did
   * not report in time or was gone already.
   */
  readonly recordsLeft: number;
  /** The last checkpoint known to be in the row: a sequence number, or a word such as TRIM_HORIZON. */
  readonly checkpoint: string;
  /** The checkpoint's place inside an aggregate; 0 outside of one. */
  readonly subSequenceNumber: number;
  /** False if no write released the lease. Peers must then wait until it expires. */
  readonly released: boolean;
  /** Why no write could release the lease, if that is known: its row cannot be read, and somebody must correct it. */
  readonly problem?: string;
}
