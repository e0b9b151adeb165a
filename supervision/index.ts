// `kinact/supervision`: actors for applications, on the runtime that kinact itself lives on. A thin edge over `system.ts`.
import type { Behaviour, Ending, Ref, ReplyTo } from '../actors/actor.js';
import { KinactError } from '../src/errors.js';
import { cellOf, type Engine, type Runtime, type RuntimeOptions } from './cell.js';
import type { SupervisorOptions } from './child-spec.js';
import { isNactReference, type NactReference } from './nact.js';
import { supervisor, type SupervisorMessage } from './supervisor.js';
import {
  askFromOutside,
  createRuntime,
  endingOf,
  sendFromOutside,
  spawnRoot,
  spawnUnder,
  stopRoot,
  type SpawnOptions,
} from './system.js';

/** The constructors of effects, for writing behaviours: `effect.send(to, message)`, `effect.run({ … })`. */
export * as effect from '../actors/actor.js';
export type { Behaviour, Effect, Ending, Question, Ref, ReplyTo, Step } from '../actors/actor.js';
export type { ChildSpec, Siblings, SupervisorOptions } from './child-spec.js';
export type { AutoShutdown, Restart, Strategy } from './strategy.js';
export type { ChildInfo, ChildStarted, SupervisorMessage } from './supervisor.js';
export type { Delivery, Intercept, Runtime, RuntimeOptions, TraceEntry, Via } from './cell.js';
export type { EffectInfo } from './effects.js';
export type { NactReference } from './nact.js';
export type { SpawnOptions } from './system.js';
export { createRuntime, crashActor as crash } from './system.js';
export { attachIntercept } from './intercept.js';
export { actorsOf, counters, status, statusOf, type ActorStatus, type EffectStatus } from './status.js';

/**
 * What an actor can live under: another actor of ours, a runtime, or a reference of the application's nact (an actor or a
 * system). `undefined` stands for a runtime that is made for the purpose.
 *
 * An application that stops its nact parent is noticed within `probeMs` (250 by default): everything under it then stops
 * as if it had been asked to, and the ending's error has the code PARENT_STOPPED.
 */
export type Parent = Ref<never> | Runtime | NactReference | undefined;

/**
 * Starts an actor.
 *
 * Its path is `kind/name#n`, with `n` never used before in its runtime; a reference to it never reaches a later one.
 * @throws KinactError START_FAILED when `initial` threw, ACTOR_STOPPED or PARENT_STOPPED when the parent is gone.
 */
export function spawn<S, M>(parent: Parent, behaviour: Behaviour<S, M>, name = '', options: SpawnOptions = {}): Ref<M> {
  return isRef(parent)
    ? spawnUnder(parent, behaviour, name, options)
    : spawnRoot(runtimeOf(parent), behaviour, name, options);
}

/** Sends a message. Messages from one sender to one actor arrive in order. To a stopped actor: counted and dropped. */
export function send<M>(ref: Ref<M>, message: NoInfer<M>): void {
  sendFromOutside(ref, message);
}

/**
 * Asks an actor, which answers with the effect `reply`.
 *
 * `deadlineMs`: milliseconds until the question fails; none by default. `signal`: withdraws the question, rejects with
 * the signal's reason.
 * @throws KinactError ACTOR_STOPPED as soon as the actor stops, ASK_TIMEOUT at the deadline.
 */
export function ask<M, A, const Q extends M>(
  ref: Ref<M>,
  question: (replyTo: ReplyTo<A>) => Q,
  options: { readonly deadlineMs?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<A> {
  return askFromOutside(ref, question as (replyTo: never) => unknown, options) as Promise<A>;
}

/** Resolves to how the actor ended, when it has ended entirely; at once when it had before. Never rejects. */
export function watch(ref: Ref<never>): Promise<Ending> {
  return endingOf(ref);
}

/**
 * Starts a supervisor and its children, in order. It may be told to `startChild` and `terminateChild` later.
 *
 * The reference comes back before the children have started: a question `children` is answered once they have. When one
 * does not start, or restarts exceed `intensity` within `periodMs`, the supervisor stops what is running and crashes:
 * `watch` tells, with START_FAILED or RESTART_INTENSITY and the last error as cause.
 * @throws KinactError INVALID_OPTION.
 */
export function supervise(parent: Parent, options: SupervisorOptions): Ref<SupervisorMessage> {
  const at = isRef(parent) ? parent : runtimeOf(parent);
  const { clock } = isRef(at) ? engineOf(at) : at;
  return spawn(at, supervisor(options, clock), '', { shutdownMs: Infinity });
}

/**
 * Stops an actor: its children first, in reverse start order; then its effects are aborted and its user effects waited
 * for, `deadlineMs` in all (default 5,000). Those still running then are named in `orphans`. Idempotent; a second call
 * with an earlier deadline brings it forward.
 */
export function stop(ref: Ref<never>, options: { readonly deadlineMs?: number } = {}): Promise<Ending> {
  return stopRoot(ref, { deadlineMs: options.deadlineMs ?? 5_000 });
}

function isRef(parent: Parent): parent is Ref<never> {
  return typeof parent === 'object' && 'path' in parent && 'id' in parent;
}

function isRuntime(parent: Parent): parent is Runtime {
  return typeof parent === 'object' && 'clock' in parent && 'timers' in parent;
}

function engineOf(ref: Ref<never>): Engine {
  const cell = cellOf(ref);
  if (cell === undefined) throw new KinactError('ACTOR_STOPPED', `${ref.path} has stopped, or never existed`);
  return cell.engine;
}

function runtimeOf(parent: Exclude<Parent, Ref<never>>): Runtime {
  if (isRuntime(parent)) return parent;
  const options: RuntimeOptions = {};
  if (parent === undefined) return createRuntime(options);
  if (!isNactReference(parent)) {
    throw new KinactError('INVALID_OPTION', 'parent: expected an actor, a runtime, or a nact actor or system', {
      data: { option: 'parent' },
    });
  }
  return createRuntime({ ...options, parent });
}
