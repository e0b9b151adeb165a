// The results of the coordinator's effects, as its messages carry them.
import type { StreamDescription, Shard } from '../../src/api/ports.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { PlacementState } from '../../src/core/record-placement.js';

export interface SyncResult {
  readonly shards: readonly Shard[];
  /** False if the listing was filtered. */
  readonly isComplete: boolean;
  readonly created: readonly LeaseRow[];
  /** Whether rows are missing but it is too early to create them: see `SyncRequest.isTooEarly`. */
  readonly postponed: boolean;
  /** Keys of the lost rows that this sync handled. Unless `postponed`, they exist now or cannot be created as they were. */
  readonly handledDeletedKeys: readonly string[];
  /** Unlisted shards without a row whose children are listed. Until later listings show that they are gone, the children wait. */
  readonly doubtful: readonly string[];
  /** Rows that belong to the stream but have no `kinactStream`. */
  readonly unstamped: readonly LeaseRow[];
  /** Why the listing contradicts itself, if it does: then no row was created. */
  readonly inconsistent: string | undefined;
  /** Shards whose row had been deleted. */
  readonly shardsWithDeletedRow: readonly string[];
  /** Shards that begin at TRIM_HORIZON although the source asks for LATEST. */
  readonly unanchored: readonly string[];
  /** How the stream places its records; undefined when its source does not say. */
  readonly placement: PlacementState | undefined;
  /** The stream's retention, if the service reports it. */
  readonly retentionHours?: number | undefined;
}

/** The identity noted at the start was outdated: two new descriptions agree on `another`. The sync has written nothing. */
export interface Misidentified {
  readonly another: StreamDescription;
}

export interface CleanUpResult {
  readonly removed: readonly string[];
  /** Whether another stream seems to have the name: then nothing was removed. */
  readonly isAnother: boolean;
}

/** The answers of the service about a stream, requested because a shard has ended. */
export interface Evidence {
  readonly shards: readonly Shard[];
  readonly serviceTimeMs: number;
  /** Requested after the listing: if the description shows the same stream, the listing did so, too. */
  readonly description: StreamDescription;
  /** When the evidence was requested, monotonic. */
  readonly askedAt: number;
  /** False if it came from earlier answers: then it shows these ends, and says nothing about other shards now. */
  readonly isNew: boolean;
}

export type ShardEndResult =
  | {
      readonly type: 'ready';
      readonly childShardIds: readonly string[];
      readonly childless: boolean;
      /** The stream was disabled, so it is as it should be that a shard has no children. */
      readonly disabled?: boolean;
      /** The shard is no longer listed. */
      readonly gone: boolean;
      /** Unread records may have expired. */
      readonly mayHaveLost: boolean;
    }
  /**
   * `needsSync`: a shard sync may remove the obstacle. `absent`: shards that the listing lacks. `waits`: the holder of another shard
   * has to create the missing row, however long that takes.
   */
  | {
      readonly type: 'blocked';
      readonly reason: string;
      readonly needsSync: boolean;
      readonly absent: readonly string[];
      readonly waits: boolean;
    }
  /** The listing shows the shard as open, or as closed although the reader did not find it. `certain`: one listing is enough. */
  | { readonly type: 'readOn'; readonly reason: string; readonly certain: boolean }
  /** Another stream has the name now. */
  | { readonly type: 'changed'; readonly rowStream: string; readonly liveStream: string };
