// The end of all states when the actor stops at once, after a crash or by its supervisor. Nothing waits any more, so each `terminate` is
// called without waiting for its promise. A state that `init` is still making is ended when that call has returned (work.ts).
import { callOf, CallContext, invoke } from './calls.js';
import type { PipeNodeOptions } from './options.js';
import type { Slot } from './slots.js';
import type { PipeNodeState } from './state.js';
import { callGuarded } from '../../src/core/callback.js';

/** `made`: a state that is not among the others yet. */
export function terminateAll(options: PipeNodeOptions, state: PipeNodeState, made: Slot | undefined): void {
  const slots = new Set(state.slots.values());
  if (made !== undefined) slots.add(made);
  state.slots.clear();
  for (const slot of slots) {
    if (slot.isTerminated) continue;
    const call = callOf('terminate', slot);
    const context = new CallContext(options, call);
    CallContext.abort(context, state.stoppedWith ?? new Error('the pipe has stopped'));
    // A state that is already ended cannot be ended better: its error has no reader.
    callGuarded(
      () => invoke(options, call, context),
      () => {},
    );
  }
}
