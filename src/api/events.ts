// The events of a consumer: a closed map from event name to payload, which says of each when it fires. Emission costs nothing
// when nobody listens. A listener that throws is counted and reported, and has no other effect.
import type { OutOfRangePolicy, RecordDistribution } from '../core/record-placement.js';
import type { Position } from '../core/position.js';
import type { FailureKind, KinactError } from './errors.js';

/** The members that all events about one shard have. */
export interface ShardEvent {
  readonly source: string;
  readonly shardId: string;
}

/** The events of a consumer: name and payload. docs/events.md has the level and the remedy of each. */
export interface ConsumerEvents {
  /** A lease was taken. `from` is the former owner, absent when the lease was free. */
  leaseTaken: ShardEvent & { readonly leaseKey: string; readonly counter: number; readonly from?: string };
  /** This worker has lost a lease: another worker has it now, or its row is gone. */
  leaseLost: ShardEvent & { readonly leaseKey: string; readonly reason: string };
  /** A lease was given up by one write that also checkpointed. */
  leaseReleased: ShardEvent & { readonly leaseKey: string; readonly reason: string };
  /**
   * A lease was given to the worker that had asked for it. One write checkpointed and named the new owner, with nothing
   * left open.
   */
  leaseHandedOver: ShardEvent & { readonly leaseKey: string; readonly to: string };
  /** A worker has started to read a shard. */
  shardStarted: ShardEvent & { readonly fence: number };
  /** A shard is done: SHARD_END is durable. */
  shardEnded: ShardEvent & { readonly children: readonly string[] };
  /** A checkpoint is durable. */
  checkpoint: ShardEvent & Position;
  /** Records of a shard failed and were skipped, because `onFailure` decided so. */
  recordSkipped: ShardEvent & Position & { readonly key?: string; readonly error: unknown };
  /** User records outside their shard's hash range were dropped. It fires once per start of a worker; the counter has all. */
  outOfRange: ShardEvent & Position;
  /**
   * An aggregate could not be decoded; `complaint` says why. A wrong envelope or protobuf makes the whole record one plain record.
   * A user record whose key cannot be resolved ends its aggregate: those before it are delivered, and for the rest
   * (UNDECODABLE_RECORD) `onFailure` decides. It fires once per start of a worker; the counter has all.
   */
  malformedAggregate: ShardEvent & Position & { readonly complaint: string };
  /**
   * Records may have expired before they were read. The record at this position, the last one handed out, has expired.
   * If there is no position, no record of the shard was handed out. `certain` is false where nobody can know whether later
   * records expired.
   */
  trimmed: ShardEvent & {
    readonly sequenceNumber?: string;
    readonly subSequenceNumber?: number;
    readonly certain: boolean;
  };
  /** The service throttled; the call is repeated after `delayMs`. */
  throttled: ShardEvent & { readonly delayMs: number };
  /**
   * A call failed and will be repeated; `operation` says which. Of a shard worker: `GetRecords`, `GetShardIterator`, `ListShards`,
   * `DescribeStreamSummary`, or what a source of your own names. Of a lease keeper: `lease` and the write, one of `take`, `create`,
   * `renew`, `checkpoint`, `answer`, `wish`, `unwish`, `handOver`, `release`, `shardEnd`. Of a lease coordinator: `start`,
   * `scan of the lease table`, `shard sync`, `reading the parents of a lease`, `end of the shard`, `back-filling hash ranges`,
   * `stamping lease rows with their stream`, `clean-up of ended leases`. Sometimes no call has failed, but its answer cannot be
   * believed: `end of the shard` also says that a shard has not ended, or that its stream is in doubt.
   */
  retrying: {
    readonly operation: string;
    readonly kind: FailureKind;
    /** How many such calls have failed in a row, this one included. */
    readonly attempt: number;
    readonly error: unknown;
    readonly delayMs: number;
    readonly source?: string;
    readonly shardId?: string;
  };
  /**
   * Says how a stream places its records (`RecordDistributionStrategy`). It fires at every change. It also fires at the start
   * if records of one key may be in several shards, or if the configured `outOfRange` does not apply. `outOfRange` is the
   * policy from now on. Until `keepsAllUntil`, at least, no record is dropped for its hash key.
   */
  recordDistribution: {
    readonly source: string;
    readonly distribution: RecordDistribution;
    readonly perKeyOrder: boolean;
    readonly outOfRange: OutOfRangePolicy;
    readonly keepsAllUntil?: string;
  };
  /** A row of the lease table cannot be read; its shard is left alone. It fires once per row and reason. */
  malformedLease: { readonly table: string; readonly leaseKey: string; readonly reason: string };
  /**
   * This process holds the lease of a shard, but has not read the shard for longer than `failoverMs`. Neither a parent nor a stop
   * is the reason. `ready()` is false meanwhile. Workers are started again; if that does not help, the lease is given up.
   */
  leaseUnread: ShardEvent & { readonly leaseKey: string; readonly unreadMs: number; readonly reason: string };
  /**
   * A row says SHARD_END although two listings, a minute apart, show its shard open: no worker will read the shard. `ready()` is
   * false while this lasts. `remedy` says what to do.
   */
  leaseContradiction: ShardEvent & { readonly table: string; readonly leaseKey: string; readonly remedy: string };
  /** Hash keys were found, three times in a row, that no lease covers. A full shard sync follows. */
  leaseHole: { readonly table: string; readonly startingHashKey: string; readonly endingHashKey: string };
  /**
   * Records of a shard are handed out again and again. This many times in a row (`tenures`), the shard's worker lost the right
   * to deliver before one record was dealt with. It fires at three, then at each doubling. `reason` says how the last one ended.
   */
  noProgress: ShardEvent & {
    readonly leaseKey: string;
    readonly tenures: number;
    readonly sinceMs: number;
    readonly reason: string;
  };
  /**
   * A source has failed for good: its leases are given back and it is read no more. The others continue. When none is
   * left, the consumer ends with this error.
   */
  sourceFailed: { readonly source: string; readonly error: KinactError };
  /**
   * The lease table is too slow for another lease: takes wait behind renewals, and `leases` leases have no owner. Only time is
   * lost. It fires again when the table has recovered and is too slow once more.
   */
  leaseTableBusy: { readonly table: string; readonly leases: number; readonly writesPerSecond: number };
  /** Something is wrong that people should look at; processing goes on. */
  warning: { readonly message: string; readonly error?: unknown; readonly source?: string; readonly shardId?: string };
  /**
   * The pipeline restarts, because a part of it crashed, or because a lease coordinator did, which restarts the pipeline too.
   * `incarnation` is 2 after the first restart.
   */
  pipelineRestarted: { readonly incarnation: number; readonly error: Error };
  /** User effects have not settled by the stop deadline, and may still act. */
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
