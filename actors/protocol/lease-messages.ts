// The messages about leases. A coordinator gets them from keepers, the pipeline and the consumer. A keeper gets them from its coordinator
// and its shard worker, and a shard worker gets them from its keeper. A notice is a message that nobody asked for. A keeper's notice
// carries its news; the final news says what became of the lease, and then the keeper ends. The final report of a shard worker is
// `shardWorkerEnded`, which a shard worker that crashes does not send.
import type { Ref, ReplyTo } from './actor.js';
import type { FrontierReport, TenureAnswer, ShardWorkerEnd } from './tenure.js';
import type { Checkpoint } from '../../src/core/checkpoint.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { InitialPosition, Position } from '../../src/core/position.js';
import type { KinactError } from '../../src/api/errors.js';
import type { SourceHistory } from '../../src/api/source-history.js';
import type { ChildShard, StreamSource } from '../../src/api/ports.js';

/** The answer to `askShardEnd`: what the keeper may do. */
export type ShardEndPlan =
  /** Every child row exists: SHARD_END may be written, with these children in the same write. */
  | { readonly type: 'ready'; readonly childShardIds: readonly string[] }
  /**
   * SHARD_END may not be written yet (a merge partner's row is missing, or children are unknown): ask again after `retryMs`.
   * `waits`: the holder of another shard has to make a row first, so any other holder of this shard would wait as well.
   */
  | { readonly type: 'blocked'; readonly reason: string; readonly retryMs: number; readonly waits?: boolean }
  /** The listings contradict the end: a shard worker must continue to read the shard. */
  | { readonly type: 'readOn'; readonly reason: string };

/** What became of one lease that was to be released. `consumer.stop()` reports it as a `ReleasedLease`. */
export interface ReleaseOutcome {
  /** The source's name. */
  readonly source: string;
  readonly shardId: string;
  /** The key of the lease's row in the lease table. */
  readonly leaseKey: string;
  /**
   * Records that were open when the lease was given up: they will be delivered again. Unknown if the shard worker did not report in time
   * or was gone already.
   */
  readonly recordsLeft: number | 'unknown';
  /** The last checkpoint known to be in the row: a sequence number, or a word such as TRIM_HORIZON. */
  readonly checkpoint: string;
  /** The checkpoint's place inside an aggregate; 0 outside of one. */
  readonly subSequenceNumber: number;
  /** False if no write released the lease. Peers must then wait until it expires. */
  readonly released: boolean;
  /** Why no write could release the lease, if that is known: its row cannot be read, and somebody must correct it. */
  readonly problem?: string;
}

/** The answer to `awaitStart`. A failure has a code of its own, or START_TIMEOUT with the last error as its cause. */
export type CoordinatorStarted =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly error: KinactError };

/** A source as its coordinator knows it. */
export interface CoordinatorSource {
  readonly source: StreamSource;
  readonly initialPosition: InitialPosition;
  /** Whether the source has worked, and whether it has failed for good. Lives as long as the consumer. Default: a new history. */
  readonly history?: SourceHistory;
}

