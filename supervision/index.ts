// `kinact/supervision`: actors for applications, on the runtime that kinact itself uses. It checks its arguments and calls
// `system.ts`.
import type { AnswerTo, AnyReplyTo, Behaviour, Ending, Ref } from './actor.js';
import { callback, resolveTable } from '../src/options/option-table.js';
import { isRuntime, type Runtime } from './cell.js';
import { checkRef, refuseForeign } from './package-copy.js';
import type { AskOptions } from './generated/ask-options.js';
import type { SpawnOptions } from './generated/spawn-options.js';
import type { StopOptions } from './generated/stop-options.js';
import type { SupervisorOptions } from './generated/supervisor-options.js';
import type { NactReference } from './nact.js';
import { askTable, spawnTable, stopTable } from './option-tables.js';
import { supervisor } from './supervisor.js';
import { type SupervisorMessage } from './supervisor-message.js';
import {
  askFromOutside,
  crashActor,
  createRuntime,
  endingOf,
  sendFromOutside,
  spawnRoot,
  spawnUnder,
  stopRoot,
} from './system.js';

/** The constructors of effects, for writing behaviours: `effect.send(to, message)`, `effect.run({ … })`. */
export * as effect from './actor.js';
export type {
  AnswerTo,
  AnyReplyTo,
  Behaviour,
  Effect,
  Ending,
  LastEffect,
  Question,
  Ref,
  ReplyTo,
  Step,
} from './actor.js';
export type { ChildNews, Outcomes } from './actor.js';
export type { ChildSpec, Siblings } from './child-spec.js';
export type { AutoShutdown, Restart, Strategy } from './strategy.js';
export type { ChildInfo, ChildStarted, SupervisorMessage } from './supervisor-message.js';
export type { Runtime } from './cell.js';
export type { RuntimeOptions } from './generated/runtime-options.js';
export type { Delivery, Intercept, TraceEntry, Via } from './intercept.js';
export type { EffectInfo } from './running-effects.js';
export type { RuntimeEvent } from './runtime-event.js';
export type { NactReference } from './nact.js';
export type { AskOptions, SpawnOptions, StopOptions, SupervisorOptions };
export { supervisor } from './supervisor.js';
export { createRuntime } from './system.js';
export { attachIntercept } from './intercept-chain.js';
export { actorsOf, counters, status, statusOf, type ActorStatus, type EffectStatus } from './status.js';

/**
 * The parent of a new actor: another actor of kinact's, a runtime, or a reference of the application's nact (an actor or a
 * system). With `undefined`, a runtime is made for this actor alone.
 *
 * If the application stops a nact parent, kinact notices it within `probeMs` (250 by default). Everything under that parent then
 * stops, as after `stop`. The `Ending` of the topmost actors has an error with the code PARENT_STOPPED.
 */
export type Parent = Ref<never> | Runtime | NactReference | undefined;

/**
 * Starts an actor.
 *
 * The actor's path is `kind/name#n`, where `n` was never used before in its runtime. A reference never reaches a later actor.
 *
 * @throws KinactError START_FAILED when `initial` threw or did not return a step, ACTOR_STOPPED or PARENT_STOPPED when the
 * parent is gone. INVALID_OPTION for arguments that are not valid, or that come from another copy of kinact or nact.
 *
 * @example
 * ```ts
 * import { createRuntime, send, spawn, stop, type Behaviour } from 'kinact/supervision';
 *
 * const counter: Behaviour<number, { readonly by: number }> = {
 *   kind: 'counter',
 *   initial: () => [0, []],
 *   receive: (count, { by }) => [count + by, []],
 * };
 * const orders = spawn(createRuntime(), counter, 'orders'); // counter/orders#1
 * send(orders, { by: 2 });
 * await stop(orders);
 * ```
 */
export function spawn<State, Message>(
  parent: Parent,
  behaviour: Behaviour<State, Message>,
  name = '',
  options: SpawnOptions = {},
): Ref<Message> {
  const { shutdownMs } = resolveTable(spawnTable, options, '');
  const at = placeOf(parent);
  return isRuntime(at)
    ? spawnRoot(at, behaviour, name, { shutdownMs })
    : spawnUnder(at, behaviour, name, { shutdownMs });
}

/**
 * Sends a message. Messages from one sender to one actor arrive in order. A message to a stopped actor is counted and dropped.
 *
 * @throws KinactError INVALID_OPTION.
 */
