// The options of a lease coordinator, and the histories that outlive it.
import type { Behaviour, Effect } from '../protocol/actor.js';
import type { LeaseKeeperOptions } from '../lease-keeper/lease-keeper.js';
import type { CoordinatorSource, KeeperCoordinator, LeaseKeeperRequest } from '../protocol/lease-messages.js';
import type { LeaseTraffic } from '../../src/core/lease-traffic.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Clock, LeaseStore, Random } from '../../src/api/ports.js';
import type { LeaseCoordinatorMessage } from './messages.js';

/** A row that somebody has deleted. */
export interface DeletedRow {
  /** The last readable version of the row; undefined if there was none. */
  readonly row: LeaseRow | undefined;
  /** Monotonic: a living holder creates the row again before this time. */
  until: number;
  /** `until` has passed, and no holder has created the row: the next shard sync creates it. */
  waitIsOver: boolean;
  /** Monotonic: when a listing after `until` lacked the shard for the first time, so that the row could not be restored. */
  unlistedSince?: number;
}

/** A shard that nobody reads, as far as this process knows. */
export interface UnreadShard {
  /** Monotonic: when it was last read, or when this process first knew that nobody reads it. */
  readonly since: number;
  /** Its end is proven and its children wait for SHARD_END. */
  readonly endIsProven: boolean;
  /** The counter in the row of an owner that has died. A row with another owner or counter has a living owner. */
  readonly deadCounter: number | undefined;
}

/** What a consumer remembers about one lease table. It outlives each coordinator of the table. */
export interface TableHistory {
  /** The longest failover time seen in a row so far, milliseconds; 0 if none was seen. */
  longestFailoverMs: number;
  /** The warning about another worker's different `failoverMs` has been emitted. */
  failoverReported: boolean;
  /**
   * The rows of the last scan, and earlier rows of streams that are not open yet. If a keeper has given its lease up since then,
   * the row here has the checkpoint at which the keeper left it. Default: none.
   */
  rows?: Map<string, LeaseRow>;
  /** The `deletedRows` of `CoordinatorState.table`. Default: none. */
  deletedRows?: Map<string, DeletedRow>;
  /** By lease key: the `unread` of `CoordinatorState`. Default: none. */
  unread?: Map<string, UnreadShard>;
}

/** The options that the coordinator gives to each keeper it spawns. The consumer adds the rest of LeaseKeeperOptions. */
export type KeeperArguments = Pick<
  LeaseKeeperOptions,
  | 'leaseKey'
  | 'shardId'
  | 'source'
  | 'idempotencyPrefix'
  | 'stream'
  | 'seenRow'
  | 'workerId'
  | 'writerPrefix'
  | 'writer'
  | 'initialPosition'
  | 'hashKeyRange'
  | 'wish'
> & {
  readonly serviceTimeMs: number;
  readonly mayNotStart: boolean;
  readonly coordinator: KeeperCoordinator;
};

/** `KeeperState` and `KeeperMessage` are the keeper's own types, opaque to the coordinator. */
export interface LeaseCoordinatorOptions<KeeperState, KeeperMessage> {
  readonly store: LeaseStore;
  /** The queue for the writes of its keepers. Default: none. */
  readonly traffic?: LeaseTraffic;
  /** One source, or several if `multiStream` is true. */
  readonly sources: readonly CoordinatorSource[];
  /** Whether lease keys name their stream (docs/kcl-compatibility.md, 1.2). Default false. */
  readonly multiStream?: boolean;
  readonly workerId: string;
  /** A text that is unique to this process and contains no `/`. */
  readonly processNonce: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  /** What the consumer remembers about the table. Lives as long as the consumer. Default: a new history. */
  readonly tableHistory?: TableHistory;
  /** This worker takes at most this many leases. Default: no limit. */
  readonly maxLeases?: number;
  readonly makeKeeper: (args: KeeperArguments) => Behaviour<KeeperState, KeeperMessage | LeaseKeeperRequest>;
  /** Whether an earlier coordinator of this process may have held leases. Default false. */
  readonly isSuccessor?: boolean;
  /** How long the leases of a failed source may take to drain. Default 30,000. */
  readonly callDeadlineMs?: number;
  /** How long `awaitStart` waits for sources to start. The coordinator keeps trying after that. Default 60,000. */
  readonly startDeadlineMs?: number;
  /** The time between two scans while a lease may become free at any moment. Default 1,000. */
  readonly scanIntervalMs?: number;
  /** The time between two scans while nothing in the table can concern this worker. Default 5,000. */
  readonly idleScanIntervalMs?: number;
  /** The time between two listings of a stream's shards. Default 60,000. */
  readonly shardSyncIntervalMs?: number;
  /** The time between two audits, which look for hash keys without a lease. Default 120,000. */
  readonly auditIntervalMs?: number;
  /** The time between two removals of rows of ended shards. Default 60,000. */
  readonly cleanUpIntervalMs?: number;
  /** The first cool-down of a shard after a failure; each further one is twice as long. Default 10,000. */
  readonly coolDownMs?: number;
  /** The longest cool-down. Default 600,000. */
  readonly coolDownCapMs?: number;
}

/** The options with their defaults filled in. */
export interface CoordinatorOptions {
  readonly store: LeaseStore;
  readonly traffic?: LeaseTraffic;
  readonly sources: readonly CoordinatorSource[];
  readonly multiStream: boolean;
  readonly isSuccessor: boolean;
  readonly workerId: string;
  /** The text with which each `kinactWriter` of this process starts. */
  readonly writerPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  readonly tableHistory: TableHistory;
  readonly maxLeases: number;
  readonly startDeadlineMs: number;
  readonly callDeadlineMs: number;
  readonly scanIntervalMs: number;
  readonly idleScanIntervalMs: number;
  readonly shardSyncIntervalMs: number;
  readonly auditIntervalMs: number;
  readonly cleanUpIntervalMs: number;
  readonly coolDownMs: number;
  readonly coolDownCapMs: number;
  /** Returns the effect that spawns a keeper. */
  readonly spawnKeeper: (args: KeeperArguments, incarnation: number) => Effect<LeaseCoordinatorMessage>;
}
