// The types of positions and checkpoints. A sequence number is a decimal string of up to 56 digits (in tests, of any length);
// `sequence-number.ts` compares them.

/** A place in a shard: a record and, in an aggregated record, the user record. A plain record has sub-sequence number 0. */
export interface Position {
  /** The record: decimal digits. */
  readonly sequenceNumber: string;
  /** The user record inside an aggregate, from 0. */
  readonly subSequenceNumber: number;
}

/** The words that a checkpoint may have instead of a sequence number (the KCL's SentinelCheckpoint). */
export type Sentinel = 'TRIM_HORIZON' | 'LATEST' | 'AT_TIMESTAMP' | 'SHARD_END';

/** The value of a lease row's `checkpoint` attribute: a decimal sequence number or a sentinel. */
export type CheckpointText = string;

/** Where a consumer starts on a shard that has no checkpoint yet. */
export type InitialPosition = 'TRIM_HORIZON' | 'LATEST' | Date;

/** Where the reader of a shard starts. */
export type StartPosition =
  | { readonly type: 'trimHorizon' }
  | { readonly type: 'atTimestamp'; readonly timestampMs: number }
  /** Read from this record on and leave out its user records up to and including `subSequenceNumber`. */
  | { readonly type: 'after'; readonly position: Position };

/** What a look at a position of a shard has found. */
export interface PositionLook {
  /** The first records after the position, at most a small sample. */
  readonly records: readonly { readonly sequenceNumber: string; readonly arrivedAt?: number | undefined }[];
  /** The last answer has reached the tip of the shard, or its end. */
  readonly isTip: boolean;
  /** False: the answers have shown neither a record nor that there is none, or the position is none of this shard's. */
  readonly isKnown: boolean;
  /** The newest record that the service answered with, if its number is below the position: so that is none of this shard's. */
  readonly newestBelow?: string | undefined;
  /** How far the first answer was behind the tip, in milliseconds. */
  readonly millisBehindLatest: number | undefined;
  /** How many calls of GetRecords it took. */
  readonly reads: number;
  /** The service's time in the last answer, whole seconds. Undefined if the service does not say. */
  readonly serviceTimeMs?: number | undefined;
}