export function send<Message>(ref: Ref<Message>, message: NoInfer<Message>): void {
  checkRef(ref);
  sendFromOutside(ref, message);
}

/**
 * Asks an actor, which answers with the effect `reply`.
 *
 * @throws KinactError INVALID_OPTION at once. Rejects with ACTOR_STOPPED as soon as the actor stops (`cause` is the error
 * that it crashed with), or with ASK_TIMEOUT at the deadline.
 *
 * @example
 * ```ts
 * import { ask, createRuntime, effect, spawn, type Behaviour, type ReplyTo } from 'kinact/supervision';
 *
 * type Read = { readonly type: 'read'; readonly replyTo: ReplyTo<number> };
 * const counter: Behaviour<number, Read> = {
 *   kind: 'counter',
 *   initial: () => [7, []],
 *   receive: (count, { replyTo }) => [count, [effect.reply(replyTo, count)]],
 * };
 * const orders = spawn(createRuntime(), counter);
 * const count: number = await ask(orders, (replyTo) => ({ type: 'read', replyTo }), { deadlineMs: 1_000 });
 * ```
 */
export function ask<Message, const Q extends Message>(
  ref: Ref<Message>,
  question: (replyTo: AnyReplyTo) => Q,
  options: AskOptions = {},
): Promise<AnswerTo<Message, Q>> {
  checkRef(ref);
  callback().parse(question, 'question');
  const { deadlineMs, signal } = resolveTable(askTable, options, '');
  return askFromOutside(ref, question as (replyTo: never) => unknown, { deadlineMs, signal }) as Promise<
    AnswerTo<Message, Q>
  >;
}

/**
 * Resolves with the `Ending` of an actor once it has stopped entirely, or at once if it already has. Never rejects.
 *
 * @throws KinactError INVALID_OPTION.
 */
export function watch(ref: Ref<never>): Promise<Ending> {
  checkRef(ref);
  return endingOf(ref);
}

/**
 * Crashes an actor at once, as if its behaviour had thrown; its supervisor decides what follows. `error` may be any value.
 *
 * @throws KinactError INVALID_OPTION.
 */
export function crash(ref: Ref<never>, error: unknown): void {
  checkRef(ref);
  crashActor(ref, error);
}

/**
 * Starts a supervisor and its children, in order. While it runs, it takes the messages `startChild` and `terminateChild`. Only
 * watchers learn how it ends. A supervisor that should escalate must be the child of another one: make it with
 * `supervisor(options)`.
 *
 * Returns before the children have started; the question `children` is answered once they have. If a child does not start, or
 * restarts exceed `intensity` within `periodMs`, the supervisor stops its running children and crashes. `watch` then gives
 * START_FAILED or RESTART_INTENSITY, with the last error as cause.
 *
 * @throws KinactError INVALID_OPTION.
 *
 * @example
 * ```ts
 * import { createRuntime, supervise, watch, type Behaviour } from 'kinact/supervision';
 *
 * const counter: Behaviour<number, never> = {
 *   kind: 'counter',
 *   initial: () => [0, []],
 *   receive: (count) => [count + 1, []],
 * };
 * const children = ['orders', 'refunds'].map((id) => ({ id, start: () => counter }));
 * const root = supervise(createRuntime(), { strategy: 'one-for-all', intensity: 3, children });
 * const { reason, error } = await watch(root); // 'crash' and RESTART_INTENSITY after too many restarts
 * ```
 */
export function supervise<Event = unknown>(parent: Parent, options: SupervisorOptions<Event>): Ref<SupervisorMessage> {
  return spawn(parent, supervisor(options), '', { shutdownMs: Infinity });
}

/**
 * Stops an actor, after its children, which stop in reverse start order. Then the actor's effects are aborted, and the stop waits
 * for its user effects. All of this takes at most `deadlineMs`. Idempotent: a second call can only bring the deadline forward.
 *
 * @throws KinactError INVALID_OPTION.
 */
export function stop(ref: Ref<never>, options: StopOptions = {}): Promise<Ending> {
  checkRef(ref);
  return stopRoot(ref, resolveTable(stopTable, options, ''));
}

function placeOf(parent: Parent): Ref<never> | Runtime {
  refuseForeign(parent, 'parent');
  if (isRuntime(parent)) return parent;
  if (typeof parent === 'object' && parent !== null && 'path' in parent && 'id' in parent) return parent;
  return createRuntime(parent === undefined ? {} : { parent: parent as NactReference });
}
