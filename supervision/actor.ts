// The types that behaviours are written with. A behaviour is a synchronous function from (state, message) to state and effects,
// and the runtime runs it as an actor. The only code here is the constructors of effects, which let TypeScript infer types.
import { asError } from '../src/core/thrown.js';

/** Exists in types only. It makes a reference contravariant in `Message`: a reference to an actor with other messages does not fit. */
declare const accepts: unique symbol;

/** The address of one incarnation of an actor. A stopped incarnation's address never reaches a later one. */
export interface Ref<in Message> {
  /** The name in logs and status, such as `shard-worker/shardId-000000000000#7`. */
  readonly path: string;
  /** Unique in the process, never reused. */
  readonly id: number;
  /** Never there; for the compiler only. */
  readonly [accepts]?: (message: Message) => void;
}

/** The address for the answer to one question. Made by the runtime; opaque to behaviours, except for its number. */
export interface ReplyTo<in A> {
  /** The actor that asked. */
  readonly asker: Ref<never>;
  /** Higher than the number of any earlier question, so the asked actor can recognize a repeated one. */
  readonly question: number;
  /** Never there; for the compiler only. */
  readonly [accepts]?: (answer: A) => void;
}

/** A message that asks a question: it carries the reply address. */
export interface Question<A> {
  /** Where the answer goes. */
  readonly replyTo: ReplyTo<A>;
}

/** How an incarnation ended. */
export interface Ending {
  /** `normal`: the actor ended itself. `shutdown`: it was stopped. `crash`: it threw or failed, with `error` as the cause. */
  readonly reason: 'normal' | 'shutdown' | 'crash';
  /** What it crashed with; absent at the other ends. */
  readonly error?: Error;
  /** User effects that had not ended by the stop deadline and may still act. */
  readonly orphans: readonly string[];
}

