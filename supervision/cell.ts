// The runtime's data about one incarnation of an actor (its cell), and how a `Ref` leads to it. Private to `supervision`, except
// `Runtime`.
import type { Behaviour, Ending, Ref } from './actor.js';
import { callGuarded } from '../src/core/callback.js';
import { KinactError } from '../src/api/errors.js';
import type { Clock, Random, Timers } from '../src/api/ports.js';
import type { Trampoline } from './trampoline.js';
import type { Questions } from './ask.js';
import type { ActorEffects } from './running-effects.js';
import type { RuntimeOptions } from './generated/runtime-options.js';
import type { Mailbox, NactReference } from './nact.js';
import type { Orphans } from './orphans.js';
import type { RuntimeEvent } from './runtime-event.js';
import type { Intercept, TraceEntry, Via } from './intercept.js';
import type { ActorTimers, FiredTimer } from './timers.js';
import type { DeathWatch } from './death-watch.js';
import { asError } from '../src/core/thrown.js';

/** Actors that share clock, timers, listeners and a nact parent. Made by `createRuntime`. */
export interface Runtime {
  /** The clock of its actors. */
  readonly clock: Clock;
  /** The timers of its actors. */
  readonly timers: Timers;
  /** The random numbers of its actors. */
  readonly random: Random;
}

/** The runtime as the files of `supervision` see it. */
export interface Engine extends Runtime {
  readonly options: Pick<RuntimeOptions<unknown>, 'emit' | 'parent' | 'trace'> & { readonly probeMs: number };
  readonly counts: Map<string, number>;
  readonly roots: Set<Cell>;
  /** In the order in which they were attached. */
  intercepts: Intercept[];
  /** All `intercepts` combined into one. */
  intercept: Intercept | undefined;
  /** The nact actor above all mailboxes of this runtime, while there are any. */
  holder?: NactReference | undefined;
  /** Our own nact system, when the application gave no parent. */
  system?: NactReference | undefined;
  incarnations: number;
  readonly trampoline: Trampoline;
  /** The hooks and listeners with a failure that has been reported. */
  readonly failedSeams: Set<string>;
  stopProbe?: (() => void) | undefined;
}

/** Why an actor is stopping, until when, and how far its stop has come. */
export interface StopProgress {
  readonly reason: Ending['reason'];
  readonly error: Error | undefined;
  /** The actor's own error, or the error of the actor above that stops it. */
  readonly because: Error | undefined;
  /** During `beginning` and `self`, listeners and the stop hook run; they may stop this actor, or a child, again. */
  step: 'beginning' | 'children' | 'self' | 'effects';
  deadlineAt: number;
  cancelDeadline?: () => void;
  readonly orphans: Orphans;
  /** The children that are not stopped yet; the next one comes last. */
  pending: Cell[];
  /** The child stopped last. */
  current?: Cell;
}

/** Functions that make the messages about a child for its parent actor. */
export interface ParentHooks {
  readonly spawned: (child: Ref<never>) => unknown;
  readonly down: (child: Ref<never> | undefined, how: Ending) => unknown;
  readonly ending?: ((child: Ref<never>, how: Ending) => unknown) | undefined;
}

/** The arguments for starting an actor. */
export interface StartArguments {
  readonly engine: Engine;
  /** Undefined for a root. */
  readonly parent: Cell | undefined;
  /** Undefined for an actor that was started from outside: its parent stops it, but gets no messages about it. */
  readonly hooks: ParentHooks | undefined;
  readonly behaviour: Behaviour<unknown, unknown>;
  readonly name: string;
  readonly shutdownMs: number | undefined;
}

