// A supervisor's state and operations: it starts children one after the other, stops them in reverse order, and applies the
// decisions of `strategy.ts`. One operation runs at a time. At its end, it starts the next one or becomes `idle`. Called by
// `supervisor.ts`. The handlers come first, in the order in which `supervisor-message.ts` declares the messages.
//   A child ends by itself:   `childEnding`, then `childDown` when it has stopped. `applyStrategy` runs once, at the first of them
//                             that counts: at `childDown` under one-for-one, otherwise at `childEnding`.
//   A child is asked to stop: only `childDown`, which `stopNext` or `terminateChild` waits for (`takeWaitingDown`).
import type { Behaviour, Effect, Ending, Ref, ReplyTo } from './actor.js';
import * as effect from './actor.js';
import { isKinactError, KinactError, type ErrorData } from '../src/api/errors.js';
import type { Deque } from '../src/core/deque.js';
import type { Clock } from '../src/api/ports.js';
import { checkBehaviour } from './behaviour-check.js';
import { memberOf, shutdownMsOf, type ChildSpec, type Siblings } from './child-spec.js';
import type { Settings } from './option-tables.js';
import type { ChildStarted, Message } from './supervisor-message.js';
import * as strategy from './strategy.js';
import { ignoreRejection } from '../src/core/callback.js';
import { asError } from '../src/core/thrown.js';

/** Why children are being started. It determines what follows when a child does not start. */
export type Purpose =
  | { readonly type: 'first' }
  | { readonly type: 'restart' }
  | { readonly type: 'dynamic' }
  | { readonly type: 'request'; readonly replyTo: ReplyTo<ChildStarted> | undefined };

export type Operation =
  | { readonly type: 'idle' }
  /** The child `ids[at]` is starting. */
  | { readonly type: 'starting'; readonly purpose: Purpose; readonly ids: readonly string[]; readonly at: number }
  | {
      readonly type: 'stopping';
      /** The children to stop, in order; those before `at` have been asked to. */
      readonly stop: readonly string[];
      at: number;
      readonly waitingFor: Set<Ref<never>>;
      /** With `one-by-one`: the child that was asked to stop and is not down yet. */
      stoppingChild: Ref<never> | undefined;
      readonly then: readonly string[];
      readonly delayMs: number;
    }
  /** The children have stopped, and the delay before their start is not over. */
  | { readonly type: 'delaying'; readonly then: readonly string[] }
  | {
      readonly type: 'terminating';
      readonly ref: Ref<never>;
      readonly replyTo: ReplyTo<Ending | undefined> | undefined;
    };

/** A message that waits in `inbox` until it is taken. */
export interface Waiting {
  readonly message: Message;
  taken: boolean;
}

export interface State {
  readonly self: Ref<never>;
  readonly options: Settings;
  readonly clock: Clock;
  readonly specs: Map<string, ChildSpec>;
  readonly refs: Map<string, Ref<never>>;
  readonly shutdownMs: Map<string, number>;
  /** Children that end by themselves and are not down yet: a group restart waits for them too. */
  readonly endingChildren: Set<Ref<never>>;
  /** Messages that wait until the current operation is over, in the order in which they came. */
  readonly inbox: Deque<Waiting>;
  /** The `childDown` messages in `inbox`, by child. When an operation begins to wait for a child, it takes that message out. */
  readonly waitingDowns: Map<Ref<never>, Waiting>;
  /** Messages to be handled now. */
  readonly due: Deque<Message>;
  readonly group: strategy.Group;
  operation: Operation;
  restarts: number;
  effects: Effect<Message>[];
}

export function startChild(state: State, spec: ChildSpec, replyTo: ReplyTo<ChildStarted> | undefined): void {
  try {
    addSpec(state, spec);
  } catch (thrown) {
    if (replyTo !== undefined) state.effects.push(effect.reply(replyTo, { type: 'failed', error: thrown as Error }));
    return;
  }
  startNext(state, { type: 'request', replyTo }, [spec.id]);
}

export function terminateChild(state: State, id: string, replyTo: ReplyTo<Ending | undefined> | undefined): void {
  const ref = state.refs.get(id);
  if (ref === undefined) {
    forgetChild(state, id);
    if (replyTo !== undefined) state.effects.push(effect.reply(replyTo, undefined));
    return;
  }

  state.operation = { type: 'terminating', ref, replyTo };
  takeWaitingDown(state, ref);
  state.effects.push(stopEffect(state, id, ref));
}

export function childStarted(state: State, id: string, ref: Ref<never>): void {
  state.refs.set(id, ref);
  strategy.markStarted(state.group, id);

  const { operation } = state;
  if (operation.type !== 'starting') return;
  if (operation.purpose.type === 'request' && operation.purpose.replyTo !== undefined) {
    state.effects.push(effect.reply(operation.purpose.replyTo, { type: 'started', ref }));
  }

  startNext(state, operation.purpose, operation.ids, operation.at + 1);
}

