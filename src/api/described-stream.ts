// What a service says of a stream: its description, and its shards. A part of the ports, which export these types, too.
import type { RecordDistribution } from '../core/record-placement.js';

/** An inclusive range of 128-bit hash keys in decimal, as Kinesis writes it. */
export interface HashKeyRange {
  readonly startingHashKey: string;
  readonly endingHashKey: string;
}

/** A shard as ListShards describes it. */
export interface Shard {
  readonly shardId: string;
  readonly parentShardId?: string;
  readonly adjacentParentShardId?: string;
  /** Absent if the service has none (DynamoDB Streams). */
  readonly hashKeyRange?: HashKeyRange;
  readonly startingSequenceNumber: string;
  /** Present once the shard is closed. */
  readonly endingSequenceNumber?: string;
}

/** A child as GetRecords names it at the end of its parent. */
export interface ChildShard {
  readonly shardId: string;
  readonly parentShards: readonly string[];
  readonly hashKeyRange?: HashKeyRange;
}

/** The status of a stream, as the service reports it. `UNKNOWN`: a status that kinact does not know. */
export type StreamStatus = 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING' | 'UNKNOWN';

/** A stream as its service describes it. */
export interface StreamDescription {
  readonly streamName: string;
  readonly streamArn: string;
  readonly accountId: string;
  /** 0 if the service has no creation time. */
  readonly creationEpochSeconds: number;
  /** Only an ACTIVE or UPDATING stream can be read, and only its listings prove anything. */
  readonly status: StreamStatus;
  /** Whether the stream of a table was disabled: it can still be read, and its last shards have no children. */
  readonly disabled?: boolean;
  /** How the stream places records; absent if the service offers no choice. */
  readonly distribution?: RecordDistribution;
  /** Whether `distribution` may change, and change back, at any moment, because the stream is in on-demand mode. */
  readonly switchable?: boolean;
  /** The largest record that the stream accepts, data and partition key together; absent if the service does not report it. */
  readonly maxRecordBytes?: number;
  /** How long records stay in the stream; absent if the service does not report it. */
  readonly retentionHours?: number;
  /** The service's time when it gave this description, epoch milliseconds. */
  readonly describedAtMs?: number;
}

/** The shards of a stream, and the service's own time when it answered (its `Date` header). */
export interface ShardListing {
  readonly shards: readonly Shard[];
  readonly serviceTimeMs: number;
}

/** Ended shards and their children, as a source knows them from answers to its readers. */
export interface KnownEnds extends ShardListing {
  /** Whether records of these shards may have expired can be judged from `shards`. */
  readonly showsExpiry: boolean;
  readonly description: StreamDescription;
}

/** Which shards to list (ListShards' ShardFilter). Emulators may ignore the filter, so callers must accept more shards. */
export type ShardFilter =
  | { readonly type: 'all' }
  | { readonly type: 'atTrimHorizon' }
  | { readonly type: 'atLatest' }
  | { readonly type: 'atTimestamp'; readonly timestampMs: number };
