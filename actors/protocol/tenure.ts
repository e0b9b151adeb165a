// The tenure: what a keeper, a shard worker and the reducers share of one worker's right to deliver. There is one per start
// of a shard worker. A tenure ends once and is never revived (docs/design.md, section 5). The keeper moves `deadline` and
// `wallDeadline`; reducers compare both with the clocks before every call.
import type { Position, StartPosition } from '../../src/core/position.js';
import type { ChildShard, Clock, HashKeyRange } from '../../src/api/ports.js';

export interface Tenure {
  /** The worker's address inside the process: a number that is unique over all streams, shards and restarts. */
  readonly worker: number;
  readonly leaseKey: string;
  readonly shardId: string;
  /** The source's `name`. */
  readonly source: string;
  /** The prefix of idempotency keys: the stream with its creation time, and the shard. */
  readonly identity: string;
  /** The lease counter that the renewal before this start returned. It rises over owners and over restarts. */
  readonly fence: number;
  readonly start: StartPosition;
  /** The identity of the stream that the lease belongs to: no other stream is read. */
  readonly stream?: string | undefined;
  /** The lease table. */
  readonly table?: string;
  readonly hashKeyRange?: HashKeyRange;
  /**
   * Monotonic milliseconds until which records of this tenure may be delivered. The keeper moves it forward with every
   * renewal (`renewal start + failover - margin`). It writes 0 when the lease is lost or the worker ends.
   */
  deadline: number;
  /**
   * The same moment on the wall clock, with some slack: the monotonic clock stands still while a machine is suspended. The
   * first actor to run after the machine wakes must not believe that the lease is still live.
   */
  wallDeadline: number;
  /**
   * True once the tenure has ended: dead for good. It is written by
   * - `endIfLate`, where a stage or a reducer sees the deadline passed;
   * - `stopTenure`, where the failure policy stops the shard;
   * - the shard worker when it ends (`finish`);
   * - a stage whose worker has ended or died (`retire`);
   * - the keeper when it ends the tenure (`kill`).
   */
  dead: boolean;
  /**
   * Whether earlier workers of this process have handed out records of the lease under the same ownership. A call for such a
   * record may still run. Default false.
   */
  readonly hasPredecessor?: boolean;
  /**
   * The lease is being released, and waits for calls of earlier workers. This worker reads nothing; it ends when they have
   * ended. Default false.
   */
  readonly onlyAsks?: boolean;
  /** The newest record that the worker has handed to a stage. It stays known if the worker ends without a last word. */
  newestHandedOut?: Position | undefined;
  /** Set with `dead` when the failure policy stopped this shard. */
  stopError?: Error;
  /** The signal that aborts when the tenure ends; it is `item.signal`. */
  readonly signal: AbortSignal;
}

/**
 * Ends a tenure whose deadline has passed, for good. Returns true when the tenure has ended, now or before: then user code may
 * get no more items of it. `now` is for callers that have just read the clock.
 */
export function endIfLate(tenure: Tenure, clock: Clock, now = clock.now()): boolean {
  if (tenure.dead) return true;
  if (now < tenure.deadline && clock.wallNow() < tenure.wallDeadline) return false;
  tenure.dead = true;
  return true;
}

/** Ends a tenure because the failure policy stops its shard: no more items are delivered, and the failed record stays open. */
export function stopTenure(tenure: Tenure, error: Error): void {
  tenure.stopError ??= error;
  tenure.dead = true;
}

/** The answer to a keeper's `beginTenure`. */
export type TenureAnswer =
  | { readonly type: 'granted'; readonly tenure: Tenure }
  | { readonly type: 'refused'; readonly reason: string };

/** How a worker ended normally, as it tells its keeper. */
export type WorkerEnd =
  /** Every record that was read is settled, and there are no more as far as reading can show. */
  | { readonly type: 'shardEnd'; readonly children?: readonly ChildShard[]; readonly notFound: boolean }
  /** Asked to drain, and drained. Where it was cut short, `open` records were left behind, and calls may still run. */
  | { readonly type: 'drained'; readonly open: number; readonly isCut?: boolean }
  /** The tenure died (lost lease, deadline passed, suspended machine). */
  | { readonly type: 'tenureDead' }
  /** The failure policy stopped this shard. */
  | { readonly type: 'stopShard'; readonly error: Error };

/** A worker's report that everything up to this position is settled. It is the keeper's next checkpoint. */
export interface FrontierReport {
  readonly worker: number;
  readonly fence: number;
  readonly position: Position;
  /** How many records of this worker that covers, from its first record on. */
  readonly records: number;
}
