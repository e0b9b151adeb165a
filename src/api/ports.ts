// The interfaces between kinact and its environment. All code that performs I/O, tells the time or makes random numbers stands
// behind one of them. `consumer/wiring.ts` (or a test) passes them in, so that `src/core` and `actors` stay deterministic.
import type { ByteAccount } from '../core/byte-budget.js';
import type { Position, StartPosition } from '../core/position.js';
import type { LeaseRow } from '../core/lease.js';
import type { Placement, PlacementState, RecordDistribution } from '../core/record-placement.js';

/** Time. Never read the host's clock directly in `src/core` or `actors`. */
export interface Clock {
  /** Monotonic milliseconds; the origin means nothing. Expiry, deadlines and back-off are measured with it. */
  now(): number;
  /**
   * Milliseconds since the epoch. They serve for texts that people read, for AT_TIMESTAMP, and to notice that the machine was
   * suspended, while the monotonic clock stood still.
   */
  wallNow(): number;
}

/** One-shot timers. */
export interface Timers {
  /** Calls back once, not before `ms` milliseconds have passed. Returns a function that cancels, and is harmless when too late. */
  after(ms: number, callback: () => void): () => void;
}

/** Randomness. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

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
  /** Absent where the service has none (DynamoDB Streams). */
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

/** A record as the service delivered it: possibly an aggregate. */
export interface RawRecord {
  readonly sequenceNumber: string;
  /** Absent where the producer gave none, which streams with `RecordDistributionStrategy: 'AUTO'` allow. */
  readonly partitionKey?: string;
  readonly data: Uint8Array;
  /** When the record arrived, epoch milliseconds; absent where the service does not say. */
  readonly arrivedAt?: number;
}

/** A record as the application sees it: a plain record, or one user record of an aggregate. */
export interface UserRecord {
  /** The place in the shard; records of one aggregate share it. */
  readonly sequenceNumber: string;
  /** Index inside the aggregate; absent for a plain record. */
  readonly subSequenceNumber?: number;
  /** Absent where the producer gave none, which streams with `RecordDistributionStrategy: 'AUTO'` allow. */
  readonly partitionKey?: string;
  /** The producer's hash key, decimal, if it gave one. */
  readonly explicitHashKey?: string;
  /**
   * The bytes, which are not copied. The bytes of an aggregated record are a view of the whole aggregate, which stays in memory
   * as long as any view of it does. A record of less than 4 KiB shares a buffer of 8 KiB with its neighbours. To keep bytes
   * beyond the call, keep `data.slice()`, not `data`. If `data` may be a `Buffer`, whose own `slice` copies nothing, use
   * `Uint8Array.prototype.slice.call(data)`.
   */
  readonly data: Uint8Array;
  /** When Kinesis took the record, milliseconds since the epoch; absent where the service does not say. */
  readonly arrivedAt?: number;
}

/** The user records of one raw record. */
export interface Unpacked {
  /** The user records in order; index i of an aggregate has subSequenceNumber i, filtered or not. */
  readonly records: readonly UserRecord[];
  /**
   * Indices into `records` that the out-of-range policy filters: they are admitted, and settled as filtered at once.
   */
  readonly filtered?: readonly number[];
  /**
   * Whether a checkpoint may land inside this aggregate. False for erlmld's formats (P5, P6), where it may land only at the
   * end.
   */
  readonly divisible: boolean;
  /** What was wrong with the record, for the counter and the one warning. The text names the rule that was applied. */
  readonly complaint?: string;
  /**
   * The failure, if some user records could not be decoded (bad index); `records` has those that could.
   */
  readonly undecoded?: { readonly reason: string };
}

/** One answer of a shard reader. */
export type ReadResult =
  | {
      readonly type: 'records';
      /** The records; none after an empty read of an idle shard, which is reported too (X3 makes idle progress possible). */
      readonly records: readonly RawRecord[];
      /** Milliseconds between the last record and the tip; absent when the service did not say. */
      readonly millisBehindLatest?: number;
    }
  /**
   * Everything has been read, as far as reading can tell: a second chain of iterators behind the last record has ended, too.
   * Only a listing can say whether the shard is closed.
   */
  | {
      readonly type: 'shardEnd';
      /**
       * Absent when the service named none: the coordinator then finds them by ListShards. Empty when there are none.
       */
      readonly children?: readonly ChildShard[];
      /** The service has not known the shard for a while (ResourceNotFound). A listing has to prove that it is gone. */
      readonly notFound?: boolean;
    };

/** The facts about a lease that the reader of its shard gets. */
export interface LeasedRead {
  /** The identity of the stream the lease row belongs to (stream-identity.ts): no other stream is read. */
  readonly stream: string | undefined;
  /** The lease table, and whether it has rows of several streams: for error messages. */
  readonly table?: string | undefined;
  readonly multiStream?: boolean;
  /** Where a source that sets `countsBytes` counts what it fetches ahead, and asks before it does. */
  readonly bytes?: ByteAccount;
}

