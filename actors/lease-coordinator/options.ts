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
  /** What the source has been through; it lives as long as the consumer. Default: a new history. */
  readonly history?: SourceHistory;
}

/** A row that somebody has deleted. */
export interface DeletedRow {
  /** The row as it could last be read; undefined when it never could. */
  readonly row: LeaseRow | undefined;
  /** Monotonic: by this time a living holder has created the row again. */
  until: number;
  /** That time is over and no holder has created the row: the next shard sync creates it. */
  waitIsOver: boolean;
}

/** What is known of a table, over all its coordinators. It is made once per consumer and table. */
export interface TableHistory {
  /** The longest `failoverMs` that a row has shown, milliseconds; 0 until a row has shown one. */
  longestFailoverMs: number;
  /** The warning that another worker's `failoverMs` differs has been given. */
  failoverTold: boolean;
  /**
   * The rows of the last scan, and rows seen earlier of streams that are not open yet. The row of a lease that was given up here
   * since then has the checkpoint at which it was left. Default: none.
   */
  rows?: Map<string, LeaseRow>;
  /** `CoordinatorState.deletedRows`, which outlives the coordinator that filled it. Default: none. */
  deletedRows?: Map<string, DeletedRow>;
}

/** The options that the coordinator gives a keeper when it spawns it; the consumer adds the rest of LeaseKeeperOptions. */
export type KeeperArguments = Pick<
  LeaseKeeperOptions,
  | 'leaseKey'
  | 'shardId'
  | 'source'
  | 'identity'
  | 'stream'
  | 'seen'
  | 'workerId'
  | 'writerPrefix'
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
  /** One source, or several if `multiStream` is true. */
  readonly sources: readonly CoordinatorSource[];
  /** Whether lease keys name their stream (docs/kcl-compatibility.md, 1.2). Default false. */
  readonly multiStream?: boolean;
  readonly workerId: string;
  /** A text that is unique per process and has no `/` in it. */
  readonly processNonce: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  /** What is known of the table; it lives as long as the consumer. Default: a new history. */
  readonly tableHistory?: TableHistory;
  /** At most this many leases are taken. Default: no limit. */
  readonly maxLeases?: number;
  readonly makeKeeper: (args: KeeperArguments) => Behaviour<KeeperState, KeeperSelf | KeeperMessage>;
  /** Whether an earlier coordinator of this process may have held leases. Default false. */
  readonly isSuccessor?: boolean;
  /** How long the leases of a source that has failed may take to drain. Default 30,000. */
  readonly stopDeadlineMs?: number;
  /** How long `awaitStart` waits for sources that do not start; the coordinator tries them further. Default 60,000. */
  readonly startDeadlineMs?: number;
  /** The time between two scans while a lease may become free at any moment. Default 1,000. */
  readonly scanIntervalMs?: number;
  /** The time between two scans while nothing in the table can concern this worker. Default 5,000. */
  readonly idleScanIntervalMs?: number;
  /** The time between two listings of a stream's shards. Default 60,000. */
  readonly shardSyncIntervalMs?: number;
  /** The time between two looks for hash keys without a lease. Default 120,000. */
  readonly auditIntervalMs?: number;
  /** The time between two removals of rows of ended shards. Default 60,000. */
  readonly cleanUpIntervalMs?: number;
  /** How long a shard is left alone after its lease was first given up for a failure; the time doubles. Default 10,000. */
  readonly coolDownMs?: number;
  /** The longest cool-down. Default 600,000. */
  readonly coolDownCapMs?: number;
}
