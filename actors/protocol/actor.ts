// The runtime's types for kinact's own actors, which emit only events of type `KinactEvent`.
import type { Behaviour as AnyBehaviour, Effect as AnyEffect, Step as AnyStep } from '../../supervision/actor.js';
import type { KinactEvent } from '../../src/api/events.js';

export * as effect from '../../supervision/actor.js';
export type { Ending, Question, Ref, ReplyTo } from '../../supervision/actor.js';

export type Effect<Self> = AnyEffect<Self, KinactEvent>;
export type Step<State, Self> = AnyStep<State, Self, KinactEvent>;
export type Behaviour<State, Self, Status extends object = object> = AnyBehaviour<State, Self, KinactEvent, Status>;
