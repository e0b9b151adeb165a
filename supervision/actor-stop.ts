// How an actor ends, by itself or because it is stopped. It handles no messages from then on. First its children stop, in reverse
// start order; then its stop hook runs once, and its effects are aborted. It waits for its user effects until the deadline. An
// effect that still runs then is an orphan: named and counted. Nothing here depends on nact, which may already be gone.
import type { Effect, Ending } from './actor.js';
import { runStep } from './trampoline.js';
import { actorStopped, answerQuestion } from './ask.js';
import { emitRuntimeEvent, cellOf, count, emit, trace, type Cell, type StopProgress } from './cell.js';
import { post } from './mail.js';
import { stopMailbox } from './nact.js';
import { anyOrphans, listOrphans, noOrphans } from './orphans.js';
import { ignoreRejection } from '../src/core/callback.js';
import { asError } from '../src/core/thrown.js';

/** Ends an actor that threw or failed. */
export function crash(cell: Cell, error: Error): void {
  if (cell.phase !== 'starting' && cell.phase !== 'running') return;
  beginStop(cell, 'crash', error, cell.shutdownMs);
}

/** Begins to end an actor. If the actor is already ending, only brings its deadline forward. */
export function beginStop(cell: Cell, reason: Ending['reason'], error: Error | undefined, withinMs: number): void {
  const deadlineAt = cell.engine.clock.now() + withinMs;
  if (cell.phase === 'stopped') return;
  if (cell.stopProgress !== undefined) {
    bringDeadlineForward(cell, deadlineAt);
    return;
  }

  const uninitialised = cell.phase === 'starting';
  cell.phase = 'stopping';

  const because = error ?? cell.parent?.stopProgress?.because;
  const progress: StopProgress = {
    reason,
    error,
    because,
    step: 'beginning',
    deadlineAt,
    orphans: noOrphans(),
    pending: [],
  };
  cell.stopProgress = progress;

  // `stopProgress` is set by now: if this listener stops the actor, the crash and its error stay.
  if (reason === 'crash' && error !== undefined)
    emitRuntimeEvent(cell.engine, { name: 'actorCrashed', data: { actor: cell.ref.path, error } });
  trace(cell, 'stopping', { type: reason });

  cell.timers.cancelAll();
  for (const question of [...cell.outgoingQuestions]) question.withdraw();
  for (const forget of cell.unwatch) forget();
  cell.unwatch.clear();

  // The inner step runs when the outer one is over, so the parent is informed before a child stops.
  runStep(cell.engine.trampoline, () => {
    runStep(cell.engine.trampoline, () =>
      uninitialised ? finishStop(cell, progress) : stopAllChildren(cell, progress),
    );
    if (reason !== 'shutdown' && cell.announced) tellParentOfEnding(cell, progress);
  });
}

function stopAllChildren(cell: Cell, progress: StopProgress): void {
  progress.step = 'children';
  if (cell.children.size === 0) {
    stopSelf(cell, progress);
    return;
  }
  // `stopNextChild` takes the next child from the end.
  progress.pending = inStopOrder(cell).reverse();
  stopNextChild(cell, progress);
}

function stopNextChild(cell: Cell, progress: StopProgress): void {
  let child = progress.pending.pop();
  while (child?.phase === 'stopped') child = progress.pending.pop();
  if (child === undefined) return;

  progress.current = child;
  if (cell.behaviour.stopChildren !== 'one-by-one') {
    runStep(cell.engine.trampoline, () => stopNextChild(cell, progress));
  }

  const leftMs = progress.deadlineAt - cell.engine.clock.now();
  beginStop(child, 'shutdown', undefined, Math.min(leftMs, child.shutdownMs));
}

/** Children that the behaviour does not name go first. */
function inStopOrder(cell: Cell): Cell[] {
  const children = [...cell.children].reverse();
  if (children.length < 2 || cell.behaviour.stopOrder === undefined) return children;

  const named = new Set<Cell>();
  try {
    for (const ref of ignoreRejection(cell.behaviour.stopOrder(cell.state))) {
      const child = cellOf(ref);
      if (child !== undefined && cell.children.has(child)) named.add(child);
    }
  } catch (thrown) {
    hookFailed(cell, 'stopOrder', thrown);
  }

  return [...children.filter((child) => !named.has(child)), ...named];
}

/** The actor's own end, once its children are gone. */
function stopSelf(cell: Cell, progress: StopProgress): void {
  if (progress.step !== 'children') return;
  progress.step = 'self';

  runStopHook(cell, progress.reason);
  if (cell.incomingQuestions.size + cell.effects.running.size > 0) {
    const reason = actorStopped(cell.ref, progress.because);
    for (const question of [...cell.incomingQuestions]) question.fail(reason);
    cell.effects.abortAll(reason);
  }

  progress.step = 'effects';
  waitForEffects(cell, progress);
}

function waitForEffects(cell: Cell, progress: StopProgress): void {
  const { clock, timers } = cell.engine;
  const brutal = cell.shutdownMs === 0;
  progress.cancelDeadline?.();
  if (brutal || cell.effects.userCount === 0) {
    finishStop(cell, progress);
    return;
  }

  // Even a deadline in the past leaves one pass of the event loop, in which effects that obey their signal can end.
  const restMs = Math.max(0, progress.deadlineAt - clock.now());
  progress.cancelDeadline = timers.after(restMs, () => finishStop(cell, progress));
}

