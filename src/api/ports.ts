// The interfaces between kinact and its environment. All I/O, time and random numbers come through one of them.
// `consumer/wiring.ts` (or a test) passes the implementations in, which keeps `src/core` and `actors` deterministic.
import type { ByteAccount } from '../core/byte-budget.js';
import type { Position, PositionLook, StartPosition } from '../core/position.js';
import type { ListingProof } from '../core/shard-graph.js';
import type { LeaseRow } from '../core/lease.js';
import type { RetrievalReason, RetrievalWay, SubscriptionOutcome } from './retrieval.js';
import type { Placement, PlacementState } from '../core/record-placement.js';
import type {
  ChildShard,
  HashKeyRange,
  KnownEnds,
  Shard,
  ShardFilter,
  ShardListing,
  StreamDescription,
  StreamStatus,
} from './described-stream.js';

import type { RawRecord, RecordList, UserRecord } from './records.js';

export type { ChildShard, HashKeyRange, KnownEnds, Shard, ShardFilter, ShardListing, StreamDescription, StreamStatus };
export type { RawRecord, RecordList, UserRecord };

/** Time. Never read the host's clock directly in `src/core` or `actors`. */
export interface Clock {
  /** Monotonic milliseconds with an arbitrary origin. Expiry, deadlines and back-off use this clock. */
  now(): number;
  /**
   * Milliseconds since the epoch: for texts that people read, for AT_TIMESTAMP, and to detect that the machine was suspended,
   * which stops the monotonic clock.
   */
  wallNow(): number;
}

/** One-shot timers. */
export interface Timers {
  /** Calls back once, not before `ms` milliseconds have passed. Returns a function that cancels, with no effect when too late. */
  after(ms: number, callback: () => void): () => void;
}

/** Randomness. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** What a source makes of a record: the parts of its item. */
export interface ItemParts {
  readonly key: string;
  readonly value: unknown;
}

/** The user records of one raw record. */
export interface Unpacked {
  /** The user records in order; index i of an aggregate has subSequenceNumber i, filtered or not. */
  readonly records: readonly UserRecord[];
  /** Indices of the `records` that the out-of-range policy drops. They are admitted and settled at once, without delivery. */
  readonly filtered?: readonly number[];
  /**
   * Whether a checkpoint may land inside this aggregate. False for erlmld's two formats, which no KCL opens: there a checkpoint
   * may land only at the end.
   */
  readonly isDivisible: boolean;
  /** What was wrong with the record, for the counter and event `malformedAggregate`. The text names the rule that was applied. */
  readonly complaint?: string;
  /** Present if some user records could not be decoded (bad index, bad hash key); `records` has the ones before them. */
  readonly undecoded?: { readonly reason: string };
}

/** One answer of a shard reader. */
export type ReadResult =
  | {
      readonly type: 'records';
      /** Empty after an empty read of an idle shard. Such a read is reported, too: it shows that reads succeed. */
      readonly records: RecordList;
      /** Milliseconds between the last record and the tip; absent if the service did not report them. */
      readonly millisBehindLatest?: number;
      /** When the answer came, epoch milliseconds, if it was fetched ahead, be it empty. Default: when the worker gets them. */
      readonly fetchedAt?: number;
    }
  /**
   * Reading finds no more records: a second chain of iterators after the last record has ended, too. Only a listing can show
   * whether the shard is closed.
   */
  | {
      readonly type: 'shardEnd';
      /** Absent if the service named no children: the coordinator then asks ListShards. Empty if there are none. */
      readonly children?: readonly ChildShard[];
      /** The service has not found the shard for a while (ResourceNotFound). A listing must prove that the shard is gone. */
      readonly notFound?: boolean;
    };

/** The facts about a lease that are passed to the reader of its shard. */
export interface LeasedRead {
  /** The identity of the stream that the lease row belongs to (stream-identity.ts). The reader reads no other stream. */
  readonly stream: string | undefined;
  /** For error messages: the lease table, and whether it has rows of several streams. */
  readonly table?: string | undefined;
  readonly multiStream?: boolean;
  /** The account that a reader of a source with `countsBytes` asks before each fetch, and charges with the fetched bytes. */
  readonly bytes?: ByteAccount;
  /** When the last renewal began that succeeded (monotonic milliseconds): the lease was ours later than that. */
  readonly renewalBegunAt?: () => number;
  /** Gets the time of each call of GetRecords that the service has answered, also with an error. Absent without a meter. */
  readonly noteRead?: (ms: number) => void;
}

