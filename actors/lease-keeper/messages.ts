// What a lease keeper, its workers and its coordinator say to one another, and what a keeper is given to start with.
import type { Ref, ReplyTo } from '../actor.js';
import type { Frontier, TenureGranted, WorkerEnd } from '../tenure.js';
import type { CoordinatorMessage, ReleasedLease } from '../lease-coordinator.js';
import type { Clock, HashKeyRange, LeaseStore, Random } from '../../src/ports.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { InitialPosition, Position } from '../../src/core/position.js';
import type { ShardEvent } from '../../src/events.js';

/** What a keeper tells the worker that delivers under its tenure. */
export type WorkerControl =
  /** The tenure is over: deliver nothing more, drop what is queued, end. */
  | { readonly type: 'revoked'; readonly fence: number; readonly reason: string }
  /** Fetch nothing more, flush, wait until everything is settled, report `workerEnded { drained }`; the keeper watches the time. */
  | { readonly type: 'drain'; readonly fence: number };

export type KeeperMessage =
  /** A worker's first question. The keeper renews once; the counter that write returns is the fence. */
  | {
      readonly type: 'beginTenure';
      readonly worker: number;
      readonly control: Ref<WorkerControl>;
      readonly replyTo: ReplyTo<TenureGranted>;
    }
  /** Everything up to here is settled; durable with the next renewal. A stale fence is counted and dropped. */
  | { readonly type: 'frontier'; readonly frontier: Frontier }
  /** A worker ended normally. One that crashed or was stopped is noticed by death watch. */
  | { readonly type: 'workerEnded'; readonly worker: number; readonly fence: number; readonly how: WorkerEnd }
  /** Give the lease up: drain the worker, at most `deadlineMs`, then one write that checkpoints and releases. */
  | { readonly type: 'release'; readonly reason: string; readonly deadlineMs: number }
  /** From the coordinator: nobody may start this shard for now (parents, a restart under way), or may again. */
  | { readonly type: 'waiting'; readonly waiting: boolean };

/** What has become of the lease. After every kind but `taken`, `working` and `idle` the keeper ends by itself. */
export type KeeperNews =
  /** The take is written; `row` is the row as this keeper knows it now. */
  | { readonly type: 'taken'; readonly row: LeaseRow }
  /** The take came to nothing. `retake`: the row is this process's own (an earlier keeper wrote it): read it and take it again. */
  | {
      readonly type: 'notTaken';
      readonly reason: string;
      readonly current: LeaseRow | undefined;
      readonly retake: boolean;
    }
  /** A worker delivers under this fence. */
  | { readonly type: 'working'; readonly worker: number; readonly fence: number }
  /** The lease is still held, and no worker delivers any more: crashed, shut down, or its tenure died. */
  | { readonly type: 'idle'; readonly reason: string }
  /** The row is another's. `retake` as in `notTaken`. */
  | { readonly type: 'lost'; readonly reason: string; readonly current: LeaseRow | undefined; readonly retake: boolean }
  /** Another process writes under this worker id: WORKER_ID_IN_USE. The lease is not held any more. */
  | { readonly type: 'workerIdInUse'; readonly current: LeaseRow }
  /** Given up. `coolDown`: leave this shard alone for a growing time. `lease.released` false: the write never succeeded. */
  | { readonly type: 'released'; readonly lease: ReleasedLease; readonly reason: string; readonly coolDown: boolean }
  /** SHARD_END is durable and the row has no owner: children may start. */
  | { readonly type: 'ended'; readonly childShardIds: readonly string[] };

/** What a keeper tells its coordinator, in order. */
export interface KeeperNotice {
  readonly type: 'keeperNotice';
  readonly keeper: Ref<KeeperMessage>;
  readonly leaseKey: string;
  readonly news: KeeperNews;
}

/** The part of a coordinator that a keeper needs. */
export type KeeperCoordinator = Ref<KeeperNotice | Extract<CoordinatorMessage, { readonly type: 'prepareShardEnd' }>>;

export interface LeaseKeeperOptions {
  readonly leaseKey: string;
  readonly shardId: string;
  /** The source's `name`. */
  readonly source: string;
  /** `Tenure.identity`. */
  readonly identity: string;
  /** The row as the coordinator read it; the take is conditional on its counter. */
  readonly seen: LeaseRow;
  readonly workerId: string;
  /** Unique per process. */
  readonly processNonce: string;
  /** `kinactWriter` of every write of this keeper: `processNonce` + `/` + a number never used before in the process. */
  readonly writer: string;
  readonly initialPosition: InitialPosition;
  readonly hashKeyRange?: HashKeyRange;
  /** What a row that stands at LATEST without `kinactLatestAt` is stamped with: the service's time, less 2 s. Default: the local wall clock, less 2 s. */
  readonly latestAt?: number;
  /** True when the shard may not be started yet: having no worker is then no reason to give the lease up. Default false. */
  readonly waiting?: boolean;
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  /** Delivery stops this long before the lease can expire at a peer. */
  readonly marginMs: number;
  /** 0: a checkpoint with every renewal. */
  readonly checkpointIntervalMs: number;
  readonly stopDeadlineMs: number;
  readonly onCheckpoint?: (at: ShardEvent & Position) => unknown;
  readonly coordinator: KeeperCoordinator;
}
