// What a node works through: the start, a feed, the timer of a state, a route that has been idle, the end. Each work yields the calls to
// make, one after the other; run.ts makes them. Before a message is handed out, its tenures are compared with the clock (docs/leases.md).
import type { ReplyTo } from '../protocol/actor.js';
import { DeliveredItem } from '../protocol/item.js';
import { SentMessage } from '../protocol/pipe-message.js';
import { isFlushMark, type Entry } from '../protocol/pipe-messages.js';
import { endIfLate, type Tenure } from '../protocol/tenure.js';
import { callOf, type Call, type Calls, type Work } from './calls.js';
import { forgetRoute, setApart } from './route-uses.js';
import { createSlot, keepsNothing, slotId, type Slot } from './slots.js';
import type { NodeParts, PipeNodeState } from './state.js';
import { hasCallback } from '../../src/core/built-callbacks.js';
import { forEachTenure, isBundle, withoutEnded } from '../../src/core/references.js';

function workOf(
  kind: Work['kind'],
  calls: (work: Work) => Calls,
  more: Partial<Pick<Work, 'entries' | 'replyTo' | 'slot'>> = {},
): Work {
  const { entries = [], replyTo, slot } = more;
  // The calls read `next` of the work that they belong to.
  const work: { -readonly [Member in keyof Work]: Work[Member] } = {
    kind,
    calls: noCalls(),
    wasMade: true,
    isOver: false,
    again: undefined,
    held: undefined,
    entries,
    next: 0,
    replyTo,
    slot,
  };
  work.calls = calls(work);
  return work;
}

function* noCalls(): Calls {}

/** Makes the state of the main route. */
export function startWork(now: number): Work {
  return workOf('start', function* calls() {
    const slot = createSlot(undefined, undefined, now);
    yield callOf('init', slot);
  });
}

export function feedWork(parts: NodeParts, entries: readonly Entry[], replyTo: ReplyTo<void>): Work {
  return workOf('feed', (work) => feedCalls(parts, work), { entries, replyTo });
}

function* feedCalls(parts: NodeParts, work: Work): Calls {
  const { options, state } = parts;
  while (work.next < work.entries.length) {
    const entry = work.entries[work.next] as Entry;
    if (isFlushMark(entry)) {
      yield* flushCalls(parts);
      work.next += 1;
      state.result.emitted.push(entry);
      continue;
    }
    if (!isLive(parts, entry)) {
      work.next += 1;
      continue;
    }
    const route = SentMessage.routeOf(entry);
    let slot = state.slots.get(slotId(route));
    if (slot === undefined) {
      yield* makeRoom(parts);
      // The flush of another route, which made room, may have taken so long that the leases of this message have ended.
      if (!isLive(parts, entry)) {
        work.next += 1;
        continue;
      }
      slot = createSlot(route, undefined, options.clock.now());
      if (!(yield callOf('init', slot, entry))) {
        work.next += 1;
        continue;
      }
      // `init` may have taken so long, too.
      if (!isLive(parts, entry)) {
        work.next += 1;
        continue;
      }
    }
    yield callOf('handleMessage', slot, entry);
    if (slot.isForgotten) yield terminateOf(state, slot);
    work.next += 1;
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
function terminateOf(state: PipeNodeState, slot: Slot): Call {
  forgetRoute(state, slot);
  return callOf('terminate', slot);
}

/** Makes a call, and ends the state if it is forgotten then. */
function* callAndForget({ state }: NodeParts, call: Call): Calls {
  yield call;
  const { slot } = call;
  if (!slot.isForgotten) return;
  yield terminateOf(state, slot);
}

/** The one first that began first to keep something. Those that keep nothing are last. */
function byAge(left: Slot, right: Slot): number {
  return left.keepsSinceUse === right.keepsSinceUse ? 0 : left.keepsSinceUse - right.keepsSinceUse;
}

/** The states in the order of what they keep, the oldest first. */
function* flushCalls(parts: NodeParts): Calls {
  const { options, state } = parts;
  if (options.definition.handleFlush === undefined) return;
  const slots = [...state.slots.values()].sort(byAge);
  for (const slot of slots) if (canFlush(parts, slot)) yield* callAndForget(parts, callOf('handleFlush', slot));
}

function canFlush({ options }: NodeParts, { state }: Slot): boolean {
  return hasCallback(options.definition, state, 'handleFlush');
}

/** Ends the route that was used longest ago of those that can end, if there are as many as may be. */
function* makeRoom(parts: NodeParts): Calls {
  const { options, state } = parts;
  const { maxRoutes = defaultMaxRoutes } = options.definition;
  while (state.routesByUse.size + state.routesApart.size >= maxRoutes) {
    const [oldestId = ''] = state.routesByUse;
    const oldest = state.slots.get(oldestId);
    // Every route keeps something that its flush does not emit. That must not be lost, so the limit is exceeded.
    if (oldest?.route === undefined) return;
    yield* endRoute(parts, oldest);
    if (state.slots.get(oldestId) === oldest) setApart(state, oldestId);
  }
}

const defaultMaxRoutes = 10_000;
const defaultIdleMs = 60_000;

function* endRoute(parts: NodeParts, slot: Slot): Calls {
  if (!keepsNothing(slot) && canFlush(parts, slot)) yield callOf('handleFlush', slot);
  if (!keepsNothing(slot)) return;
  yield terminateOf(parts.state, slot);
}

export function timerWork(parts: NodeParts, slot: Slot): Work {
  return workOf(
    'timer',
    function* calls() {
      slot.timerWaits = false;
      // Since the timer fired, the route may have ended, or a message may have set or cleared the timer.
      const isDue = slot.timerAt <= parts.options.clock.now();
      if (isDue && parts.state.slots.get(slotId(slot.route)) === slot)
        yield* callAndForget(parts, callOf('handleTimer', slot));
    },
    { slot },
  );
}

export function isIdle({ options }: NodeParts, slot: Slot, now: number): boolean {
  const { routeIdleMs = defaultIdleMs } = options.definition;
  return (
    slot.route !== undefined && keepsNothing(slot) && slot.timerAt === Infinity && now - slot.usedAt >= routeIdleMs
  );
}

export function idleMs({ options }: NodeParts): number {
  return options.definition.routeIdleMs ?? defaultIdleMs;
}

export function idleWork(parts: NodeParts, slot: Slot): Work {
  return workOf(
    'idle',
    function* calls() {
      slot.idleWaits = false;
      // Since this work was queued, a message may have come, or the route may have ended.
      if (parts.state.slots.get(slotId(slot.route)) !== slot || !isIdle(parts, slot, parts.options.clock.now())) return;
      yield* endRoute(parts, slot);
    },
    { slot },
  );
}

/** Flushes all states, unless the node has failed, and ends them. */
export function endWork(parts: NodeParts, flushes: boolean): Work {
  return workOf('end', function* calls() {
    const { state } = parts;
    if (flushes) yield* flushCalls(parts);
    for (const slot of [...state.slots.values()]) {
      yield terminateOf(state, slot);
    }
  });
}

/** When the state needs the timer of the node. */
export function dueAt(parts: NodeParts, slot: Slot): number {
  const isRoute = slot.route !== undefined;
  return Math.min(slot.timerAt, isRoute && keepsNothing(slot) ? slot.usedAt + idleMs(parts) : Infinity);
}
