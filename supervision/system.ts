// The runtime: makes behaviours live on nact, one nact actor per incarnation under a name never used before, and carries
// out their effects. Every throw is caught here; nact sees none. Used by `tree` code, `index.ts` and the tests.
import type { Behaviour, Effect, Ending, Ref } from '../actors/actor.js';
import { KinactError } from '../src/errors.js';
import {
  bindCell,
  cellOf,
  count,
  outside,
  stamp,
  toError,
  trace,
  type Cell,
  type Engine,
  type Envelope,
  type ParentHooks,
  type Runtime,
  type RuntimeOptions,
} from './cell.js';
import { actorStopped, openQuestion } from './ask.js';
import { createActorEffects } from './effects.js';
import { announce, carryOut, postMade } from './interpret.js';
import { post, postTimer } from './mail.js';
import {
  isReachable,
  mailboxName,
  spawnMailbox,
  startNactSystem,
  stopMailbox,
  type Mailbox,
  type NactReference,
} from './nact.js';
import { crash, depart, effectSettledWhileStopping } from './stopping.js';
import { createActorTimers, systemClock, systemRandom, systemTimers } from './timers.js';
import { createDeathWatch } from './watch.js';

/** OTP's default (V4). */
export const defaultShutdownMs = 5_000;
const defaultProbeMs = 250;

let lastId = 0;

/** Makes a runtime. It holds nothing until an actor is spawned and nothing after the last has stopped. */
export function createRuntime(options: RuntimeOptions = {}): Runtime {
  const engine: Engine = {
    options,
    clock: options.clock ?? systemClock,
    timers: options.timers ?? systemTimers,
    random: options.random ?? systemRandom,
    counts: new Map(),
    roots: new Set(),
    intercepts: options.intercept === undefined ? [] : [options.intercept],
    intercept: options.intercept,
    incarnations: 0,
  };
  return engine;
}

/** How an actor is started. */
export interface SpawnOptions {
  /** How long it may wait for its user effects and children when it ends by itself. Default 5,000; 0: not at all. */
  readonly shutdownMs?: number;
}

/**
 * Starts an actor that has no parent among ours. Throws START_FAILED when `initial` throws, PARENT_STOPPED when the nact
 * parent has stopped.
 */
export function spawnRoot<S, M>(
  runtime: Runtime,
  behaviour: Behaviour<S, M>,
  name: string,
  options: SpawnOptions = {},
): Ref<M> {
  return startOrThrow(runtime as Engine, undefined, behaviour, name, options) as Ref<M>;
}

/** Starts an actor under another, from outside: it stops before its parent does; nobody is told how it ends. */
export function spawnUnder<S, M>(
  parent: Ref<never>,
  behaviour: Behaviour<S, M>,
  name: string,
  options: SpawnOptions = {},
): Ref<M> {
  const cell = cellOf(parent);
  if (cell?.phase !== 'running') throw actorStopped(parent);
  return startOrThrow(cell.engine, cell, behaviour, name, options) as Ref<M>;
}