export interface Cell extends Omit<StartArguments, 'name'> {
  readonly ref: Ref<never>;
  readonly shutdownMs: number;
  /** `starting` only while `initial` is being called. */
  phase: 'starting' | 'running' | 'stopping' | 'stopped';
  /** Whether the start has been reported to the parent. */
  announced: boolean;
  state: unknown;
  mailbox: Mailbox<unknown>;
  queued: number;
  /** In start order. */
  readonly children: Set<Cell>;
  readonly timers: ActorTimers;
  readonly effects: ActorEffects;
  /** The open questions that this actor was asked. */
  readonly incomingQuestions: Questions;
  /** The open questions that it has asked. */
  readonly outgoingQuestions: Questions;
  readonly deathWatch: DeathWatch;
  /** Functions that end this actor's watches on other actors. */
  readonly unwatch: Set<() => void>;
  /** Set when the actor begins to end, and kept. */
  stopProgress?: StopProgress;
}

/** The content of one nact message: exactly one of `message` and `timer`. */
export interface Envelope {
  readonly stamp: symbol;
  readonly from: Ref<never> | undefined;
  readonly via: Via;
  readonly message?: unknown;
  readonly timer?: FiredTimer;
  handled: boolean;
}

/** Distinguishes our envelopes from anything else that an application may dispatch to our mailboxes. */
export const stamp = Symbol('kinact');

const cells = new WeakMap<Ref<never>, Cell>();
const runtimes = new WeakSet<object>();

export function isRuntime(value: unknown): value is Runtime {
  return typeof value === 'object' && value !== null && runtimes.has(value);
}

export function bindRuntime(engine: Engine): Engine {
  runtimes.add(engine);
  return engine;
}

/** The cell of a reference; undefined if this copy of kinact did not make the reference. */
export function cellOf(ref: Ref<never>): Cell | undefined {
  return cells.get(ref);
}

/** The clock of the actor's runtime. */
export function clockOf(ref: Ref<never>): Clock {
  const cell = cells.get(ref);
  if (cell === undefined) {
    const text = `${String((ref as Partial<Ref<never>> | undefined)?.path)} is no reference that this copy of kinact has made`;
    throw new KinactError('INVALID_OPTION', text, { data: { option: 'self' } });
  }
  return cell.engine.clock;
}

export function bindCell(cell: Cell): void {
  cells.set(cell.ref, cell);
}

/** The sender of the application's own messages and questions. */
export const outside: Ref<never> = Object.freeze({ path: 'outside', id: 0 });

export function count(engine: Engine, what: string, by = 1): void {
  engine.counts.set(what, (engine.counts.get(what) ?? 0) + by);
}

/** Passes an event to the application's listener. If the listener throws or rejects, that is only counted. */
export function emit(engine: Engine, event: unknown): void {
  const { emit: listen } = engine.options;
  if (listen !== undefined)
    callGuarded(
      () => listen(event),
      () => count(engine, 'listenerFailed'),
    );
}

/** Emits an event of the runtime itself. */
export function emitRuntimeEvent(engine: Engine, event: RuntimeEvent): void {
  emit(engine, event);
}

/** Counts every failure of a seam, but reports only the first: a seam that always fails would fill the log. */
function seamFailed(engine: Engine, counter: string, seam: string, error: unknown): void {
  count(engine, counter);
  if (engine.failedSeams.has(seam)) return;
  engine.failedSeams.add(seam);
  emitRuntimeEvent(engine, {
    name: 'warning',
    data: { message: `${seam} threw; further ones are only counted`, error: asError(error) },
  });
}

export function interceptFailed(engine: Engine, method: keyof Intercept, error: unknown): void {
  seamFailed(engine, 'interceptFailed', `${method} of an intercept`, error);
}

export function trace(cell: Cell, what: TraceEntry['what'], detail: Partial<TraceEntry> = {}): void {
  const { engine, ref } = cell;
  const listen = engine.options.trace;
  if (listen === undefined) return;
  const entry = { at: engine.clock.now(), what, to: ref.path, ...detail };
  callGuarded(
    () => listen(entry),
    (error) => seamFailed(engine, 'listenerFailed', 'the listener trace', error),
  );
}
