// What a supervisor keeps, and its operations: starting children one after the other, stopping them in reverse, deciding
// with `strategy.ts`. One operation at a time; each ends by starting the next or in `idle`. Called by `supervisor.ts`.
import type { Behaviour, Effect, Ending, Ref, ReplyTo } from '../actors/actor.js';
import { reply } from '../actors/actor.js';
import { isKinactError, KinactError } from '../src/errors.js';
import type { Clock } from '../src/ports.js';
import { memberOf, shutdownMsOf, type ChildSpec, type Siblings, type SupervisorOptions } from './child-spec.js';
import type { ChildStarted, Message } from './supervisor.js';
import * as strategy from './strategy.js';

/** Why children are being started: what a failure means depends on it. */
export type Purpose =
  | { readonly type: 'first' }
  | { readonly type: 'restart' }
  | { readonly type: 'dynamic' }
  | { readonly type: 'request'; readonly replyTo: ReplyTo<ChildStarted> | undefined };

export type Operation =
  | { readonly type: 'idle' }
  | { readonly type: 'starting'; readonly purpose: Purpose; readonly id: string; readonly rest: readonly string[] }
  | {
      readonly type: 'stopping';
      /** Still to be told to stop, in order; empty when all have been. */
      readonly rest: readonly string[];
      readonly waitingFor: ReadonlySet<Ref<never>>;
      readonly then: readonly string[];
    }
  | {
      readonly type: 'terminating';
      readonly ref: Ref<never>;
      readonly replyTo: ReplyTo<Ending | undefined> | undefined;
    };

export interface State {
  readonly self: Ref<never>;
  readonly policy: strategy.Policy;
  readonly options: SupervisorOptions;
  readonly clock: Clock;
  readonly specs: Map<string, ChildSpec>;
  readonly refs: Map<string, Ref<never>>;
  readonly shutdownMs: Map<string, number>;
  /** Ended by themselves, but not down yet: a group restart waits for them too. */
  readonly leaving: Set<Ref<never>>;
  readonly inbox: Message[];
  group: strategy.Group;
  operation: Operation;
  restarts: number;
  effects: Effect<Message>[];
}

export function addSpec(state: State, spec: ChildSpec): void {
  state.group = strategy.withMember(state.group, memberOf(spec, state.policy, state.specs));
  state.specs.set(spec.id, spec);
}

function forget(state: State, id: string): void {
  state.group = strategy.withoutMember(state.group, id);
  state.specs.delete(id);
  state.refs.delete(id);
  state.shutdownMs.delete(id);
}

function siblingsOf(state: State): Siblings {
  return { ref: <M>(id: string) => state.refs.get(id) as Ref<M> | undefined };
}

/** Starts the first of `ids`, or ends the operation when there is none. */
export function startNext(state: State, purpose: Purpose, ids: readonly string[]): void {
  const [id, ...rest] = ids;
  if (id === undefined) {
    allStarted(state, purpose);
    return;
  }
  state.operation = { type: 'starting', purpose, id, rest };
  const spec = state.specs.get(id)!;
  const siblings: Siblings = siblingsOf(state);
  let behaviour: Behaviour<unknown, unknown>;
  try {
    behaviour = spec.start(siblings);
  } catch (thrown) {
    // By way of the inbox, not of the stack: an intensity without bound must not overflow it.
    const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
    state.inbox.push({ type: 'childDidNotStart', id, error });
    return;
  }
  const shutdownMs = shutdownMsOf(spec, behaviour);
  state.shutdownMs.set(id, shutdownMs);
  state.effects.push({
    type: 'spawn',
    name: actorName(id, behaviour.kind),
    behaviour: behaviour as unknown as Behaviour<never, never>,
    spawned: (ref) => ({ type: 'childStarted', id, ref }),
    ending: (ref, how) => ({ type: 'childEnding', id, ref, how }),
    down: (ref, how) => ({ type: 'childDown', id, ref, how }),
    shutdownMs,
  });
}

function actorName(id: string, kind: string): string {
  if (id === kind) return '';
  return id.startsWith(`${kind}/`) ? id.slice(kind.length + 1) : id;
}

function allStarted(state: State, purpose: Purpose): void {
  state.operation = { type: 'idle' };
  if (purpose.type === 'first') state.effects.push({ type: 'started' });
  const group = purpose.type === 'restart' && state.policy.strategy !== 'one-for-one';
  if (purpose.type !== 'first' && !group) return;
  const siblings: Siblings = siblingsOf(state);
  const specs = state.options.dynamic?.(siblings) ?? [];
  for (const spec of specs) addSpec(state, spec);
  if (specs.length > 0)
    startNext(
      state,
      { type: 'dynamic' },
      specs.map((spec) => spec.id),
    );
}

export function childStarted(state: State, id: string, ref: Ref<never>): void {
  state.refs.set(id, ref);
  state.group = strategy.started(state.group, id);
  const { operation } = state;
  if (operation.type !== 'starting') return;
  if (operation.purpose.type === 'request' && operation.purpose.replyTo !== undefined) {
    state.effects.push(reply(operation.purpose.replyTo, { type: 'started', ref }));
  }
  startNext(state, operation.purpose, operation.rest);
}

export function startFailed(state: State, id: string, error: Error): void {
  const { operation } = state;
  if (operation.type !== 'starting') return;
  const { purpose, rest } = operation;
  switch (purpose.type) {
    case 'first':
      state.effects.push({ type: 'fail', error: startError(state, id, error) });
      return;
    case 'restart':
      state.operation = { type: 'idle' };
      decide(state, strategy.restartFailed(state.policy, state.group, id, state.clock.now()), error);
      return;
    case 'dynamic':
      forget(state, id);
      startNext(state, purpose, rest);
      return;
    case 'request':
      forget(state, id);
      state.operation = { type: 'idle' };
      if (purpose.replyTo !== undefined) {
        state.effects.push(reply(purpose.replyTo, { type: 'failed', error: startError(state, id, error) }));
      }
  }
}

