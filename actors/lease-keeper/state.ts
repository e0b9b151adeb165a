// The state of a lease keeper; this file has only types. The state has what other actors want from the keeper (`receivedWish`,
// `releaseOrder`, `shardWorkers.tenureRequest`, `shardEnd`), what the keeper knows (`lease`, `timing`, `clocks`), and what it is doing
// (`writes`). Members that change together share a sub-object. `lease-keeper.ts` makes the state. Within a turn, these files change it:
//   receivedWish  hand-over-holder.ts alone
//   wishing       hand-over-asker.ts alone
//   clocks        lease-keeper.ts alone
//   leftovers     leftovers.ts; the counts of calls of the keeper: checkpoint-report.ts, end-hook.ts
//   tenure        open-tenure.ts; its deadlines: writes.ts
//   shardEnd      ended-shard-worker.ts notes it, lease-end.ts changes it and withdraws it; its hook: end-hook.ts
//   endHook       end-hook.ts alone
//   releaseOrder  lease-end.ts; `recordsLeft` also ended-shard-worker.ts, hand-over-asker.ts
//   setbacks      `watchdog`: ended-shard-worker.ts; `falseEnds`, `nextShardWorkerAt`: lease-end.ts; `failedDrains`: hand-over-holder.ts
//   phase         writes.ts, hand-over-asker.ts, lease-end.ts
//   taking        writes.ts, hand-over-asker.ts
//   lease         writes.ts, hand-over-asker.ts, hand-over-holder.ts; the frontier: open-tenure.ts
//   writes        outgoing-write.ts, writes.ts; also hand-over-asker.ts, hand-over-holder.ts, lease-end.ts
//   queuePlace    permit.ts; also outgoing-write.ts, writes.ts, hand-over-asker.ts
//   timing        writes.ts; also lease-keeper.ts, hand-over-asker.ts, checkpoint-report.ts, lease-end.ts
//   shardWorkers  open-tenure.ts, ended-shard-worker.ts; `mayNotStart`: lease-keeper.ts; `pauses`: hand-over-holder.ts;
//                 `idleSince`: also lease-keeper.ts, writes.ts, lease-end.ts
import type { HookCall } from '../protocol/hook-call.js';
import type { RepeatedFailure } from '../protocol/repeated-failure.js';
import type { Ref, ReplyTo } from '../protocol/actor.js';
import type { ShardWorkerRequest } from '../protocol/lease-messages.js';
import type { Tenure, TenureAnswer } from '../protocol/tenure.js';
import type { Checkpoint } from '../../src/core/checkpoint.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { HandedOut } from '../../src/core/handed-out-records.js';
import type { RowChange, LeaseState } from '../../src/core/lease-state.js';
import type { CallsLeftBehind, KeeperPhase, LeaseWriteKind, ReceivedWishPhase } from '../../src/core/lease-schedule.js';
import type { QueueEntry, TrafficPermit } from '../../src/core/lease-traffic.js';
import type { Position } from '../../src/core/position.js';
import type { Wish } from '../../src/core/lease-wish.js';
import type { ShardEnd } from './shard-end.js';
import type { LeaseKeeperMessage } from './messages.js';

/** The write under way. */
export type Write = RowUpdate | RowCreation | WishWrite;

interface BegunWrite {
  readonly id: number;
  /**
   * Monotonic. The clock is read after the permit is granted and before the request leaves. So a deadline counted from this
   * time is never too late.
   */
  readonly startedAt: number;
  readonly permit: TrafficPermit | undefined;
}

/** A change of the row, on the condition that nothing has been written since the row was last seen. */
export interface RowUpdate extends BegunWrite {
  readonly kind: Exclude<LeaseWriteKind, 'create' | 'wish' | 'withdrawWish'>;
  readonly change: RowChange;
  /** How many more records the durable checkpoint covers after this write. */
  readonly coveredRecords: number;
  /** The shard worker whose `beginTenure` this renewal answers. */
  readonly forShardWorker: number | undefined;
}

/** Creates a deleted row again. */
export interface RowCreation extends BegunWrite {
  readonly kind: 'create';
  readonly newRow: LeaseRow;
}