/** An action for the runtime. `Message`: the actor's own messages. `Event`: the events that the application's actors emit. */
export type Effect<Message, Event = unknown> =
  | {
      readonly type: 'send';
      /** The receiver. */
      readonly to: Ref<never>;
      /** One of its messages. */
      readonly message: unknown;
    }
  /** Asks another actor without blocking: see the constructor `ask`. */
  | {
      readonly type: 'ask';
      /** The actor to ask. */
      readonly to: Ref<never>;
      /** Makes the message from the reply address. */
      readonly question: (replyTo: ReplyTo<unknown>) => unknown;
      /** Makes a message from the answer. */
      readonly answered: (answer: never) => Message;
      /** Makes a message from the error: the actor has stopped, or the deadline has passed. */
      readonly failed: (error: Error) => Message;
      /** Milliseconds; none by default. */
      readonly deadlineMs?: number;
    }
  | {
      readonly type: 'reply';
      /** The address that the question had. */
      readonly to: ReplyTo<never>;
      /** What the asker gets as `answered(answer)`. */
      readonly answer: unknown;
    }
  /** Work that takes time: see the constructor `run`. */
  | {
      readonly type: 'run';
      /** Unique among the running effects of this actor; for status, orphans and `abort`. */
      readonly name: string;
      /** `user`: a call of application code, which a stop waits for. */
      readonly kind: 'io' | 'user';
      /** Begins the work. The signal aborts when the result is no longer wanted. */
      readonly start: (signal: AbortSignal) => unknown;
      /** Makes a message from the result. */
      readonly done: (result: never) => Message;
      /** Makes a message from what `start` threw or rejected with. */
      readonly failed: (error: unknown) => Message;
    }
  | {
      readonly type: 'abort';
      /** The name of the running effect. */
      readonly name: string;
      /** The reason of the effect's signal. */
      readonly reason: Error;
    }
  /** A timer of this actor. Setting its key again replaces it. It is canceled when the actor stops. */
  | {
      readonly type: 'after';
      /** Names the timer within its actor. */
      readonly key: string;
      /** Milliseconds from now. */
      readonly ms: number;
      /** The message that arrives. */
      readonly message: Message;
    }
  | {
      readonly type: 'cancel';
      /** The timer to cancel. No effect if it is not set. */
      readonly key: string;
    }
  | {
      readonly type: 'emit';
      /** The event, which the runtime passes to its option `emit`. */
      readonly event: Event;
    }
  /** Counts something that is worth a number but not an event: stale settles, unknown messages, late replies. */
  | {
      readonly type: 'count';
      /** The name of the counter. */
      readonly what: string;
      /** Default 1. */
      readonly by?: number;
    }
  /** Death watch: see the constructor `watch`. */
  | {
      readonly type: 'watch';
      /** The actor to watch. */
      readonly actor: Ref<never>;
      /** Makes a message from the end of the actor. */
      readonly down: (how: Ending) => Message;
    }
  /** Starts a child of this actor: see the constructor `spawn`. */
  | {
      readonly type: 'spawn';
      /** The child's name. The runtime appends `#n`. */
      readonly name: string;
      /** What the child does. */
      readonly behaviour: Behaviour<never, never>;
      /** Makes a message from the reference of the child. */
      readonly spawned: (child: Ref<never>) => Message;
      /** Makes a message from the end of the child, which is undefined if it did not start. */
      readonly down: (child: Ref<never> | undefined, how: Ending) => Message;
      /**
       * Arrives before `down` when the child begins to end by itself. The child handles no more messages, but may still wait for
       * effects.
       */
      readonly ending?: (child: Ref<never>, how: Ending) => Message;
      /** How long the child may wait for its user effects and children whenever it ends. 0: not at all. Default 5,000. */
      readonly shutdownMs?: number;
    }
  /** For a behaviour with `deferStart`: the actor has started, and its parent gets `spawned` now. */
  | { readonly type: 'started' }
  /** Stops a child: see the constructor `stopChild`. */
  | {
      readonly type: 'stopChild';
      /** A running child of this actor. */
      readonly child: Ref<never>;
      /** How long the stop may take, in milliseconds. */
      readonly deadlineMs: number;
    }
  /** Ends the actor normally, after the effects before this one. Only a `permanent` child is then restarted. */
  | { readonly type: 'end' }
  /** Crashes the actor with this error; its supervisor decides what follows. */
  | {
      readonly type: 'fail';
      /** What the actor crashes with. */
      readonly error: Error;
    };

/** An effect that a stopping actor may still have: see `Behaviour.stopped`. */
export type LastEffect<Event = unknown> = Extract<
  Effect<never, Event>,
  { readonly type: 'send' | 'reply' | 'emit' | 'count' }
>;

/** The next state, and the effects that the runtime carries out. */
export type Step<State, Message, Event = unknown> = readonly [State, readonly Effect<Message, Event>[]];

/** What an actor does: synchronous functions from state and message to the next state and effects. */
export interface Behaviour<State, Message, Event = unknown, Status extends object = object> {
  /** The actor's kind: `shard-worker`, `stage`, … */
  readonly kind: string;
  /** Returns the first state and effects. Called once per incarnation. A throw is a failed start. */
  initial(self: Ref<Message>): Step<State, Message, Event>;
  /**
   * Handles a message. Calls never overlap, and none comes before `initial` has returned. A throw is a crash. State may be
   * changed in place.
   */
  receive(state: State, message: Message): Step<State, Message, Event>;
  /**
   * Called once, when the actor has ended, crashed or been asked to stop, and its children have stopped. Synchronous; it releases
   * resources that are not effects (a reader, an AbortController).
   */
  stopped?(state: State, reason: 'normal' | 'shutdown' | 'crash'): readonly LastEffect<Event>[];
  /**
   * If true, the start is over, and the parent gets `spawned`, only at the effect `started`. An end before that is a failed
   * start.
   */
  readonly deferStart?: boolean;
  /**
   * How the actor's children stop when it stops, in reverse start order either way. `together` (the default): all stop acting at
   * once, and their effects are waited for together. `one-by-one`: each stops only after the one before has stopped entirely.
   */
  readonly stopChildren?: 'together' | 'one-by-one';
  /** The children in the order to stop them, if that is not the reverse start order. */
  stopOrder?(state: State): readonly Ref<never>[];
  /** The value that `status()` shows for this actor. Called between messages; it must not change anything. */
  status?(state: State): Status;
}