function startOrThrow(
  engine: Engine,
  parent: Cell | undefined,
  behaviour: unknown,
  name: string,
  options: SpawnOptions,
): Ref<never> {
  const cell = start(engine, parent, undefined, behaviour as Behaviour<unknown, unknown>, name, options.shutdownMs);
  if (cell.announced) return cell.ref;
  const cause = cell.departure?.error;
  throw new KinactError('START_FAILED', `${cell.ref.path} did not start`, {
    data: { actor: cell.ref.path },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Stops a root, or any actor, from outside. Resolves when it and everything under it has stopped. Idempotent. */
export function stopRoot(ref: Ref<never>, options: { readonly deadlineMs: number }): Promise<Ending> {
  const cell = cellOf(ref);
  if (cell !== undefined) depart(cell, 'shutdown', undefined, options.deadlineMs);
  return endingOf(ref);
}

/** Resolves when that incarnation has stopped, at once if it already has. Never rejects. */
export function endingOf(ref: Ref<never>): Promise<Ending> {
  const cell = cellOf(ref);
  if (cell === undefined) return Promise.resolve({ reason: 'shutdown', error: actorStopped(ref), orphans: [] });
  return new Promise((resolve) => cell.deaths.add(resolve));
}

/** Sends from outside. Counted and dropped when the actor has stopped. */
export function sendFromOutside(ref: Ref<never>, message: unknown): void {
  const cell = cellOf(ref);
  if (cell !== undefined) post(cell, outside, 'send', message);
}

/** Asks from outside; see `ask` in `index.ts`. */
export function askFromOutside(
  ref: Ref<never>,
  question: (replyTo: never) => unknown,
  options: { readonly deadlineMs?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<unknown> {
  const { signal, deadlineMs } = options;
  const cell = cellOf(ref);
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    if (cell?.phase !== 'running') return reject(actorStopped(ref));
    const unlisten = (): void => signal?.removeEventListener('abort', onAbort);
    const open = openQuestion({
      asker: outside,
      to: ref,
      asked: cell.asked,
      asking: undefined,
      timers: cell.engine.timers,
      deadlineMs,
      answered: (answer) => (unlisten(), resolve(answer)),
      failed: (error) => (unlisten(), reject(error)),
    });
    const onAbort = (): void => {
      open.withdraw();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      post(cell, outside, 'ask', question(open.replyTo as never));
    } catch (thrown) {
      unlisten();
      open.withdraw();
      reject(thrown);
    }
  });
}

/** Crashes an actor where it stands, as if its behaviour had thrown: its supervisor decides. */
export function crashActor(ref: Ref<never>, error: Error): void {
  const cell = cellOf(ref);
  if (cell !== undefined) crash(cell, error);
}

function start(
  engine: Engine,
  parent: Cell | undefined,
  hooks: ParentHooks | undefined,
  behaviour: Behaviour<unknown, unknown>,
  name: string,
  shutdownMs = defaultShutdownMs,
): Cell {
  const cell = createCell(engine, parent, hooks, behaviour, name, shutdownMs);
  let effects: readonly Effect<unknown>[];
  try {
    const [state, first] = behaviour.initial(cell.ref as Ref<unknown>);
    cell.state = state;
    effects = first;
  } catch (thrown) {
    crash(cell, toError(thrown));
    return cell;
  }
  // The application's code may have stopped the actor from within `initial`.
  if (cell.phase !== 'starting') return cell;
  cell.phase = 'running';
  trace(cell, 'start');
  if (behaviour.deferStart !== true || hooks === undefined) announce(cell);
  carryOut(cell, effects, startChild);
  return cell;
}

function startChild(parent: Cell, effect: Extract<Effect<unknown>, { readonly type: 'spawn' }>): void {
  const { spawned, down, ending, behaviour, name, shutdownMs } = effect;
  const hooks = { spawned, down, ending } as ParentHooks;
  start(parent.engine, parent, hooks, behaviour as unknown as Behaviour<unknown, unknown>, name, shutdownMs);
}

function createCell(
  engine: Engine,
  parent: Cell | undefined,
  hooks: ParentHooks | undefined,
  behaviour: Behaviour<unknown, unknown>,
  name: string,
  shutdownMs: number,
): Cell {
  const incarnation = ++engine.incarnations;
  const { kind } = behaviour;
  const path = name === '' ? `${kind}#${incarnation}` : `${kind}/${name}#${incarnation}`;
  const cell: Cell = {
    ref: Object.freeze({ path, id: ++lastId }),
    engine,
    behaviour,
    parent,
    hooks,
    shutdownMs,
    phase: 'starting',
    announced: false,
    state: undefined,
    mailbox: openMailbox(engine, mailboxName(kind, name, incarnation), (mail) => arrive(cell, mail)),
    queued: 0,
    children: new Set(),
    timers: createActorTimers(engine.timers, (timer) => postTimer(cell, timer)),
    effects: createActorEffects({
      now: () => engine.clock.now(),
      start: (info, run) => {
        trace(cell, 'effect', { type: info.name });
        const { intercept } = engine;
        return intercept?.startEffect === undefined ? run() : intercept.startEffect(cell.ref, info, run);
      },
      settled: (info, toMessage) => effectSettled(cell, info.name, toMessage),
    }),
    asked: new Set(),
    asking: new Set(),
    deaths: createDeathWatch(),
    unwatch: new Set(),
  };
  bindCell(cell);
  if (parent === undefined) {
    engine.roots.add(cell);
    cell.deaths.add(() => releaseHolder(engine));
  } else {
    parent.children.add(cell);
  }
  return cell;
}

function effectSettled(cell: Cell, name: string, toMessage: () => unknown): void {
  trace(cell, 'settled', { type: name });
  if (cell.phase === 'running') {
    postMade(cell, undefined, 'result', toMessage);
    return;
  }
  count(cell.engine, 'lateResult');
  effectSettledWhileStopping(cell);
}

/** One nact message. */
function arrive(cell: Cell, mail: unknown): void {
  const envelope = mail as Envelope | undefined;
  if (envelope?.stamp !== stamp) {
    count(cell.engine, 'unknownMessage');
    return;
  }
  const { intercept } = cell.engine;
  if (intercept?.receive === undefined || cell.phase === 'stopped') {
    handle(cell, envelope);
    return;
  }
  const { from, via, timer } = envelope;
  const message = timer === undefined ? envelope.message : timer.message;
  let handled = false;
  const receive = (): void => {
    if (!handled) handle(cell, envelope);
    handled = true;
  };
  try {
    intercept.receive({ to: cell.ref, via, message, ...(from === undefined ? {} : { from }) }, receive);
  } catch (thrown) {
    crash(cell, toError(thrown));
  }
}

function handle(cell: Cell, envelope: Envelope): void {
  // Its letters were counted when it stopped; nact still brings them where the application stopped our parent.
  if (cell.phase === 'stopped') return;
  cell.queued -= 1;
  if (cell.phase !== 'running') {
    count(cell.engine, 'deadLetter');
    return;
  }
  if (isRepeatedSignal(envelope)) {
    count(cell.engine, 'repeatedMessages');
    return;
  }
  if (envelope.timer !== undefined && !envelope.timer.claim()) return;
  const message = envelope.timer === undefined ? envelope.message : envelope.timer.message;
  traceMessage(cell, envelope, message);
  let effects: readonly Effect<unknown>[];
  try {
    const [state, next] = cell.behaviour.receive(cell.state, message);
    cell.state = state;
    effects = next;
  } catch (thrown) {
    crash(cell, toError(thrown));
    return;
  }
  carryOut(cell, effects, startChild);
}

/**
 * A result or an answer acted on twice would run two calls of one actor at once. What actors say to one another is theirs to
 * tell apart: they number it.
 */
function isRepeatedSignal(envelope: Envelope): boolean {
  const { via, handled } = envelope;
  envelope.handled = true;
  return handled && via !== 'send' && via !== 'ask';
}

function traceMessage(cell: Cell, { from, via }: Envelope, message: unknown): void {
  if (cell.engine.options.trace === undefined) return;
  const type = (message as { readonly type?: unknown } | null | undefined)?.type;
  trace(cell, 'message', {
    via,
    ...(from === undefined ? {} : { from: from.path }),
    ...(typeof type === 'string' ? { type } : {}),
  });
}

function openMailbox(engine: Engine, name: string, receive: (mail: unknown) => void): Mailbox<unknown> {
  const holder = holderOf(engine);
  try {
    return spawnMailbox(holder, name, receive);
  } catch (cause) {
    stopOrphanedTree(engine);
    throw parentStopped(cause);
  }
}

/** The nact actor that all mailboxes of a runtime live under, so that an application's parent has one child from us. */
function holderOf(engine: Engine): NactReference {
  if (engine.holder !== undefined) return engine.holder;
  const parent = engine.options.parent ?? (engine.system ??= startNactSystem());
  try {
    engine.holder = spawnMailbox(parent, mailboxName('kinact', '', ++lastId), () => count(engine, 'unknownMessage'));
  } catch (cause) {
    throw parentStopped(cause);
  }
  if (engine.options.parent !== undefined) probe(engine);
  return engine.holder;
}

/** Looks every `probeMs` whether nact still finds us; if not, the application stopped our parent: everything stops. */
function probe(engine: Engine): void {
  engine.stopProbe = engine.timers.after(engine.options.probeMs ?? defaultProbeMs, () => {
    if (engine.holder === undefined) return;
    if (isReachable(engine.holder)) probe(engine);
    else stopOrphanedTree(engine);
  });
}

function stopOrphanedTree(engine: Engine): void {
  for (const root of [...engine.roots]) depart(root, 'shutdown', parentStopped(), root.shutdownMs);
}

function releaseHolder(engine: Engine): void {
  if (engine.roots.size > 0) return;
  engine.stopProbe?.();
  if (engine.holder !== undefined) stopMailbox(engine.holder);
  if (engine.system !== undefined) stopMailbox(engine.system);
  engine.holder = undefined;
  engine.system = undefined;
}

function parentStopped(cause?: unknown): KinactError {
  return new KinactError('PARENT_STOPPED', 'the nact parent or system was stopped by the application', {
    ...(cause === undefined ? {} : { cause }),
  });
}
