// The results of the coordinator's own work, as its effects deliver them.
import type { StreamDescription, Shard } from '../../src/api/ports.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { PlacementState } from '../../src/core/record-placement.js';

export interface SyncResult {
  readonly shards: readonly Shard[];
  /** False when the listing was asked for only some of the shards. */
  readonly complete: boolean;
  readonly created: readonly LeaseRow[];
  /** Whether there are rows to make but it is too early to make them: see Making. */
  readonly postponed: boolean;
  /** Keys of the lost rows that were looked for: they exist now, or cannot be made as they were. */
  readonly lookedFor: readonly string[];
  /** Rows that belong to the stream but carry no stamp of it. */
  readonly unstamped: readonly LeaseRow[];
  /** Set when the listing contradicted itself: nothing was created. */
  readonly inconsistent: string | undefined;
  /** Shards whose row had been deleted, and shards that began at TRIM_HORIZON although LATEST was asked for. */
  readonly orphans: readonly string[];
  readonly unanchored: readonly string[];
  /** How the stream places its records; undefined when its source does not say. */
  readonly placement: PlacementState | undefined;
}

/** The first description was older than this one, which a second request has confirmed. Nothing was done. */
export interface Misidentified {
  readonly another: StreamDescription;
}

export interface CleanUpResult {
  readonly removed: readonly string[];
  /** Another stream seems to have the name: nothing was removed. */
  readonly isAnother: boolean;
}

/** What the service reported about a stream when a shard ended. */
export interface Evidence {
  readonly shards: readonly Shard[];
  readonly serviceTimeMs: number;
  /** The description was asked for after the listing. If it shows the same stream, so did the listing. */
  readonly description: StreamDescription;
  /** When the evidence was asked for, monotonic. */
  readonly askedAt: number;
}

export type ShardEndResult =
  | {
      readonly type: 'ready';
      readonly childShardIds: readonly string[];
      readonly childless: boolean;
      /** The shard is not listed any more. */
      readonly gone: boolean;
      /** Records that nobody has read may have expired. */
      readonly mayHaveLost: boolean;
    }
  /**
   * `sync`: a shard sync may remove the obstacle. `absent`: shards that the listing lacks. `waits`: the holder of another shard
   * has to make the missing row, however long that takes.
   */
  | {
      readonly type: 'blocked';
      readonly reason: string;
      readonly sync: boolean;
      readonly absent: readonly string[];
      readonly waits: boolean;
    }
  /** The listing shows the shard, open or (where the reader could not find it) closed. */
  | { readonly type: 'readOn'; readonly reason: string; readonly certain: boolean }
  /** Another stream has the name now. */
  | { readonly type: 'changed'; readonly rowStream: string; readonly liveStream: string };
