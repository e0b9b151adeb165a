// The state of a reducer, and its turn.
import type { Effect, Ref } from '../protocol/actor.js';
import type { DeliveredItem } from '../protocol/item.js';
import type { ReducerRequest } from '../protocol/pipeline-messages.js';
import type { CallContexts } from './calls/call-contexts.js';
import type { ContextController } from './calls/reducer-context.js';
import type { StateSlot, FlushGroup, FlushJob, FoldJob } from './calls/user-calls.js';
import type { Batching, Task } from './batches/batching.js';
import type { RawJob } from './calls/raw-behaviour.js';
import type { StageNumbers } from '../protocol/stage-numbers.js';
import type { StageReports } from '../protocol/stage-reports.js';
import type { Deque } from '../../src/core/deque.js';
import type { PendingFailures } from '../protocol/pending-failures.js';
import type { Verdict } from '../protocol/failure-policy.js';
import type { HeldKeys } from './failures/held-keys.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import type { Reservation } from '../../src/core/rate-limit.js';
import type { ReducerMessage as ToBehaviour } from '../../src/api/reducer.js';
import type { ReducerActorMessage } from './messages.js';
import type { PipeBehind } from './emitting/pipe-behind.js';
import type { ReducerOptions } from './options.js';

/** An entry of the queue that is not an item. */
export type Mark = Extract<ReducerRequest, { type: 'punctuation' | 'revoked' | 'heartbeat' }>;

export type RunningJob =
  | { readonly type: 'fold'; readonly job: FoldJob }
  | { readonly type: 'flush'; readonly job: FlushJob }
  | { readonly type: 'raw'; readonly job: RawJob; readonly mark: Mark | undefined };

/** What has failed, named by an item: that has a key. */
export type FailedOne = FailedItem & { readonly key: string };

/** A call that has failed, with what it was about. */
export type FailedCall =
  | {
      readonly type: 'items';
      readonly items: readonly DeliveredItem[];
      readonly at: FailedItem['at'];
      readonly cause: unknown;
    }
  | { readonly type: 'flush'; readonly group: FlushGroup }
  /** A call with several items (bisection.ts). `apply` applies the verdict. */
  | { readonly type: 'batch'; readonly task: Task; readonly apply: (turn: ReducerTurn, verdict: Verdict) => void }
  /** A call of a raw behaviour that had no items, or has acknowledged all of them. `live`: its items whose leases are held. */
  | {
      readonly type: 'rawCall';
      readonly job: RawJob;
      readonly live: readonly DeliveredItem[];
      /** Undefined: it was about no item. */
      readonly failed: FailedOne | undefined;
      readonly cause: unknown;
    };

/** A failed call that holds the reducer until it succeeds. */
export type WaitingCall = {
  /** When it is repeated; Infinity while that is not known. */
  dueAt: number;
  /** How many failures of it the policy has not decided about. */
  undecided: number;
} & (
  | { readonly type: 'flush'; readonly groups: FlushGroup[] }
  | { readonly type: 'batch'; tasks: Task[] }
  | {
      readonly type: 'rawCall';
      readonly message: ToBehaviour<unknown>;
      readonly attempt: number;
      readonly cause: unknown;
    }
);

export interface ReducerState {
  readonly self: Ref<ReducerActorMessage>;
  readonly queue: Deque<DeliveredItem | Mark>;
  /** The items left over from a job that ended early. They go before the queue. */
  carry: readonly DeliveredItem[];
  /** The job whose call is under way, or that gave way between two calls. */
  running: RunningJob | undefined;
  /**
   * A slot is one state of the application, with the items folded into it. There is one per shard worker with `stateBy: 'shard'`, otherwise
   * one under the key -1.
   */
  readonly slots: Map<number, StateSlot>;
  /** How many items are folded and not flushed, over all slots, and since when the oldest of them has waited. */
  unflushed: number;
  unflushedSince: number;
  flushDue: boolean;
  /** A heartbeat is in the queue. Until a behaviour has got it, further heartbeats are dropped. */
  heartbeatWaits: boolean;
  /** The items that wait for `ctx.ack`, and since when. Used only with manual acknowledgement and raw behaviours. */
  readonly unacknowledged: Map<DeliveredItem, number>;
  /** Those for which `ctx.fail` was called while their call is under way, with the errors. They fail when it has ended. */
  readonly failedInCall: Map<DeliveredItem, unknown>;
  /** The number of the last numbered message from each stage: a repeated message is dropped. */
  readonly lastReceived: StageNumbers;
  readonly reports: StageReports;
  readonly controller: ContextController;
  readonly contexts: CallContexts;
  settledAt: number;
  /** When a call with items was last seen running. Heartbeats come all the time, and do not count. */
  calledAt: number;
  /** Items that wait for another attempt, and those behind them. */
  readonly keys: HeldKeys;
  /** Until this call has succeeded, no other begins. */
  waitingCall: WaitingCall | undefined;
  readonly pendingFailures: PendingFailures<FailedCall>;
  /** The tokens that the next items wait for. Undefined if no item waits for the rate limit. */
  reservation: Reservation | undefined;
  /** Ends the messages `limitChanged`. */
  unwatchLimit: (() => void) | undefined;
  /** When the timer for the next attempt, or the reserved tokens, fires; Infinity if it is not set. */
  attemptTimerAt: number;
  /** How much punctuation is in the queue, and the drains for which everything that waits was tried once more. */
  punctuationInQueue: number;
  drainsTriedFor: WeakSet<Mark>;
  /** The marks that a raw behaviour has got as a message. */
  readonly toldMarks: WeakSet<Mark>;
  /** Drains that are answered once a policy or a sink has answered about their shard worker. */
  deferredDrains: Extract<Mark, { readonly type: 'punctuation' }>[];
  readonly batching: Batching;
  /** The pipe behind the reducer; undefined if there is none. */
  readonly behind: PipeBehind | undefined;
  /** The kinds of stray calls of `ctx` that were warned of. */
  readonly strayKinds: Set<string>;
}

/** One call of `receive`. It is here because a failed call in the state takes turns: `apply`. */
export interface ReducerTurn {
  readonly options: ReducerOptions;
  readonly state: ReducerState;
  /** Monotonic: when the call began. The deadline check before a call reads the clock itself, as late as possible. */
  readonly now: number;
  readonly effects: Effect<ReducerActorMessage>[];
}