/** Reads one shard from one position to its end. It throttles its reads, retries and prefetches by itself, within bounds. */
export interface ShardReader {
  /**
   * Resolves with the next batch, as soon as there is one. Under a lease it rejects only on abort, because any failure of a
   * service counts as temporary. Without a lease it also rejects with errors that no retry can repair (KinactError).
   */
  read(signal: AbortSignal): Promise<ReadResult>;
  /**
   * `true`: stops fetching ahead, because the application has paused the consumer. A request under way may still bring records.
   * `false`: continues. Absent if the reader fetches only within `read`.
   */
  hold?(isHeld: boolean): void;
  /** Ends every request and timer of this reader. A second call has no effect. */
  close(): void;
}

/** A notice from a reader. A shard worker turns it into an event or a counter. */
export type SourceNotice =
  | { readonly type: 'throttled'; readonly shardId: string; readonly delayMs: number }
  | { readonly type: 'iteratorExpired'; readonly shardId: string }
  /** From now on the shard is read in this way. */
  | {
      readonly type: 'retrieval';
      readonly shardId: string;
      readonly by: RetrievalWay;
      readonly why?: RetrievalReason;
      readonly error?: unknown;
    }
  /** A subscription has begun, or has ended in this way. */
  | { readonly type: 'subscription'; readonly shardId: string; readonly outcome: 'begun' | SubscriptionOutcome }
  /** Subscriptions of this shard were taken over `times` times in a row, although the lease stayed ours. */
  | { readonly type: 'takenOver'; readonly shardId: string; readonly consumer: string; readonly times: number }
  /** Records after `position` may have expired unread; without a position, any of the shard. `certain`: some have expired. */
  | { readonly type: 'trimmed'; readonly shardId: string; readonly position?: Position; readonly certain: boolean }
  | {
      readonly type: 'retrying';
      readonly shardId?: string;
      readonly operation: string;
      readonly error: unknown;
      readonly delayMs: number;
    };

/** A stream that can be consumed. */
export interface StreamSource {
  /** The stream's name or ARN as configured. It distinguishes the consumer's sources in names and messages. */
  readonly name: string;
  /** The region, if it was configured beside a name. The name alone would mean the region of the AWS environment. */
  readonly region?: string | undefined;
  describe(signal: AbortSignal): Promise<StreamDescription>;
  listShards(filter: ShardFilter, signal: AbortSignal): Promise<ShardListing>;
  /**
   * These shards, all of them closed and each with a child, if answers of the last minute show that. Makes no call. Undefined, or absent:
   * the caller must list the shards.
   */
  knownEnds?(shardIds: readonly string[]): KnownEnds | undefined;
  /** Whether readers charge each fetch to the account of their lease. Otherwise the shard worker asks it before each read. */
  readonly countsBytes?: boolean;
  /** Whether readers answer an idle shard again and again, so that silence means that reading has stopped. Default false. */
  readonly answersIdle?: boolean;
  open(shardId: string, start: StartPosition, notice: (notice: SourceNotice) => void, lease?: LeasedRead): ShardReader;
  /** Looks at the records after a position, with a bounded number of calls. Absent: the source cannot. */
  look?(shardId: string, start: StartPosition, signal: AbortSignal): Promise<PositionLook>;
  /** Unpacks a raw record. It is synchronous and never throws, whatever the bytes are. `range`: that of the shard, if known. */
  unpack(record: RawRecord<Buffer>, range: HashKeyRange | undefined): Unpacked;
  /**
   * What proves that a listing shows all shards of the stream. `hashRanges` (the default): its open shards cover all hash keys.
   * `lineage`, for a service without hash ranges: all pages were read, and no parent of the shard in question is listed as open.
   */
  readonly listingProof?: ListingProof;
  /**
   * Makes the item of a record if the application gives no `extract`. Absent: the item is the record's data under the record's key.
   * If it throws, `onFailure` decides, as for an error of `extract`.
   */
  itemOf?(record: UserRecord): ItemParts;
  /** How the stream places its records, as far as known. Absent if a source never drops a record because of its hash key. */
  readonly placement?: Pick<Placement, 'seenAuto'> & { state(): PlacementState };
  /** Releases sockets that this source opened itself. */
  close(): void;
}

/** A row that could not be read. Its shard is left alone until someone corrects the row. */
export interface MalformedRow {
  readonly leaseKey: string;
  readonly reason: string;
  /** The worker that owns the lease, if the row's owner can be read. */
  readonly leaseOwner?: string;
}

export interface LeaseScan {
  readonly rows: readonly LeaseRow[];
  readonly malformed: readonly MalformedRow[];
  /** The service's own time when it answered (its `Date` header), epoch milliseconds. */
  readonly serviceTimeMs: number;
}

