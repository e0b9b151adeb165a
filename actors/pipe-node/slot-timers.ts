// The timers of states, and the ends of routes that hold nothing and get nothing. One timer serves them all; it fires at most every 10 ms,
// because each time it looks at all states.
import { effect } from '../protocol/actor.js';
import type { NodeTurn } from './state.js';
import { hasCallback } from '../../src/core/built-callbacks.js';
import { dueAt, idleWork, isIdle, timerWork } from './work.js';

const leastMs = 10;

/** Some timer may be due. The calls wait behind the work under way: one for each state, because a call may hold the node for hours. */
export function slotsDue(turn: NodeTurn): void {
  const { state, now, options } = turn;
  state.slotTimerAt = Infinity;
  state.slotDueAt = Infinity;
  if (state.phase !== 'running') return;
  for (const slot of state.slots.values()) {
    if (slot.timerAt <= now && !hasCallback(options.definition, slot.state, 'handleTimer')) slot.timerAt = Infinity;
    if (slot.timerAt <= now) {
      if (slot.timerWaits) continue;
      slot.timerWaits = true;
      state.pending.push(timerWork(turn, slot));
    } else if (isIdle(turn, slot, now)) {
      if (slot.idleWaits) continue;
      slot.idleWaits = true;
      state.pending.push(idleWork(turn, slot));
    } else state.slotDueAt = Math.min(state.slotDueAt, dueAt(turn, slot));
  }
}

/** Sets the timer, if one is due earlier than it fires. */
export function setSlotTimer({ state, now, effects }: NodeTurn): void {
  if (state.slotDueAt >= state.slotTimerAt) return;
  const delayMs = Math.max(leastMs, Math.ceil(state.slotDueAt - now));
  state.slotTimerAt = Math.max(state.slotDueAt, now + leastMs);
  effects.push(effect.after('slots', delayMs, { type: 'slotsDue' }));
}
