// The state of a node, and its turn.
import type { Effect, Ref, ReplyTo } from '../protocol/actor.js';
import type { PendingFailures } from '../protocol/pending-failures.js';
import type { AttemptAnswer, Entry } from '../protocol/pipe-messages.js';
import type { Deque } from '../../src/core/deque.js';
import type { Call, Calling, NodeTask } from './calls.js';
import type { NodeMessage } from './messages.js';
import type { PipeNodeOptions } from './options.js';
import type { Settled } from './settled.js';
import type { RouteState } from './route-states.js';

/** A failed call that holds the node. */
export interface WaitingCall {
  readonly call: Call;
  /** When it is repeated; Infinity while the policy has not answered. */
  dueAt: number;
  /** It is being made again. */
  isTrying: boolean;
}

interface AskedAttempt {
  readonly replyTo: ReplyTo<AttemptAnswer>;
  /** How many attempts of the waiting call had failed then. */
  readonly failures: number;
}

/** What the calls of one run have done since the actor last took it. The run fills it, outside of the actor's turns. */
export interface RunResult {
  readonly emitted: Entry[];
  emittedBytes: number;
  foldedAfterLoss: number;
  leftOut: number;
  /** How many states were flushed that kept something. */
  partial: number;
  /** The calls that have succeeded after a failure. */
  readonly recovered: Call[];
  failure: { readonly call: Call; readonly cause: unknown } | undefined;
  /** The call whose result asks for the end. */
  exit: Call | undefined;
}

/** What the tasks and runs of a node need: they go on outside of the actor's turns. */
export interface NodeParts {
  readonly options: PipeNodeOptions;
  readonly state: PipeNodeState;
}

export interface PipeNodeState {
  readonly self: Ref<NodeMessage>;
  /**
   * `initial`: `init` has not returned. `running`: the usual. `failed`: the policy has said `crash`. `exiting`: a callback has asked for
   * the end, or the node before has ended. `stopped`: the next node has ended, so nothing can be sent on. `ended`: every state of the node
   * has ended.
   */
  phase: 'initial' | 'running' | 'failed' | 'exiting' | 'stopped' | 'ended';
  /** Every state has been ended, so nothing more is called. */
  isTerminated: boolean;
  readonly routeStates: Map<string, RouteState>;
  /** The ids of the routes in `routeStates` that may end, the least recently used one first. */
  routesByUse: Set<string>;
  /** The others: since their last use they were to end, and keep something that no flush emits. */
  readonly routesApart: Set<string>;
  /** The task under way, and what waits behind it in the order of its arrival. */
  task: NodeTask | undefined;
  readonly pending: Deque<NodeTask>;
  /** The number of the run under way; 0 if none is. */
  run: number;
  lastRun: number;
  calling: Calling | undefined;
  /** When the last call began. */
  calledAt: number;
  result: RunResult;
  /** What is settled and not reported yet. Runs and turns add to it. */
  readonly settled: Settled;
  waiting: WaitingCall | undefined;
  readonly pendingFailures: PendingFailures<Call>;
  /** What waits for the next node, with its bytes. */
  readonly queue: Deque<Entry>;
  queuedBytes: number;
  /** The marks that have reached the end of the pipe here, in this turn. */
  flushedMarks: number[];
  /** The next node is processing a feed. */
  isFeeding: boolean;
  /** The next node was asked to end, and has. */
  nextAsked: boolean;
  nextEnded: boolean;
  /** Who waits for the end of this node. */
  readonly endAsked: ReplyTo<void>[];
  /** Who waits for one more attempt of the waiting call. */
  attemptAsked: AskedAttempt[];
  /** The number of the last feed: a repeated one is dropped. */
  lastFeed: number;
  /** The number of the last report to the pipe. */
  reports: number;
  /** Whether the pipe knows that the node waits. */
  reportedWaiting: boolean;
  /** When the timer for states fires; Infinity if it is not set. */
  routeTimerAt: number;
  /** When a timer of a state, or the end of an idle route, is due at the earliest; Infinity if there is none. */
  routeDueAt: number;
  /** When `callDue` comes; Infinity if its timer is not set. */
  callTimerAt: number;
  attemptTimerAt: number;
  hasWarnedOfLeftOut: boolean;
  /** Tenures have ended while a run was under way. */
  lossWaits: boolean;
  /** Why the calls under way are aborted. */
  stoppedWith: Error | undefined;
  /** The actor has stopped: a call that ends now is followed by `terminate` at once. */
  hasStopped: boolean;
  /** How often states were used. */
  uses: number;
  activeAt: number;
}

/** One call of `receive`. */
export interface NodeTurn {
  readonly options: PipeNodeOptions;
  readonly state: PipeNodeState;
  /** Monotonic: when the call began. */
  readonly now: number;
  readonly effects: Effect<NodeMessage>[];
}
