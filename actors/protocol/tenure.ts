// The tenure: one shard worker's right to deliver, as an object that keeper, shard worker, stage and reducers share. Each start of a shard
// worker has its own. A tenure ends once and is never revived (docs/leases.md). The keeper moves `deadline`,
// `wallDeadline` and `renewalBegunAt`. Before every call of user code, the stage or reducer compares the two deadlines with the
// two clocks (`endIfLate`).
import type { Position, StartPosition } from '../../src/core/position.js';
import type { ChildShard, Clock, HashKeyRange } from '../../src/api/ports.js';

export interface Tenure {
  /** The shard worker's address inside the process: a number that is unique over all streams, shards and restarts. */
  readonly shardWorkerNumber: number;
  readonly leaseKey: string;
  readonly shardId: string;
  /** The source's `name`. */
  readonly source: string;
  /** The prefix of idempotency keys: the stream with its creation time, and the shard. */
  readonly idempotencyPrefix: string;
  /** The lease counter that the renewal before this start returned. It rises across owners and restarts. */
  readonly fence: number;
  readonly start: StartPosition;
  /** The identity of the stream that the lease belongs to: no other stream may be read. */
  readonly stream?: string | undefined;
  /** The lease table. */
  readonly table?: string;
  readonly hashKeyRange?: HashKeyRange;
  /**
   * Records of this tenure may be delivered until this time (monotonic milliseconds). The keeper moves it forward with every
   * renewal (`renewal start + failover - margin`), and sets it to 0 when the lease is lost or the shard worker ends.
   */
  deadline: number;
  /** When the last renewal began that succeeded: the lease was still ours after that. Monotonic milliseconds. */
  renewalBegunAt?: number;
  /**
   * `deadline` on the wall clock, with some slack. The monotonic clock stands still while a machine is suspended. The first
   * actor to run after a suspension must not believe that the lease is still live.
   */
  wallDeadline: number;
  /**
   * True once the tenure has ended, and never false again. It is set by
   * - `endIfLate`, when a stage or a reducer finds that the deadline has passed;
   * - `stopTenure`, when the failure policy stops the shard;
   * - the shard worker when it ends (`finish`), or its stop hook (`stopped`) after a crash;
   * - a stage whose shard worker has ended or died (`retire`);
   * - the keeper when it ends the tenure (`endTenure`).
   */
  ended: boolean;
  /**
   * Whether a call may still run for a record that an earlier shard worker of this process handed out (under this or an earlier
   * ownership of the lease). Default false.
   */
  readonly hasPredecessor?: boolean;
  /**
   * A release waits for calls of earlier shard workers. This shard worker reads nothing, and ends when those calls have ended. Default
   * false.
   */
  readonly onlyAwaitsCalls?: boolean;
  /** The newest record that the shard worker has handed to a stage. It is stored here because a shard worker may die without a report. */
  newestHandedOut?: Position | undefined;
  /** Set with `ended` when the failure policy stopped this shard. */
  stopError?: Error;
  /** Aborts when the keeper ends the tenure. It is `item.signal`. */
  readonly signal: AbortSignal;
}

/**
 * Ends the tenure for good if its deadline has passed. Returns true if the tenure has ended, now or earlier: user code must then
 * get no more of its items. `now` is for callers that have just read the clock.
 */
export function endIfLate(tenure: Tenure, clock: Clock, now = clock.now()): boolean {
  if (tenure.ended) return true;
  if (now < tenure.deadline && clock.wallNow() < tenure.wallDeadline) return false;
  tenure.ended = true;
  return true;
}

/** Ends each tenure of these items whose deadline has passed. Afterwards `ended` says which of them have ended. */
export function endLateTenures(items: Iterable<{ readonly tenure: Tenure }>, clock: Clock): void {
  for (const { tenure } of items) endIfLate(tenure, clock);
}

/** Ends a tenure because the failure policy stops its shard: no more items are delivered, and the failed record stays open. */
export function stopTenure(tenure: Tenure, error: Error): void {
  tenure.stopError ??= error;
  tenure.ended = true;
}

/** The keeper's answer to `beginTenure`. */
export type TenureAnswer =
  | { readonly type: 'granted'; readonly tenure: Tenure }
  | { readonly type: 'refused'; readonly reason: string };

/** How a shard worker ended normally, as it reports to its keeper. */
export type ShardWorkerEnd =
  /** Every record that was read is settled, and as far as the reader can tell there are no more. */
  | { readonly type: 'shardEnd'; readonly children?: readonly ChildShard[]; readonly notFound: boolean }
  /**
   * The shard worker was asked to drain. `isCut`: `open` records were left behind. Either the tenure ended first, and calls may still run,
   * or only records that wait for another attempt were left.
   */
  | { readonly type: 'drained'; readonly open: number; readonly isCut?: boolean }
  /** The tenure ended first (lost lease, deadline passed, suspended machine). */
  | { readonly type: 'tenureEnded' }
  | { readonly type: 'stopShard'; readonly error: Error };

/** A shard worker's report that everything up to this position is settled. It is the keeper's next checkpoint. */
export interface FrontierReport {
  readonly shardWorker: number;
  readonly fence: number;
  readonly position: Position;
  /** How many of the shard worker's records this covers, from the first one on. */
  readonly records: number;
  /** When the oldest record arrived that the last report did not cover, epoch milliseconds; NaN or absent if that is not known. */
  readonly arrivedAt?: number;
}
