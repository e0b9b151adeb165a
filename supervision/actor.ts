// The vocabulary of behaviours. A behaviour is a synchronous function from (state, message) to state and effects; the
// runtime makes it live. The only code here is the constructors of effects, from which TypeScript infers.
import { asError } from '../src/core/thrown.js';

/** Types only: carries `M` contravariantly so that a reference to another actor's messages does not fit. */
declare const accepts: unique symbol;

/** The address of one incarnation of an actor. A stopped incarnation's address never reaches a later one. */
export interface Ref<in M> {
  /** As people read it: `shard-worker/shardId-000000000000#7`. */
  readonly path: string;
  /** Unique in the process, never reused. */
  readonly id: number;
  readonly [accepts]?: (message: M) => void;
}

/** Where the answer to one question goes. Made by the runtime; opaque to behaviours. */
export interface ReplyTo<in A> {
  readonly asker: Ref<never>;
  /** Higher than that of any question asked before, so that the asked actor recognises a repeated one. */
  readonly question: number;
  readonly [accepts]?: (answer: A) => void;
}

/** Every question a behaviour understands carries one of these. */
export interface Question<A> {
  readonly replyTo: ReplyTo<A>;
}

/** How an incarnation ended. */
export interface Ending {
  /** `normal`: it ended itself. `shutdown`: it was stopped. `crash`: it threw or failed; `error` says why. */
  readonly reason: 'normal' | 'shutdown' | 'crash';
  readonly error?: Error;
  /** User effects that had not settled by the stop deadline and may still act. */
  readonly orphans: readonly string[];
}

/** What an actor asks for. `Self`: its own messages; `Event`: what the application's actors emit. */
export type Effect<Self, Event = unknown> =
  | { readonly type: 'send'; readonly to: Ref<never>; readonly message: unknown }
  /**
   * Asks without blocking. `question` gets the reply address; the answer comes back as `answered(answer)`. The death of the
   * asked actor, a deadline that passes (none by default) or a stopped address comes back as `failed(error)`. That error is
   * a KinactError with code ACTOR_STOPPED or ASK_TIMEOUT. Exactly one of the two comes, once, unless the asker stops first.
   */
  | {
      readonly type: 'ask';
      readonly to: Ref<never>;
      readonly question: (replyTo: ReplyTo<unknown>) => unknown;
      readonly answered: (answer: never) => Self;
      readonly failed: (error: Error) => Self;
      readonly deadlineMs?: number;
    }
  | { readonly type: 'reply'; readonly to: ReplyTo<never>; readonly answer: unknown }
  /**
   * Work with a duration: I/O, or a call into user code (`kind: 'user'`, which a restart waits for). `start` may return a
   * value or a thenable; a throw counts as a rejection. The result comes back as a message; once the actor has stopped
   * it is dropped and counted. `signal` aborts when the actor stops or `abort` names the effect.
   */
  | {
      readonly type: 'run';
      /** Unique among the running effects of this actor; for status, orphans and `abort`. */
      readonly name: string;
      readonly kind: 'io' | 'user';
      readonly start: (signal: AbortSignal) => unknown;
      readonly done: (result: never) => Self;
      readonly failed: (error: unknown) => Self;
    }
  | { readonly type: 'abort'; readonly name: string; readonly reason: Error }
  /** A timer of this actor's own; one per key: setting it again replaces it. Gone when the actor stops. */
  | { readonly type: 'after'; readonly key: string; readonly ms: number; readonly message: Self }
  | { readonly type: 'cancel'; readonly key: string }
  | { readonly type: 'emit'; readonly event: Event }
  /** Counts something that is worth a number but not an event: stale settles, unknown messages, late replies. */
  | { readonly type: 'count'; readonly what: string; readonly by?: number }
  /**
   * Death watch: `down(how)` comes once, when that incarnation has stopped for any reason. It comes at once if it already
   * has.
   */
  | { readonly type: 'watch'; readonly actor: Ref<never>; readonly down: (how: Ending) => Self }
  /**
   * Starts a child of this actor under a name never used before (the runtime appends `#n`). `spawned` comes first, then
   * once `down`. Children stop before their parent does. A child whose `initial` throws comes back as `down` alone.
   */
  | {
      readonly type: 'spawn';
      readonly name: string;
      readonly behaviour: Behaviour<never, never>;
      readonly spawned: (child: Ref<never>) => Self;
      readonly down: (child: Ref<never> | undefined, how: Ending) => Self;
      /** Comes before `down` when the child begins to end by itself: it will never act again, but may still wait. */
      readonly ending?: (child: Ref<never>, how: Ending) => Self;
      /** How long the child may wait for its user effects and children whenever it ends. 0: not at all. Default 5,000. */
      readonly shutdownMs?: number;
    }
  /** For a behaviour with `deferStart`: it has started; its parent gets `spawned` now. */
  | { readonly type: 'started' }
  /** Stops a child: its children first; then its effects are aborted, and waited for until the deadline. `down` reports it. */
  | { readonly type: 'stopChild'; readonly child: Ref<never>; readonly deadlineMs: number }
  /** The actor ends normally once the effects before this one are carried out: no restart. */
  | { readonly type: 'end' }
  /** The actor crashes with this error: its supervisor decides. */
  | { readonly type: 'fail'; readonly error: Error };