/**
 * The type of the answer to a question `Q`, one of an actor's messages `Message`. It is found by the type of the `replyTo` of `Q`.
 * The member `type` distinguishes messages.
 */
export type AnswerTo<Message, Q> = AnswerOf<
  Extract<Message, Q extends { readonly type: infer Type } ? { readonly type: Type } : unknown>
>;

/** The answer that the `replyTo` of a question takes. */
type AnswerOf<Q> = Q extends { readonly replyTo?: infer To }
  ? Exclude<To, undefined> extends ReplyTo<infer A>
    ? A
    : never
  : never;

/** The type of the reply address that `question` gets. The message that it is put into determines the type of the answer. */
// It must fit every question of the asked actor; `AnswerTo` finds the right one.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyReplyTo = ReplyTo<any>;

/** Sends a message. A message to a stopped actor is counted and dropped. */
export function send<Message>(to: Ref<Message>, message: NoInfer<Message>): LastEffect<never> {
  return { type: 'send', to, message };
}

/** The two outcomes of a question: exactly one of these messages arrives, once. */
export interface Outcomes<Answer, Message, Failed> {
  /** Makes a message from the answer. */
  readonly answered: (answer: Answer) => Message;
  /** The asked actor has stopped, or the deadline has passed. */
  readonly failed: (error: Error) => Failed;
  /** Milliseconds; none by default. */
  readonly deadlineMs?: number;
}

/**
 * Asks another actor without blocking. `question` puts the reply address into a message, whose type determines the type of the
 * answer. The answer arrives as `answered(answer)`. If the asked actor stops, has already stopped, or misses the deadline,
 * `failed(error)` arrives instead. That error is a KinactError with code ACTOR_STOPPED or ASK_TIMEOUT. The asker gets exactly one
 * of the two messages, unless it stops first.
 *
 * @example
 * ```ts
 * import { effect, type Ref, type ReplyTo } from 'kinact/supervision';
 *
 * type Acquire = { type: 'acquire'; replyTo: ReplyTo<number> };
 * const askPool = (pool: Ref<Acquire>) =>
 *   effect.ask(pool, (replyTo) => ({ type: 'acquire', replyTo }), {
 *     answered: (slot) => ({ type: 'granted', slot }),
 *     failed: (error) => ({ type: 'refused', error }),
 *     deadlineMs: 1_000,
 *   });
 * ```
 */