/** Reads one shard from one position to its end. It throttles, retries and prefetches by itself, within bounds. */
export interface ShardReader {
  /**
   * The next batch, as soon as there is one. Under a lease it rejects only on abort, because any failure of a service
   * may pass. Without a lease it also rejects on what retrying cannot repair (KinactError).
   */
  read(signal: AbortSignal): Promise<ReadResult>;
  /** Ends every request and timer of this reader. A second call has no effect. */
  close(): void;
}

/** Something that people should know about a reader or a listing; emitted as an event. */
export type SourceNotice =
  | { readonly type: 'throttled'; readonly shardId: string; readonly delayMs: number }
  | { readonly type: 'iteratorExpired'; readonly shardId: string }
  /** Records behind `position`, or all those of the shard, may have expired before they were read; `certain`: some have. */
  | { readonly type: 'trimmed'; readonly shardId: string; readonly position?: Position; readonly certain: boolean }
  | {
      readonly type: 'retrying';
      readonly shardId?: string;
      readonly operation: string;
      readonly error: unknown;
      readonly delayMs: number;
    };

/** What the service says a stream is doing; `UNKNOWN` for a word that kinact does not know. */
export type StreamStatus = 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING' | 'UNKNOWN';

/** A stream as its service describes it. */
export interface StreamDescription {
  readonly streamName: string;
  readonly streamArn: string;
  readonly accountId: string;
  /** 0 where the service has no creation time. */
  readonly creationEpochSeconds: number;
  /** Only an ACTIVE or UPDATING stream can be read, and only its listings prove anything. */
  readonly status: StreamStatus;
  /** How the stream places records; absent where the service has no choice. */
  readonly distribution?: RecordDistribution;
  /** Whether that may change, and change back, at any moment, because the stream is in the on-demand mode. */
  readonly switchable?: boolean;
  /** The largest record that the stream takes, data and partition key together; absent where the service does not say. */
  readonly maxRecordBytes?: number;
  /** How long records stay; absent where the service does not say. */
  readonly retentionHours?: number;
  /** The service's time when it gave this description, epoch milliseconds. */
  readonly describedAtMs?: number;
}

/** The shards of a stream, and the service's own time when it answered (its `Date` header). */
export interface ShardListing {
  readonly shards: readonly Shard[];
  readonly serviceTimeMs: number;
}

/** Which shards a listing is to name (ListShards' ShardFilter). Emulators that ignore it return more: callers must cope. */
export type ShardFilter =
  | { readonly type: 'all' }
  | { readonly type: 'atTrimHorizon' }
  | { readonly type: 'atLatest' }
  | { readonly type: 'atTimestamp'; readonly timestampMs: number };

/** A stream that can be consumed. */
export interface StreamSource {
  /** Distinguishes this source from the consumer's others in names and messages: the stream's name or ARN as configured. */
  readonly name: string;
  /** The region, where it was configured beside a name: with the name alone, the AWS environment's would be meant. */
  readonly region?: string | undefined;
  describe(signal: AbortSignal): Promise<StreamDescription>;
  listShards(filter: ShardFilter, signal: AbortSignal): Promise<ShardListing>;
  /** Whether its readers charge each fetch to the account of their lease. Otherwise the worker asks before each read. */
  readonly countsBytes?: boolean;
  open(shardId: string, start: StartPosition, notice: (notice: SourceNotice) => void, lease?: LeasedRead): ShardReader;
  /** Unpacks a raw record. It is synchronous and returns whatever the bytes are. `range` is the shard's, when known. */
  unpack(record: RawRecord, range: HashKeyRange | undefined): Unpacked;
  /** What is known of how the stream places its records. Absent where a source drops nothing for its hash key. */
  readonly placement?: Pick<Placement, 'seenAuto'> & { state(): PlacementState };
  /** Releases sockets that this source opened itself. */
  close(): void;
}

/** A row that could not be read. Its shard is left alone until someone corrects the row. */
export interface MalformedRow {
  readonly leaseKey: string;
  readonly reason: string;
  /** The worker that owns the lease, where at least that can be read. */
  readonly leaseOwner?: string;
}

export interface LeaseScan {
  readonly rows: readonly LeaseRow[];
  readonly malformed: readonly MalformedRow[];
  /** The service's own time when it answered (its `Date` header), epoch milliseconds. */
  readonly serviceTimeMs: number;
}