export function startOnRequest(state: State, spec: ChildSpec, replyTo: ReplyTo<ChildStarted> | undefined): void {
  try {
    addSpec(state, spec);
  } catch (thrown) {
    if (replyTo !== undefined) state.effects.push(reply(replyTo, { type: 'failed', error: thrown as Error }));
    return;
  }
  startNext(state, { type: 'request', replyTo }, [spec.id]);
}

export function terminate(state: State, id: string, replyTo: ReplyTo<Ending | undefined> | undefined): void {
  const ref = state.refs.get(id);
  if (ref === undefined) {
    forget(state, id);
    if (replyTo !== undefined) state.effects.push(reply(replyTo, undefined));
    return;
  }
  state.operation = { type: 'terminating', ref, replyTo };
  state.effects.push(stopChild(state, id, ref));
}

function stopChild(state: State, id: string, child: Ref<never>): Effect<Message> {
  return { type: 'stopChild', child, deadlineMs: state.shutdownMs.get(id) ?? Infinity };
}

export function childDown(state: State, id: string, ref: Ref<never>, how: Ending): void {
  const { operation } = state;
  state.leaving.delete(ref);
  if (operation.type === 'stopping' && operation.waitingFor.has(ref)) {
    const waitingFor = new Set(operation.waitingFor);
    waitingFor.delete(ref);
    if (state.refs.get(id) === ref) state.refs.delete(id);
    stopNext(state, { ...operation, waitingFor });
  } else if (operation.type === 'terminating' && operation.ref === ref) {
    forget(state, id);
    state.operation = { type: 'idle' };
    if (operation.replyTo !== undefined) state.effects.push(reply(operation.replyTo, how));
  } else {
    childEnded(state, id, ref, how);
  }
}

/** A child began to end by itself, before it is down. */
export function childEnding(state: State, id: string, ref: Ref<never>, how: Ending): void {
  // Alone, a child is restarted when it is down: nobody else has to be told before.
  if (state.policy.strategy === 'one-for-one' || state.refs.get(id) !== ref) return;
  state.leaving.add(ref);
  childEnded(state, id, ref, how);
}

/** A child ended by itself: once per incarnation, at its first sign. */
function childEnded(state: State, id: string, ref: Ref<never>, how: Ending): void {
  if (state.refs.get(id) !== ref) return;
  state.refs.delete(id);
  const gaveUp = isKinactError(how.error) && how.error.code === 'RESTART_INTENSITY';
  const reason = gaveUp ? 'shutdown' : how.reason;
  decide(state, strategy.exited(state.policy, state.group, id, reason, state.clock.now()), endingError(how));
}

function decide(state: State, [group, decision]: readonly [strategy.Group, strategy.Decision], error: Error): void {
  state.group = group;
  switch (decision.type) {
    case 'restart':
      state.restarts += 1;
      state.effects.push(...(state.options.restarting?.(state.restarts, error) ?? []));
      stopNext(state, {
        type: 'stopping',
        rest: decision.stop,
        waitingFor: new Set(state.leaving),
        then: decision.start,
      });
      break;
    case 'shutdown':
      state.effects.push({ type: 'end' });
      break;
    case 'giveUp':
      state.effects.push({ type: 'fail', error: intensityError(state, error) });
      break;
    case 'nothing':
  }
  prune(state);
}

/** Forgets the specs of children that the strategy dropped, once they are down. */
function prune(state: State): void {
  const ids = new Set(state.group.members.map((member) => member.id));
  for (const id of [...state.specs.keys()]) {
    if (!ids.has(id) && !state.refs.has(id)) forget(state, id);
  }
}

/** Tells the next child, or all of them, to stop; starts what is to be started when nobody is waited for. */
function stopNext(state: State, operation: Extract<Operation, { type: 'stopping' }>): void {
  const { rest, then } = operation;
  const waitingFor = new Set(operation.waitingFor);
  const oneByOne = state.options.stopChildren !== 'together';
  const isBusy = oneByOne && [...waitingFor].some((ref) => !state.leaving.has(ref));
  const now = isBusy ? [] : oneByOne ? rest.slice(0, 1) : rest;
  for (const id of now) {
    const ref = state.refs.get(id);
    if (ref === undefined) continue;
    waitingFor.add(ref);
    state.effects.push(stopChild(state, id, ref));
  }
  const left = rest.slice(now.length);
  state.operation = { type: 'stopping', rest: left, waitingFor, then };
  if (waitingFor.size > 0 || left.length > 0) return;
  prune(state);
  startNext(state, { type: 'restart' }, then);
}

export function endingError(how: Ending): Error {
  return how.error ?? new KinactError('ACTOR_STOPPED', `the child ended: ${how.reason}`);
}

function startError(state: State, id: string, cause: Error): KinactError {
  return new KinactError('START_FAILED', `${state.self.path}: child '${id}' did not start: ${cause.message}`, {
    cause,
  });
}

function intensityError(state: State, cause: Error): KinactError {
  const { intensity, periodMs } = state.policy;
  return new KinactError(
    'RESTART_INTENSITY',
    `${state.self.path}: more than ${intensity} restarts within ${periodMs} ms; the last for: ${cause.message}`,
    { cause, data: { actor: state.self.path } },
  );
}
