// A node whose callbacks leave trace points. Its state is that of the node with a number and a version. So the trace knows which call
// belongs to which state.
import type { AnyNode, Held, Lost, MessageLease, NodeContext, NodeResult, PipeMessage } from '../../api/pipe.js';
import { isNodeFailure, NodeFailure } from '../../api/pipe-failure.js';
import { builtAs, type AnyCallbacks } from '../../core/built-callbacks.js';
import { isThenable } from '../../core/callback.js';
import type { TraceRecorder } from './pipe-trace.js';
import type { TracedCallback, TracePoint } from './trace-point.js';

/** The state of a traced node. */
class TracedState {
  readonly number: number;
  readonly version: number;
  readonly run: number;
  readonly value: unknown;

  constructor(number: number, version: number, run: number, value: unknown) {
    this.number = number;
    this.version = version;
    this.run = run;
    this.value = value;
  }

  next(value: unknown): TracedState {
    return new TracedState(this.number, this.version + 1, this.run, value);
  }
}

type What = Pick<TracePoint, 'outputs' | 'keep' | 'drop' | 'error' | 'failure' | 'wasDone'>;

const nothing: What = { outputs: [], keep: [], drop: [], error: undefined, failure: undefined, wasDone: false };

interface TracedCall {
  readonly callback: TracedCallback;
  readonly context: NodeContext;
  /** Undefined for `init`. */
  readonly state: TracedState | undefined;
  readonly run: number;
  readonly message?: PipeMessage | undefined;
  readonly lease?: MessageLease | undefined;
  readonly invoke: () => unknown;
  /** What the actor gets of what was returned, and what the point says of it. */
  readonly returned: (returned: unknown) => readonly [given: unknown, state: TracedState | undefined, what: What];
}

/** Makes the calls of one node, and notes them. */
class CallTracer {
  readonly #index: number;
  readonly #recorder: TraceRecorder;

  constructor(index: number, recorder: TraceRecorder) {
    this.#index = index;
    this.#recorder = recorder;
  }

