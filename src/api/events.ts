// The events of a consumer: a closed map from event name to payload. A listener that throws is counted, and has no other effect.
import type { OutOfRangePolicy, RecordDistribution } from '../core/record-placement.js';
import type { Position } from '../core/position.js';
import type { FailureKind, KinactError } from './errors.js';
import type {
  ActorEvent,
  CheckpointEvent,
  FailedCallEvent,
  ParkedEvent,
  PauseEvent,
  RecordEvent,
  RowEvent,
  ShardEvent,
  SkippedEvent,
} from './event-members.js';
import type { RetrievalReason, RetrievalWay } from './retrieval.js';

/** The events of a consumer: name and payload. docs/events.md has the log level and the remedy of each event. */
export interface ConsumerEvents {
  /** This worker has taken a lease. `from` is the previous owner; absent if the lease was free, or was this worker's own. */
  leaseTaken: ShardEvent & {
    /** The key of the lease's row in the lease table. */
    readonly leaseKey: string;
    /** The row's `leaseCounter` after the take. */
    readonly counter: number;
    /** The worker id of the previous owner. */
    readonly from?: string;
  };
  /** This worker has lost a lease: another worker has it now, or the lease row is gone. */
  leaseLost: ShardEvent & {
    /** The key of the lease's row in the lease table. */
    readonly leaseKey: string;
    /** How it was lost, in words. */
    readonly reason: string;
  };
  /** This worker has released a lease, in one write that also checkpointed. */
  leaseReleased: ShardEvent & {
    /** The key of the lease's row in the lease table. */
    readonly leaseKey: string;
    /** Why it was released, in words: `stopping` at a stop. */
    readonly reason: string;
  };
  /** This worker has handed a lease over to the worker that asked, in one write with the checkpoint. No record was open. */
  leaseHandedOver: ShardEvent & {
    /** The key of the lease's row in the lease table. */
    readonly leaseKey: string;
    /** The worker id of the new owner. */
    readonly to: string;
  };
  /** This worker has started to read a shard. */
  shardStarted: ShardEvent & {
    /** The `fence` of the items to come. */
    readonly fence: number;
  };
  /** A shard is done: SHARD_END is durable. */
  shardEnded: ShardEvent & {
    /** The ids of the shards that continue it; empty if none is known. */
    readonly children: readonly string[];
  };
  /** A checkpoint is durable. */
  checkpoint: ShardEvent & Position;
  /** A record, an item of it, or a message of a pipe failed and was skipped, because `onFailure` decided so. */
  recordSkipped: SkippedEvent & {
    /** What your code, or the decoder, threw. After a failed `park` in a pipe, a KinactError that says why it was not parked, too. */
    readonly error: unknown;
  };
  /**
   * A call failed and will be repeated after `delayMs`, because `onFailure` decided so. The event fires at the first, second, fourth,
   * eighth … failure. `items` is 1, or the number of items of a failed flush; the other members then name the oldest.
   */
  itemRetrying: FailedCallEvent & {
    /** How many items the call was for. */
    readonly items: number;
    /** How many attempts have failed, this one included. */
    readonly attempt: number;
    /** The pause before the next attempt, in milliseconds. */
    readonly delayMs: number;
    /** What the call threw. */
    readonly error: unknown;
  };
  /** A call that had failed has succeeded, after `attempts` attempts. */
  itemRecovered: FailedCallEvent & {
    /** How many items the call was for. */
    readonly items: number;
    /** How many attempts there were, the successful one included. */
    readonly attempts: number;
    /** The time since the first failure, in milliseconds. */
    readonly forMs: number;
  };
  /**
   * Reading of a shard has stopped, because its oldest open record waits for another attempt and a bound is reached. `span` is 64 ×
   * `maxPending`, counted from that record. The event fires once per stop, and not for a shard whose ledger is full for a moment.
   */
  readingStopped: RecordEvent & {
    /** The bound that is reached. */
    readonly bound: 'maxPending' | 'maxPendingBytes' | 'maxBytes' | 'span';
    /** What happened, in words. */
    readonly message: string;
    /** Its last error. */
    readonly error?: unknown;
  };
  /** kinact reads a shard again, after a `readingStopped`; `forMs` says for how long it did not. */
  readingResumed: ShardEvent & {
    /** How long the shard was not read, in milliseconds. */
    readonly forMs: number;
  };
  /**
   * Calls have failed for `keys` keys without a success in between, so the failures are probably not the records' fault. Until a call
   * succeeds, the reducer tries one item at a time, and all others wait.
   */
  outageStarted: {
    /** The reducer's number, as in `ctx.reducer`. */
    readonly reducer: number;
    /** For how many keys calls have failed. */
    readonly keys: number;
    /** What the last call threw. */
    readonly error: unknown;
  };
  /** A call has succeeded again, after `failures` failed attempts in the outage. */
  outageEnded: {
    /** The reducer's number, as in `ctx.reducer`. */
    readonly reducer: number;
    /** How many attempts failed in the outage. */
    readonly failures: number;
    /** How long the outage was, in milliseconds. */
    readonly forMs: number;
  };
  /** The sink of `park` keeps this failed item, which is settled. `idempotencyKey` names it in the sink. */
  itemParked: ParkedEvent & {
    /** The record's partition key, if `key` is absent because no item was made. For a table's change: the key of the changed item. */
    readonly partitionKey?: string;
    /** How often the call had failed. */
    readonly attempts: number;
    /** The same as `ParkedItem.idempotencyKey`. */
    readonly idempotencyKey: string;
    /** What your code threw. */
    readonly error: unknown;
  };
  /** The sink of `park` has failed, and is called again. The event fires at the first, second, fourth, eighth … failure. */
  parkingFailed: FailedCallEvent & {
    /** How many items the sink has not kept yet. The other members name the oldest. */
    readonly items: number;
    /** How many calls of the sink have failed. */
    readonly attempt: number;
    /** How long the next call waits, in milliseconds. */
    readonly delayMs: number;
    /** What the sink threw. */
    readonly error: unknown;
  };
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
  malformedAggregate: ShardEvent &
    Position & {
      /** What is wrong, and which rule was applied. */
      readonly complaint: string;
    };
  /**
   * Records of a shard may expire before they are done: the oldest one that is not settled is older than half of the stream's
   * retention. `message` says what holds it back. If the record is open, the event names it, with its key and last error as far as
   * known. If it is not read yet, `ageMs` is what the last read said, and the time since. The event fires once per shard, and again only
   * after the shard had recovered.
   */
  retentionAtRisk: ShardEvent & {
    /** The age of the oldest record that is not settled. */
    readonly ageMs: number;
    /** How long the stream keeps records. */
    readonly retentionMs: number;
    /** What holds the record back, in words. */
    readonly message: string;
    /** The record, if it is open. */
    readonly sequenceNumber?: string;
    /** Its index inside an aggregate; 0 outside of one. */
    readonly subSequenceNumber?: number;
    /** Its key, if it is known. */
    readonly key?: string;
    /** Its last error, if it is known. */
    readonly error?: unknown;
  };
  /**
   * Records may have expired before they were read. The record at this position, the last one handed out, has expired. The
   * position is absent if no record of the shard was handed out. `certain` is false if kinact cannot know whether later records
   * have expired.
   */
  trimmed: ShardEvent & {
    /** The last record handed out, if there was one. */
    readonly sequenceNumber?: string;
    /** Its index inside an aggregate. */
    readonly subSequenceNumber?: number;
    /** Whether records are certainly lost. */
    readonly certain: boolean;
  };
  /** The service throttled a call, which is repeated after `delayMs`. */
  throttled: ShardEvent & {
    /** The pause before the repetition, in milliseconds. */
    readonly delayMs: number;
  };
  /**
   * A call failed and will be repeated; `operation` names it. A shard worker reports `GetRecords`, `GetShardIterator`, `ListShards`,
   * `DescribeStreamSummary`, or the operation that a source of your own names. A lease keeper reports `lease` and the write, one of
   * `take`, `create`, `renew`, `checkpoint`, `answer`, `wish`, `withdrawWish`, `handOver`, `release`, `shardEnd`. A lease coordinator
   * reports `start`, `scan of the lease table`, `shard sync`, `reading the parents of a lease`, `end of the shard`,
   * `back-filling hash ranges`, `stamping lease rows with their stream`, `clean-up of ended leases`. Sometimes no call failed, but
   * an answer is not credible: `end of the shard` is also reported if a shard has not ended, or if its stream is in doubt.
   */
  retrying: {
    /** The failed call. */
    readonly operation: string;
    /** How the call failed. */
    readonly kind: FailureKind;
    /** How many such calls have failed in a row, this one included. */
    readonly attempt: number;
    /** What the call failed with. */
    readonly error: unknown;
    /** How long the repetition waits, at least. 0: it follows as soon as the scan or shard sync under way has ended. */
    readonly delayMs: number;
    /** The source, if the call was about one. */
    readonly source?: string;
    /** The shard, if the call was about one. */
    readonly shardId?: string;
  };
  /** A shard is now read by enhanced fan-out, or polled from the same position although `retrieval` wants fan-out: `why` says why. */
  retrievalChanged: ShardEvent & {
    /** How the shard is read from now on. */
    readonly by: RetrievalWay;
    /** Why it is polled. */
    readonly why?: RetrievalReason;
    /** The error behind it, if there is one. */
    readonly error?: unknown;
  };
  /** Another process took over the subscription of a shard several times, though the lease stayed here. Again after ten quiet minutes. */
  subscriptionTakenOver: ShardEvent & {
    /** The name or ARN of the consumer, as configured. */
    readonly consumer: string;
    /** How many times in a row. */
    readonly times: number;
  };
  /**
   * Reports how a stream places its records (`RecordDistributionStrategy`). It fires at every change. It also fires at the start
   * if records of one key may be in several shards, or if the configured `outOfRange` does not apply. `outOfRange` is the
   * policy from now on. At least until `keepsAllUntil`, no record is dropped because of its hash key.
   */
  recordDistribution: {
    /** The source's name. */
    readonly source: string;
    /** The stream's strategy from now on. */
    readonly distribution: RecordDistribution;
    /** Whether the records of a key are in one shard, and so in order. */
    readonly perKeyOrder: boolean;
    /** The policy that applies from now on. */
    readonly outOfRange: OutOfRangePolicy;
    /** An ISO time; absent if AUTO has not been seen. */
    readonly keepsAllUntil?: string;
  };
  /** A row of the lease table cannot be read; its shard is left alone. The event fires once per row and reason. */
  malformedLease: {
    /** The name of the lease table. */
    readonly table: string;
    /** The row's key. */
    readonly leaseKey: string;
    /** What is wrong with the row, in words. */
    readonly reason: string;
  };
  /**
   * The checkpoint in a lease row has a higher number than the newest record of its shard, so it is not of this shard's records. Nothing
   * of the shard is delivered or checkpointed, and its lag is unknown. `ready()` is false while this lasts. `remedy` says what to do.
   */
  checkpointBeyondTip: CheckpointEvent;
  /**
   * This process holds the lease of a shard, but has not read the shard for longer than `failoverMs`. Neither a parent shard nor a
   * stop is the reason. `ready()` is false while this lasts. The shard worker is started again; if that does not help, the lease
   * is released.
   */
  leaseUnread: ShardEvent & {
    /** The key of the lease's row in the lease table. */
    readonly leaseKey: string;
    /** How long the shard has not been read, in milliseconds. */
    readonly unreadMs: number;
    /** Why it is not read, in words. */
    readonly reason: string;
  };
  /**
   * A row is at SHARD_END although two listings, a minute apart, show its shard open. So no worker will read the shard. `ready()`
   * is false while this lasts. `remedy` says what to do.
   */
  leaseContradiction: RowEvent;
  /** Three audits in a row found hash keys that no lease covers. A full shard sync follows. */
  leaseHole: {
    /** The name of the lease table. */
    readonly table: string;
    /** The first hash key that no lease covers, decimal. */
    readonly startingHashKey: string;
    /** The last hash key of this hole, decimal. */
    readonly endingHashKey: string;
  };
  /**
   * Records of a shard are handed out again and again: `tenures` times in a row, the shard worker lost the right to deliver before
   * its oldest record was settled. The event fires at three, then at each doubling. `reason` says how the last tenure ended.
   */
  noProgress: ShardEvent & {
    /** The key of the lease's row in the lease table. */
    readonly leaseKey: string;
    /** How many times in a row the right to deliver has ended. */
    readonly tenures: number;
    /** For how long nothing has been settled, in milliseconds. */
    readonly sinceMs: number;
    /** How the last tenure ended, in words. */
    readonly reason: string;
  };
  /**
   * A source has failed for good: its leases are released, and it is not read again. The other sources continue. If none is
   * left, the consumer ends with this error.
   */
  sourceFailed: {
    /** The source's name. */
    readonly source: string;
    /** Why, with the code and the remedy. */
    readonly error: KinactError;
  };
  /**
   * The lease table is too slow for more leases: takes wait behind renewals, and `leases` leases have no owner. Only time is
   * lost. The event fires again if the table recovers and then becomes too slow again.
   */
  leaseTableBusy: {
    /** The name of the lease table. */
    readonly table: string;
    /** How many leases have no owner. */
    readonly leases: number;
    /** How many writes per second the table has taken lately. */
    readonly writesPerSecond: number;
  };
  /** The application has called `consumer.pause`: nothing of the process, the source or the shard is read here until `resume`. */
  paused: PauseEvent & {
    /** What follows, in words. */
    readonly message: string;
  };
  /** The application has called `consumer.resume`, after a pause of `forMs`. */
  resumed: PauseEvent & {
    /** How long the pause was, in milliseconds. */
    readonly forMs: number;
  };
  /** Something is wrong, and a person should look at it. Processing continues. */
  warning: {
    /** What is wrong, in words. */
    readonly message: string;
    /** The error behind it, if there is one. */
    readonly error?: unknown;
    /** The source, if it is about one. */
    readonly source?: string;
    /** The shard, if it is about one. */
    readonly shardId?: string;
  };
  /**
   * The pipeline restarts, because a part of it or a lease coordinator has crashed. `incarnation` is 2 after the first restart.
   */
  pipelineRestarted: {
    /** The number of the new pipeline; 1 is the first one. */
    readonly incarnation: number;
    /** Why it restarts. */
    readonly error: Error;
  };
  /** User effects have not ended by a stop deadline, and may still act. */
  orphaned: ActorEvent & {
    /** The names of the calls that still run, such as `flush`. */
    readonly effects: readonly string[];
  };
  /** An actor has thrown, or failed by itself; its supervisor decides what follows. */
  actorCrashed: ActorEvent & {
    /** What it crashed with. */
    readonly error: Error;
  };
  /** The consumer has ended. `error` is present if it ended by itself. */
  closed: {
    /** Why it ended, if it ended by itself. */
    readonly error?: KinactError | Error;
  };
}

/** The name of an event, for `consumer.on`. */
export type ConsumerEventName = keyof ConsumerEvents;

/** An event as actors emit it. */
export type KinactEvent = {
  [Name in ConsumerEventName]: {
    /** The event's name. */
    readonly name: Name;
    /** Its payload. */
    readonly data: ConsumerEvents[Name];
  };
}[ConsumerEventName];