export type LeaseCoordinatorRequest =
  /** Sends all HeldLeases at once, and then every change, until the subscriber stops. */
  | { readonly type: 'subscribe'; readonly subscriber: Ref<HeldLeases> }
  /**
   * A keeper whose shard worker reached the end of its shard asks whether SHARD_END may be written (docs/kcl-compatibility.md,
   * 2.7).
   */
  | {
      readonly type: 'askShardEnd';
      readonly leaseKey: string;
      readonly children?: readonly ChildShard[];
      /** The service did not find the shard: a listing must then show that the shard is gone, and not only closed. */
      readonly notFound: boolean;
      /** Everything up to this position was handed out and settled. Absent if nothing was. */
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
      readonly replyTo: ReplyTo<readonly ReleaseOutcome[] | undefined>;
    }
  /**
   * From the consumer: read this source as well, unless it is read already. The answer comes when its leases may be taken, or when that
   * has failed or has taken too long.
   */
  | { readonly type: 'addSource'; readonly source: CoordinatorSource; readonly replyTo: ReplyTo<CoordinatorStarted> }
  /**
   * From the consumer: release every lease of this source when its shard is drained, or at its frontier once `deadlineMs` have passed,
   * and forget the source. The answer comes when it is forgotten.
   */
  | {
      readonly type: 'removeSource';
      readonly source: string;
      readonly deadlineMs: number;
      readonly replyTo: ReplyTo<readonly ReleaseOutcome[]>;
    }
  /** From the consumer: its pipeline has crashed, and starts again after this delay. Until then no shard worker can read a shard. */
  | { readonly type: 'pipelineDelayed'; readonly forMs: number }
  /** From the consumer: its pipeline has ended for good, and nothing waits for the pipeline's user calls any longer. */
  | { readonly type: 'callsEnded' }
  /** The answer comes when table, streams and shards were checked once and leases are taken, or when that failed. */
  | { readonly type: 'awaitStart'; readonly replyTo: ReplyTo<CoordinatorStarted> };

/** From a keeper to the shard worker that delivers under its tenure. */
export type ShardWorkerRequest =
  /** The tenure has ended: deliver nothing more, drop the queued items, and end. */
  | { readonly type: 'revoked'; readonly fence: number; readonly reason: string }
  /**
   * Fetch nothing more, flush, wait until everything is settled, and report `shardWorkerEnded { drained }`. The keeper enforces the
   * deadline.
   */
  | { readonly type: 'drain'; readonly fence: number }
  /**
   * Another worker has asked for the lease. Fetch nothing more, flush, and report `shardWorkerEnded { drained }` once nothing is open
   * and no call runs. `resume` cancels the pause of the same number. Later pauses have higher numbers.
   */
  | { readonly type: 'pause'; readonly fence: number; readonly number: number }
  | { readonly type: 'resume'; readonly fence: number; readonly number: number };

export type LeaseKeeperRequest =
  /** A shard worker's first question. The keeper renews once; the counter that this write returns is the fence. */
  | {
      readonly type: 'beginTenure';
      readonly shardWorker: number;
      readonly shardWorkerRef: Ref<ShardWorkerRequest>;
      readonly replyTo: ReplyTo<TenureAnswer>;
    }
  /** Everything up to this position is settled, and durable with the next checkpoint. A stale fence is counted and dropped. */
  | { readonly type: 'frontier'; readonly frontier: FrontierReport }
  /** `forMs` 0: a read has succeeded, for the first time or again. Otherwise: reads have failed for `forMs`. */
  | { readonly type: 'reads'; readonly shardWorker: number; readonly fence: number; readonly forMs: number }
  /** A shard worker ended normally. A death watch reports a shard worker that crashed or was stopped. */
  | {
      readonly type: 'shardWorkerEnded';
      readonly shardWorker: number;
      readonly fence: number;
      readonly end: ShardWorkerEnd;
    }
  /** From a shard worker that is paused: only records that wait for another attempt are open, so it cannot drain. */
  | { readonly type: 'cannotDrain'; readonly shardWorker: number; readonly fence: number }
  /**
   * From the shard worker: its reader has found another stream than the row names, or none. No records come until a shard sync has
   * decided.
   */
  | { readonly type: 'streamDoubted' }
  /** Give the lease up: drain the shard worker for at most `deadlineMs`, then checkpoint and release in one write. */
  | { readonly type: 'release'; readonly reason: string; readonly deadlineMs: number }
  /** From the coordinator: a shard worker may start the shard, because all its parents have ended. */
  | { readonly type: 'startAllowed' }
  /** From the coordinator: the user calls of a crashed pipeline have ended, or the process no longer waits for them. */
  | { readonly type: 'callsEnded' };

/**
 * A keeper's news about its lease. The keeper ends after every kind except `taken`, `working`, `advanced`, `readsWork`,
 * `readsFail`, `streamDoubted` and `idle`.
 */