/** The changes of an update to a held row. The counter always rises by one. An absent member changes nothing. */
export interface LeaseChange {
  /** Also sets `ownerSwitchesSinceCheckpoint` to 0, and removes pending checkpoints (KCL clause 1.3). */
  readonly checkpoint?: { readonly checkpoint: string; readonly subSequenceNumber: number };
  /** A string takes the lease. `null` releases it: `leaseOwner` is removed. Absent: the owner stays. */
  readonly leaseOwner?: string | null;
  /** With a take: the new owner's `leases.failoverMs`, stored in `kinactFailover` with the writer. A release removes it. */
  readonly failoverMs?: number;
  /** Gives the lease to this worker, as if the worker had taken it. The write is refused unless the row has the worker's wish. */
  readonly handOver?: NewOwner;
  /** The answer to the wish in the row, stored in `kinactAnswer`. */
  readonly answer?: string;
  /** Adds one to `ownerSwitchesSinceCheckpoint` (a take from another owner). With `checkpoint`, sets it to 1. */
  readonly countOwnerSwitch?: boolean;
  /** Written only if the row has none: the first resolution of LATEST is kept. */
  readonly kinactLatestAt?: number;
  readonly childShardIds?: readonly string[];
}

/** The condition of an update: the row has the value of each given member. `null`: the row has no such attribute. */
export interface RowCondition {
  /** `leaseCounter`. */
  readonly counter: number;
  /** `leaseOwner`. */
  readonly owner?: string | null;
  /**
   * `kinactWriter`. A row that a Java worker creates again begins at counter 0, so its counter may reach that of the deleted
   * row. The writer tells the two rows apart.
   */
  readonly writer?: string | null;
}

/** An update of an existing row. */
export interface LeaseUpdate {
  /** The row as the caller knows it. */
  readonly expected: RowCondition;
  readonly change: LeaseChange;
  /** The text for `kinactWriter`. A hand-over stores the new owner's writer instead. */
  readonly writer: string;
}

/** The worker that gets a lease by hand-over: its `workerId`, `kinactWriter` and `failoverMs`. */
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
  /** The condition failed. `current` is the row at that moment (a consistent view); undefined if the row is gone. */
  | { readonly type: 'refused'; readonly current: LeaseRow | undefined };

/** The conditions for leaving a wish in a row. */
export interface WishCondition {
  readonly owner: string;
  readonly writer: string;
  /** Another worker's wish whose number has stopped rising: it may be replaced. */
  readonly stale?: string | undefined;
  /** The asker has written its wish before, so the row must still have it. */
  readonly mustHaveOwnWish?: boolean;
}

/** How the write of a wish ended. `current` is as in `WriteOutcome`. */
export type WishOutcome =
  | { readonly type: 'written' }
  | { readonly type: 'refused'; readonly current: LeaseRow | undefined };

/** The lease table. Each call is one attempt: the caller retries, because it must know which outcomes are unknown. */
export interface LeaseStore {
  readonly tableName: string;
  /** Creates the table if it is missing, and waits until it is ACTIVE. Rejects with TABLE_NOT_KCL, KCL3_TABLE, … */
  ensureTable(signal: AbortSignal): Promise<{ readonly created: boolean }>;
  /** Reads all rows, eventually consistent. Rejects with KCL3_TABLE if the table shows a KCL 3 leader or migration state. */
  scan(signal: AbortSignal): Promise<LeaseScan>;
  /** Reads one row consistently; undefined if there is none. Rejects with MALFORMED_LEASE if the row cannot be read. */
  get(leaseKey: string, signal: AbortSignal): Promise<LeaseRow | undefined>;
  /** Creates a row, on condition that it is absent. */
  create(row: LeaseRow, signal: AbortSignal): Promise<'created' | 'exists'>;
  update(leaseKey: string, update: LeaseUpdate, signal: AbortSignal): Promise<WriteOutcome>;
  /**
   * Leaves a wish in a row, renews it (`wish.text`), or withdraws it (null). Counter and owner do not change.
   *
   * To leave or renew a wish, the row must have this owner and this `kinactWriter`, and must not be at SHARD_END. If the row
   * has a wish, it must be the asker's own or `stale`. With `mustHaveOwnWish`, the row must have the asker's own: so a late renewal
   * does not restore a withdrawn wish. To withdraw a wish, the row must have the asker's own.
   *
   * `author`: the asker's `kinactWriter`, with which each of its wishes begins.
   */
  wish(
    leaseKey: string,
    expected: WishCondition,
    wish: { readonly author: string; readonly text: string | null },
    signal: AbortSignal,
  ): Promise<WishOutcome>;
  /** Writes meta-information of an existing row (KCL clause 1.3), not its counter. False if the row is gone. */
  updateMeta(
    leaseKey: string,
    meta: {
      readonly childShardIds?: readonly string[];
      readonly hashKeyRange?: HashKeyRange;
      readonly kinactLatestAt?: number;
      /** Written only if the row has none. */
      readonly kinactStream?: string;
      /** Written only if it is higher than the row's value. If not, DynamoDB refuses the whole write, and the result is false. */
      readonly kinactAutoAt?: number;
    },
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Deletes the row if its counter is still `counter`; otherwise returns false. */
  delete(leaseKey: string, counter: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}
