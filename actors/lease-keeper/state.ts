// The state of a lease keeper, types only: what is wanted of it (`workers.asked`, `yielding`, `release`, `shardEnd`), what it
// knows (`lease`, `standing`, `clocks`), and what it is doing (`writes`). The files of this folder change it, each its part,
// within a turn. One sub-object holds what is changed together.
import type { Failing } from '../protocol/repeated-failure.js';
import type { Ending, Ref, ReplyTo } from '../protocol/actor.js';
import type { KeeperMessage, ShardEndPlan, WorkerControl } from '../protocol/leasing.js';
import type { Tenure, TenureAnswer } from '../protocol/tenure.js';
import type { Checkpoint } from '../../src/core/checkpoint.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { HandedOut } from '../../src/core/handed-out.js';
import type { RowChange, LeaseState } from '../../src/core/lease-state.js';
import type { LeaseWriteKind } from '../../src/core/lease-schedule.js';
import type { TrafficOrder, TrafficPermit } from '../../src/core/lease-traffic.js';
import type { Position } from '../../src/core/position.js';
import type { Wish } from '../../src/core/lease-wish.js';
import type { ChildShard, WishOutcome, WriteOutcome } from '../../src/api/ports.js';

/** A keeper's messages to itself: results of its effects, and its one timer. */
type Internal =
  | { readonly type: 'wake' }
  /** Its turn at the table; undefined when none comes after all. */
  | { readonly type: 'permitCame'; readonly permit: TrafficPermit | undefined }
  | { readonly type: 'written'; readonly id: number; readonly outcome: WriteOutcome }
  | { readonly type: 'created'; readonly id: number }
  | { readonly type: 'wished'; readonly id: number; readonly outcome: WishOutcome }
  /** Of the row that it has asked for. */
  | { readonly type: 'looked'; readonly row: LeaseRow | undefined }
  | { readonly type: 'lookFailed' }
  | { readonly type: 'writeFailed'; readonly id: number; readonly error: unknown }
  | { readonly type: 'workerDown'; readonly worker: number; readonly how: Ending }
  | { readonly type: 'shardEndPlanned'; readonly shardEnd: ShardEnd; readonly plan: ShardEndPlan }
  | { readonly type: 'called'; readonly failure: { readonly error: unknown } | undefined };

export type LeaseKeeperMessage = KeeperMessage | Internal;

/** The write under way. */
export interface Write {
  readonly id: number;
  readonly kind: LeaseWriteKind;
  /**
   * Monotonic: taken when its turn had come and before the request leaves, so that a deadline counted from it is never too
   * late.
   */
  readonly startedAt: number;
  readonly change: RowChange;
  /** How many records this write brings under the durable checkpoint. */
  readonly covers: number;
  /** Of a create: the row. */
  readonly made: LeaseRow | undefined;
  /** The worker whose question this renewal answers. */
  readonly forWorker: number | undefined;
  readonly permit: TrafficPermit | undefined;
}

export interface Asked {
  readonly worker: number;
  readonly control: Ref<WorkerControl>;
  readonly replyTo: ReplyTo<TenureAnswer>;
}

/** Kept until its worker has ended or the next one begins: the worker's last words still count. */
export interface OpenTenure {
  readonly shared: Tenure;
  readonly controller: AbortController;
  readonly control: Ref<WorkerControl>;
  /** The tenure is over, and the worker has been informed. */
  revoked: boolean;
  /** The frontier has moved under it. */
  advanced: boolean;
  /** `FrontierReport.records` of its worker's last report. */
  records: number;
}

/** The lease is to be given up: once the worker has drained, at `cutAt` at the latest. */
export interface Release {
  readonly reason: string;
  readonly coolDown: boolean;
  /** Monotonic; Infinity where nobody waits for it. */
  readonly cutAt: number;
  /** When to write without waiting longer for a worker that was cut off. */
  readonly writeAt: number;
  /** When to stop trying to write it. */
  readonly until: number;
  recordsLeft: number;
}

export interface ShardEnd {
  readonly children: readonly ChildShard[] | undefined;
  /** The service does not know the shard, which does not mean that it is closed. */
  readonly vanished: boolean;
  /** When the worker reported it, or when the keeper last had to wait for another shard's holder. */
  since: number;
  /** How long SHARD_END waits for `onCheckpoint` calls that run. */
  readonly callsUntil: number;
  asking: boolean;
  askAt: number;
  blocked: boolean;
  /** Set once SHARD_END may be written. */
  childShardIds: readonly string[] | undefined;
}

/** The lease belongs to another worker, who is asked for it. Times are monotonic. */
export interface Wishing {
  readonly holder: { readonly owner: string; readonly writer: string };
  /** A wish of another worker that has not been raised for long. */
  readonly stale: string | undefined;
  /** The number of the last wish that was sent; 0 when none was. */
  number: number;
  raiseAt: number;
  /** Infinity until the wish is in the row. */
  lookAt: number;
  looking: boolean;
  looks: number;
  isYielding: boolean;
  /** When it is withdrawn if the lease has not come. */
  until: number;
  /** The row's counter, and since when it has been that: a holder that has died hands nothing over. */
  counter: number;
  counterAt: number;
  /** It is to be withdrawn, and is forgotten at `until` in any case. `inVain`: its holder must not be asked again soon. */
  over: { readonly reason: string; readonly inVain: boolean; readonly until: number } | undefined;
}

