// A node has one state of the application for the main route, and one for each other route. A `RouteState` is such a state with what kinact
// notes about it. It lists what the state keeps, because kinact, and not the application, settles and drops it.
import { mainRouteId, SentMessage, type ItemReferences, type Route } from '../protocol/pipe-message.js';
import { firstOf, forEachTenure } from '../../src/core/references.js';
import { HeldBundle } from '../../src/core/holding.js';
import type { DeliveredItem } from '../protocol/item.js';
import { endIfLate, type Tenure } from '../protocol/tenure.js';
import type { Clock } from '../../src/api/ports.js';

export interface RouteState {
  readonly route: Route | undefined;
  state: unknown;
  /** The messages that the state keeps as themselves. */
  readonly kept: Set<SentMessage>;
  /** Those of them that stand for less than their value embodies: a lease has ended, and the state could not take its part out. */
  readonly withLost: Set<SentMessage>;
  /** The holdings that have something in them. */
  readonly holdings: Set<HeldBundle>;
  /** All tenures of what the state keeps, and perhaps of what it kept before. */
  readonly tenures: Set<Tenure>;
  /** Since when the state has kept something; Infinity if it keeps nothing. Monotonic milliseconds. */
  keepsSince: number;
  /** The number of the use with which that began (`lastUse`), because times may be equal; Infinity if it keeps nothing. */
  keepsSinceUse: number;
  /** It has lost something with a lease, and may still have it. */
  hasLost: boolean;
  /** The ended tenures that the state has been told of. */
  readonly told: WeakSet<Tenure>;
  /** When `handleTimer` is due; Infinity if the timer is not set. */
  timerAt: number;
  /** The call of `handleTimer` waits for its turn. So does the end of an idle route. */
  timerWaits: boolean;
  idleWaits: boolean;
  usedAt: number;
  /** The state is ended next: a result has said so, or a call has failed that may have left it half emitted. */
  isForgotten: boolean;
  /** The number of its last use among those of all states: times may be equal. */
  lastUse: number;
}

export function createRouteState(route: Route | undefined, state: unknown, now: number): RouteState {
  return {
    route,
    state,
    kept: new Set(),
    withLost: new Set(),
    holdings: new Set(),
    tenures: new Set(),
    hasLost: false,
    told: new WeakSet(),
    keepsSince: Infinity,
    keepsSinceUse: Infinity,
    timerAt: Infinity,
    timerWaits: false,
    idleWaits: false,
    usedAt: now,
    isForgotten: false,
    lastUse: 0,
  };
}

export function routeIdOf(route: Route | undefined): string {
  return route?.id ?? mainRouteId;
}

export function keepsNothing({ kept, holdings }: RouteState): boolean {
  return kept.size === 0 && holdings.size === 0;
}

/** Notes whether the state keeps something, after each change. */
export function noteKept(routeState: RouteState, now: number): void {
  for (const holding of routeState.holdings) if (HeldBundle.isEmpty(holding)) routeState.holdings.delete(holding);
  if (keepsNothing(routeState)) {
    routeState.tenures.clear();
    routeState.keepsSince = Infinity;
    routeState.keepsSinceUse = Infinity;
  } else if (routeState.keepsSince === Infinity) {
    routeState.keepsSince = now;
    routeState.keepsSinceUse = routeState.lastUse;
  }
}

/** Notes the tenures of references before the state keeps them. */
export function noteTenures({ tenures }: RouteState, references: ItemReferences | undefined): void {
  if (references !== undefined) forEachTenure(references, (tenure: Tenure) => void tenures.add(tenure));
}

/** Ends the tenures that are late. Returns whether the state keeps something of an ended one, as far as it is known. */
export function endLateKept({ tenures }: RouteState, clock: Clock): boolean {
  let someEnded = false;
  for (const tenure of tenures) if (endIfLate(tenure, clock)) someEnded = true;
  return someEnded;
}

/** The references of everything that the state keeps. */
export function* keptReferences({ kept, holdings }: RouteState): Generator<ItemReferences> {
  for (const message of kept) {
    const references = SentMessage.referencesOf(message);
    if (references !== undefined) yield references;
  }
  for (const holding of holdings) yield HeldBundle.peek(holding) as ItemReferences;
}

/** An item that names what the state keeps, in texts. */
export function oldestItem(routeState: RouteState): DeliveredItem | undefined {
  for (const references of keptReferences(routeState)) {
    const item = firstOf(references);
    if (item !== undefined) return item as DeliveredItem;
  }
  return undefined;
}