export function ask<Asked, const Q extends Asked, const Message, const Failed>(
  to: Ref<Asked>,
  question: (replyTo: AnyReplyTo) => Q,
  { answered, failed, deadlineMs }: Outcomes<AnswerTo<Asked, NoInfer<Q>>, Message, Failed>,
): Effect<Message | Failed, never> {
  return { type: 'ask', to, question, answered, failed, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}

/** Answers a question, once. A later answer is counted and dropped. */
export function reply<A>(to: ReplyTo<A>, answer: NoInfer<A>): LastEffect<never> {
  return { type: 'reply', to, answer };
}

/** Watches another actor: `down` arrives once, when that incarnation has stopped, or at once if it already has. */
export function watch<const Message>(actor: Ref<never>, down: (how: Ending) => Message): Effect<Message, never> {
  return { type: 'watch', actor, down };
}

/** The messages that a parent gets about a child. */
export interface ChildNews<ChildMessage, Message, Down> {
  /** Makes a message from the reference of the child. */
  readonly spawned: (child: Ref<ChildMessage>) => Message;
  /** Makes a message from the end of the child, which is undefined if it did not start. */
  readonly down: (child: Ref<ChildMessage> | undefined, how: Ending) => Down;
  /** How long the child may wait for its user effects and children whenever it ends. Milliseconds, 5,000 by default. */
  readonly shutdownMs?: number;
}

/**
 * Starts a child of this actor under a name never used before (the runtime appends `#n`). The actor gets `spawned` first, and
 * `down` once, when the child has stopped. A child whose `initial` throws causes `down` alone. Children stop before their parent
 * does. A child that needs restarts belongs under a supervisor.
 *
 * @example
 * ```ts
 * import { effect, type Behaviour } from 'kinact/supervision';
 *
 * const startSession = (session: Behaviour<unknown, { type: 'close' }>) =>
 *   effect.spawn('alice', session, {
 *     spawned: (child) => ({ type: 'opened', child }),
 *     down: (_, how) => ({ type: 'closed', reason: how.reason }),
 *   });
 * ```
 */
export function spawn<ChildState, ChildMessage, Event, const Message, const Down>(
  name: string,
  behaviour: Behaviour<ChildState, ChildMessage, Event>,
  { spawned, down, shutdownMs }: ChildNews<ChildMessage, Message, Down>,
): Effect<Message | Down, Event> {
  const wait = shutdownMs === undefined ? {} : { shutdownMs };
  return { type: 'spawn', name, behaviour, spawned, down, ...wait } as unknown as Effect<Message | Down, Event>;
}

/**
 * Runs work that takes time: I/O, or a call into user code (`kind: 'user'`, which stops and restarts wait for). `done` gets what
 * `start` returns or resolves to, `failed` what it throws or rejects with. The result arrives as a message. After the actor has
 * stopped, it is dropped and counted. `signal` aborts when the actor stops or an `abort` effect has this name. `name` is unique
 * among the running effects of this actor.
 */
export function run<R, const Message, const Failed>(effect: {
  /** Unique among the running effects of this actor; for status, orphans and `abort`. */
  readonly name: string;
  /** `user`: a call of application code, which a stop waits for. */
  readonly kind: 'io' | 'user';
  /** Begins the work. The signal aborts when the result is no longer wanted. */
  readonly start: (signal: AbortSignal) => R;
  /** Makes a message from the result. */
  readonly done: (result: Awaited<R>) => Message;
  /** Makes a message from what `start` threw or rejected with. */
  readonly failed: (error: unknown) => Failed;
}): Effect<Message | Failed, never> {
  return { type: 'run', ...effect };
}

/** Aborts the signal of a running effect. The result of that effect still arrives. */
export function abort(name: string, reason: Error): Effect<never, never> {
  return { type: 'abort', name, reason };
}

/** Sets a timer of this actor, in milliseconds. Setting the same key again replaces it. */
export function after<const Message>(key: string, ms: number, message: Message): Effect<Message, never> {
  return { type: 'after', key, ms, message };
}

/** Clears a timer, if it is set. */
export function cancel(key: string): Effect<never, never> {
  return { type: 'cancel', key };
}

/** Passes an event to the listener of the runtime (`RuntimeOptions.emit`). */
export function emit<const Event>(event: Event): LastEffect<Event> {
  return { type: 'emit', event };
}

/** Adds to a counter of the runtime, 1 by default. */
export function count(what: string, by = 1): LastEffect<never> {
  return { type: 'count', what, by };
}

/** For a behaviour with `deferStart`: the actor has started. */
export function started(): Effect<never, never> {
  return { type: 'started' };
}

/**
 * Stops a child, after the child's own children. Its effects are aborted, and may take `deadlineMs` milliseconds, 5,000 by
 * default. `down` arrives at the end.
 */
export function stopChild(child: Ref<never>, deadlineMs = 5_000): Effect<never, never> {
  return { type: 'stopChild', child, deadlineMs };
}

/** Ends this actor normally, once the effects before this one are carried out. */
export function end(): Effect<never, never> {
  return { type: 'end' };
}

/** Crashes this actor; its supervisor decides what follows. */
export function fail(error: unknown): Effect<never, never> {
  return { type: 'fail', error: asError(error) };
}
