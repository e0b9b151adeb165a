// What is known of how a stream chooses its records' shards, and what may therefore be dropped for its hash key. Invariant:
// a record that the service may have placed without regard to its key is never dropped for it: while the stream's
// RecordDistributionStrategy is AUTO, and for the stream's retention after AUTO was last seen, everything is handed on.
// Kept by a source, asked by its `unpack`, shown by the coordinator. Times are the service's, epoch milliseconds.

/**
 * How the service chooses a record's shard: by the hash of its key, or as it likes (`RecordDistributionStrategy`). A strategy
 * that is not known yet counts as AUTO: nothing may be concluded from hash keys.
 */
export type RecordDistribution = 'USER_PARTITION_KEY' | 'AUTO';

/** What is done with user records whose hash key lies outside the shard they came from. */
export type OutOfRangePolicy = 'emit' | 'dropRecord' | 'dropAggregate';

/** AUTO may have lasted until the next look, and lease rows are brought up to date only so often. */
export const placementSlackMs = 15 * 60_000;
/** The longest retention there is, for a service that does not say. */
const longestRetentionMs = 8_760 * 3_600_000;

/** What is known now. */
export interface PlacementState {
  /** As the stream was last described; a stream that does not say places by key. */
  readonly distribution: RecordDistribution;
  /** What is done now with user records outside their shard's hash range. */
  readonly outOfRange: OutOfRangePolicy;
  /** When AUTO was last seen, while records placed then may still be in the stream. */
  readonly autoSeenAt?: number;
  /** Until when nothing is dropped for its hash key; present with `autoSeenAt`. */
  readonly keepsAllUntil?: number;
}

export interface Placement {
  /** The stream was described at `atMs`. */
  described(description: {
    readonly distribution: RecordDistribution;
    readonly retentionHours?: number | undefined;
    readonly atMs: number;
  }): void;
  /** Somebody saw AUTO then. */
  seenAuto(atMs: number): void;
  /** When the stream was last seen to place records by key; undefined before that, and since AUTO was seen. */
  keyedAt(): number | undefined;
  state(nowMs: number): PlacementState;
}

/** `configured` is the source's option. */
export function createPlacement(configured: OutOfRangePolicy): Placement {
  let distribution: RecordDistribution = 'USER_PARTITION_KEY';
  let retentionMs = longestRetentionMs;
  let autoSeenAt: number | undefined;
  let keyedAt: number | undefined;
  const seenAuto = (atMs: number): void => {
    autoSeenAt = Math.max(autoSeenAt ?? atMs, atMs);
  };
  return {
    described({ distribution: said, retentionHours, atMs }) {
      distribution = said;
      retentionMs = retentionHours === undefined ? longestRetentionMs : retentionHours * 3_600_000;
      keyedAt = said === 'AUTO' ? undefined : atMs;
      if (said === 'AUTO') seenAuto(atMs);
    },
    seenAuto,
    keyedAt: () => keyedAt,
    state(nowMs) {
      const keepsAllUntil = autoSeenAt === undefined ? 0 : autoSeenAt + retentionMs + placementSlackMs;
      if (autoSeenAt === undefined || (distribution !== 'AUTO' && nowMs > keepsAllUntil))
        return { distribution, outOfRange: configured };
      return { distribution, outOfRange: 'emit', autoSeenAt, keepsAllUntil };
    },
  };
}