/** Another worker has asked for the lease. */
export interface Yielding {
  wish: Wish;
  /** When its number was seen to change. */
  seenAt: number;
  /**
   * In order: to be answered; answered, and delivering on; draining; drained, to be handed over; to be refused; refused.
   * `stale`: not raised by its author for so long that nobody waits for it.
   */
  phase: 'asked' | 'answered' | 'draining' | 'ready' | 'refusing' | 'refused' | 'stale';
  drainStartsAt: number;
  /**
   * What is not drained, or not handed over, by then is refused. It moves on as long as something is settled, but never past
   * `refuseAtLatest`.
   */
  refuseAt: number;
  refuseAtLatest: number;
}

/** How the lease has come to this keeper, and how it comes back when its row has vanished. */
export interface Taking {
  everHeld: boolean;
  /** How often the take met a row that an earlier keeper of this process wrote. */
  retakes: number;
  /** How often in a row the lease row was found gone, although it had just been made. */
  recreations: number;
  /** The worker that has handed it over. */
  handedFrom: string | undefined;
}

/** The writes to the row, one at a time, and the attempts that have failed. */
export interface Writes {
  /** The one under way. */
  current: Write | undefined;
  /** How many have begun, which is the id of the newest. */
  begun: number;
  /** Failed attempts in a row. */
  failed: number;
  /** The same attempts, as they are reported. */
  failing: Failing | undefined;
  /** When the next attempt may start. */
  retryAt: number;
}

/** Its place in the table's queue, and the turn that it waits for or has. */
export interface Traffic {
  /** Undefined where the table has no queue. */
  readonly order: TrafficOrder | undefined;
  /** It waits for its turn. */
  queued: boolean;
  /** The turn that has come. */
  permit: TrafficPermit | undefined;
  /** How often it has waited. */
  queues: number;
  /** When to stop waiting for the turn of the first take; Infinity once that is written. */
  takeBy: number;
}

/** How the lease stands by its last writes, and when the next ones are due. */
export interface Standing {
  /** No peer can hold the lease before this, as far as the last renewal shows. */
  liveUntil: number;
  /** Writes begun before this prove nothing: the machine was suspended since. */
  trustedSince: number;
  renewAt: number;
  /** The last checkpoint known to be durable. */
  reported: Checkpoint;
  /** When the last answered write that carried one began. */
  checkpointAt: number;
  /** When one is due that does not wait for a renewal; Infinity when there is none. */
  extraAt: number;
}

/** What the clocks have shown, and when the next look is due. */
export interface Clocks {
  /** The service's time when the keeper began, and when that was by our own clock. */
  readonly serviceTimeMs: number;
  readonly bornAt: number;
  /** Both clocks at the last message: where they part, the machine was suspended. */
  lastNow: number;
  lastWall: number;
  /** When the timer fires. */
  wakeAt: number;
}

/** The workers, one after the other, and the time without one. `LeaseKeeperState.tenure` is what one of them has got. */
export interface Workers {
  /** The one that waits for its tenure. */
  asked: Asked | undefined;
  /** The newest that has asked. */
  last: number | undefined;
  /** Since when there is none. */
  idleSince: number;
  /** The shard must not be started yet, so that having none means nothing. */
  waiting: boolean;
  /** How often one was asked to pause. */
  pauses: number;
}

/** What the application may still have open of this shard. The lease is handed over only when it has nothing. */
export interface Open {
  /** Some of its records may be open until the frontier reaches the newest of this lease. */
  readonly handedOut: HandedOut;
  /** A worker has gone without a last word: user code that it caused to run may still run. */
  callsMayRun: boolean;
  /** Its last worker ended when all of its calls had. Otherwise only the next worker can ask for those. */
  noCallsLeftAtEnd: boolean;
  /** `onCheckpoint` calls that have not settled. */
  calls: number;
  /** All of them so far. */
  callsMade: number;
}

/** What has gone wrong several times in a row, and what waits for that reason. */
export interface Setbacks {
  /** Workers in a row that the watchdog ended while the frontier stood at `at`. */
  readonly watchdog: { count: number; at: Position | undefined };
  /** False ends of the shard in a row while the frontier stood at `at`. */
  readonly falseEnds: { count: number; at: Position | undefined };
  /** No worker begins before this, because of false ends. */
  readAt: number;
  /** Drains in a row that failed, and until when a hand-over is refused without another try. */
  failedDrains: { readonly count: number; readonly until: number };
}

/** Times are monotonic, but for `serviceTimeMs` and `lastWall`. */
export interface LeaseKeeperState {
  readonly self: Ref<LeaseKeeperMessage>;
  readonly lease: LeaseState;
  phase: 'wishing' | 'taking' | 'recreating' | 'held' | 'over';
  /** Set in the phase `wishing`, and kept afterwards. */
  readonly wishing: Wishing | undefined;
  readonly taking: Taking;
  readonly writes: Writes;
  readonly traffic: Traffic;
  readonly standing: Standing;
  readonly clocks: Clocks;
  readonly workers: Workers;
  tenure: OpenTenure | undefined;
  readonly open: Open;
  yielding: Yielding | undefined;
  release: Release | undefined;
  shardEnd: ShardEnd | undefined;
  readonly setbacks: Setbacks;
}
