// The states of a node: one for the main route, and one for each other route. What a state keeps is listed beside it, because kinact, and
// not the application, settles and drops it.
import { mainRouteId, SentMessage, type ItemReferences, type Route } from '../protocol/pipe-message.js';
import { firstOf } from '../../src/core/references.js';
import { HeldBundle } from '../../src/core/holding.js';
import type { DeliveredItem } from '../protocol/item.js';

export interface Slot {
  readonly route: Route | undefined;
  state: unknown;
  /** The messages that the state keeps as themselves. */
  readonly kept: Set<SentMessage>;
  /** The holdings that have something in them. */
  readonly holdings: Set<HeldBundle>;
  /** Since when the state has kept something; Infinity if it keeps nothing. Monotonic milliseconds. */
  keepsSince: number;
  /** When `handleTimer` is due; Infinity if the timer is not set. */
  timerAt: number;
  usedAt: number;
  /** A result has said that the state is forgotten: it is ended next. */
  isForgotten: boolean;
  /** `terminate` was called for the state, and no `init` has returned another one since. */
  isTerminated: boolean;
  /** The number of its last use among those of all states: times may be equal. */
  lastUse: number;
}

export function createSlot(route: Route | undefined, state: unknown, now: number): Slot {
  return {
    route,
    state,
    kept: new Set(),
    holdings: new Set(),
    keepsSince: Infinity,
    timerAt: Infinity,
    usedAt: now,
    isForgotten: false,
    isTerminated: false,
    lastUse: 0,
  };
}

export function slotId(route: Route | undefined): string {
  return route?.id ?? mainRouteId;
}

export function keepsNothing({ kept, holdings }: Slot): boolean {
  return kept.size === 0 && holdings.size === 0;
}

/** Notes whether the state keeps something, after each change. */
export function noteKept(slot: Slot, now: number): void {
  for (const holding of slot.holdings) if (holding.messages === 0) slot.holdings.delete(holding);
  if (keepsNothing(slot)) slot.keepsSince = Infinity;
  else if (slot.keepsSince === Infinity) slot.keepsSince = now;
}

/** The references of everything that the state keeps. */
export function* keptReferences({ kept, holdings }: Slot): Generator<ItemReferences> {
  for (const message of kept) {
    const references = SentMessage.referencesOf(message);
    if (references !== undefined) yield references;
  }
  for (const holding of holdings) yield HeldBundle.peek(holding) as ItemReferences;
}

/** Takes out everything that the state keeps. */
export function takeKept(slot: Slot, now: number): readonly ItemReferences[] {
  const taken: ItemReferences[] = [];
  for (const message of slot.kept) {
    const references = SentMessage.referencesOf(message);
    SentMessage.setReferences(message, undefined);
    if (references !== undefined) taken.push(references);
  }
  slot.kept.clear();
  for (const holding of slot.holdings) {
    const { references } = HeldBundle.take(holding);
    if (references !== undefined) taken.push(references as ItemReferences);
  }
  noteKept(slot, now);
  return taken;
}

/** An item that names what the state keeps, in texts. */
export function oldestItem(slot: Slot): DeliveredItem | undefined {
  for (const references of keptReferences(slot)) {
    const item = firstOf(references);
    if (item !== undefined) return item as DeliveredItem;
  }
  return undefined;
}
