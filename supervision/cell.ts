// What the runtime keeps of one incarnation of an actor, and how a Ref leads to it. Private to `supervision`.
import type { Behaviour, Ending, Ref } from './actor.js';
import { tell } from '../src/core/callback.js';
import type { Clock, Random, Timers } from '../src/api/ports.js';
import type { Agenda } from './agenda.js';
import type { Questions } from './ask.js';
import type { ActorEffects, EffectInfo } from './effects.js';
import type { Mailbox, NactReference } from './nact.js';
import type { Orphans } from './orphans.js';
import type { RuntimeEvent } from './runtime-event.js';
import type { ActorTimers, FiredTimer } from './timers.js';
import type { DeathWatch } from './watch.js';
import { asError } from '../src/core/thrown.js';

/** How a message came about. */
export type Via = 'send' | 'ask' | 'reply' | 'result' | 'timer' | 'down' | 'lifecycle';

/** A message on its way, as `Intercept.deliver` sees it. */
export interface Delivery {
  /** Absent for what the actor's own timer or effect, or the application, brings. */
  readonly from?: Ref<never>;
  readonly to: Ref<never>;
  readonly via: Via;
  readonly message: unknown;
}

/**
 * Stands between an actor and its messages and effects: for tracing proxies, fault injection, throttles. Whatever it
 * does, the actor sees only what nact hands it, one at a time.
 */
export interface Intercept {
  /**
   * Call `deliver` now, later, twice or not at all. Keep the order between the same two actors, a second time included.
   * What an actor sends or asks reaches the other once per call, and kinact's own actors drop what they know already; a
   * reply, a result, a timer and the news of an end are signals: only their first arrival counts. What is thrown here is
   * counted and told once; the message is then delivered, if it was not before.
   */
  deliver?(delivery: Delivery, deliver: () => void): void;
  /**
   * The actor is about to handle a message, those of its own timers and effects included. Call `receive` now or later,
   * each in the order in which they came, or not at all: the message is then lost to this actor. Only the first call
   * counts. It returns when the message has been handled and its effects are under way. What is thrown here is the
   * actor's crash.
   */
  receive?(delivery: Delivery, receive: () => void): void;
  /** Call `start` and return what it returns, or stand in for it: a value, a thenable, or a throw. */
  startEffect?(actor: Ref<never>, info: EffectInfo, start: () => unknown): unknown;
}

/** One step of the runtime, in the order in which the steps happen. The same run gives the same entries. */
export interface TraceEntry {
  readonly at: number;
  /** `message`: an actor is about to handle one. */
  readonly what: 'start' | 'message' | 'effect' | 'settled' | 'stopping' | 'stopped';
  /** Path of the actor. */
  readonly to: string;
  readonly from?: string;
  readonly via?: Via;
  /** The message's `type`, the effect's name, or how the actor ends. */
  readonly type?: string;
}

/** `Event`: what the application's actors emit. */
export interface RuntimeOptions<Event = RuntimeEvent> {
  /** Default: the host's. */
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  /** Gets every event that actors emit, and those of the runtime. What it throws or rejects with is counted. */
  readonly emit?: (event: Event | RuntimeEvent) => void;
  /** An actor or system of the application's nact to live under. Default: a nact system of our own. */
  readonly parent?: NactReference;
  /** How often to look whether the application has stopped `parent`, of which nact gives no notice. Default 250. */
  readonly probeMs?: number;
  /** Gets every step. What it throws or rejects with is counted, and told once, by the event `warning`. */
  readonly trace?: (entry: TraceEntry) => void;
  readonly intercept?: Intercept;
}

/** Actors that share clock, timers, listeners and a nact parent. Made by `createRuntime`. */
export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** The runtime from inside. */
export interface Engine extends Runtime {
  readonly options: RuntimeOptions<unknown>;
  readonly counts: Map<string, number>;
  readonly roots: Set<Cell>;
  /** In the order in which they were attached. */
  intercepts: Intercept[];
  /** All of them as one. */
  intercept: Intercept | undefined;
  /** The nact actor all of this runtime's mailboxes live under, while there are any. */
  holder?: NactReference | undefined;
  /** Our own nact system, when the application gave no parent. */
  system?: NactReference | undefined;
  incarnations: number;
  readonly agenda: Agenda;
  /** Whose failure has been told. */
  readonly failedSeams: Set<string>;
  stopProbe?: (() => void) | undefined;
}

