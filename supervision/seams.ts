// What stands between actors and their messages, and what a trace shows of them: types, public through `index.ts`.
import type { Ref } from './actor.js';
import type { EffectInfo } from './effects.js';

/** How a message came about. */
export type Via = 'send' | 'ask' | 'reply' | 'result' | 'timer' | 'down' | 'lifecycle';

/** A message on its way, as `Intercept.deliver` sees it. */
export interface Delivery {
  /** Absent when the message comes from the actor's own timer or effect, or from the application. */
  readonly from?: Ref<never>;
  /** The receiver. */
  readonly to: Ref<never>;
  /** How it comes. */
  readonly via: Via;
  readonly message: unknown;
}

/**
 * Stands between an actor and its messages and effects, for tracing, fault injection or throttling. Whatever it does, the
 * actor gets messages only from nact, one at a time.
 */
export interface Intercept {
  /**
   * Call `deliver` now, later, twice or not at all. Keep the order between the same two actors, repeated deliveries
   * included. What an actor sends or asks reaches the other once per call; kinact's own actors drop the repeated ones. A
   * reply, a result, a timer and the news of an end are signals: only their first arrival counts. A throw here is counted,
   * and reported once; the message is then delivered, if it was not before.
   */
  deliver?(delivery: Delivery, deliver: () => void): void;
  /**
   * The actor is about to handle a message, which may come from its own timers and effects. Call `receive` now or later, in
   * the order in which the messages came, or not at all: that message is then lost to this actor. Only the first call
   * counts. It returns when the message has been handled and its effects are under way. A throw here crashes the actor.
   */
  receive?(delivery: Delivery, receive: () => void): void;
  /** Call `start` and return what it returns, or replace it: by a value, a thenable, or a throw. */
  startEffect?(actor: Ref<never>, info: EffectInfo, start: () => unknown): unknown;
}

/** One step of the runtime, in the order in which the steps happen. The same run gives the same entries. */
export interface TraceEntry {
  /** Monotonic milliseconds. */
  readonly at: number;
  /** `message`: an actor is about to handle one. */
  readonly what: 'start' | 'message' | 'effect' | 'settled' | 'stopping' | 'stopped';
  /** Path of the actor. */
  readonly to: string;
  /** Path of the sender, where an actor sent the message. */
  readonly from?: string;
  readonly via?: Via;
  /** The message's `type`, the effect's name, or how the actor ends. */
  readonly type?: string;
}