/** The next state, and what the runtime is to do. */
export type Step<State, Self, Event = unknown> = readonly [State, readonly Effect<Self, Event>[]];

/** What an actor does: synchronous functions from state and message to the next state and effects. */
export interface Behaviour<State, Self, Event = unknown, Status extends object = object> {
  /** The actor's kind: `shard-worker`, `stage`, … */
  readonly kind: string;
  /** The first state, and what to do at once. Called once per incarnation. A throw is a failed start. */
  initial(self: Ref<Self>): Step<State, Self, Event>;
  /** Never called before `initial` has returned, never twice at once. A throw is a crash. State may be changed in place. */
  receive(state: State, message: Self): Step<State, Self, Event>;
  /**
   * Called once, when the actor has been asked to stop, has crashed or has ended. Synchronous; it releases what is not an
   * effect (a reader, an AbortController). Its effects of type `send`, `reply`, `emit` and `count` are carried out.
   */
  stopped?(state: State, reason: 'normal' | 'shutdown' | 'crash'): readonly Effect<Self, Event>[];
  /** True: its start is over, and `spawned` comes, only with the effect `started`. An end before that is a failed start. */
  readonly deferStart?: boolean;
  /**
   * How its children stop when it does, in reverse start order either way. `together` (the default): all stop acting at
   * once and their effects are waited for together. `one-by-one`: each only when the one before has stopped entirely.
   */
  readonly stopChildren?: 'together' | 'one-by-one';
  /** Its children in the order to stop them, where that is not the reverse order of their starts. */
  stopOrder?(state: State): readonly Ref<never>[];
  /** What `status()` shows of this actor; called between messages, must not change anything. */
  status?(state: State): Status;
}

/**
 * The answer to a question `Q` among the messages `M`, by the type of its `replyTo`. Messages are distinguished by their
 * `type`.
 */
export type AnswerTo<M, Q> = AnswerOf<
  Extract<M, Q extends { readonly type: infer Type } ? { readonly type: Type } : unknown>
>;

type AnswerOf<Asked> = Asked extends { readonly replyTo?: infer To }
  ? Exclude<To, undefined> extends ReplyTo<infer A>
    ? A
    : never
  : never;

/** The type of the reply address in `question`: the message that it is put into says which answer it takes. */
// It has to fit every question of the actor that is asked; `AnswerTo` finds the right one.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyReplyTo = ReplyTo<any>;

/** Sends a message. To a stopped actor: counted and dropped. */
export function send<M>(to: Ref<M>, message: NoInfer<M>): Effect<never, never> {
  return { type: 'send', to, message };
}

/** What becomes of a question: exactly one of the two messages comes, once. */
export interface Outcomes<Answer, Self, Failed> {
  readonly answered: (answer: Answer) => Self;
  /** The asked actor has stopped, or the deadline has passed. */
  readonly failed: (error: Error) => Failed;
  /** Milliseconds; none by default. */
  readonly deadlineMs?: number;
}

/**
 * Asks without blocking. `question` puts the reply address into the message, whose type says what the answer is. The answer comes
 * back as `answered(answer)`. The death of the asked actor, a deadline that passes or a stopped address comes back as
 * `failed(error)`, a KinactError of code ACTOR_STOPPED or ASK_TIMEOUT. Exactly one of the two comes, once, unless the asker stops
 * first.
 *
 * @example
 * ```ts
 * const { effect } = await import('kinact/supervision');
 * type Acquire = { type: 'acquire'; replyTo: import('kinact/supervision').ReplyTo<number> };
 * const askPool = (pool: import('kinact/supervision').Ref<Acquire>) =>
 *   effect.ask(pool, (replyTo) => ({ type: 'acquire', replyTo }), {
 *     answered: (slot) => ({ type: 'granted', slot }),
 *     failed: (error) => ({ type: 'refused', error }),
 *     deadlineMs: 1_000,
 *   });
 * ```
 */