/** Why and until when an actor is stopping. */
export interface Departure {
  readonly reason: Ending['reason'];
  readonly error: Error | undefined;
  /** Its own error, or that of the actor above it that took it along. */
  readonly because: Error | undefined;
  /** `beginning` and `leaving`: listeners and its stop hook are being called, and may stop it, or a child, once more. */
  stage: 'beginning' | 'children' | 'leaving' | 'effects';
  deadlineAt: number;
  cancelDeadline?: () => void;
  readonly orphans: Orphans;
  /** Children still to be told to stop, the next one last. */
  left: Cell[];
  /** The child told last. */
  current?: Cell;
}

/** What a parent actor wants to hear of a child, as messages to itself. */
export interface ParentHooks {
  readonly spawned: (child: Ref<never>) => unknown;
  readonly down: (child: Ref<never> | undefined, how: Ending) => unknown;
  readonly ending?: ((child: Ref<never>, how: Ending) => unknown) | undefined;
}

export interface Cell {
  readonly ref: Ref<never>;
  readonly engine: Engine;
  readonly behaviour: Behaviour<unknown, unknown>;
  readonly parent: Cell | undefined;
  readonly hooks: ParentHooks | undefined;
  readonly shutdownMs: number;
  /** `starting` only while `initial` is being called. */
  phase: 'starting' | 'running' | 'stopping' | 'stopped';
  /** Has its start been reported to the parent? */
  announced: boolean;
  state: unknown;
  mailbox: Mailbox<unknown>;
  queued: number;
  /** In start order. */
  readonly children: Set<Cell>;
  readonly timers: ActorTimers;
  readonly effects: ActorEffects;
  readonly asked: Questions;
  readonly asking: Questions;
  readonly deaths: DeathWatch;
  /** Ends the watches this actor keeps on others. */
  readonly unwatch: Set<() => void>;
  departure?: Departure;
}

/** What travels through nact: exactly one of `message` and `timer`. */
export interface Envelope {
  readonly stamp: symbol;
  readonly from: Ref<never> | undefined;
  readonly via: Via;
  readonly message?: unknown;
  readonly timer?: FiredTimer;
  handled: boolean;
}

/** Tells our envelopes from whatever else an application may dispatch to our mailboxes. */
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

/** The actor behind a reference. Undefined for one that this process never made. */
export function cellOf(ref: Ref<never>): Cell | undefined {
  return cells.get(ref);
}

/** The clock that this actor lives by. */
export function clockOf(ref: Ref<never>): Clock {
  const cell = cells.get(ref);
  if (cell === undefined) throw new Error(`${ref.path} was not made by this copy of kinact`);
  return cell.engine.clock;
}

export function bindCell(cell: Cell): void {
  cells.set(cell.ref, cell);
}

/** Who asks when the application does. */
export const outside: Ref<never> = Object.freeze({ path: 'outside', id: 0 });

export function count(engine: Engine, what: string, by = 1): void {
  engine.counts.set(what, (engine.counts.get(what) ?? 0) + by);
}

/** What an actor emits. A listener that throws, or rejects, is counted, nothing more. */
export function emit(engine: Engine, event: unknown): void {
  const { emit: listen } = engine.options;
  if (listen !== undefined)
    tell(
      () => listen(event),
      () => count(engine, 'listenerFailed'),
    );
}

/** What the runtime itself has to tell. */
export function announce(engine: Engine, event: RuntimeEvent): void {
  emit(engine, event);
}

/** The first failure of its kind is told, all are counted: something that fails always would otherwise fill the log. */
function seamFailed(engine: Engine, counter: string, seam: string, error: unknown): void {
  count(engine, counter);
  if (engine.failedSeams.has(seam)) return;
  engine.failedSeams.add(seam);
  announce(engine, {
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
  tell(
    () => listen(entry),
    (error) => seamFailed(engine, 'listenerFailed', 'the listener trace', error),
  );
}