  #point(call: TracedCall, phase: TracePoint['phase'], state: TracedState | undefined, what: What): TracePoint {
    const { callback, context, run, message } = call;
    const lease = call.lease ?? message?.lease;
    const { node, pipe, route, attempt, now: at } = context;
    // One literal without spreads: a trace may have millions of points.
    return {
      number: this.#recorder.nextNumber(),
      pipe,
      run,
      node,
      index: this.#index,
      callback,
      phase,
      route,
      attempt,
      at,
      state: state?.number ?? 0,
      version: state?.version ?? 0,
      snapshot: state === undefined ? undefined : this.#recorder.snapshot(state.value, this.#index),
      message: message === undefined ? undefined : this.#recorder.numberOf(message),
      value: message?.value,
      itemId: message?.item === undefined ? undefined : `${message.item.shardId}/${message.item.sequenceNumber}`,
      lease: lease === undefined ? undefined : `${lease.source}/${lease.shardId}#${lease.fence}`,
      outputs: what.outputs,
      keep: what.keep,
      drop: what.drop,
      error: what.error,
      failure: what.failure,
      wasDone: what.wasDone,
    };
  }

  #number(held: Held): number {
    return typeof held === 'object' && held !== null ? this.#recorder.numberOf(held) : 0;
  }

  #numbers(held: readonly Held[]): number[] {
    return held.map((each) => this.#number(each));
  }

  /** What a result says, as far as it says something that can be read: the actor refuses the rest. */
  #resultPoint(result: NodeResult): What {
    return {
      ...nothing,
      outputs: objectsOf(result.outputs).map(({ value, of, route, hidden }) => ({
        ...{ value, of: this.#numbers(listOf(of)), route, hidden: hidden === true },
      })),
      keep: objectsOf(result.keep).map((each) =>
        'in' in each
          ? { message: this.#number(each.message), in: this.#number(each.in) }
          : { message: this.#number(each), in: undefined },
      ),
      drop: this.#numbers(listOf(result.drop)),
    };
  }

  #noteMain({ callback, context }: TracedCall, given: unknown): void {
    if (context.route !== undefined || callback === 'init' || callback === 'terminate') return;
    const isForgotten = callback !== 'handleLost' && (given as NodeResult | undefined)?.forget === true;
    this.#recorder.runs.note(context.pipe, this.#index, isForgotten ? 'forgotten' : 'open');
  }

  #threw(call: TracedCall, error: unknown, wasDone = false): never {
    const { state, callback, context } = call;
    if (context.route === undefined && (callback === 'handleFlush' || callback === 'handleTimer'))
      this.#recorder.runs.note(context.pipe, this.#index, 'failed');
    if (!isNodeFailure(error) || state === undefined) {
      this.#recorder.note(this.#point(call, 'threw', state, { ...nothing, error, wasDone }));
      throw error;
    }
    const { cause, of, values } = error;
    const next = state.next(error.state);
    const failure = { of: Array.isArray(of) ? this.#numbers(of) : [], version: next.version };
    this.#recorder.note(this.#point(call, 'threw', state, { ...nothing, error: cause, failure, wasDone }));
    throw new NodeFailure(cause, { of, state: next, values });
  }

  #returned(call: TracedCall, value: unknown, isHeld: boolean): unknown {
    const { context } = call;
    const [given, state, what] = call.returned(value);
    const at = (): TracePoint => this.#point(call, 'returned', state, what);
    const end = (): unknown => {
      const now = at();
      try {
        this.#recorder.reach(now);
      } catch (error) {
        this.#threw(call, error, true);
      }
      this.#noteMain(call, given);
      this.#recorder.note(now);
      return given;
    };
    const held = isHeld && this.#recorder.mayHold() ? this.#recorder.hold(at(), context.signal) : undefined;
    return held === undefined ? end() : held.then(end, (error: unknown) => this.#threw(call, error, true));
  }

  make(call: TracedCall): unknown {
    const canWait = call.callback !== 'handleLost';
    const at = (): TracePoint => this.#point(call, 'called', call.state, nothing);
    const begin = (): unknown => {
      const now = at();
      this.#recorder.note(now);
      let value: unknown;
      try {
        this.#recorder.reach(now);
        value = call.invoke();
      } catch (error) {
        this.#threw(call, error);
      }
      if (!canWait || !isThenable(value)) return this.#returned(call, value, canWait);
      return Promise.resolve(value).then(
        (result) => this.#returned(call, result, canWait),
        (error: unknown) => this.#threw(call, error),
      );
    };
    const held = canWait && this.#recorder.mayHold() ? this.#recorder.hold(at(), call.context.signal) : undefined;
    if (held === undefined) return begin();
    return held.then(begin, (error: unknown) => {
      this.#recorder.note(at());
      this.#threw(call, error);
    });
  }

  /** A call whose callback returns a result. */
  plain(callback: TracedCallback, state: TracedState, context: NodeContext): Omit<TracedCall, 'invoke'> {
    return {
      ...{ callback, context, state, run: state.run },
      returned: (result) => {
        // The actor refuses anything else, so it gets what it would get.
        if (typeof result !== 'object' || result === null || Array.isArray(result)) return [result, state, nothing];
        const value: unknown = Object.hasOwn(result, 'state') ? (result as NodeResult).state : state.value;
        const next = state.next(value);
        return [withState(result, next), next, this.#resultPoint(result as NodeResult)];
      },
    };
  }
}

export function tracedNode(node: AnyNode, index: number, recorder: TraceRecorder): AnyNode {
  const { runs } = recorder;
  const tracer = new CallTracer(index, recorder);
  return Object.freeze({
    ...node,
    init: (context: NodeContext) => {
      const { pipe, route, attempt } = context;
      const run = route === undefined && attempt === 1 ? runs.mainBegins(pipe, index) : runs.current(pipe);
      return tracer.make({
        ...{ callback: 'init', context, state: undefined, run },
        invoke: () => node.init?.(context),
        returned: (value) => {
          const state = new TracedState(recorder.nextState(), 0, run, value);
          return [state, state, nothing];
        },
      });
    },
    handleMessage: (state: TracedState, message: PipeMessage, context: NodeContext) =>
      tracer.make({
        ...tracer.plain('handleMessage', state, context),
        message,
        invoke: () => node.handleMessage(state.value, message, context) as unknown,
      }),
    ...optionalCallbacks(node, tracer),
    terminate: (state: TracedState, context: NodeContext) => {
      if (context.route === undefined) runs.note(context.pipe, index, 'ended');
      return tracer.make({
        ...{ callback: 'terminate', context, state, run: state.run },
        invoke: () => node.terminate?.(state.value, context),
        returned: (value) => [value, state, nothing],
      });
    },
  } as AnyNode);
}

/** The actor asks whether a node has them. */
function optionalCallbacks(node: AnyNode, tracer: CallTracer): Partial<AnyNode> {
  const { handleFlush, handleTimer, handleLost, [builtAs]: built } = node as AnyNode & AnyCallbacks;
  return {
    ...(built === undefined ? {} : { [builtAs]: ({ value }: TracedState) => built(value) }),
    ...(handleFlush === undefined
      ? {}
      : {
          handleFlush: (state: TracedState, context: NodeContext) =>
            tracer.make({
              ...tracer.plain('handleFlush', state, context),
              invoke: () => handleFlush(state.value, context) as unknown,
            }),
        }),
    ...(handleTimer === undefined
      ? {}
      : {
          handleTimer: (state: TracedState, context: NodeContext) =>
            tracer.make({
              ...tracer.plain('handleTimer', state, context),
              invoke: () => handleTimer(state.value, context) as unknown,
            }),
        }),
    ...(handleLost === undefined
      ? {}
      : {
          handleLost: (state: TracedState, lost: Lost, context: NodeContext) =>
            tracer.make({
              ...{ callback: 'handleLost', context, state, run: state.run, lease: lost.lease },
              invoke: () => handleLost(state.value, lost, context) as unknown,
              returned: (value) => {
                const next = state.next(value);
                return [next, next, nothing];
              },
            }),
        }),
  } as Partial<AnyNode>;
}

/** The result as it is, but for its state. */
function withState(result: object, state: TracedState): object {
  return Object.create(result, { state: { value: state, enumerable: true } }) as object;
}

function listOf<Each>(list: readonly Each[] | undefined): readonly Each[] {
  return Array.isArray(list) ? (list as readonly Each[]) : [];
}

function objectsOf<Each>(list: readonly Each[] | undefined): readonly Each[] {
  return listOf(list).filter((each) => typeof each === 'object' && each !== null);
}
