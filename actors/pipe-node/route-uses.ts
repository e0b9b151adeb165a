// Which state of a route ends when a new route needs room: the one used longest ago of those that can end. A state that cannot is asked
// once, and then set apart until it is used or holds nothing. So no message looks through states that cannot end, however many there are.
import { keepsNothing, slotId, type Slot } from './slots.js';
import type { PipeNodeState } from './state.js';

type Uses = Pick<PipeNodeState, 'slots' | 'routesByUse' | 'routesApart'>;

/** Notes that the state of a route was used last. */
export function noteRouteUse({ slots, routesByUse, routesApart }: Uses, { route }: Slot): void {
  if (route === undefined) return;
  routesByUse.delete(route.id);
  routesApart.delete(route.id);
  if (slots.has(route.id)) routesByUse.add(route.id);
}

/** The state ends. */
export function forgetRoute({ slots, routesByUse, routesApart }: Uses, { route }: Slot): void {
  slots.delete(slotId(route));
  if (route === undefined) return;
  routesByUse.delete(route.id);
  routesApart.delete(route.id);
}

/** It keeps something that no flush emits. */
export function setApart({ routesByUse, routesApart }: Uses, routeId: string): void {
  routesByUse.delete(routeId);
  routesApart.add(routeId);
}

/** What it kept has failed, and is settled. A failed call is no use of the state. */
export function bringBackFailed({ routesByUse, routesApart }: Uses, slot: Slot): void {
  const { route } = slot;
  if (route !== undefined && keepsNothing(slot) && routesApart.delete(route.id)) routesByUse.add(route.id);
}

/** Something was lost. All that are apart were used before all others, so those that hold nothing now go in front of these. */
export function bringBackEmpty(state: PipeNodeState): void {
  const back = [...state.routesApart].filter((id) => {
    const slot = state.slots.get(id);
    return slot !== undefined && keepsNothing(slot);
  });
  if (back.length === 0) return;
  for (const id of back) state.routesApart.delete(id);
  state.routesByUse = new Set([...back, ...state.routesByUse]);
}
