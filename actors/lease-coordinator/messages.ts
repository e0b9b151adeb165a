// What a lease coordinator understands, what it answers, and what it is given at birth. Others import these through
// `actors/lease-coordinator.ts`.
import type { Behaviour, Ending, Ref, ReplyTo } from '../actor.js';
import type { KeeperCoordinator, KeeperMessage, KeeperNotice, LeaseKeeperOptions } from '../lease-keeper.js';
import type { HeldLeases } from '../tenure.js';
import type { InitialPosition } from '../../src/core/position.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { KinactError } from '../../src/errors.js';
import type {
  ChildShard,
  Clock,
  LeaseScan,
  LeaseStore,
  Random,
  StreamDescription,
  StreamSource,
} from '../../src/ports.js';
import type { CleanUpResult, ShardEndResult, SyncResult } from './table-work.js';

/** What a keeper may do about the end of its shard. */
export type ShardEndPlan =
  /** Every child row exists: SHARD_END may be written, with these children in the same write. */
  | { readonly type: 'ready'; readonly childShardIds: readonly string[] }
  /** Not yet (a merge partner's row is missing, children unknown): ask again after `retryMs`. */
  | { readonly type: 'blocked'; readonly reason: string; readonly retryMs: number };

/** One line of the report that `consumer.stop()` returns. */
export interface ReleasedLease {
  readonly source: string;
  readonly shardId: string;
  readonly leaseKey: string;
  /**
   * Records that were open when the lease was given up: they will be delivered again. -1: nobody knows, for the worker did not
   * say in time or was gone already.
   */
  readonly recordsLeft: number;
  readonly checkpoint: string;
  readonly subSequenceNumber: number;
  /** False when the releasing write failed: peers must wait for expiry. */
  readonly released: boolean;
}

/** The answer to `awaitStart`. A failure has a code of its own, or START_TIMEOUT with the last error as its cause. */
export type CoordinatorStarted =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly error: KinactError };

export type CoordinatorMessage =
  /** Sends HeldLeases at once and after every change, until the subscriber stops. */
  | { readonly type: 'subscribe'; readonly subscriber: Ref<HeldLeases> }
  /** A keeper whose worker reached the end of its shard asks whether SHARD_END may be written (kcl.md 2.7). */
  | {
      readonly type: 'prepareShardEnd';
      readonly leaseKey: string;
      readonly children?: readonly ChildShard[];
      readonly vanished: boolean;
      readonly replyTo: ReplyTo<ShardEndPlan>;
    }
  /**
   * Take nothing from now on; release every lease as its shard is drained, at `deadlineMs` at its frontier. The answer is
   * undefined from one that does not know what its predecessor left behind.
   */
  | {
      readonly type: 'releaseAll';
      readonly deadlineMs: number;
      readonly replyTo: ReplyTo<readonly ReleasedLease[] | undefined>;
    }
  /** Answered when table, streams and shards have been looked at once and leases are being taken, or when that failed. */
  | { readonly type: 'awaitStart'; readonly replyTo: ReplyTo<CoordinatorStarted> };

