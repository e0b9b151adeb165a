// The timers of states, and the ends of routes that hold nothing and get nothing. One timer serves them all; it fires at most every 10 ms,
// because each time it looks at all states.
import { effect } from '../protocol/actor.js';
import type { NodeTurn } from './state.js';
import { hasCallback } from '../../src/core/built-callbacks.js';
import { dueAt, idleTask, isIdle, timerTask } from './tasks.js';

const leastMs = 10;

/** Some timer may be due. The calls wait behind the task under way: one for each state, because a call may hold the node for hours. */
export function routesDue(turn: NodeTurn): void {
  const { state, now, options } = turn;
  state.routeTimerAt = Infinity;
  state.routeDueAt = Infinity;
  if (state.phase !== 'running') return;
  for (const routeState of state.routeStates.values()) {
    if (routeState.timerAt <= now && !hasCallback(options.definition, routeState.state, 'handleTimer'))
      routeState.timerAt = Infinity;
    if (routeState.timerAt <= now) {
      if (routeState.timerWaits) continue;
      routeState.timerWaits = true;
      state.pending.push(timerTask(turn, routeState));
    } else if (isIdle(turn, routeState, now)) {
      if (routeState.idleWaits) continue;
      routeState.idleWaits = true;
      state.pending.push(idleTask(turn, routeState));
    } else state.routeDueAt = Math.min(state.routeDueAt, dueAt(turn, routeState));
  }
}

/** Sets the timer, if one is due earlier than it fires. */
export function setRouteTimer({ state, now, effects }: NodeTurn): void {
  if (state.routeDueAt >= state.routeTimerAt) return;
  const delayMs = Math.max(leastMs, Math.ceil(state.routeDueAt - now));
  state.routeTimerAt = Math.max(state.routeDueAt, now + leastMs);
  effects.push(effect.after('routeStates', delayMs, { type: 'routesDue' }));
}