export type KeeperNews =
  /** The take has been written; `row` is the row as this keeper knows it now. */
  | { readonly type: 'taken'; readonly row: LeaseRow }
  /** The take failed. `retake`: an earlier keeper of this process wrote the row. Read it and take the lease again. */
  | {
      readonly type: 'notTaken';
      readonly reason: string;
      readonly retake: boolean;
      /** This keeper left a wish, and the holder did not hand the lease over. */
      readonly wishFailed?: boolean;
    }
  /** A shard worker delivers under this fence. */
  | { readonly type: 'working'; readonly fence: number }
  /** The frontier has moved under this fence, for the first time. */
  | { readonly type: 'advanced'; readonly fence: number }
  /**
   * The lease is still held, but its shard worker no longer delivers: it crashed, shut down, or lost its tenure. `openRecords`: that
   * shard worker had handed out records, and the frontier never moved under its tenure.
   */
  | { readonly type: 'idle'; readonly fence: number; readonly openRecords: boolean; readonly reason: string }
  /** A read of the shard worker has succeeded, for the first time or after failures. */
  | { readonly type: 'readsWork' }
  /** Reads of the shard have failed for `forMs`. */
  | { readonly type: 'readsFail'; readonly forMs: number }
  /** The shard worker has found another stream than the row names, or none. The shard still drains before a release. */
  | { readonly type: 'streamDoubted' }
  /** The row belongs to another worker. `retake`: as in `notTaken`. */
  | { readonly type: 'lost'; readonly reason: string; readonly retake: boolean }
  /** Another process writes under this worker id: WORKER_ID_IN_USE. The lease is no longer held. */
  | { readonly type: 'workerIdInUse'; readonly current: LeaseRow }
  /**
   * The lease was given up. `coolDown`: leave this shard alone for a time that doubles with each failure. `lease.released` false: no write
   * released it.
   */
  | { readonly type: 'released'; readonly lease: ReleaseOutcome; readonly reason: string; readonly coolDown: boolean }
  /** Nothing was open, and the lease now belongs to the worker that asked for it. `at`: the checkpoint that the row has now. */
  | { readonly type: 'handedOver'; readonly to: string; readonly at: Checkpoint }
  /** SHARD_END is durable: children may start. The row keeps its owner, as the KCL leaves it. */
  | { readonly type: 'ended'; readonly childShardIds: readonly string[] };

/** A keeper's message to its coordinator. Notices arrive in order. */
export interface KeeperNotice {
  readonly type: 'keeperNotice';
  readonly keeper: Ref<LeaseKeeperRequest>;
  readonly leaseKey: string;
  readonly news: KeeperNews;
}

/** The part of a coordinator that a keeper needs. */
export type KeeperCoordinator = Ref<KeeperNotice | Extract<LeaseCoordinatorRequest, { readonly type: 'askShardEnd' }>>;

/** One lease that this process holds, as the coordinator reports it to the pipeline. */
export interface HeldLease {
  readonly leaseKey: string;
  readonly shardId: string;
  readonly source: string;
  /** Stable while the lease is held. A lease that is lost and taken again has a new keeper. */
  readonly keeper: Ref<LeaseKeeperRequest>;
  /** False while a parent has not ended. */
  readonly startable: boolean;
}

/**
 * The held leases of one table as of `version`: all of them, or only what has changed since the version before. With thousands of
 * leases, a full list per change would cost most of a start. An older version that arrives late is ignored.
 */
export interface HeldLeases {
  readonly type: 'held';
  readonly table: string;
  readonly version: number;
  /** The changes. Absent: `leases` has all held leases. */
  readonly change?: {
    /** The version that the changes apply to. A subscriber that has another one subscribes again. */
    readonly since: number;
    /** Keys of leases that are no longer held. */
    readonly gone: readonly string[];
  };
  /** All held leases, or those that are new or have changed. */
  readonly leases: readonly HeldLease[];
}
