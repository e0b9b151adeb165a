// One incarnation of an actor: how it starts on nact, under a name never used before, and how it handles each message. Everything
// that a behaviour throws is caught here, before it reaches nact. Called by `system.ts`.
import type { Behaviour, Effect, Ref } from './actor.js';
import { defaultShutdownMs } from './child-spec.js';
import { callGuarded } from '../src/core/callback.js';
import { checkBehaviour, checkStep } from './behaviour-check.js';
import {
  bindCell,
  count,
  stamp,
  trace,
  type StartArguments,
  type Cell,
  type Envelope,
  type ParentHooks,
} from './cell.js';
import { createActorEffects, type EffectInfo } from './running-effects.js';
import { openMailbox, releaseHolder } from './mailbox-holder.js';
import { reportStarted, carryOutEffects, postMessageFrom, type Frame, type SpawnChild } from './effect-interpreter.js';
import { postTimer } from './mail.js';
import { mailboxName } from './nact.js';
import { crash, effectSettledWhileStopping } from './actor-stop.js';
import { createActorTimers } from './timers.js';
import { createDeathWatch } from './death-watch.js';
import { asError } from '../src/core/thrown.js';

let lastId = 0;

/**
 * Starts an actor, and the children that its first effects start. Throws INVALID_OPTION for a value that is not a behaviour. If
 * the actor does not start, the returned cell is not `announced`.
 */
export function startActor(given: StartArguments): Cell {
  const [cell, first] = initialiseActor(given);
  if (first !== undefined) carryOutEffects(first, spawnChild);
  return cell;
}

const spawnChild: SpawnChild = (parent, effect) => {
  const { spawned, down, ending, name, shutdownMs } = effect;
  const hooks = { spawned, down, ending } as ParentHooks;
  const behaviour = effect.behaviour as unknown as Behaviour<unknown, unknown>;
  return initialiseActor({ engine: parent.engine, parent, hooks, behaviour, name, shutdownMs })[1];
};

/** Starts an actor, and returns its first effects before they are carried out. */
function initialiseActor(given: StartArguments): readonly [Cell, Frame | undefined] {
  const { behaviour, hooks, name, shutdownMs = defaultShutdownMs } = given;
  checkBehaviour(behaviour, name, shutdownMs);
  const cell = createCell(given, shutdownMs);

  let effects: readonly Effect<unknown>[];
  try {
    const [state, first] = checkStep(behaviour.initial(cell.ref as Ref<unknown>), 'initial');
    cell.state = state;
    effects = first;
  } catch (thrown) {
    crash(cell, asError(thrown));
    return [cell, undefined];
  }

  // The application's code may have stopped the actor from within `initial`.
  if (cell.phase !== 'starting') return [cell, undefined];
  cell.phase = 'running';
  trace(cell, 'start');
  if (behaviour.deferStart !== true || hooks === undefined) reportStarted(cell);

  return [cell, { cell, effects, at: 0 }];
}

function createCell({ engine, parent, hooks, behaviour, name }: StartArguments, shutdownMs: number): Cell {
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
    mailbox: openMailbox(engine, mailboxName(kind, name, incarnation), (mail) => receiveEnvelope(cell, mail)),
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
      settled: (info, toMessage) => effectSettled(cell, info, toMessage),
    }),
    incomingQuestions: new Set(),
    outgoingQuestions: new Set(),
    deathWatch: createDeathWatch(),
    unwatch: new Set(),
  };

  bindCell(cell);
  if (parent === undefined) {
    engine.roots.add(cell);
    cell.deathWatch.add(() => releaseHolder(engine));
  } else {
    parent.children.add(cell);
  }

  return cell;
}

function effectSettled(cell: Cell, { kind, name }: EffectInfo, toMessage: () => unknown): void {
  trace(cell, 'settled', { type: name });
  if (cell.phase === 'running') {
    postMessageFrom(cell, undefined, 'result', toMessage);
    return;
  }

  count(cell.engine, 'lateResult');
  if (cell.phase === 'stopped' && kind === 'user') count(cell.engine, 'orphanEnded');
  effectSettledWhileStopping(cell);
}

/** Handles one nact message. */
function receiveEnvelope(cell: Cell, mail: unknown): void {
  const envelope = mail as Envelope | undefined;
  if (envelope?.stamp !== stamp) {
    count(cell.engine, 'unknownMessage');
    return;
  }

  const { intercept } = cell.engine;
  if (intercept?.receive === undefined || cell.phase === 'stopped') {
    handleEnvelope(cell, envelope);
    return;
  }

  const { from, via, timer } = envelope;
  const message = timer === undefined ? envelope.message : timer.message;

  let handled = false;
  const receive = (): void => {
    if (handled) return;
    handled = true;
    handleEnvelope(cell, envelope);
  };

  const delivery = { to: cell.ref, via, message, ...(from === undefined ? {} : { from }) };
  callGuarded(
    () => intercept.receive?.(delivery, receive),
    (thrown) => crash(cell, asError(thrown)),
  );
}

function handleEnvelope(cell: Cell, envelope: Envelope): void {
  // The messages of a stopped actor are already counted. nact still delivers them if the application has stopped our parent.
  if (cell.phase === 'stopped') return;

  cell.queued -= 1;
  if (cell.phase !== 'running') {
    count(cell.engine, 'deadLetter');
    return;
  }

  const isRepeated = isRepeatedSignal(envelope);
  envelope.handled = true;
  if (isRepeated) {
    count(cell.engine, 'repeatedMessages');
    return;
  }

  if (envelope.timer !== undefined && !envelope.timer.claim()) return;
  const message = envelope.timer === undefined ? envelope.message : envelope.timer.message;

  traceMessage(cell, envelope, message);
  if (hasBeenStopped(cell)) {
    count(cell.engine, 'deadLetter');
    return;
  }

  let effects: readonly Effect<unknown>[];
  try {
    const [state, next] = checkStep(cell.behaviour.receive(cell.state, message), 'receive');
    cell.state = state;
    effects = next;
  } catch (thrown) {
    crash(cell, asError(thrown));
    return;
  }

  carryOutEffects({ cell, effects, at: 0 }, spawnChild);
}

/** The trace listener may just have stopped the actor. */
const hasBeenStopped = (cell: Cell): boolean => cell.phase !== 'running';

/**
 * Whether a signal (a result, an answer, a timer) arrives a second time. Acting on it again could run two calls of one actor at
 * once. Actors recognize repeated messages and questions by their numbers.
 */
function isRepeatedSignal({ via, handled }: Envelope): boolean {
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
