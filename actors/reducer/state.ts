// The options, messages and state of a reducer, and its turn: one call of `receive`.
import type { Effect, Ref } from '../protocol/actor.js';
import type { DeliveredItem } from '../protocol/item.js';
import type { ReducerRequest, StageMessage } from '../protocol/pipeline-messages.js';
import type { ContextController } from './reducer-context.js';
import type { StateSlot, FlushJob, FoldJob } from './user-calls.js';
import type { RawJob } from './raw-behaviour.js';
import type { StageReports } from './stage-reports.js';
import type { Deque } from '../../src/core/deque.js';
import type { Clock } from '../../src/api/ports.js';
import type { OnFailure, ReducerDefinition } from '../../src/api/reducer.js';

export interface ReducerOptions {
  readonly index: number;
  readonly definition: ReducerDefinition;
  readonly stages: readonly Ref<StageMessage>[];
  /** How many items a stage may have sent to this reducer that are not folded yet. */
  readonly credit: number;
  readonly batchSize: number;
  readonly batchIntervalMs: number;
  readonly onFailure: OnFailure;
  readonly clock: Clock;
  /** Sends a message from outside any behaviour: `ctx.ack` may be called at any time. */
  readonly sendFromOutside: (to: Ref<ReducerActorMessage>, message: ReducerActorMessage) => void;
}

export type ReducerActorMessage =
  | ReducerRequest
  | { readonly type: 'folded'; readonly job: FoldJob }
  | { readonly type: 'flushed'; readonly job: FlushJob }
  | { readonly type: 'behaved'; readonly job: RawJob }
  | { readonly type: 'broken'; readonly error: unknown }
  | { readonly type: 'flushDue' }
  /** Application code has called `ctx.ack` or `ctx.fail`. */
  | { readonly type: 'contextCalled' };

/** An entry of the queue that is not an item. */
export type Mark = Extract<ReducerRequest, { type: 'punctuation' | 'revoked' | 'heartbeat' }>;

export type RunningJob =
  | { readonly type: 'fold'; readonly job: FoldJob }
  | { readonly type: 'flush'; readonly job: FlushJob }
  | { readonly type: 'raw'; readonly job: RawJob; readonly mark: Mark | undefined };

export interface ReducerState {
  readonly self: Ref<ReducerActorMessage>;
  readonly queue: Deque<DeliveredItem | Mark>;
  /** The items left over from a job that ended early. They go before the queue. */
  carry: readonly DeliveredItem[];
  /** The job whose call is under way, or that gave way between two calls. */
  running: RunningJob | undefined;
  /**
   * A slot is one state of the application, with the items folded into it. There is one per worker with `stateBy: 'shard'`, otherwise
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
  /** The number of the last numbered message from each stage: a repeated message is dropped. */
  readonly lastReceived: Map<Ref<StageMessage>, number>;
  readonly reports: StageReports;
  readonly controller: ContextController;
  settledAt: number;
  /** When a call with items was last seen running. Heartbeats come all the time, and do not count. */
  calledAt: number;
}

export interface ReducerTurn {
  readonly options: ReducerOptions;
  readonly state: ReducerState;
  /** Monotonic: when the call began. The deadline check before a call reads the clock itself, as late as possible. */
  readonly now: number;
  readonly effects: Effect<ReducerActorMessage>[];
}