/** The changes of an update to a held row. The counter always rises by one; absent members stay as they are. */
export interface LeaseChange {
  /** Set with the checkpoint, `ownerSwitchesSinceCheckpoint` becomes 0 and pending checkpoints are removed (KCL clause 1.3). */
  readonly checkpoint?: { readonly checkpoint: string; readonly subSequenceNumber: number };
  /** `null` releases the lease: leaseOwner is removed. A string takes it. Absent: the owner stays. */
  readonly leaseOwner?: string | null;
  /** With a take: the owner's `leases.failoverMs`, which goes into kinactFailover beside the writer. A release removes that. */
  readonly failoverMs?: number;
  /**
   * Gives the lease to the author of the wish that stands in the row, and to no other, as if that worker had taken it.
   */
  readonly handOver?: NewOwner;
  /** The answer to the wish that stands in the row; it goes into kinactAnswer. */
  readonly answer?: string;
  /** Adds one to `ownerSwitchesSinceCheckpoint` (a take from another owner). */
  readonly countOwnerSwitch?: boolean;
  /** Written only where the row has none: the first resolution of LATEST stands. */
  readonly kinactLatestAt?: number;
  readonly childShardIds?: readonly string[];
}

/** The condition of an update: each given member is what the row says. `null`: the row has no such attribute. */
export interface RowCondition {
  /** `leaseCounter`. */
  readonly counter: number;
  /** `leaseOwner`. */
  readonly owner?: string | null;
  /**
   * `kinactWriter`. A row that a Java worker makes again begins at counter 0, so its counter may come to be that of the
   * row before it. The author of the last write tells the two apart.
   */
  readonly writer?: string | null;
}

/** An update of an existing row. */
export interface LeaseUpdate {
  /** The row must be as the caller knows it. */
  readonly expected: RowCondition;
  readonly change: LeaseChange;
  /** The text that goes into kinactWriter. */
  readonly writer: string;
}

/** The worker that gets a lease which is handed over: its `workerId`, `kinactWriter` and `failoverMs`. */
export interface NewOwner {
  readonly workerId: string;
  readonly writer: string;
  readonly failoverMs: number;
}

/** How a conditional write ended. A write whose outcome is unknown rejects instead. */
export type WriteOutcome =
  | {
      readonly type: 'written';
      readonly counter: number;
      /** `kinactWish` as the write left it. */ readonly wish?: string;
    }
  /** The condition failed. `current` is the row as it stood (a consistent view); undefined when the row is gone. */
  | { readonly type: 'refused'; readonly current: LeaseRow | undefined };

/** The conditions under which a wish may be left in a row. */
export interface WishCondition {
  readonly owner: string;
  readonly writer: string;
  /** A wish of another worker that nobody raises any more. */
  readonly stale?: string | undefined;
  /** The author's own wish is known to be in the row. */
  readonly standing?: boolean;
}

/** How the write of a wish ended; `current` as in WriteOutcome. */
export type WishOutcome =
  | { readonly type: 'written' }
  | { readonly type: 'refused'; readonly current: LeaseRow | undefined };

/** The lease table. Each call is one attempt: the caller retries, because it must know which outcomes are unknown. */
export interface LeaseStore {
  readonly tableName: string;
  /** Creates the table where it is missing and waits until it is ACTIVE. Rejects with TABLE_NOT_KCL, KCL3_TABLE, … */
  ensureTable(signal: AbortSignal): Promise<{ readonly created: boolean }>;
  /** Reads every row, all pages, eventually consistent. Rejects with KCL3_TABLE when a leader or migration state shows. */
  scan(signal: AbortSignal): Promise<LeaseScan>;
  /** Reads one row consistently; undefined when there is none. Rejects with MALFORMED_LEASE when the row cannot be read. */
  get(leaseKey: string, signal: AbortSignal): Promise<LeaseRow | undefined>;
  /** Creates a row, on condition that it is absent. */
  create(row: LeaseRow, signal: AbortSignal): Promise<'created' | 'exists'>;
  update(leaseKey: string, update: LeaseUpdate, signal: AbortSignal): Promise<WriteOutcome>;
  /**
   * Leaves a wish in a row, renews it (`wish.text`), or withdraws it (null), without touching counter or owner.
   *
   * To leave a wish, the row must not have ended, and must have this owner and this `kinactWriter`. It may have no
   * other wish than the author's own or `stale`. With `standing`, it must have the author's own: a renewal that comes
   * late brings no wish back that has been withdrawn. To withdraw a wish, the row must have the author's own.
   *
   * `author`: the `kinactWriter` that all wishes of this keeper begin with.
   */
  wish(
    leaseKey: string,
    expected: WishCondition,
    wish: { readonly author: string; readonly text: string | null },
    signal: AbortSignal,
  ): Promise<WishOutcome>;
  /** Writes meta-information of an existing row (KCL clause 1.3) without touching the counter. False when the row is gone. */
  describeLease(
    leaseKey: string,
    meta: {
      readonly childShardIds?: readonly string[];
      readonly hashKeyRange?: HashKeyRange;
      readonly kinactLatestAt?: number;
      /** Written only where the row has none. */
      readonly kinactStream?: string;
      /** Written only where it raises what the row has. */
      readonly kinactAutoAt?: number;
    },
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Deletes the row if its counter still is `counter`. */
  delete(leaseKey: string, counter: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}