/** Everything a coordinator receives: questions, what its keepers say, results of its own work, its timers. */
export type CoordinatorSelf =
  | CoordinatorMessage
  | KeeperNotice
  | { readonly type: 'opened'; readonly streams: readonly StreamDescription[] }
  | { readonly type: 'openFailed'; readonly error: unknown }
  | { readonly type: 'openAgain' }
  | { readonly type: 'startOverdue' }
  | { readonly type: 'unheard' }
  | { readonly type: 'scanDue' }
  | { readonly type: 'scanned'; readonly scan: LeaseScan }
  | { readonly type: 'scanFailed'; readonly error: unknown }
  | { readonly type: 'synced'; readonly stream: number; readonly result: SyncResult }
  | { readonly type: 'syncFailed'; readonly stream: number; readonly error: unknown }
  | { readonly type: 'described'; readonly stream: number; readonly error?: unknown }
  | { readonly type: 'cleaned'; readonly stream: number; readonly result: CleanUpResult }
  | { readonly type: 'cleanUpFailed'; readonly stream: number; readonly error: unknown }
  | {
      readonly type: 'parentsRead';
      readonly leaseKey: string;
      readonly incarnation: number;
      readonly awaited: readonly string[];
    }
  | { readonly type: 'parentsUnread'; readonly leaseKey: string; readonly incarnation: number; readonly error: unknown }
  | { readonly type: 'childrenRead'; readonly rows: readonly LeaseRow[] }
  | { readonly type: 'childrenUnread'; readonly error: unknown }
  | {
      readonly type: 'shardEndPrepared';
      readonly leaseKey: string;
      readonly result: ShardEndResult;
      readonly replyTo: ReplyTo<ShardEndPlan>;
    }
  | {
      readonly type: 'shardEndFailed';
      readonly leaseKey: string;
      readonly error: unknown;
      readonly replyTo: ReplyTo<ShardEndPlan>;
    }
  | {
      readonly type: 'keeperSpawned';
      readonly leaseKey: string;
      readonly incarnation: number;
      readonly keeper: Ref<KeeperMessage>;
    }
  | { readonly type: 'keeperDown'; readonly leaseKey: string; readonly incarnation: number; readonly how: Ending }
  | { readonly type: 'subscriberDown'; readonly id: number }
  | { readonly type: 'releaseOverdue' };

/** What the coordinator knows of a keeper it spawns; the rest of LeaseKeeperOptions is the consumer's to add. */
export type KeeperArguments = Pick<
  LeaseKeeperOptions,
  | 'leaseKey'
  | 'shardId'
  | 'source'
  | 'identity'
  | 'seen'
  | 'workerId'
  | 'processNonce'
  | 'writer'
  | 'initialPosition'
  | 'hashKeyRange'
> & {
  readonly latestAt: number;
  readonly waiting: boolean;
  readonly coordinator: KeeperCoordinator;
};

export interface CoordinatorSource {
  readonly source: StreamSource;
  readonly initialPosition: InitialPosition;
}

/** `KeeperState` and `KeeperSelf` are whatever the keeper's behaviour uses inside: the coordinator does not look. */
export interface LeaseCoordinatorOptions<KeeperState, KeeperSelf> {
  readonly store: LeaseStore;
  /** One, or several when `multiStream`. */
  readonly sources: readonly CoordinatorSource[];
  /** Lease keys name their stream (kcl.md 1.2). Default false. */
  readonly multiStream?: boolean;
  readonly workerId: string;
  /** Unique per process, without `/`. */
  readonly processNonce: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  /** Default: no limit. */
  readonly maxLeases?: number;
  readonly makeKeeper: (args: KeeperArguments) => Behaviour<KeeperState, KeeperSelf | KeeperMessage>;
  /** Another coordinator of this process was there before, and may have held leases. Default false. */
  readonly isSuccessor?: boolean;
  /** How long starting is tried. Default 60,000. */
  readonly startDeadlineMs?: number;
  /** Between two scans while a lease may become free at any moment. Default 1,000. */
  readonly scanIntervalMs?: number;
  /** Between two scans while nothing in the table can concern this worker. Default 5,000. */
  readonly idleScanIntervalMs?: number;
  /** Between two listings of a stream's shards. Default 60,000. */
  readonly shardSyncIntervalMs?: number;
  /** Between two looks for hash keys without a lease. Default 120,000. */
  readonly auditIntervalMs?: number;
  /** Between two removals of rows of ended shards. Default 60,000. */
  readonly cleanUpIntervalMs?: number;
  /** How long a shard is left alone after its lease was first given up for a failure; doubles each time. Default 10,000. */
  readonly coolDownMs?: number;
  /** The longest cool-down. Default 600,000. */
  readonly coolDownCapMs?: number;
}
