// The types of intercepts, which run between actors and their messages and effects, and of traces. `intercept-chain.ts` runs the
// intercepts. Public through `index.ts`.
import type { Ref } from './actor.js';
import type { EffectInfo } from './running-effects.js';

/** How a message came about. */
export type Via = 'send' | 'ask' | 'reply' | 'result' | 'timer' | 'down' | 'lifecycle';

/** A message on its way, as an intercept sees it. */
export interface Delivery {
  /** Absent when the message comes from the actor's own timer or effect. The application is a sender with the path `outside`. */
  readonly from?: Ref<never>;
  /** The receiver. */
  readonly to: Ref<never>;
  /** How the message came about. */
  readonly via: Via;
  /** The message itself. Do not change it. */
  readonly message: unknown;
}

/**
 * Runs between an actor and its messages and effects, for tracing, fault injection or throttling. Whatever an intercept does, the
 * actor gets messages only from nact, one at a time.
 */
export interface Intercept {
  /**
   * Call `deliver` now, later, twice or not at all. Keep the order between the same two actors, repeated deliveries included. A
   * message or question arrives once per call of `deliver`; kinact's own actors drop repeated ones. A reply, a result, a timer
   * and the news of an end are signals: only their first arrival counts. A throw here is counted, and reported once; the message
   * is then delivered, if it was not before.
   */
  deliver?(delivery: Delivery, deliver: () => void): void;
  /**
   * Called when the actor is about to handle a message, which may come from its own timers and effects. Call `receive` now or
   * later, in the order in which the messages came. If you do not call it, this actor loses the message. Only the first call
   * counts. `receive` returns when the message has been handled and its effects are under way. A throw here crashes the actor.
   */
  receive?(delivery: Delivery, receive: () => void): void;
  /** Call `start` and return its result, or replace the result by a value, a thenable, or a throw. */
  startEffect?(actor: Ref<never>, info: EffectInfo, start: () => unknown): unknown;
}

/** One step of the runtime. Entries come in the order of the steps, and the same run gives the same entries. */
export interface TraceEntry {
  /** Monotonic milliseconds. */
  readonly at: number;
  /** `message`: an actor is about to handle one. */
  readonly what: 'start' | 'message' | 'effect' | 'settled' | 'stopping' | 'stopped';
  /** Path of the actor. */
  readonly to: string;
  /** Path of the sender: an actor, or `outside` for the application. */
  readonly from?: string;
  /** How the message came about; present with `message`. */
  readonly via?: Via;
  /** The message's `type`, the effect's name, or how the actor ends. */
  readonly type?: string;
}
