// The runtime's types for kinact's own actors, which emit only events of type `KinactEvent`.
import type {
  Behaviour as AnyBehaviour,
  Effect as AnyEffect,
  LastEffect as AnyLastEffect,
  Step as AnyStep,
} from '../../supervision/actor.js';
import type { KinactEvent } from '../../src/api/events.js';

export * as effect from '../../supervision/actor.js';
export type { Ending, Question, Ref, ReplyTo } from '../../supervision/actor.js';

export type Effect<Message> = AnyEffect<Message, KinactEvent>;
export type LastEffect = AnyLastEffect<KinactEvent>;
export type Step<State, Message> = AnyStep<State, Message, KinactEvent>;
export type Behaviour<State, Message, Status extends object = object> = AnyBehaviour<
  State,
  Message,
  KinactEvent,
  Status
>;

/** Whether a turn crashes its actor. */
export function hasFailed({ effects }: { readonly effects: readonly { readonly type: string }[] }): boolean {
  return effects.some(({ type }) => type === 'fail');
}
