// The tasks of a node: the start, a feed, the timer of a state, a route that has been idle, the end. Each task yields the calls to make,
// one after the other; run.ts makes them. Before a message is handed out, its tenures are compared with the clock (docs/leases.md).
import type { ReplyTo } from '../protocol/actor.js';
import { DeliveredItem } from '../protocol/item.js';
import { SentMessage } from '../protocol/pipe-message.js';
import { isFlushMark, type Entry } from '../protocol/pipe-messages.js';
import { endIfLate, type Tenure } from '../protocol/tenure.js';
import { callOf, type Call, type Calls, type NodeTask } from './calls.js';
import { forgetRoute, setApart } from './route-uses.js';
import { createRouteState, keepsNothing, routeIdOf, type RouteState } from './route-states.js';
import type { NodeParts, PipeNodeState } from './state.js';
import { hasCallback } from '../../src/core/built-callbacks.js';
import { forEachTenure, isBundle, withoutEnded } from '../../src/core/references.js';

function taskOf(
  kind: NodeTask['kind'],
  calls: (task: NodeTask) => Calls,
  more: Partial<Pick<NodeTask, 'entries' | 'replyTo' | 'routeState'>> = {},
): NodeTask {
  const { entries = [], replyTo, routeState } = more;
  // The calls read `next` of the task that they belong to.
  const task: { -readonly [Member in keyof NodeTask]: NodeTask[Member] } = {
    kind,
    calls: noCalls(),
    wasMade: true,
    isOver: false,
    again: undefined,
    held: undefined,
    entries,
    next: 0,
    replyTo,
    routeState,
  };
  task.calls = calls(task);
  return task;
}

function* noCalls(): Calls {}

/** Makes the state of the main route. */
export function startTask(now: number): NodeTask {
  return taskOf('start', function* calls() {
    const routeState = createRouteState(undefined, undefined, now);
    yield callOf('init', routeState);
  });
}

export function feedTask(parts: NodeParts, entries: readonly Entry[], replyTo: ReplyTo<void>): NodeTask {
  return taskOf('feed', (task) => feedCalls(parts, task), { entries, replyTo });
}

function* feedCalls(parts: NodeParts, task: NodeTask): Calls {
  const { options, state } = parts;
  while (task.next < task.entries.length) {
    const entry = task.entries[task.next] as Entry;
    if (isFlushMark(entry)) {
      yield* flushCalls(parts);
      task.next += 1;
      state.result.emitted.push(entry);
      continue;
    }
    if (!isLive(parts, entry)) {
      task.next += 1;
      continue;
    }
    const route = SentMessage.routeOf(entry);
    let routeState = state.routeStates.get(routeIdOf(route));
    if (routeState === undefined) {
      yield* makeRoom(parts);
      // The flush of another route, which made room, may have taken so long that the leases of this message have ended.
      if (!isLive(parts, entry)) {
        task.next += 1;
        continue;
      }
      routeState = createRouteState(route, undefined, options.clock.now());
      if (!(yield callOf('init', routeState, entry))) {
        task.next += 1;
        continue;
      }
      // `init` may have taken so long, too.
      if (!isLive(parts, entry)) {
        task.next += 1;
        continue;
      }
    }
    yield callOf('handleMessage', routeState, entry);
    if (routeState.isForgotten) yield terminateOf(state, routeState);
    task.next += 1;
  }
}

/**
 * Ends the tenures that are late, and takes what belongs to ended ones out of the message. Returns false if nothing is left of it. A
 * message that stands for a part that cannot be taken out of its value is delivered and counted.
 */
export function isLive({ options, state }: NodeParts, message: SentMessage): boolean {
  const references = SentMessage.referencesOf(message);
  if (references === undefined) return true;
  const { clock } = options;
  // The usual case is one item, which needs no list of ended tenures.
  if (references instanceof DeliveredItem) {
    const { tenure } = references;
    if (endIfLate(tenure, clock)) SentMessage.setReferences(message, undefined);
    return !tenure.ended;
  }
  const now = clock.now();
  forEachTenure(references, (tenure: Tenure) => {
    endIfLate(tenure, clock, now);
  });
  const { live, hasLost } = withoutEnded(references);
  SentMessage.setReferences(message, live);
  if (live === undefined) return false;
  if (hasLost && isBundle(live)) state.result.foldedAfterLoss += 1;
  return true;
}

/** The state is no longer here while the call runs: if the node stops then, it must not be ended again. */
function terminateOf(state: PipeNodeState, routeState: RouteState): Call {
  forgetRoute(state, routeState);
  return callOf('terminate', routeState);
}

