// The messages about leases. A coordinator gets them from keepers, the pipeline and the consumer. A keeper gets them from its
// coordinator and its worker, and a worker gets them from its keeper.
import type { Ref, ReplyTo } from './actor.js';
import type { FrontierReport, TenureAnswer, WorkerEnd } from './tenure.js';
import type { Checkpoint } from '../../src/core/checkpoint.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Position } from '../../src/core/position.js';
import type { KinactError } from '../../src/api/errors.js';
import type { ChildShard } from '../../src/api/ports.js';

/** What a keeper may do about the end of its shard. */
export type ShardEndPlan =
  /** Every child row exists: SHARD_END may be written, with these children in the same write. */
  | { readonly type: 'ready'; readonly childShardIds: readonly string[] }
  /**
   * SHARD_END may not be written yet (a merge partner's row is missing, or children are unknown): ask again after `retryMs`.
   * `waits`: the holder of another shard has to make a row first, and no other holder of this shard could do better.
   */
  | { readonly type: 'blocked'; readonly reason: string; readonly retryMs: number; readonly waits?: boolean }
  /** The shard has not ended, because listings show it. It must be read on. */
  | { readonly type: 'readOn'; readonly reason: string };

/** One line of the report that `consumer.stop()` returns. */
export interface ReleasedLease {
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  /** The key of its row in the lease table. */
  readonly leaseKey: string;
  /**
   * Records that were open when the lease was given up: they will be delivered again. -1: unknown, because the worker did
   * not report in time or was gone already.
   */
  readonly recordsLeft: number;
  /** The last checkpoint known to be in the row: a sequence number, or a word such as TRIM_HORIZON. */
  readonly checkpoint: string;
  /** The checkpoint's place inside an aggregate; 0 outside of one. */
  readonly subSequenceNumber: number;
  /** False when the releasing write failed, so that peers must wait for the lease to expire. */
  readonly released: boolean;
}

/** The answer to `awaitStart`. A failure has a code of its own, or START_TIMEOUT with the last error as its cause. */
export type CoordinatorStarted =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly error: KinactError };

export type CoordinatorMessage =
  /** Sends HeldLeases at once and after every change, until the subscriber stops. */
  | { readonly type: 'subscribe'; readonly subscriber: Ref<HeldLeases> }
  /**
   * A keeper whose worker reached the end of its shard asks whether SHARD_END may be written (docs/kcl-compatibility.md,
   * 2.7).
   */
  | {
      readonly type: 'askShardEnd';
      readonly leaseKey: string;
      readonly children?: readonly ChildShard[];
      /** The service does not know the shard: a listing must show that it is gone, rather than that it is closed. */
      readonly notFound: boolean;
      /** Everything up to here was handed out and settled; absent when nothing was. */
      readonly position?: Position;
      readonly replyTo: ReplyTo<ShardEndPlan>;
    }
  /**
   * Take no lease from now on. Release every lease when its shard is drained, or at its frontier once `deadlineMs` have
   * passed. The answer is undefined if the coordinator does not know what its predecessor left behind.
   */
  | {
      readonly type: 'releaseAll';
      readonly deadlineMs: number;
      readonly replyTo: ReplyTo<readonly ReleasedLease[] | undefined>;
    }
  /** From the consumer: its pipeline has ended for good, and its calls of user code are not waited for any more. */
  | { readonly type: 'callsEnded' }
  /** Answered when table, streams and shards have been looked at once and leases are being taken, or when that failed. */
  | { readonly type: 'awaitStart'; readonly replyTo: ReplyTo<CoordinatorStarted> };

/** From a keeper to the worker that delivers under its tenure. */
export type WorkerControl =
  /** The tenure is over: deliver nothing more, drop what is queued, end. */
  | { readonly type: 'revoked'; readonly fence: number; readonly reason: string }
  /**
   * Fetch nothing more, flush, wait until everything is settled, report `workerEnded { drained }`; the keeper watches the
   * time.
   */
  | { readonly type: 'drain'; readonly fence: number }
  /**
   * Another worker has asked for the lease. Fetch nothing more, flush, and report `workerEnded { drained }` once nothing is
   * open and no call runs. `resume` takes the pause of this number back. Later pauses have higher numbers.
   */
  | { readonly type: 'pause'; readonly fence: number; readonly number: number }
  | { readonly type: 'resume'; readonly fence: number; readonly number: number };