/** Writes or withdraws this keeper's wish for the lease of another worker. */
export interface WishWrite extends BegunWrite {
  readonly kind: 'wish' | 'withdrawWish';
}

/** What `beginTenure` asks for: the tenure of one shard worker. */
export interface TenureRequest {
  readonly shardWorker: number;
  readonly shardWorkerRef: Ref<ShardWorkerRequest>;
  readonly replyTo: ReplyTo<TenureAnswer>;
}

/**
 * The open tenure. It stays until its shard worker has ended or the next shard worker begins, because the shard worker's last reports still
 * count.
 */
export interface OpenTenure {
  readonly shared: Tenure;
  readonly abortController: AbortController;
  readonly shardWorkerRef: Ref<ShardWorkerRequest>;
  /**
   * The keeper has ended the tenure, and has informed the shard worker if it lives. `shared.ended` may come earlier: any actor that finds
   * the deadline passed sets it. A tenure that has ended gets no more time (`extendDeadlines`), so the keeper revokes it at the deadline.
   * It need not if the shard worker has ended by then.
   */
  revoked: boolean;
  /** The frontier has moved under this tenure. */
  advanced: boolean;
  /** `FrontierReport.records` of its shard worker's last report. */
  records: number;
}

/** An order to give the lease up once the shard worker has drained, at `cutAt` at the latest. */
export interface ReleaseOrder {
  readonly reason: string;
  readonly coolDown: boolean;
  /** Monotonic: when to revoke the tenure and stop waiting for calls. */
  readonly cutAt: number;
  /** When to write the release even without the last reports of a shard worker that was cut off. */
  readonly writeAt: number;
  /** When to stop trying to write the release; Infinity for no deadline. */
  readonly until: number;
  /** For the stop's report: how many records are not settled. */
  recordsLeft: number | 'unknown';
}

/** How the keeper asks another worker for its lease. Times are monotonic. */
export interface Wishing {
  readonly holder: { readonly owner: string; readonly writer: string };
  /** A third worker's wish in the row, which that worker has stopped raising. So it may be replaced. */
  readonly stale: string | undefined;
  /** The number of the last wish that was sent; 0 when none was. */
  number: number;
  raiseAt: number;
  /** Infinity until the wish is in the row. */
  readRowAt: number;
  readingRow: boolean;
  looks: number;
  isYielding: boolean;
  /** When the wish is withdrawn if the lease has not come. */
  until: number;
  /** The row's counter, and since when it has not changed. A holder that has died hands nothing over. */
  counter: number;
  counterAt: number;
  /** Why the wish is to be withdrawn. At `until` the keeper ends in any case. `inVain`: the holder must not be asked again soon. */
  withdrawal: { readonly reason: string; readonly inVain: boolean; readonly until: number } | undefined;
}

/** Another worker's wish for the lease, and how far the hand-over has come (hand-over-holder.ts). Times are monotonic. */
export interface ReceivedWish {
  wish: Wish;
  /** When the number of the wish was last seen to change. */
  seenAt: number;
  phase: ReceivedWishPhase;
  drainStartsAt: number;
  /**
   * The keeper refuses if the lease is not handed over by this time. Each move of the frontier puts this time off, but never past
   * `refuseAtLatest`.
   */
  refuseAt: number;
  refuseAtLatest: number;
}

/** How this keeper got the lease, and how often its row had to be taken or created again. */
export interface Taking {
  hasHeldLease: boolean;
  /** How many takes were refused by a row that this process itself had written. */
  retakes: number;
  /** How often the row was created again since the last take that succeeded. */
  recreations: number;
  /** The worker that has handed the lease over to this keeper. */
  previousOwner: string | undefined;
}

/** The writes to the row, one at a time, and the attempts that have failed. */
export interface Writes {
  /** The one under way. */
  current: Write | undefined;
  /** How many writes have begun. This is also the id of the newest write. */
  begun: number;
  /** Failed attempts in a row. */
  failed: number;
  /** The same failed attempts, as events and `status()` report them. */
  failing: RepeatedFailure | undefined;
  /** When the next attempt may start. */
  retryAt: number;
}