/** Makes a call, and ends the state if it is forgotten then. */
function* callAndForget({ state }: NodeParts, call: Call): Calls {
  yield call;
  const { routeState } = call;
  if (!routeState.isForgotten) return;
  yield terminateOf(state, routeState);
}

/** Sorts states by what they keep, the oldest first. Those that keep nothing come last. */
function byAgeOfKept(left: RouteState, right: RouteState): number {
  return left.keepsSinceUse === right.keepsSinceUse ? 0 : left.keepsSinceUse - right.keepsSinceUse;
}

/** The states in the order of what they keep, the oldest first. */
function* flushCalls(parts: NodeParts): Calls {
  const { options, state } = parts;
  if (options.definition.handleFlush === undefined) return;
  const routeStates = [...state.routeStates.values()].sort(byAgeOfKept);
  for (const routeState of routeStates)
    if (canFlush(parts, routeState)) yield* callAndForget(parts, callOf('handleFlush', routeState));
}

function canFlush({ options }: NodeParts, { state }: RouteState): boolean {
  return hasCallback(options.definition, state, 'handleFlush');
}

/** If there are as many routes as may be, ends the least recently used one of those that can end. */
function* makeRoom(parts: NodeParts): Calls {
  const { options, state } = parts;
  const { maxRoutes = defaultMaxRoutes } = options.definition;
  while (state.routesByUse.size + state.routesApart.size >= maxRoutes) {
    const [oldestId = ''] = state.routesByUse;
    const oldest = state.routeStates.get(oldestId);
    // Every route keeps something that its flush does not emit. That must not be lost, so the limit is exceeded.
    if (oldest?.route === undefined) return;
    yield* endRoute(parts, oldest);
    if (state.routeStates.get(oldestId) === oldest) setApart(state, oldestId);
  }
}

const defaultMaxRoutes = 10_000;
const defaultIdleMs = 60_000;

function* endRoute(parts: NodeParts, routeState: RouteState): Calls {
  if (!keepsNothing(routeState) && canFlush(parts, routeState)) yield callOf('handleFlush', routeState);
  if (!keepsNothing(routeState)) return;
  yield terminateOf(parts.state, routeState);
}

export function timerTask(parts: NodeParts, routeState: RouteState): NodeTask {
  return taskOf(
    'timer',
    function* calls() {
      routeState.timerWaits = false;
      if (parts.state.routeStates.get(routeIdOf(routeState.route)) !== routeState) return;
      // Since the timer fired, the route may have ended, or a message may have set or cleared the timer.
      if (routeState.timerAt <= parts.options.clock.now())
        yield* callAndForget(parts, callOf('handleTimer', routeState));
      else noteDue(parts, routeState);
    },
    { routeState },
  );
}

export function isIdle({ options }: NodeParts, routeState: RouteState, now: number): boolean {
  const { routeIdleMs = defaultIdleMs } = options.definition;
  return (
    routeState.route !== undefined &&
    keepsNothing(routeState) &&
    routeState.timerAt === Infinity &&
    now - routeState.usedAt >= routeIdleMs
  );
}

export function idleMs({ options }: NodeParts): number {
  return options.definition.routeIdleMs ?? defaultIdleMs;
}

export function idleTask(parts: NodeParts, routeState: RouteState): NodeTask {
  return taskOf(
    'idle',
    function* calls() {
      routeState.idleWaits = false;
      // Since this task was queued, a message may have come, or the route may have ended.
      if (parts.state.routeStates.get(routeIdOf(routeState.route)) !== routeState) return;
      if (isIdle(parts, routeState, parts.options.clock.now())) yield* endRoute(parts, routeState);
      else noteDue(parts, routeState);
    },
    { routeState },
  );
}

/** Flushes all states, unless the node has failed, and ends them. */
export function endTask(parts: NodeParts, flushes: boolean): NodeTask {
  return taskOf('end', function* calls() {
    const { state } = parts;
    if (flushes) yield* flushCalls(parts);
    for (const routeState of [...state.routeStates.values()]) {
      yield terminateOf(state, routeState);
    }
  });
}

/** Notes when the timer of the state is due, or the route idle: after each change, and when what was due has not come. */
export function noteDue(parts: NodeParts, routeState: RouteState): void {
  parts.state.routeDueAt = Math.min(parts.state.routeDueAt, dueAt(parts, routeState));
}

/** When the state needs the timer of the node. A route with a timer of its own is not idle before that (`isIdle`). */
export function dueAt(parts: NodeParts, routeState: RouteState): number {
  if (routeState.timerAt !== Infinity || routeState.route === undefined || !keepsNothing(routeState))
    return routeState.timerAt;
  return routeState.usedAt + idleMs(parts);
}
