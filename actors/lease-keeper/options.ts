// The options of a lease keeper.
import type { LeaseKeeperState } from './state.js';
import type { KeeperCoordinator } from '../protocol/lease-messages.js';
import type { Clock, HashKeyRange, LeaseStore, Random } from '../../src/api/ports.js';
import type { HandedOut } from '../../src/core/handed-out-records.js';
import type { LeaseTraffic } from '../../src/core/lease-traffic.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { InitialPosition, Position } from '../../src/core/position.js';
import type { ShardEvent } from '../../src/api/event-members.js';
import type { EndedShard } from '../../src/api/option-values.js';

export interface LeaseKeeperOptions {
  readonly leaseKey: string;
  readonly shardId: string;
  /** The source's `name`. */
  readonly source: string;
  /** The value of `Tenure.idempotencyPrefix`. */
  readonly idempotencyPrefix: string;
  /** The identity of the stream as the coordinator knows it, for a row that does not name its stream. */
  readonly stream?: string;
  /** The row as the coordinator read it; the take is conditional on its counter. */
  readonly seenRow: LeaseRow;
  /**
   * Present when the keeper is to ask the row's owner for the lease. `stale`: a wish in the row that its asker has stopped
   * raising. Default: the keeper takes the lease without asking.
   */
  readonly wish?: { readonly stale: string | undefined };
  readonly workerId: string;
  /** A text that is unique per process. */
  readonly writerPrefix: string;
  /** `kinactWriter` of every write of this keeper: `writerPrefix` + `/` + a number never used before in the process. */
  readonly writer: string;
  readonly initialPosition: InitialPosition;
  readonly hashKeyRange?: HashKeyRange;
  /** The service's time when the keeper begins, epoch milliseconds. Default: the local wall clock. */
  readonly serviceTimeMs?: number;
  /** True when no shard worker may start the shard yet: the keeper then keeps the lease although it has no shard worker. Default false. */
  readonly mayNotStart?: boolean;
  readonly store: LeaseStore;
  /** The queue of the table, in which each write waits for a permit. Default: no queue, and every write begins at once. */
  readonly traffic?: LeaseTraffic;
  /** For each lease, the newest record that this process has handed out. The map outlives the keeper. Default: a new, empty map. */
  readonly handedOut?: HandedOut;
  readonly clock: Clock;
  readonly random: Random;
  readonly failoverMs: number;
  /** A drain for a hand-over is called off after this long without progress, and after ten times this long at the latest. */
  readonly handOverMs: number;
  /** Delivery stops this long before the lease can expire at a peer. */
  readonly marginMs: number;
  /** The next two options are `CheckpointCadence.intervalMs` and `.records`. */
  readonly checkpointIntervalMs: number;
  readonly checkpointRecords: number;
  readonly callDeadlineMs: number;
  readonly onCheckpoint?: (at: ShardEvent & Position) => unknown;
  /** The application's hook, called before SHARD_END is written. */
  readonly onShardEnded?: (shard: EndedShard) => unknown;
  /** How long a call of `onShardEnded` may take. Default: `callDeadlineMs`. */
  readonly hookDeadlineMs?: number;
  readonly coordinator: KeeperCoordinator;
  /**
   * The state of an earlier keeper of this lease, with the same options, when that keeper was stopped. The new keeper only
   * releases the lease. No shard worker delivers under the new keeper.
   */
  readonly predecessor?: { readonly state: LeaseKeeperState; readonly reason: string; readonly deadlineMs: number };
}