/** The keeper's place in the table's queue, and the permit that it waits for or has. */
export interface QueuePlace {
  /** Undefined if the table has no queue. */
  readonly entry: QueueEntry | undefined;
  /** The keeper waits for a permit. */
  queued: boolean;
  /** The permit that was granted and is not used yet. */
  permit: TrafficPermit | undefined;
  /** How often the keeper has waited for a permit. */
  timesQueued: number;
  /** When to stop waiting for the permit of the first take; Infinity once that take is written. */
  takeBy: number;
}

/** What the last writes have shown about the lease, and when the next writes are due. */
export interface LeaseTiming {
  /** No peer can hold the lease before this time, according to the last renewal. */
  liveUntil: number;
  /** Earlier writes do not prove that the lease is held: the machine has been suspended since. */
  trustedSince: number;
  renewAt: number;
  /** The last checkpoint known to be durable. */
  reportedCheckpoint: Checkpoint;
  /** When the last answered write that carried a checkpoint began. */
  checkpointAt: number;
  /** When a checkpoint is due without a renewal; Infinity if none is. */
  extraAt: number;
}

/** What the clocks have shown, and when the timer fires. */
export interface Clocks {
  /** The service's time when the keeper began, and the monotonic time of that moment. */
  readonly serviceTimeMs: number;
  readonly bornAt: number;
  /** Both clocks at the last message. If the wall clock runs ahead of the monotonic one, the machine was suspended. */
  lastNow: number;
  lastWall: number;
  wakeAt: number;
}

/**
 * The shard's successive shard workers, and the time without a shard worker. The shard worker that delivers has `LeaseKeeperState.tenure`.
 */
export interface ShardWorkers {
  /** The request of the shard worker that waits for its tenure. */
  tenureRequest: TenureRequest | undefined;
  /** The number of the newest shard worker that has asked. */
  last: number | undefined;
  /** Since when the shard has had no shard worker. */
  idleSince: number;
  /** No shard worker may start yet, so a missing shard worker does not count as a fault. */
  mayNotStart: boolean;
  /** The number of the last pause. */
  pauses: number;
}

/** Records and calls of this shard that may still be open. The lease is handed over only when nothing is open. */
export interface Leftovers {
  /** The newest record of each lease that this process has handed out. Until the frontier reaches it, records may be open. */
  readonly handedOut: HandedOut;
  callsLeftBehind: CallsLeftBehind;
  /** Calls of `onCheckpoint` and `onShardEnded` that have not ended. */
  hookCalls: number;
  /** All calls of `onCheckpoint` so far. */
  onCheckpointCallsMade: number;
}

/** Setbacks: failures of the lease that may repeat, and how long the next attempt has to wait because of them. */
export interface Setbacks {
  /** How many shard workers in a row the watchdog has ended while the frontier stayed at `at`. */
  readonly watchdog: { count: number; at: Position | undefined };
  /**
   * How many *false ends* came in a row while the frontier stayed at `at`: a reader found the end of the shard, but listings show it open.
   */
  readonly falseEnds: { count: number; at: Position | undefined };
  /** No shard worker begins before this time, because of false ends. */
  nextShardWorkerAt: number;
  /** How many drains in a row have failed, and until when a wish is refused without another drain. */
  failedDrains: { readonly count: number; readonly until: number };
}

/** Times are monotonic, except `serviceTimeMs` and `lastWall`. */
export interface LeaseKeeperState {
  readonly self: Ref<LeaseKeeperMessage>;
  readonly lease: LeaseState;
  phase: KeeperPhase;
  /** Set in the phase `wishing`, and kept afterwards. */
  readonly wishing: Wishing | undefined;
  readonly taking: Taking;
  readonly writes: Writes;
  readonly queuePlace: QueuePlace;
  readonly timing: LeaseTiming;
  readonly clocks: Clocks;
  readonly shardWorkers: ShardWorkers;
  tenure: OpenTenure | undefined;
  readonly leftovers: Leftovers;
  receivedWish: ReceivedWish | undefined;
  releaseOrder: ReleaseOrder | undefined;
  shardEnd: ShardEnd | undefined;
  /** The call of `onShardEnded`. */
  readonly endHook: HookCall;
  readonly setbacks: Setbacks;
}
