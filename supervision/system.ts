// The runtime as seen from outside: create it, spawn, stop, ask and crash its actors, and send to them. Used by `index.ts`, the
// consumer and the tests.
import type { Behaviour, Ending, Ref } from './actor.js';
import { KinactError } from '../src/api/errors.js';
import { resolveTable } from '../src/options/option-table.js';
import { createTrampoline } from './trampoline.js';
import type { RuntimeEvent } from './runtime-event.js';
import { actorStopped, openQuestion } from './ask.js';
import { bindRuntime, cellOf, outside, type StartArguments, type Engine, type Runtime } from './cell.js';
import { startActor } from './incarnation.js';
import type { RuntimeOptions } from './generated/runtime-options.js';
import type { SpawnOptions } from './generated/spawn-options.js';
import { copyIntercept } from './intercept-chain.js';
import { post } from './mail.js';
import { runtimeTable } from './option-tables.js';
import { crash, beginStop } from './actor-stop.js';
import { asError } from '../src/core/thrown.js';

/**
 * Makes a runtime. It holds no resources before an actor is spawned, and none after the last one has stopped.
 *
 * @throws KinactError INVALID_OPTION.
 */
export function createRuntime<Event = RuntimeEvent>(options: RuntimeOptions<Event> = {}): Runtime {
  const { emit, parent, probeMs, trace, intercept, ...ports } = resolveTable(runtimeTable, options, '');
  const intercepts = intercept === undefined ? [] : [copyIntercept(intercept)];

  return bindRuntime({
    ...ports,
    options: { emit, parent, probeMs, trace },
    counts: new Map(),
    roots: new Set(),
    intercepts,
    intercept: intercepts[0],
    incarnations: 0,
    trampoline: createTrampoline(),
    failedSeams: new Set(),
  });
}

/**
 * Starts an actor that has no parent among our actors. Throws START_FAILED when `initial` throws, PARENT_STOPPED when the nact
 * parent has stopped.
 */
export function spawnRoot<State, Message>(
  runtime: Runtime,
  behaviour: Behaviour<State, Message>,
  name: string,
  options: SpawnOptions = {},
): Ref<Message> {
  const { shutdownMs } = options;
  return startOrThrow({
    engine: runtime as Engine,
    parent: undefined,
    behaviour: behaviour as never,
    name,
    shutdownMs,
  });
}

/**
 * Starts an actor under another, from outside. The new actor stops before its parent does, but the parent gets no message about
 * its end.
 */
export function spawnUnder<State, Message>(
  parent: Ref<never>,
  behaviour: Behaviour<State, Message>,
  name: string,
  options: SpawnOptions = {},
): Ref<Message> {
  const cell = cellOf(parent);
  if (cell?.phase !== 'running') throw actorStopped(parent, cell?.stopProgress?.because);
  const { shutdownMs } = options;
  return startOrThrow({ engine: cell.engine, parent: cell, behaviour: behaviour as never, name, shutdownMs });
}

function startOrThrow<Message>(given: Omit<StartArguments, 'hooks'>): Ref<Message> {
  const cell = startActor({ ...given, hooks: undefined });
  if (cell.announced) return cell.ref as Ref<Message>;
  const cause = cell.stopProgress?.error;
  throw new KinactError('START_FAILED', `Actor ${cell.ref.path} did not start.`, {
    data: { actor: cell.ref.path },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Stops a root, or any actor, from outside. Resolves when the actor and everything under it have stopped. Idempotent. */
export function stopRoot(ref: Ref<never>, options: { readonly deadlineMs: number }): Promise<Ending> {
  const cell = cellOf(ref);
  if (cell !== undefined) beginStop(cell, 'shutdown', undefined, options.deadlineMs);
  return endingOf(ref);
}

/** Resolves when that incarnation has stopped, or at once if it already has. Never rejects. */
export function endingOf(ref: Ref<never>): Promise<Ending> {
  const cell = cellOf(ref);
  if (cell === undefined) return Promise.resolve({ reason: 'shutdown', error: actorStopped(ref), orphans: [] });
  return new Promise((resolve) => cell.deathWatch.add(resolve));
}

/** Sends from outside. A message to a stopped actor is counted and dropped. */
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
    if (cell?.phase !== 'running') return reject(actorStopped(ref, cell?.stopProgress?.because));

    const unlisten = (): void => signal?.removeEventListener('abort', onAbort);
    const opened = openQuestion({
      asker: outside,
      to: ref,
      incomingQuestions: cell.incomingQuestions,
      outgoingQuestions: undefined,
      timers: cell.engine.timers,
      deadlineMs,
      answered: (answer) => (unlisten(), resolve(answer)),
      failed: (error) => (unlisten(), reject(error)),
    });

    const onAbort = (): void => {
      opened.withdraw();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });

    try {
      post(cell, outside, 'ask', question(opened.replyTo as never));
    } catch (thrown) {
      unlisten();
      opened.withdraw();
      reject(thrown);
    }
  });
}

/** Crashes an actor at once, as if its behaviour had thrown; its supervisor decides what follows. */
export function crashActor(ref: Ref<never>, error: unknown): void {
  const cell = cellOf(ref);
  if (cell !== undefined) crash(cell, asError(error));
}
