// Carries out the effects of behaviours, one case per effect type. An effect that throws crashes the actor; nothing reaches nact.
// Called by `incarnation.ts` with the effects of `initial` and `receive`.
import type { Effect, Ending, Ref } from './actor.js';
import { show } from '../src/options/option-table.js';
import { invalidBehaviour } from './behaviour-check.js';
import { checkRef } from './package-copy.js';
import { actorStopped, answerQuestion, openQuestion } from './ask.js';
import { cellOf, count, emit, type Cell } from './cell.js';
import { post } from './mail.js';
import { crash, beginStop, tellParent } from './actor-stop.js';
import { ignoreRejection } from '../src/core/callback.js';
import { asError } from '../src/core/thrown.js';

type EffectOf<Type extends Effect<unknown>['type']> = Extract<Effect<unknown>, { readonly type: Type }>;

/** A list of effects under way. The effects of a child that was just started come before the rest of its parent's, in `below`. */
export interface Frame {
  readonly cell: Cell;
  readonly effects: readonly Effect<unknown>[];
  at: number;
  below?: Frame;
}

/** Starts a child and returns its first effects, which are carried out next; undefined if the child has already ended. */
export type SpawnChild = (parent: Cell, effect: EffectOf<'spawn'>) => Frame | undefined;

/**
 * Carries out effects in order, until the actor ends or an effect stops it. A loop also starts a child's own children, without
 * nested calls, because one message may start 10,000 levels.
 */
export function carryOutEffects(first: Frame, spawnChild: SpawnChild): void {
  for (let frame: Frame | undefined = first; frame !== undefined;) {
    const { cell, effects } = frame;
    if (cell.phase !== 'running' || frame.at >= effects.length) {
      frame = frame.below;
      continue;
    }

    const effect = effects[frame.at++] as Effect<unknown>;
    try {
      if (effect?.type === 'spawn') {
        const child = spawnChild(cell, effect);
        if (child !== undefined) frame = Object.assign(child, { below: frame });
      } else carryOutEffect(cell, effect);
    } catch (thrown) {
      crash(cell, asError(thrown));
    }
  }
}

function carryOutEffect(cell: Cell, effect: Exclude<Effect<unknown>, EffectOf<'spawn'>>): void {
  const { engine, ref } = cell;
  switch (effect?.type) {
    case 'send':
      sendTo(cell, effect.to, effect.message);
      return;
    case 'ask':
      askActor(cell, effect);
      return;
    case 'reply':
      if (!answerQuestion(effect.to, effect.answer, ref)) count(engine, 'lateAnswer');
      return;
    case 'run':
      cell.effects.start(effect);
      return;
    case 'abort':
      cell.effects.abort(effect.name, effect.reason);
      return;
    case 'after':
      cell.timers.set(effect.key, effect.ms, effect.message);
      return;
    case 'cancel':
      cell.timers.cancel(effect.key);
      return;
    case 'emit':
      emit(engine, effect.event);
      return;
    case 'count':
      count(engine, effect.what, effect.by);
      return;
    case 'watch':
      watchActor(cell, effect.actor, effect.down);
      return;
    case 'started':
      reportStarted(cell);
      return;
    case 'stopChild':
      stopOwnChild(cell, effect);
      return;
    case 'end':
      beginStop(cell, 'normal', undefined, cell.shutdownMs);
      return;
    case 'fail':
      crash(cell, effect.error);
      return;
    default:
      unknownEffect(effect);
  }
}

function unknownEffect(effect: never): never {
  const type = (effect as { readonly type?: unknown } | undefined)?.type;
  throw invalidBehaviour(
    `expected an effect, got ${show(effect)}${type === undefined ? '' : ` of type ${show(type)}`}`,
  );
}

/** Throws INVALID_OPTION for a value that is not a reference, or that another copy of kinact made: no message would reach it. */
function known(ref: Ref<never>): Cell | undefined {
  const cell = cellOf(ref);
  if (cell === undefined) checkRef(ref, 'effect');
  return cell;
}

function sendTo(cell: Cell, to: Ref<never>, message: unknown): void {
  const target = known(to);
  if (target === undefined) count(cell.engine, 'deadLetter');
  else post(target, cell.ref, 'send', message);
}

function askActor(cell: Cell, effect: EffectOf<'ask'>): void {
  const { to, deadlineMs } = effect;
  const target = known(to);
  const failed = (error: Error): void => postMessageFrom(cell, to, 'reply', () => effect.failed(error));
  if (target?.phase !== 'running') {
    failed(actorStopped(to, target?.stopProgress?.because));
    return;
  }

  const question = openQuestion({
    asker: cell.ref,
    to,
    incomingQuestions: target.incomingQuestions,
    outgoingQuestions: cell.outgoingQuestions,
    timers: cell.engine.timers,
    deadlineMs,
    answered: (answer, by) => postMessageFrom(cell, by, 'reply', () => effect.answered(answer as never)),
    failed,
  });

  post(target, cell.ref, 'ask', effect.question(question.replyTo));
}

function watchActor(cell: Cell, actor: Ref<never>, down: (how: Ending) => unknown): void {
  const target = known(actor);
  const tell = (how: Ending): void => postMessageFrom(cell, actor, 'down', () => down(how));
  if (target === undefined) {
    tell({ reason: 'shutdown', error: actorStopped(actor), orphans: [] });
    return;
  }

  let forget = (): void => {};
  forget = target.deathWatch.add((how) => {
    cell.unwatch.delete(forget);
    tell(how);
  });
  if (target.phase !== 'stopped') cell.unwatch.add(forget);
}

function stopOwnChild(cell: Cell, effect: EffectOf<'stopChild'>): void {
  const child = cellOf(effect.child);
  if (child?.parent !== cell) {
    throw invalidBehaviour(`${cell.ref.path} stops ${effect.child?.path}, which is no child of it`);
  }
  beginStop(child, 'shutdown', undefined, effect.deadlineMs);
}

/** Reports to the parent, once, that the start is over. */
export function reportStarted(cell: Cell): void {
  if (cell.announced) return;
  cell.announced = true;
  tellParent(cell, () => cell.hooks?.spawned(cell.ref));
}

/** Posts a message that one of the actor's own functions makes. If the function throws, the actor crashes. */
export function postMessageFrom(
  cell: Cell,
  from: Ref<never> | undefined,
  via: 'reply' | 'down' | 'result',
  make: () => unknown,
): void {
  if (cell.phase !== 'running' && cell.phase !== 'starting') return;
  let message: unknown;
  try {
    message = ignoreRejection(make());
  } catch (thrown) {
    crash(cell, asError(thrown));
    return;
  }
  post(cell, from, via, message);
}