export function ask<M, const Q extends M, const Self, const Failed>(
  to: Ref<M>,
  question: (replyTo: AnyReplyTo) => Q,
  { answered, failed, deadlineMs }: Outcomes<AnswerTo<M, NoInfer<Q>>, Self, Failed>,
): Effect<Self | Failed, never> {
  return { type: 'ask', to, question, answered, failed, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}

/** Answers a question, once. A later answer is counted and dropped. */
export function reply<A>(to: ReplyTo<A>, answer: NoInfer<A>): Effect<never, never> {
  return { type: 'reply', to, answer };
}

/** Watches another actor: `down` comes once, when that incarnation has stopped, or at once if it already has. */
export function watch<const Self>(actor: Ref<never>, down: (how: Ending) => Self): Effect<Self, never> {
  return { type: 'watch', actor, down };
}

/** What a parent hears of a child. */
export interface ChildNews<M, Self, Down> {
  readonly spawned: (child: Ref<M>) => Self;
  readonly down: (child: Ref<M> | undefined, how: Ending) => Down;
  /** How long it may wait for its user effects and children whenever it ends. Milliseconds, 5,000 by default. */
  readonly shutdownMs?: number;
}

/**
 * Starts a child of this actor, under a name never used before: the runtime appends `#n`. `spawned` comes first, then `down`
 * once. A child whose `initial` throws comes back as `down` alone. Children stop before their parent does. A child that needs
 * restarts belongs under a supervisor.
 *
 * @example
 * ```ts
 * const { effect } = await import('kinact/supervision');
 * const startSession = (session: import('kinact/supervision').Behaviour<unknown, { type: 'close' }>) =>
 *   effect.spawn('alice', session, {
 *     spawned: (child) => ({ type: 'opened', child }),
 *     down: (_, how) => ({ type: 'closed', reason: how.reason }),
 *   });
 * ```
 */
export function spawn<S, M, Event, const Self, const Down>(
  name: string,
  behaviour: Behaviour<S, M, Event>,
  { spawned, down, shutdownMs }: ChildNews<M, Self, Down>,
): Effect<Self | Down, Event> {
  const wait = shutdownMs === undefined ? {} : { shutdownMs };
  return { type: 'spawn', name, behaviour, spawned, down, ...wait } as unknown as Effect<Self | Down, Event>;
}

/**
 * Runs work with a duration: I/O, or a call into user code (`kind: 'user'`, which a restart waits for). `done` gets what `start`
 * returns or resolves to, `failed` what it throws or rejects with. The result comes back as a message; once the actor has stopped
 * it is dropped and counted. `signal` aborts when the actor stops or `abort` names the effect. `name` is unique among the running
 * effects of this actor.
 */
export function run<R, const Self, const Failed>(effect: {
  readonly name: string;
  readonly kind: 'io' | 'user';
  readonly start: (signal: AbortSignal) => R;
  readonly done: (result: Awaited<R>) => Self;
  readonly failed: (error: unknown) => Failed;
}): Effect<Self | Failed, never> {
  return { type: 'run', ...effect };
}

/** Aborts the signal of a running effect. Its result still comes. */
export function abort(name: string, reason: Error): Effect<never, never> {
  return { type: 'abort', name, reason };
}

/** Sets a timer of this actor, in milliseconds; one per key: setting it again replaces it. */
export function after<const Self>(key: string, ms: number, message: Self): Effect<Self, never> {
  return { type: 'after', key, ms, message };
}

/** Clears a timer, if it is set. */
export function cancel(key: string): Effect<never, never> {
  return { type: 'cancel', key };
}

/** Passes an event to the listener of the runtime (`RuntimeOptions.emit`). */
export function emit<const Event>(event: Event): Effect<never, Event> {
  return { type: 'emit', event };
}

/** Adds to a counter of the runtime, 1 by default. */
export function count(what: string, by = 1): Effect<never, never> {
  return { type: 'count', what, by };
}

/** For a behaviour with `deferStart`: its start is over. */
export function started(): Effect<never, never> {
  return { type: 'started' };
}

/** Stops a child; its effects are waited for `deadlineMs` milliseconds, 5,000 by default. `down` comes when it has stopped. */
export function stopChild(child: Ref<never>, deadlineMs = 5_000): Effect<never, never> {
  return { type: 'stopChild', child, deadlineMs };
}

/** Ends this actor normally, once the effects before this one are carried out. */
export function end(): Effect<never, never> {
  return { type: 'end' };
}

/** Crashes this actor: its supervisor decides what follows. */
export function fail(error: unknown): Effect<never, never> {
  return { type: 'fail', error: asError(error) };
}