/** A child has begun to end by itself, but is not down yet. */
export function childEnding(state: State, id: string, ref: Ref<never>, how: Ending): void {
  // One-for-one restarts a child when it is down, and no sibling has to stop earlier.
  if (state.group.policy.strategy === 'one-for-one' || state.refs.get(id) !== ref) return;
  state.endingChildren.add(ref);
  takeWaitingDown(state, ref);
  applyStrategy(state, id, ref, how);
}

export function childDown(state: State, id: string, ref: Ref<never>, how: Ending): void {
  const { operation } = state;
  state.endingChildren.delete(ref);
  if (operation.type === 'stopping' && operation.waitingFor.has(ref)) {
    operation.waitingFor.delete(ref);
    if (operation.stoppingChild === ref) operation.stoppingChild = undefined;
    if (state.refs.get(id) === ref) state.refs.delete(id);
    stopNext(state, operation);
  } else if (operation.type === 'terminating' && operation.ref === ref) {
    forgetChild(state, id);
    state.operation = { type: 'idle' };
    if (operation.replyTo !== undefined) state.effects.push(effect.reply(operation.replyTo, how));
  } else {
    applyStrategy(state, id, ref, how);
  }
}

export function childDidNotStart(state: State, id: string, error: Error): void {
  const { operation } = state;
  if (operation.type !== 'starting') return;

  const { purpose, ids, at } = operation;
  switch (purpose.type) {
    case 'first':
      state.effects.push(effect.fail(startError(state, id, error)));
      return;
    case 'restart':
      state.operation = { type: 'idle' };
      applyDecision(state, strategy.applyFailedRestart(state.group, id, state.clock.now()), error);
      return;
    case 'dynamic':
      forgetChild(state, id);
      startNext(state, purpose, ids, at + 1);
      return;
    case 'request':
      forgetChild(state, id);
      state.operation = { type: 'idle' };
      if (purpose.replyTo !== undefined) {
        state.effects.push(effect.reply(purpose.replyTo, { type: 'failed', error: startError(state, id, error) }));
      }
  }
}

/** Lets the strategy decide about a child that ended by itself, once per incarnation. */
function applyStrategy(state: State, id: string, ref: Ref<never>, how: Ending): void {
  if (state.refs.get(id) !== ref) return;
  state.refs.delete(id);
  const gaveUp = isKinactError(how.error) && how.error.code === 'RESTART_INTENSITY';
  const reason = gaveUp ? 'shutdown' : how.reason;
  applyDecision(state, strategy.applyExit(state.group, id, reason, state.clock.now()), endingError(how));
}

function applyDecision(state: State, decision: strategy.Decision, error: Error): void {
  switch (decision.type) {
    case 'restart':
      state.restarts += 1;
      for (const each of ignoreRejection(state.options.restarting?.(state.restarts, error)) ?? [])
        state.effects.push(each);
      stopNext(state, {
        type: 'stopping',
        stop: decision.stop,
        at: 0,
        waitingFor: new Set(state.endingChildren),
        stoppingChild: undefined,
        then: decision.start,
        delayMs: state.options.restartDelayMs?.(state.restarts, error) ?? 0,
      });
      break;
    case 'shutdown':
      state.effects.push(effect.end());
      break;
    case 'giveUp':
      state.effects.push(effect.fail(intensityError(state, error)));
      break;
    case 'nothing':
  }

  forgetDropped(state);
}

/** Forgets the specs of children that the strategy dropped, once they are down. */
function forgetDropped(state: State): void {
  // While children are being stopped, one pass at the end is enough.
  if (state.operation.type === 'stopping') return;
  for (const id of state.group.dropped) if (!state.refs.has(id)) forgetChild(state, id);
}

/** Tells the next child, or all of them, to stop. When none is left to wait for, starts the children in `then`. */
function stopNext(state: State, operation: Extract<Operation, { type: 'stopping' }>): void {
  state.operation = operation;

  const { stop, waitingFor, then, delayMs } = operation;
  const oneByOne = state.options.stopChildren !== 'together';
  while (operation.at < stop.length && (!oneByOne || operation.stoppingChild === undefined)) {
    const id = stop[operation.at++] as string;
    const ref = state.refs.get(id);
    if (ref === undefined) continue;
    operation.stoppingChild = ref;
    waitingFor.add(ref);
    takeWaitingDown(state, ref);
    state.effects.push(stopEffect(state, id, ref));
  }

  if (waitingFor.size > 0) return;

  state.operation = { type: 'idle' };
  forgetDropped(state);
  if (delayMs > 0) {
    state.operation = { type: 'delaying', then };
    state.effects.push(effect.after('restart', delayMs, { type: 'delayOver' }));
  } else startNext(state, { type: 'restart' }, then);
}

export function delayOver(state: State): void {
  const { operation } = state;
  if (operation.type === 'delaying') startNext(state, { type: 'restart' }, operation.then);
}

