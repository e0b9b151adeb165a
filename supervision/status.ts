// Shows a running tree from outside: the actors, in start order, and the counters. It changes nothing.
import type { Ref } from './actor.js';
import { cellOf, type Cell, type Engine, type Runtime } from './cell.js';
import { checkRef, checkRuntime } from './package-copy.js';
import { isThenable, ignoreRejection } from '../src/core/callback.js';
import { messageOf } from '../src/core/thrown.js';

/** An effect under way, as `status` shows it. */
export interface EffectStatus {
  /** The name that the actor gave it. */
  readonly name: string;
  /** `user`: a call of application code, which a stop waits for. */
  readonly kind: 'io' | 'user';
  /** How long it has run, in milliseconds. */
  readonly ageMs: number;
  /** Its signal has been aborted, but it has not ended. */
  readonly aborted: boolean;
}

/** An actor and all actors below it, as `status` shows them. */
export interface ActorStatus {
  /** Such as `counter/orders#1`. */
  readonly path: string;
  /** The kind of its behaviour. */
  readonly kind: string;
  /** Unique in the process, never reused. */
  readonly id: number;
  /** `starting`: its first state is being made. `stopping`: it handles no more messages, and waits for children and effects. */
  readonly phase: 'starting' | 'running' | 'stopping' | 'stopped';
  /** What the behaviour's `status` returned; `{ error }` when it threw; undefined when it has none. */
  readonly state: object | undefined;
  /** How many messages wait. */
  readonly queued: number;
  /** The effects that run now. */
  readonly effects: readonly EffectStatus[];
  /** The actors below this one, in start order. */
  readonly children: readonly ActorStatus[];
}

/** One actor and everything under it. Undefined for a reference that kinact never made. Throws INVALID_OPTION. */
export function statusOf(ref: Ref<never>): ActorStatus | undefined {
  checkRef(ref);
  const cell = cellOf(ref);
  return cell === undefined ? undefined : statusOfTree([cell])[0];
}

/** The state that one actor reports, without the actors under it. */
export function stateOfActor(ref: Ref<never>): object | undefined {
  const cell = cellOf(ref);
  return cell === undefined ? undefined : stateOf(cell);
}

/** Whether the actor is active: started, and neither stopping nor stopped. */
export function isRunning(ref: Ref<never>): boolean {
  return cellOf(ref)?.phase === 'running';
}

/** Every actor of the runtime, from its roots down. Throws INVALID_OPTION. */
export function status(runtime: Runtime): readonly ActorStatus[] {
  checkRuntime(runtime);
  return statusOfTree([...(runtime as Engine).roots]);
}

/** References to all actors of the runtime, parents before their children. Throws INVALID_OPTION. */
export function actorsOf(runtime: Runtime): readonly Ref<never>[] {
  checkRuntime(runtime);
  const refs: Ref<never>[] = [];
  const pending = [...(runtime as Engine).roots].reverse();
  for (let cell = pending.pop(); cell !== undefined; cell = pending.pop()) {
    refs.push(cell.ref);
    for (const child of [...cell.children].reverse()) pending.push(child);
  }
  return refs;
}

/**
 * The counters of a runtime: those of `count` effects, and those of the runtime itself. `repeatedMessages`: messages (counted by
 * kinact's actors) and signals (counted by the runtime) that arrived twice. `deadLetter`: messages to stopped actors.
 * `lateAnswer`: answers to closed questions. `lateResult`: effects that ended after their actor stopped. `unknownMessage`:
 * messages not from kinact. `orphan`: user effects left running; `orphanEnded`: those of them that have ended since. The others:
 * `listenerFailed`, `interceptFailed`, `stopHookFailed`, `effectAfterStop`. Throws INVALID_OPTION.
 */
export function counters(runtime: Runtime): Readonly<Record<string, number>> {
  checkRuntime(runtime);
  return Object.fromEntries((runtime as Engine).counts);
}

/** A loop, not a call per level, because there may be thousands of levels. */
function statusOfTree(cells: readonly Cell[]): readonly ActorStatus[] {
  const found: ActorStatus[] = [];
  const pending = cells.map((cell) => ({ cell, into: found })).reverse();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const children: ActorStatus[] = [];
    next.into.push(statusOfOne(next.cell, children));
    for (const cell of [...next.cell.children].reverse()) pending.push({ cell, into: children });
  }
  return found;
}

function statusOfOne(cell: Cell, children: readonly ActorStatus[]): ActorStatus {
  const now = cell.engine.clock.now();
  return {
    path: cell.ref.path,
    kind: cell.behaviour.kind,
    id: cell.ref.id,
    phase: cell.phase,
    state: stateOf(cell),
    queued: cell.queued,
    effects: [...cell.effects.running.values()].map(({ name, kind, signal, startedAt }) => ({
      name,
      kind,
      ageMs: now - startedAt,
      aborted: signal.aborted,
    })),
    children,
  };
}

function stateOf(cell: Cell): object | undefined {
  if (cell.phase === 'starting' || cell.phase === 'stopped') return undefined;
  try {
    const state = ignoreRejection(cell.behaviour.status?.(cell.state));
    return isThenable(state) ? { error: 'status must be synchronous, it returned a promise' } : state;
  } catch (thrown) {
    return { error: messageOf(thrown) };
  }
}
