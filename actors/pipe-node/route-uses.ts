// Which state of a route ends when a new route needs room: the least recently used one of those that can end. A state that cannot is asked
// once, and then set apart until it is used or holds nothing. So no message looks through states that cannot end, however many there are.
import { keepsNothing, routeIdOf, type RouteState } from './route-states.js';
import type { PipeNodeState } from './state.js';

type Uses = Pick<PipeNodeState, 'routeStates' | 'routesByUse' | 'routesApart'>;

/** Notes that the state of a route was used last. */
export function noteRouteUse({ routeStates, routesByUse, routesApart }: Uses, { route }: RouteState): void {
  if (route === undefined) return;
  routesByUse.delete(route.id);
  routesApart.delete(route.id);
  if (routeStates.has(route.id)) routesByUse.add(route.id);
}

/** The state ends. */
export function forgetRoute({ routeStates, routesByUse, routesApart }: Uses, { route }: RouteState): void {
  routeStates.delete(routeIdOf(route));
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
export function bringBackFailed({ routesByUse, routesApart }: Uses, routeState: RouteState): void {
  const { route } = routeState;
  if (route !== undefined && keepsNothing(routeState) && routesApart.delete(route.id)) routesByUse.add(route.id);
}

/** Something was lost. All that are apart were used before all others, so those that hold nothing now go in front of these. */
export function bringBackEmpty(state: PipeNodeState): void {
  const back = [...state.routesApart].filter((id) => {
    const routeState = state.routeStates.get(id);
    return routeState !== undefined && keepsNothing(routeState);
  });
  if (back.length === 0) return;
  for (const id of back) state.routesApart.delete(id);
  state.routesByUse = new Set([...back, ...state.routesByUse]);
}
