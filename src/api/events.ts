// The events of a consumer: a closed map from event name to payload. The comment of each event says when it fires. An event
// without listeners is only logged. A listener that throws is counted and reported, and has no other effect.
import type { OutOfRangePolicy, RecordDistribution } from '../core/record-placement.js';
import type { Position } from '../core/position.js';
import type { FailureKind, KinactError } from './errors.js';
import type { FailedItem } from './failure-policy.js';

/** The members that all events about one shard have. */
export interface ShardEvent {
  readonly source: string;
  readonly shardId: string;
}

/** The events of a consumer: name and payload. docs/events.md has the log level and the remedy of each event. */
export interface ConsumerEvents {
  /** This worker has taken a lease. `from` is the previous owner; absent if the lease was free, or was this worker's own. */
  leaseTaken: ShardEvent & { readonly leaseKey: string; readonly counter: number; readonly from?: string };
  /** This worker has lost a lease: another worker has it now, or the lease row is gone. */
  leaseLost: ShardEvent & { readonly leaseKey: string; readonly reason: string };
  /** This worker has released a lease, in one write that also checkpointed. */
  leaseReleased: ShardEvent & { readonly leaseKey: string; readonly reason: string };
  /**
   * This worker has handed a lease over to the worker that asked for it. One write checkpointed and named the new owner. No
   * record was open.
   */
  leaseHandedOver: ShardEvent & { readonly leaseKey: string; readonly to: string };
  /** This worker has started to read a shard. */
  shardStarted: ShardEvent & { readonly fence: number };
  /** A shard is done: SHARD_END is durable. */
  shardEnded: ShardEvent & { readonly children: readonly string[] };
  /** A checkpoint is durable. */
  checkpoint: ShardEvent & Position;
  /** A record, or an item of it, failed and was skipped, because `onFailure` decided so. */
  recordSkipped: ShardEvent & Position & { readonly key?: string; readonly error: unknown };
  /**
   * A call failed and will be repeated after `delayMs`, because `onFailure` decided so. The event fires at the first, second, fourth,
   * eighth … failure. `items` is 1, or the number of items of a failed flush; the other members then name the oldest.
   */
  itemRetrying: ShardEvent &
    Position & {
      readonly key?: string;
      readonly at: FailedItem['at'];
      readonly items: number;
      /** How many attempts have failed, this one included. */
      readonly attempt: number;
      readonly delayMs: number;
      readonly error: unknown;
    };
  /** A call that had failed has succeeded, after `attempts` attempts. */
  itemRecovered: ShardEvent &
    Position & {
      readonly key?: string;
      readonly at: FailedItem['at'];
      readonly items: number;
      readonly attempts: number;
      readonly forMs: number;
    };
  /**
   * A shard is read no further, because its oldest open record waits for another attempt and a bound is reached. `span` is 64 ×
   * `maxPending`, counted from that record. The other members name the record, its key, and its last error, as far as known. The
   * event fires once per stop. A shard that is only full for a moment is not reported.
   */
  readingStopped: ShardEvent &
    Position & {
      readonly bound: 'maxPending' | 'maxPendingBytes' | 'maxBytes' | 'span';
      readonly message: string;
      readonly key?: string;
      readonly error?: unknown;
    };
  /** A shard is read on, after a `readingStopped`; `forMs` says for how long it was not. */
  readingResumed: ShardEvent & { readonly forMs: number };
  /**
   * Calls have failed for `keys` keys without a success in between, so the failures are probably not the records' fault. Until a call
   * succeeds, the reducer tries one item at a time, and all others wait.
   */
  outageStarted: { readonly reducer: number; readonly keys: number; readonly error: unknown };
  /** A call has succeeded again, after `failures` failed attempts in the outage. */
  outageEnded: { readonly reducer: number; readonly failures: number; readonly forMs: number };
  /**
   * User records outside their shard's hash range were dropped. The event fires once per start of a shard worker; the counter
   * `outOfRangeRecords` counts every record.
   */
  outOfRange: ShardEvent & Position;
  /**
   * An aggregate could not be decoded; `complaint` says why. If the envelope or protobuf is wrong, the whole record is delivered
   * as one plain record. If the key of a user record cannot be resolved, the user records before it are delivered, and
   * `onFailure` decides about the rest (UNDECODABLE_RECORD). The event fires once per start of a shard worker; the counter
   * `malformedAggregates` counts every aggregate.
   */
  malformedAggregate: ShardEvent & Position & { readonly complaint: string };
  /**
   * Records of a shard may expire before they are done: the oldest one that is not settled is older than half of the stream's
   * retention. `message` says what holds it back. If the record is open, the event names it, with its key and last error as far as
   * known. If it is not read yet, `ageMs` is what the last read said, and the time since. The event fires once per shard, and again only
   * after the shard had recovered.
   */
  retentionAtRisk: ShardEvent & {
    readonly ageMs: number;
    readonly retentionMs: number;
    readonly message: string;
    readonly sequenceNumber?: string;
    readonly subSequenceNumber?: number;
    readonly key?: string;
    readonly error?: unknown;
  };
  /**
   * Records may have expired before they were read. The record at this position, the last one handed out, has expired. The
   * position is absent if no record of the shard was handed out. `certain` is false if kinact cannot know whether later records
   * have expired.
   */
  trimmed: ShardEvent & {
    readonly sequenceNumber?: string;
    readonly subSequenceNumber?: number;
    readonly certain: boolean;
  };
  /** The service throttled a call, which is repeated after `delayMs`. */
  throttled: ShardEvent & { readonly delayMs: number };
  /**
   * A call failed and will be repeated; `operation` names it. A shard worker reports `GetRecords`, `GetShardIterator`, `ListShards`,
   * `DescribeStreamSummary`, or the operation that a source of your own names. A lease keeper reports `lease` and the write, one of
   * `take`, `create`, `renew`, `checkpoint`, `answer`, `wish`, `unwish`, `handOver`, `release`, `shardEnd`. A lease coordinator
   * reports `start`, `scan of the lease table`, `shard sync`, `reading the parents of a lease`, `end of the shard`,
   * `back-filling hash ranges`, `stamping lease rows with their stream`, `clean-up of ended leases`. Sometimes no call failed, but
   * an answer is not credible: `end of the shard` is also reported if a shard has not ended, or if its stream is in doubt.
   */
  retrying: {
    readonly operation: string;
    readonly kind: FailureKind;
    /** How many such calls have failed in a row, this one included. */
    readonly attempt: number;
    readonly error: unknown;
    /** How long the repetition waits, at least. 0: it follows as soon as the scan or shard sync under way has ended. */
    readonly delayMs: number;
    readonly source?: string;
    readonly shardId?: string;
  };
  /**
   * Reports how a stream places its records (`RecordDistributionStrategy`). It fires at every change. It also fires at the start
   * if records of one key may be in several shards, or if the configured `outOfRange` does not apply. `outOfRange` is the
   * policy from now on. At least until `keepsAllUntil`, no record is dropped because of its hash key.
   */
  recordDistribution: {
    readonly source: string;
    readonly distribution: RecordDistribution;
    readonly perKeyOrder: boolean;
    readonly outOfRange: OutOfRangePolicy;
    readonly keepsAllUntil?: string;
  };
  /** A row of the lease table cannot be read; its shard is left alone. The event fires once per row and reason. */
  malformedLease: { readonly table: string; readonly leaseKey: string; readonly reason: string };
  /**
   * This process holds the lease of a shard, but has not read the shard for longer than `failoverMs`. Neither a parent shard nor a
   * stop is the reason. `ready()` is false while this lasts. The shard worker is started again; if that does not help, the lease
   * is released.
   */
  leaseUnread: ShardEvent & { readonly leaseKey: string; readonly unreadMs: number; readonly reason: string };
  /**
   * A row is at SHARD_END although two listings, a minute apart, show its shard open. So no worker will read the shard. `ready()`
   * is false while this lasts. `remedy` says what to do.
   */
  leaseContradiction: ShardEvent & { readonly table: string; readonly leaseKey: string; readonly remedy: string };
  /** Three audits in a row found hash keys that no lease covers. A full shard sync follows. */
  leaseHole: { readonly table: string; readonly startingHashKey: string; readonly endingHashKey: string };
  /**
   * Records of a shard are handed out again and again: `tenures` times in a row, the shard worker lost the right to deliver before
   * its oldest record was settled. The event fires at three, then at each doubling. `reason` says how the last tenure ended.
   */
  noProgress: ShardEvent & {
    readonly leaseKey: string;
    readonly tenures: number;
    readonly sinceMs: number;
    readonly reason: string;
  };
  /**
   * A source has failed for good: its leases are released, and it is not read again. The other sources continue. If none is
   * left, the consumer ends with this error.
   */
  sourceFailed: { readonly source: string; readonly error: KinactError };
  /**
   * The lease table is too slow for more leases: takes wait behind renewals, and `leases` leases have no owner. Only time is
   * lost. The event fires again if the table recovers and then becomes too slow again.
   */
  leaseTableBusy: { readonly table: string; readonly leases: number; readonly writesPerSecond: number };
  /** The application has called `consumer.pause()`: no shard of this process is read until `resume`. */
  paused: { readonly message: string };
  /** The application has called `consumer.resume()`, after a pause of `forMs`. */
  resumed: { readonly forMs: number };
  /** Something is wrong, and a person should look at it. Processing continues. */
  warning: { readonly message: string; readonly error?: unknown; readonly source?: string; readonly shardId?: string };
  /**
   * The pipeline restarts, because a part of it or a lease coordinator has crashed. `incarnation` is 2 after the first restart.
   */
  pipelineRestarted: { readonly incarnation: number; readonly error: Error };
  /** User effects have not settled by a stop deadline, and may still act. */
  orphaned: { readonly actor: string; readonly effects: readonly string[] };
  /** An actor crashed. */
  actorCrashed: { readonly actor: string; readonly error: Error };
  /** The consumer has ended. `error` is present if it ended by itself. */
  closed: { readonly error?: KinactError | Error };
}

/** The name of an event, for `consumer.on`. */
export type ConsumerEventName = keyof ConsumerEvents;

/** An event as actors emit it. */
export type KinactEvent = {
  [Name in ConsumerEventName]: { readonly name: Name; readonly data: ConsumerEvents[Name] };
}[ConsumerEventName];
