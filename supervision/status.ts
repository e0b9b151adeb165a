// What a running tree looks like from outside: a walk over the actors, in start order, and the counters. Reads only.
import type { Ref } from '../actors/actor.js';
import { cellOf, toError, type Cell, type Engine, type Runtime } from './cell.js';

export interface EffectStatus {
  readonly name: string;
  readonly kind: 'io' | 'user';
  readonly ageMs: number;
  /** Its signal has been aborted, but it has not settled. */
  readonly aborted: boolean;
}

export interface ActorStatus {
  readonly path: string;
  readonly id: number;
  readonly phase: 'starting' | 'running' | 'stopping' | 'stopped';
  /** What the behaviour's `status` returned; `{ error }` when it threw; undefined when it has none. */
  readonly state: object | undefined;
  /** Messages that wait. */
  readonly queued: number;
  readonly effects: readonly EffectStatus[];
  readonly children: readonly ActorStatus[];
}

/** One actor and everything under it. Undefined for a reference this process never made. */
export function statusOf(ref: Ref<never>): ActorStatus | undefined {
  const cell = cellOf(ref);
  return cell === undefined ? undefined : walk(cell);
}

/** Every actor of the runtime, from its roots down. */
export function status(runtime: Runtime): readonly ActorStatus[] {
  return [...(runtime as Engine).roots].map(walk);
}

/** References to all of them, parents before their children. */
export function actorsOf(runtime: Runtime): readonly Ref<never>[] {
  const under = (cell: Cell): readonly Ref<never>[] => [cell.ref, ...[...cell.children].flatMap(under)];
  return [...(runtime as Engine).roots].flatMap(under);
}

/**
 * The counters of a runtime. Behaviours' own (`count` effects; those of kinact's actors count a message that came twice as
 * `repeatedMessages`), and: `repeatedMessages` signals that came twice, `deadLetter` messages to stopped actors, `lateAnswer`
 * to closed questions, `lateResult` effects that settled after their actor stopped, `unknownMessage` not from kinact,
 * `orphan` user effects left running, `listenerFailed`, `stopHookFailed`, `effectAfterStop`.
 */
export function counters(runtime: Runtime): Readonly<Record<string, number>> {
  return Object.fromEntries((runtime as Engine).counts);
}

function walk(cell: Cell): ActorStatus {
  const now = cell.engine.clock.now();
  return {
    path: cell.ref.path,
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
    children: [...cell.children].map(walk),
  };
}

function stateOf(cell: Cell): object | undefined {
  if (cell.phase === 'starting' || cell.phase === 'stopped') return undefined;
  try {
    return cell.behaviour.status?.(cell.state);
  } catch (thrown) {
    return { error: toError(thrown).message };
  }
}
