// The options of a lease keeper.
import type { LeaseKeeperState } from './state.js';
import type { KeeperCoordinator } from '../protocol/leasing.js';
import type { Clock, HashKeyRange, LeaseStore, Random } from '../../src/api/ports.js';
import type { HandedOut } from '../../src/core/handed-out.js';
import type { LeaseTraffic } from '../../src/core/lease-traffic.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { InitialPosition, Position } from '../../src/core/position.js';
import type { ShardEvent } from '../../src/api/events.js';

export interface LeaseKeeperOptions {
  readonly leaseKey: string;
  readonly shardId: string;
  /** The source's `name`. */
  readonly source: string;
  /** `Tenure.identity`. */
  readonly identity: string;
  /** The identity of the stream as the coordinator knows it, for a row that does not say. */
  readonly stream?: string;
  /** The row as the coordinator read it; the take is conditional on its counter. */
  readonly seen: LeaseRow;
  /**
   * The row's owner is to be asked for the lease. `stale`: a wish in the row that its author does not raise any more.
   * Default: it is taken.
   */
  readonly wish?: { readonly stale: string | undefined };
  readonly workerId: string;
  /** Unique per process. */
  readonly processNonce: string;
  /** `kinactWriter` of every write of this keeper: `processNonce` + `/` + a number never used before in the process. */
  readonly writer: string;
  readonly initialPosition: InitialPosition;
  readonly hashKeyRange?: HashKeyRange;
  /** The service's time when the keeper begins, epoch milliseconds. Default: the local wall clock. */
  readonly serviceTimeMs?: number;
  /**
   * True when the shard must not be started yet: then the keeper does not give the lease up for lack of a worker. Default
   * false.
   */
  readonly waiting?: boolean;
  readonly store: LeaseStore;
  /** The queue of the table: each write waits for a turn in it. Default: none, every write begins at once. */
  readonly traffic?: LeaseTraffic;
  /** What this process has handed out, of any lease: it outlives the keeper. Default: one of its own. */
  readonly handedOut?: HandedOut;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  /** How long a drain for a hand-over may stand still before it is called off; ten times that is the longest it may take. */
  readonly handOverMs: number;
  /** Delivery stops this long before the lease can expire at a peer. */
  readonly marginMs: number;
  /** `CheckpointCadence.intervalMs` and `.records`. */
  readonly checkpointIntervalMs: number;
  readonly checkpointRecords: number;
  readonly stopDeadlineMs: number;
  readonly onCheckpoint?: (at: ShardEvent & Position) => unknown;
  readonly coordinator: KeeperCoordinator;
  /**
   * The state of an earlier keeper of this lease, with the same options, when it was stopped. This one continues from there,
   * and only releases the lease. No worker delivers under it any more.
   */
  readonly left?: { readonly state: LeaseKeeperState; readonly reason: string; readonly deadlineMs: number };
}
