// The options of a lease coordinator, and the histories that outlive it.
import type { Behaviour } from '../protocol/actor.js';
import type { LeaseKeeperOptions } from '../lease-keeper/lease-keeper.js';
import type { KeeperCoordinator, KeeperMessage } from '../protocol/leasing.js';
import type { InitialPosition } from '../../src/core/position.js';
import type { SourceHistory } from '../../src/api/failures.js';
import type { LeaseTraffic } from '../../src/core/lease-traffic.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Clock, LeaseStore, Random, StreamSource } from '../../src/api/ports.js';

export interface CoordinatorSource {
  readonly source: StreamSource;
  readonly initialPosition: InitialPosition;
  /** Lives as long as the consumer. Default: a new one. */
  readonly history?: SourceHistory;
}

/** A row that somebody has deleted. */
export interface Vanished {
  /** As it was when it could last be read; undefined when it never could. */
  readonly row: LeaseRow | undefined;
  /** Monotonic: a living holder has created it again by then. */
  until: number;
  /** That time is over and no holder has created it: the next shard sync does. */
  lost: boolean;
}

/** What is known of a table, across all its coordinators. Made once per consumer and table. */
export interface TableHistory {
  /** The longest `failoverMs` that a row has shown, milliseconds; 0 while none has. */
  longestFailoverMs: number;
  /** The warning that another worker's `failoverMs` differs has been given. */
  failoverTold: boolean;
  /**
   * Rows of the last scan, and rows seen earlier of streams that are not open yet. What was given up here since then has the
   * checkpoint that it was left at. Default: none.
   */
  rows?: Map<string, LeaseRow>;
  /** `CoordinatorState.vanished`, which outlives the coordinator that filled it. Default: none. */
  vanished?: Map<string, Vanished>;
}

/** What the coordinator knows of a keeper that it spawns; the consumer adds the rest of LeaseKeeperOptions. */
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

/** `KeeperState` and `KeeperSelf` are types of the keeper's behaviour: the coordinator does not look into them. */
export interface LeaseCoordinatorOptions<KeeperState, KeeperSelf> {
  readonly store: LeaseStore;
  /** The queue of its keepers' writes. Default: none. */
  readonly traffic?: LeaseTraffic;
  /** One, or several when `multiStream`. */
  readonly sources: readonly CoordinatorSource[];
  /** Lease keys name their stream (docs/kcl-compatibility.md, 1.2). Default false. */
  readonly multiStream?: boolean;
  readonly workerId: string;
  /** Unique per process, without `/`. */
  readonly processNonce: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  /** Lives as long as the consumer. Default: a new one. */
  readonly tableHistory?: TableHistory;
  /** Default: no limit. */
  readonly maxLeases?: number;
  readonly makeKeeper: (args: KeeperArguments) => Behaviour<KeeperState, KeeperSelf | KeeperMessage>;
  /** An earlier coordinator of this process may have held leases. Default false. */
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