function stopEffect(state: State, id: string, child: Ref<never>): Effect<Message> {
  return effect.stopChild(child, state.shutdownMs.get(id) ?? Infinity);
}

/** Called when the operation begins to wait until this child is down. If that message is already in `inbox`, it is due now. */
function takeWaitingDown(state: State, ref: Ref<never>): void {
  const waiting = state.waitingDowns.get(ref);
  if (waiting === undefined) return;
  state.waitingDowns.delete(ref);
  waiting.taken = true;
  state.due.push(waiting.message);
}

/** Starts the child `ids[at]`, or ends the operation if there is none. */
export function startNext(state: State, purpose: Purpose, ids: readonly string[], at = 0): void {
  const id = ids[at];
  if (id === undefined) {
    finishStart(state, purpose);
    return;
  }

  state.operation = { type: 'starting', purpose, ids, at };
  const spec = state.specs.get(id)!;
  const siblings: Siblings = siblingsOf(state);
  let behaviour: Behaviour<unknown, unknown>;
  try {
    behaviour = spec.start(siblings);
    checkBehaviour(behaviour, '', 0);
  } catch (thrown) {
    state.effects.push(failedStartEffect(id, thrown));
    return;
  }

  const shutdownMs = shutdownMsOf(spec, behaviour);
  state.shutdownMs.set(id, shutdownMs);

  // The constructor `spawn` has no `ending`.
  state.effects.push({
    type: 'spawn',
    name: actorName(id, behaviour.kind),
    behaviour: behaviour as unknown as Behaviour<never, never>,
    spawned: (ref) => ({ type: 'childStarted', id, ref }),
    ending: (ref, how) => ({ type: 'childEnding', id, ref, how }),
    down: (ref, how) =>
      ref === undefined ? failedStartMessage(id, endingError(how)) : { type: 'childDown', id, ref, how },
    shutdownMs,
  });
}

function actorName(id: string, kind: string): string {
  if (id === kind) return '';
  return id.startsWith(`${kind}/`) ? id.slice(kind.length + 1) : id;
}

/**
 * Reports the failure by a message, not by a call. With unbounded restarts, immediate retries would leave no moment to stop the
 * supervisor.
 */
function failedStartEffect(id: string, thrown: unknown): Effect<Message> {
  const message = (): Message => failedStartMessage(id, asError(thrown));
  return effect.run({ name: `start ${id}`, kind: 'io', start: () => undefined, done: message, failed: message });
}

function failedStartMessage(id: string, error: Error): Message {
  return { type: 'childDidNotStart', id, error };
}

function finishStart(state: State, purpose: Purpose): void {
  state.operation = { type: 'idle' };
  if (purpose.type === 'first') state.effects.push(effect.started());
  const group = purpose.type === 'restart' && state.group.policy.strategy !== 'one-for-one';
  if (purpose.type !== 'first' && !group) return;

  const siblings: Siblings = siblingsOf(state);
  const specs = ignoreRejection(state.options.dynamic?.(siblings)) ?? [];
  for (const spec of specs) addSpec(state, spec);
  if (specs.length > 0)
    startNext(
      state,
      { type: 'dynamic' },
      specs.map((spec) => spec.id),
    );
}

export function addSpec(state: State, spec: ChildSpec): void {
  strategy.addMember(state.group, memberOf(spec, state.group.policy, state.specs));
  state.specs.set(spec.id, spec);
}

function forgetChild(state: State, id: string): void {
  strategy.removeMember(state.group, id);
  state.group.dropped.delete(id);
  state.specs.delete(id);
  state.refs.delete(id);
  state.shutdownMs.delete(id);
}

function siblingsOf(state: State): Siblings {
  return { ref: <Any>(id: string) => state.refs.get(id) as Ref<Any> | undefined };
}

function endingError(how: Ending): Error {
  return how.error ?? new KinactError('ACTOR_STOPPED', `The child has ended: ${how.reason}.`);
}

function startError(state: State, id: string, cause: Error): KinactError {
  return escalated('START_FAILED', `${state.self.path}: child '${id}' did not start`, cause, {});
}

function intensityError(state: State, cause: Error): KinactError {
  const { intensity, periodMs } = state.group.policy;
  const text = `${state.self.path}: more than ${intensity} restarts within ${periodMs} ms; last cause`;
  return escalated('RESTART_INTENSITY', text, cause, { actor: state.self.path });
}

/** The message of the first error in a chain of escalations. Each supervisor above quotes only that one. */
const origins = new WeakMap<Error, string>();

function escalated(
  code: 'START_FAILED' | 'RESTART_INTENSITY',
  text: string,
  cause: Error,
  data: ErrorData,
): KinactError {
  const origin = origins.get(cause) ?? cause.message;
  const error = new KinactError(code, `${text}: ${origin}`, { cause, data });
  origins.set(error, origin);
  return error;
}