export type KeeperMessage =
  /** A worker's first question. The keeper renews once; the counter that this write returns is the fence. */
  | {
      readonly type: 'beginTenure';
      readonly worker: number;
      readonly control: Ref<WorkerControl>;
      readonly replyTo: ReplyTo<TenureAnswer>;
    }
  /** Everything up to here is settled; durable with the next renewal. A stale fence is counted and dropped. */
  | { readonly type: 'frontier'; readonly frontier: FrontierReport }
  /** Reads have succeeded (`forMs` 0: for the first time, or again), or failed one after the other for `forMs`. */
  | { readonly type: 'reads'; readonly worker: number; readonly fence: number; readonly forMs: number }
  /** A worker ended normally. The end of one that crashed or was stopped comes by death watch. */
  | { readonly type: 'workerEnded'; readonly worker: number; readonly fence: number; readonly how: WorkerEnd }
  /**
   * From the worker: its reader has met a stream other than its row's, or none. It reads nothing meanwhile; the shard sync
   * decides.
   */
  | { readonly type: 'streamDoubted' }
  /** Give the lease up: drain the worker, at most `deadlineMs`, then one write that checkpoints and releases. */
  | { readonly type: 'release'; readonly reason: string; readonly deadlineMs: number }
  /** From the coordinator. `true`: no worker may start the shard, because a parent has not ended. `false`: a worker may start it. */
  | { readonly type: 'waiting'; readonly waiting: boolean }
  /** From the coordinator: the user calls of a crashed pipeline have settled, or will be waited for no longer. */
  | { readonly type: 'callsEnded' };

/**
 * What a keeper says of its lease. It ends after every kind but `taken`, `working`, `advanced`, `readsWork`, `readsFail`,
 * `streamDoubted` and `idle`.
 */
export type KeeperNews =
  /** The take has been written; `row` is the row as this keeper knows it now. */
  | { readonly type: 'taken'; readonly row: LeaseRow }
  /** The take failed. `retake`: the row is this process's own (an earlier keeper wrote it): read it and take it again. */
  | {
      readonly type: 'notTaken';
      readonly reason: string;
      readonly retake: boolean;
      /** Its holder was asked for the lease, and did not give it. */
      readonly wishFailed?: boolean;
    }
  /** A worker delivers under this fence. */
  | { readonly type: 'working'; readonly fence: number }
  /** The frontier has moved under this fence, for the first time. */
  | { readonly type: 'advanced'; readonly fence: number }
  /**
   * The lease is still held, and no worker delivers any more: crashed, shut down, or its tenure died. `openRecords`: it had
   * handed records over, and the frontier has not moved since it began.
   */
  | { readonly type: 'idle'; readonly fence: number; readonly openRecords: boolean; readonly reason: string }
  /** Its worker has read something, for the first time or after failures. */
  | { readonly type: 'readsWork' }
  /** Reads of its shard have failed, one after the other, for `forMs`. */
  | { readonly type: 'readsFail'; readonly forMs: number }
  /**
   * Its worker has met a stream other than its row's, or none. The lease is still held, and drains when it is to be
   * released.
   */
  | { readonly type: 'streamDoubted' }
  /** The row belongs to another worker. `retake` means what it means in `notTaken`. */
  | { readonly type: 'lost'; readonly reason: string; readonly retake: boolean }
  /** Another process writes under this worker id: WORKER_ID_IN_USE. The lease is not held any more. */
  | { readonly type: 'workerIdInUse'; readonly current: LeaseRow }
  /** The lease was given up. `coolDown`: leave this shard alone for a growing time. `lease.released` false: no write succeeded. */
  | { readonly type: 'released'; readonly lease: ReleasedLease; readonly reason: string; readonly coolDown: boolean }
  /** The lease was given, with nothing open, to the worker that had asked for it. `at`: the checkpoint that the row has now. */
  | { readonly type: 'handedOver'; readonly to: string; readonly at: Checkpoint }
  /** SHARD_END is durable: children may start. The row keeps its owner, as the KCL leaves it. */
  | { readonly type: 'ended'; readonly childShardIds: readonly string[] };

/** A keeper's notices to its coordinator, in order. */
export interface KeeperNotice {
  readonly type: 'keeperNotice';
  readonly keeper: Ref<KeeperMessage>;
  readonly leaseKey: string;
  readonly news: KeeperNews;
}

/** The part of a coordinator that a keeper needs. */
export type KeeperCoordinator = Ref<KeeperNotice | Extract<CoordinatorMessage, { readonly type: 'askShardEnd' }>>;

/** One lease that this process holds, as the coordinator reports it to the pipeline. */
export interface HeldLease {
  readonly leaseKey: string;
  readonly shardId: string;
  readonly source: string;
  /** Stable while the lease is held; a lease lost and taken again has a new keeper. */
  readonly keeper: Ref<KeeperMessage>;
  /** False while a parent has not ended. */
  readonly startable: boolean;
}

/** Complete as of `version`; an older version that arrives late is ignored. */
export interface HeldLeases {
  readonly type: 'held';
  readonly table: string;
  readonly version: number;
  readonly leases: readonly HeldLease[];
}
