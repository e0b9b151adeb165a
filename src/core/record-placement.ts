// Keeps what is known about how a stream places records in shards, and decides which records may be dropped because of their hash
// keys. Invariant: a record that the service may have placed without regard to its key is never dropped for its key. So nothing
// is dropped while the stream is in on-demand mode: RecordDistributionStrategy can then be AUTO for a moment that nothing shows.
// Nothing is dropped either until the retention has passed since that mode, or AUTO, was last seen. A source keeps this state, its
// `unpack` reads it, and the coordinator shows it. Times are the service's, in epoch milliseconds.

/**
 * How the service chooses the shard of a record (`RecordDistributionStrategy`): by the hash of its key, or freely (AUTO). A
 * strategy that kinact does not know counts as AUTO: hash keys then prove nothing.
 */
export type RecordDistribution = 'USER_PARTITION_KEY' | 'AUTO';

/** What happens to user records with a hash key outside the range of the shard they came from. */
export type OutOfRangePolicy = 'emit' | 'dropRecord' | 'dropAggregate';

/** Added to the retention: AUTO may have lasted until the next description, and lease rows are updated with a delay. */
export const placementSlackMs = 15 * 60_000;
/** The longest retention that exists, for a service that does not report one. */
const maxRetentionMs = 8_760 * 3_600_000;

/** How the stream places records, as far as it is known now. */
export interface PlacementState {
  /** The policy that the source's options ask for. It applies unless records must be kept. */
  readonly configured: OutOfRangePolicy;
  /** The strategy in the last description. A stream that reports none places records by key. */
  readonly distribution: RecordDistribution;
  /** The policy that applies now. */
  readonly outOfRange: OutOfRangePolicy;
  /** When AUTO was last seen; present while the stream may still hold records from then. */
  readonly autoSeenAt?: number;
  /** No record is dropped for its hash key until this time; present with `autoSeenAt`. */
  readonly keepsAllUntil?: number;
}

export interface Placement {
  /** Notes a description of the stream, which was made at `atMs`. */
  described(description: {
    readonly distribution: RecordDistribution;
    /** Whether the stream may be switched to AUTO and back at any moment. Default: true for AUTO, otherwise false. */
    readonly switchable?: boolean | undefined;
    readonly retentionHours?: number | undefined;
    readonly atMs: number;
  }): void;
  /** Notes that AUTO was seen at this time. */
  seenAuto(atMs: number): void;
  /**
   * When the last description was made, if it showed that the stream places records by key and cannot switch to AUTO. Otherwise
   * undefined.
   */
  keyedAt(): number | undefined;
  state(nowMs: number): PlacementState;
}

/** Creates the state of a stream that has not been described yet. `configured` is the source's option. */
export function createPlacement(configured: OutOfRangePolicy): Placement {
  let distribution: RecordDistribution = 'USER_PARTITION_KEY';
  let retentionMs = maxRetentionMs;
  let autoSeenAt: number | undefined;
  let keyedAt: number | undefined;
  let switchableAt: number | undefined;
  const seenAuto = (atMs: number): void => {
    autoSeenAt = Math.max(autoSeenAt ?? atMs, atMs);
  };

  return {
    described({ distribution: reported, switchable = reported === 'AUTO', retentionHours, atMs }) {
      distribution = reported;
      retentionMs = retentionHours === undefined ? maxRetentionMs : retentionHours * 3_600_000;
      keyedAt = switchable ? undefined : atMs;
      if (switchable) switchableAt = Math.max(switchableAt ?? atMs, atMs);
      if (reported === 'AUTO') seenAuto(atMs);
    },
    seenAuto,
    keyedAt: () => keyedAt,
    state(nowMs) {
      const untilOf = (seenAt: number | undefined): number =>
        seenAt === undefined ? -Infinity : seenAt + retentionMs + placementSlackMs;
      const keepsAllUntil = untilOf(autoSeenAt);
      if (autoSeenAt !== undefined && (distribution === 'AUTO' || nowMs <= keepsAllUntil))
        return { configured, distribution, outOfRange: 'emit', autoSeenAt, keepsAllUntil };
      const placesByKey = keyedAt !== undefined && nowMs > untilOf(switchableAt);
      return { configured, distribution, outOfRange: placesByKey ? configured : 'emit' };
    },
  };
}
