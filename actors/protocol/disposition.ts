// How reducers, stages and shard workers report items that have been dealt with. Reports are batches of parallel arrays, because
// there is one entry per item.

/** The dispositions of the items of one worker: `ordinals[i]` with `items[i]`. */
export interface WorkerDispositions {
  readonly worker: number;
  readonly ordinals: number[];
  readonly items: number[];
  /** A reducer found this worker's tenure dead, or the failure policy made it so. */
  dead?: boolean;
}

/** The dispositions that a stage returns to a worker with the first reply that leaves. */
export interface Dispositions {
  /** Pairs: ordinal, number of items. They come before the first settled item of their record. */
  readonly itemCounts: number[];
  readonly ordinals: number[];
  readonly items: number[];
  dead?: boolean;
}

export function emptyDispositions(): Dispositions {
  return { itemCounts: [], ordinals: [], items: [] };
}

export function hasDispositions(dispositions: Dispositions): boolean {
  return dispositions.ordinals.length > 0 || dispositions.itemCounts.length > 0 || dispositions.dead === true;
}

/** Where a worker's oldest open item is, for the watchdog and for `status()`. */
export interface Whereabouts {
  /** Path of the actor that holds it. */
  readonly holder: string;
  /**
   * `queued`: waits for a reducer. `running`: in a user call. `folded`: processed, but not acknowledged. `unknown`: in
   * transit.
   */
  readonly state: 'queued' | 'running' | 'folded' | 'unknown';
  /** How long it has been in that state; for `queued` how long the reducer has settled nothing. */
  readonly forMs: number;
}

/**
 * A reducer's report to a stage: how many items were folded (or dropped), and which items are settled. The numbers of one
 * reducer's reports rise.
 */
export interface Disposed {
  readonly type: 'disposed';
  readonly reducer: number;
  readonly number: number;
  readonly credit: number;
  readonly dispositions: readonly WorkerDispositions[];
}

/** The oldest of a worker's records that a reducer or a stage has. */
export interface Held {
  readonly worker: number;
  readonly ordinal: number;
  readonly state: Whereabouts['state'];
  readonly forMs: number;
}
