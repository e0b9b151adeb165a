// The calls of a node's callbacks, and the tasks that they belong to.
import type { ReplyTo } from '../protocol/actor.js';
import type { SentMessage } from '../protocol/pipe-message.js';
import type { Entry } from '../protocol/pipe-messages.js';
import type { Held } from './result.js';
import type { RouteState } from './route-states.js';
import type { PipeNodeOptions } from './options.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import type { NodeContext } from '../../src/api/pipe.js';
import type { Clock } from '../../src/api/ports.js';

/** A callback of a node. */
export type Callback = 'init' | 'handleMessage' | 'handleFlush' | 'handleTimer' | 'terminate';

/** A call to make. It is kept after a failure, and made again with the same state and the same message. */
export interface Call {
  readonly callback: Callback;
  readonly routeState: RouteState;
  /** For `handleMessage`. */
  readonly message: SentMessage | undefined;
  /** How many attempts have failed, and since when. Monotonic milliseconds. */
  failures: number;
  failedSince: number;
  /** What the last attempt threw, and what the first one was about. */
  cause: unknown;
  failed: FailedItem | undefined;
  /**
   * The application has said what has failed (`NodeFailure`), and what the state is without it. `isStale`: the state has lost something
   * since then.
   */
  parts:
    | {
        readonly of: readonly Held[];
        readonly state: unknown;
        /** The values of `of`, if it has said them. */
        readonly values: readonly unknown[] | undefined;
        isStale: boolean;
      }
    | undefined;
  /** What a sink keeps already of what has failed. Undefined: nothing, as of nearly every call. */
  parked: Set<Held> | undefined;
}

export function callOf(callback: Callback, routeState: RouteState, message?: SentMessage): Call {
  return {
    callback,
    routeState,
    message,
    failures: 0,
    failedSince: 0,
    cause: undefined,
    failed: undefined,
    parts: undefined,
    parked: undefined,
  };
}

export type Calls = Generator<Call, void, boolean>;

/** One thing that a node works through (tasks.ts). */
export interface NodeTask {
  readonly kind: 'start' | 'feed' | 'timer' | 'idle' | 'end';
  /** The calls that are left. `next` gets whether the call before was made: a failed one may be given up. */
  readonly calls: Calls;
  wasMade: boolean;
  isOver: boolean;
  /** A call that has failed, and is made again before the others. */
  again: Call | undefined;
  /** The next call, for which there is no room yet. */
  held: Call | undefined;
  /** Entries of a feed that no call has been made for, and the place of the next of them. */
  readonly entries: readonly Entry[];
  next: number;
  /** Who fed it. */
  readonly replyTo: ReplyTo<void> | undefined;
  readonly routeState: RouteState | undefined;
}

/** A call under way. */
export interface Calling {
  readonly call: Call;
  readonly since: number;
  readonly context: CallContext;
  abortedAt: number | undefined;
}

/** The `context` of one call. It is a class, because there is one per call: the controller of its signal is made only on access. */
export class CallContext implements NodeContext {
  readonly node: string;
  readonly pipe: number;
  readonly route: string | undefined;
  readonly attempt: number;
  readonly #clock: Clock;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  constructor({ name, pipe, clock }: PipeNodeOptions, { routeState, failures }: Pick<Call, 'routeState' | 'failures'>) {
    this.node = name;
    this.pipe = pipe;
    this.route = routeState.route?.head;
    this.attempt = failures + 1;
    this.#clock = clock;
  }

  get now(): number {
    return this.#clock.wallNow();
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined && !this.#controller.signal.aborted) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Aborts the signal, also one that is asked for later. */
  static abort(context: CallContext, reason: Error): void {
    context.#reason ??= reason;
    context.#controller?.abort(reason);
  }
}

/** Makes the call. What it returns may be a promise. `init` returns the state, `terminate` nothing, the others a result. */
export function invoke(
  { definition }: PipeNodeOptions,
  { callback, routeState, message }: Call,
  context: NodeContext,
): unknown {
  const { state } = routeState;
  if (callback === 'init') return definition.init?.(context);
  if (callback === 'terminate') return definition.terminate?.(state, context);
  if (callback === 'handleMessage') return definition.handleMessage(state, message as SentMessage, context);
  return callback === 'handleFlush'
    ? definition.handleFlush?.(state, context)
    : definition.handleTimer?.(state, context);
}
