// The messages in which reducers, stages and shard workers report settled items. They use parallel arrays, because an object per
// item would be expensive.

import type { OldestOpen } from '../../src/api/status.js';

/** The dispositions of one shard worker. `ordinals[i]` and `items[i]` name one item. */
export interface ShardWorkerDispositions {
  readonly shardWorker: number;
  readonly ordinals: number[];
  readonly items: number[];
  /** A reducer found that this shard worker's tenure has ended, or the failure policy ended the tenure. */
  ended?: boolean;
}

/** The dispositions that a stage sends to a shard worker with its next reply to `notify` or `collect`. */
export interface Dispositions {
  /** Pairs: ordinal, number of items. No pair comes after the first settled item of its record. */
  readonly itemCounts: number[];
  readonly ordinals: number[];
  readonly items: number[];
  ended?: boolean;
}

export function emptyDispositions(): Dispositions {
  return { itemCounts: [], ordinals: [], items: [] };
}

export function hasDispositions(dispositions: Dispositions): boolean {
  return dispositions.ordinals.length > 0 || dispositions.itemCounts.length > 0 || dispositions.ended === true;
}

/** Where a shard worker's oldest open item is, for the watchdog and for `status()`. */
export interface Whereabouts {
  /** Path of the actor that has the item. */
  readonly actor: string;
  /**
   * `queued`: waits for a reducer. `running`: in a user call. `folded`: processed, but not acknowledged. `waiting`: waits for
   * another attempt, or behind one. `limited`: waits for the rate limit. `unknown`: in transit, or lost.
   */
  readonly state: OldestOpen['doing'];
  /** How long the item has been in that state; for `queued`, how long the reducer has settled (or the stage extracted) nothing. */
  readonly forMs: number;
  /** The item's key, if a reducer has found it; and when its record came, epoch milliseconds. */
  readonly key?: string;
  readonly arrivedAt?: number;
  /** For `waiting`: the last error of the item, or of the call that it waits behind, if there was one. */
  readonly error?: unknown;
}

/**
 * A reducer's report to a stage. `credit` counts items folded or dropped; `dispositions` names settled items. `number` rises with
 * every report.
 */
export interface Disposed {
  readonly type: 'disposed';
  readonly reducer: number;
  readonly number: number;
  readonly credit: number;
  readonly dispositions: readonly ShardWorkerDispositions[];
}

/** The oldest record of one shard worker that a reducer or a stage holds. */
export interface HeldRecord {
  readonly shardWorker: number;
  readonly ordinal: number;
  readonly state: Whereabouts['state'];
  readonly forMs: number;
}
