// The vocabulary every behaviour is written in. A behaviour is a synchronous function from (state, message) to state and
// effects; `supervision/system.ts` makes it live. No code but the two constructors that TypeScript's inference needs.

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
  /** Higher than that of any question asked before: whoever is asked knows a repeated one by it. */
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
   * Asks without blocking. `question` gets the reply address; the answer comes back as `answered(answer)`. The death of
   * the asked actor, a deadline that passes (none by default) or a stopped address comes back as `failed(error)`, a
   * KinactError with code ACTOR_STOPPED or ASK_TIMEOUT. Exactly one of the two, once, unless the asker stops first.
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
   * Death watch: `down(how)` comes once, when that incarnation has stopped for any reason, at once if it already has.
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
  /** Stops a child: its children first, its effects aborted and waited for until the deadline. `down` reports it. */
  | { readonly type: 'stopChild'; readonly child: Ref<never>; readonly deadlineMs: number }
  /** The actor ends normally once the effects before this one are carried out: no restart. */
  | { readonly type: 'end' }
  /** The actor crashes with this error: its supervisor decides. */
  | { readonly type: 'fail'; readonly error: Error };

export type Step<State, Self, Event = unknown> = readonly [State, readonly Effect<Self, Event>[]];

export interface Behaviour<State, Self, Event = unknown> {
  /** The actor's kind: `shard-worker`, `stage`, … */
  readonly kind: string;
  /** The first state, and what to do at once. Called once per incarnation. A throw is a failed start. */
  initial(self: Ref<Self>): Step<State, Self, Event>;
  /** Never called before `initial` has returned, never twice at once. A throw is a crash. State may be changed in place. */
  receive(state: State, message: Self): Step<State, Self, Event>;
  /**
   * Called once, when the actor has been asked to stop or has crashed or ended; synchronous; for releasing what is not an
   * effect (a reader, an AbortController). Its effects of type `send`, `reply`, `emit` and `count` are carried out.
   */
  stopped?(state: State, reason: 'normal' | 'shutdown' | 'crash'): readonly Effect<Self, Event>[];
  /** True: its start is over, and `spawned` comes, with the effect `started`. An end before that is a failed start. */
  readonly deferStart?: boolean;
  /**
   * How its children stop when it does, in reverse start order either way. `together` (the default): all stop acting at
   * once and their effects are waited for together. `one-by-one`: each only when the one before has stopped entirely.
   */
  readonly stopChildren?: 'together' | 'one-by-one';
  /** Its children in the order to stop them, where that is not the reverse order of their starts. */
  stopOrder?(state: State): readonly Ref<never>[];
  /** What `status()` shows of this actor; called between messages, must not change anything. */
  status?(state: State): object;
}

/** Sends, type-checked: the message must fit the reference. */
export function send<M>(to: Ref<M>, message: NoInfer<M>): Effect<never, never> {
  return { type: 'send', to, message };
}

/** Asks, type-checked: question, answer and reference must fit. */
export function ask<M, A, Self>(
  to: Ref<M>,
  question: (replyTo: ReplyTo<A>) => NoInfer<M>,
  answered: (answer: A) => Self,
  failed: (error: Error) => Self,
  deadlineMs?: number,
): Effect<Self, never> {
  return { type: 'ask', to, question, answered, failed, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}

/** Answers, type-checked. */
export function reply<A>(to: ReplyTo<A>, answer: NoInfer<A>): Effect<never, never> {
  return { type: 'reply', to, answer };
}

/** Watches, type-checked. */
export function watch<Self>(actor: Ref<never>, down: (how: Ending) => Self): Effect<Self, never> {
  return { type: 'watch', actor, down };
}

/** Spawns, type-checked. */
export function spawn<S, M, Self>(
  name: string,
  behaviour: Behaviour<S, M>,
  spawned: (child: Ref<M>) => Self,
  down: (child: Ref<M> | undefined, how: Ending) => Self,
): Effect<Self, never> {
  return { type: 'spawn', name, behaviour, spawned, down } as unknown as Effect<Self, never>;
}

/** Runs, type-checked: `done` gets what `start` returns or resolves to. */
export function run<R, Self>(effect: {
  readonly name: string;
  readonly kind: 'io' | 'user';
  readonly start: (signal: AbortSignal) => R;
  readonly done: (result: Awaited<R>) => Self;
  readonly failed: (error: unknown) => Self;
}): Effect<Self, never> {
  return { type: 'run', ...effect };
}
