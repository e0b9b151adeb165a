// Keeps what is known about how a stream chooses its records' shards, and decides which records may be dropped for their hash
// keys. Invariant: a record that the service may have placed without regard to its key is never dropped for it. So no record is
// dropped while the stream is in the on-demand mode, where RecordDistributionStrategy can be AUTO for an unseen moment. The same
// holds for the stream's retention after that mode, or AUTO, was last seen. A source keeps this state, its `unpack` asks it, and
// the coordinator shows it. Times are the service's, epoch milliseconds.

/**
 * How the service chooses a record's shard: by the hash of its key, or as it likes (`RecordDistributionStrategy`). A strategy
 * that is not known yet counts as AUTO: nothing may be concluded from hash keys.
 */
export type RecordDistribution = 'USER_PARTITION_KEY' | 'AUTO';

/** What is done with user records whose hash key lies outside the shard they came from. */
export type OutOfRangePolicy = 'emit' | 'dropRecord' | 'dropAggregate';

/** Added to the retention: AUTO may have lasted until the next look, and lease rows are not brought up to date at once. */
export const placementSlackMs = 15 * 60_000;
/** The longest retention there is, for a service that does not say. */
const longestRetentionMs = 8_760 * 3_600_000;

/** How the stream places records, as far as it is known now. */
export interface PlacementState {
  /** What is done with user records outside their shard's hash range where nothing speaks against it. */
  readonly configured: OutOfRangePolicy;
  /** The strategy in the last description; a stream that does not say places by key. */
  readonly distribution: RecordDistribution;
  /** What is done now with user records outside their shard's hash range. */
  readonly outOfRange: OutOfRangePolicy;
  /** When AUTO was last seen, while records placed then may still be in the stream. */
  readonly autoSeenAt?: number;
  /** Until when nothing is dropped for its hash key; present with `autoSeenAt`. */
  readonly keepsAllUntil?: number;
}

export interface Placement {
  /** Notes a description of the stream, which was made at `atMs`. */
  described(description: {
    readonly distribution: RecordDistribution;
    /** Whether the stream may be switched to AUTO and back at any moment. Default: true under AUTO. */
    readonly switchable?: boolean | undefined;
    readonly retentionHours?: number | undefined;
    readonly atMs: number;
  }): void;
  /** Notes that AUTO was seen at this time. */
  seenAuto(atMs: number): void;
  /**
   * When the stream was last seen to place records by key, with no way to switch to AUTO. Undefined if the last description
   * said something else, or if there is none.
   */
  keyedAt(): number | undefined;
  state(nowMs: number): PlacementState;
}

/** Makes the state of a stream that nothing is known of yet. `configured` is the source's option. */
export function createPlacement(configured: OutOfRangePolicy): Placement {
  let distribution: RecordDistribution = 'USER_PARTITION_KEY';
  let retentionMs = longestRetentionMs;
  let autoSeenAt: number | undefined;
  let keyedAt: number | undefined;
  let switchableAt: number | undefined;
  const seenAuto = (atMs: number): void => {
    autoSeenAt = Math.max(autoSeenAt ?? atMs, atMs);
  };
  return {
    described({ distribution: said, switchable = said === 'AUTO', retentionHours, atMs }) {
      distribution = said;
      retentionMs = retentionHours === undefined ? longestRetentionMs : retentionHours * 3_600_000;
      keyedAt = switchable ? undefined : atMs;
      if (switchable) switchableAt = Math.max(switchableAt ?? atMs, atMs);
      if (said === 'AUTO') seenAuto(atMs);
    },
    seenAuto,
    keyedAt: () => keyedAt,
    state(nowMs) {
      const untilOf = (seenAt: number | undefined): number =>
        seenAt === undefined ? -Infinity : seenAt + retentionMs + placementSlackMs;
      const keepsAllUntil = untilOf(autoSeenAt);
      if (autoSeenAt !== undefined && (distribution === 'AUTO' || nowMs <= keepsAllUntil))
        return { configured, distribution, outOfRange: 'emit', autoSeenAt, keepsAllUntil };
      const isBound = keyedAt !== undefined && nowMs > untilOf(switchableAt);
      return { configured, distribution, outOfRange: isBound ? configured : 'emit' };
    },
  };
}
