// What a lease coordinator tells itself, and what it is given at birth.
import type { Behaviour, Ending, Ref } from '../protocol/actor.js';
import type { LeaseKeeperOptions } from '../lease-keeper/lease-keeper.js';
import type { CoordinatorMessage, KeeperCoordinator, KeeperMessage, KeeperNotice } from '../protocol/leasing.js';
import type { InitialPosition } from '../../src/core/position.js';
import type { SourceRecord } from '../../src/api/failures.js';
import type { LeaseTraffic } from '../../src/core/lease-traffic.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Clock, LeaseScan, LeaseStore, Random, StreamDescription, StreamSource } from '../../src/api/ports.js';
import type { PrepareShardEnd } from './shard-end.js';
import type { Vanished } from './state.js';
import type { Evidence, ShardEndResult } from './shard-end-work.js';
import type { CleanUpResult, Misidentified, SyncResult } from './table-work.js';

/** Everything a coordinator receives: questions, what its keepers say, results of its own work, its timers. */
export type CoordinatorSelf =
  | CoordinatorMessage
  | KeeperNotice
  | { readonly type: 'streamOpened'; readonly stream: number; readonly description: StreamDescription }
  | { readonly type: 'streamNotOpened'; readonly stream: number; readonly error: unknown }
  | { readonly type: 'openStreamAgain'; readonly stream: number }
  | { readonly type: 'tableOpened' }
  | { readonly type: 'tableNotOpened'; readonly error: unknown }
  | { readonly type: 'openTableAgain' }
  | { readonly type: 'startOverdue' }
  | { readonly type: 'scanDue' }
  | { readonly type: 'scanned'; readonly scan: LeaseScan }
  | { readonly type: 'scanFailed'; readonly error: unknown }
  | { readonly type: 'synced'; readonly stream: number; readonly result: SyncResult | Misidentified }
  | { readonly type: 'syncFailed'; readonly stream: number; readonly error: unknown }
  | { readonly type: 'stamped'; readonly stream: number; readonly error?: unknown }
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
  | { readonly type: 'gatherDue'; readonly stream: number }
  | {
      readonly type: 'gathered';
      readonly stream: number;
      readonly asked: readonly PrepareShardEnd[];
      readonly evidence: Evidence;
    }
  | {
      readonly type: 'ungathered';
      readonly stream: number;
      readonly asked: readonly PrepareShardEnd[];
      readonly error: unknown;
    }
  | { readonly type: 'shardEndPrepared'; readonly asked: PrepareShardEnd; readonly result: ShardEndResult }
  | { readonly type: 'shardEndFailed'; readonly asked: PrepareShardEnd; readonly error: unknown }
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
  | 'stream'
  | 'seen'
  | 'workerId'
  | 'processNonce'
  | 'writer'
  | 'initialPosition'
  | 'hashKeyRange'
  | 'wish'
> & {
  readonly serviceTimeMs: number;
  readonly waiting: boolean;
  readonly coordinator: KeeperCoordinator;
};

export interface CoordinatorSource {
  readonly source: StreamSource;
  readonly initialPosition: InitialPosition;
  /** Lives as long as the consumer. Default: a new one. */
  readonly record?: SourceRecord;
}

/** What is known of a table, whichever coordinator looks after it. Made once per consumer and table. */
export interface TableRecord {
  /** The longest `failoverMs` that a row has shown, milliseconds; 0 while none has. */
  longestFailoverMs: number;
  /** That another worker's `failoverMs` differs has been said. */
  failoverTold: boolean;
  /** Rows of the last scan, and those seen before of streams that are still to be opened. Default: none. */
  rows?: ReadonlyMap<string, LeaseRow>;
  /** `CoordinatorState.vanished`, which outlives the coordinator that has noted them. Default: none. */
  vanished?: Map<string, Vanished>;
}

/** `KeeperState` and `KeeperSelf` are whatever the keeper's behaviour uses inside: the coordinator does not look. */
export interface LeaseCoordinatorOptions<KeeperState, KeeperSelf> {
  readonly store: LeaseStore;
  /** The queue of its keepers' writes. Default: none. */
  readonly traffic?: LeaseTraffic;
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
  /** Lives as long as the consumer. Default: a new one. */
  readonly tableRecord?: TableRecord;
  /** Default: no limit. */
  readonly maxLeases?: number;
  readonly makeKeeper: (args: KeeperArguments) => Behaviour<KeeperState, KeeperSelf | KeeperMessage>;
  /** Another coordinator of this process was there before, and may have held leases. Default false. */
  readonly isSuccessor?: boolean;
  /** How long the leases of a source that has failed may take to drain. Default 30,000. */
  readonly stopDeadlineMs?: number;
  /** How long `awaitStart` waits for sources that do not start; they are tried further. Default 60,000. */
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