/** Called when an effect of a stopping actor has ended. After the last user effect, the actor has stopped. */
export function effectSettledWhileStopping(cell: Cell): void {
  const progress = cell.stopProgress;
  if (cell.phase === 'stopping' && progress?.step === 'effects' && cell.effects.userCount === 0) {
    finishStop(cell, progress);
  }
}

function bringDeadlineForward(cell: Cell, deadlineAt: number): void {
  const pending = [cell];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const progress = next.stopProgress;
    if (progress === undefined || next.phase === 'stopped' || deadlineAt >= progress.deadlineAt) continue;
    progress.deadlineAt = deadlineAt;
    if (progress.step === 'effects') waitForEffects(next, progress);
    else for (const child of [...next.children].reverse()) pending.push(child);
  }
}

function finishStop(cell: Cell, progress: StopProgress): void {
  if (cell.phase === 'stopped') return;
  const { engine, ref, parent } = cell;

  progress.cancelDeadline?.();
  cell.phase = 'stopped';

  const effects = cell.effects.user();
  if (effects.length > 0) {
    count(engine, 'orphan', effects.length);
    emitRuntimeEvent(engine, { name: 'orphaned', data: { actor: ref.path, effects } });
    progress.orphans.names = effects.map((effect) => `${ref.path}: ${effect}`);
  }

  const how = endingFrom(progress);
  cell.state = undefined;
  stopMailbox(cell.mailbox);
  if (cell.queued > 0) count(engine, 'deadLetter', cell.queued);
  cell.queued = 0;
  trace(cell, 'stopped', { type: how.reason });

  if (parent === undefined) {
    engine.roots.delete(cell);
  } else {
    parent.children.delete(cell);
    if (anyOrphans(progress.orphans)) parent.stopProgress?.orphans.below.push(progress.orphans);
    tellParent(cell, () => cell.hooks?.down(cell.announced ? ref : undefined, how));
  }

  cell.deathWatch.tell(how);
  if (parent?.stopProgress?.step === 'children') childStopped(parent, parent.stopProgress, cell);
}

function endingFrom({ reason, error, orphans }: StopProgress): Ending {
  const how = { reason, ...(error === undefined ? {} : { error }) };
  if (orphans.below.length === 0) return { ...how, orphans: orphans.names };
  let names: readonly string[] | undefined;
  return {
    ...how,
    get orphans() {
      return (names ??= listOrphans(orphans));
    },
  };
}

function childStopped(parent: Cell, progress: StopProgress, child: Cell): void {
  const oneByOne = parent.behaviour.stopChildren === 'one-by-one';
  if (parent.children.size === 0) runStep(parent.engine.trampoline, () => stopSelf(parent, progress));
  else if (oneByOne && progress.current === child) {
    runStep(parent.engine.trampoline, () => stopNextChild(parent, progress));
  }
}

function runStopHook(cell: Cell, reason: Ending['reason']): void {
  try {
    for (const effect of ignoreRejection(cell.behaviour.stopped?.(cell.state, reason)) ?? [])
      carryOutLastEffect(cell, effect);
  } catch (thrown) {
    hookFailed(cell, 'stop hook', thrown);
  }
}

function hookFailed(cell: Cell, hook: string, thrown: unknown): void {
  count(cell.engine, 'stopHookFailed');
  emitRuntimeEvent(cell.engine, {
    name: 'warning',
    data: { message: `the ${hook} of ${cell.ref.path} threw`, error: asError(thrown) },
  });
}

/** The type of `stopped` allows four kinds of effects; a behaviour in JavaScript may return others. */
function carryOutLastEffect(cell: Cell, effect: Effect<unknown>): void {
  const { engine, ref } = cell;
  switch (effect.type) {
    case 'send': {
      const to = cellOf(effect.to);
      if (to === undefined) count(engine, 'deadLetter');
      else post(to, ref, 'send', effect.message);
      return;
    }
    case 'reply':
      if (!answerQuestion(effect.to, effect.answer, ref)) count(engine, 'lateAnswer');
      return;
    case 'emit':
      emit(engine, effect.event);
      return;
    case 'count':
      count(engine, effect.what, effect.by);
      return;
    default:
      count(engine, 'effectAfterStop');
  }
}

function tellParentOfEnding(cell: Cell, progress: StopProgress): void {
  const { reason, error } = progress;
  const how: Ending = { reason, ...(error === undefined ? {} : { error }), orphans: [] };
  if (cell.hooks?.ending !== undefined) tellParent(cell, () => cell.hooks?.ending?.(cell.ref, how));
}

/** Sends the parent a message that the parent's own functions make. If they throw, the parent crashes. */
export function tellParent(cell: Cell, toMessage: () => unknown): void {
  const parent = cell.parent;
  if (parent === undefined || cell.hooks === undefined || parent.phase !== 'running') return;
  let message: unknown;
  try {
    message = ignoreRejection(toMessage());
  } catch (thrown) {
    crash(parent, asError(thrown));
    return;
  }
  post(parent, cell.ref, 'lifecycle', message);
}
