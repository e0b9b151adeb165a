// The end of all states when the actor stops at once, after a crash or by its supervisor. Nothing waits any more, so each `terminate` is
// called without waiting for its promise. A state that `init` is still making is ended when that call has returned (run.ts).
import { callOf, CallContext, invoke } from './calls.js';
import type { PipeNodeOptions } from './options.js';
import type { PipeNodeState } from './state.js';
import { callGuarded } from '../../src/core/callback.js';

export function terminateAll(options: PipeNodeOptions, state: PipeNodeState): void {
  const routeStates = [...state.routeStates.values()];
  state.routeStates.clear();
  for (const routeState of routeStates) {
    const call = callOf('terminate', routeState);
    const context = new CallContext(options, call);
    // A cast, because `stoppedWith` is set as soon as the actor stops.
    CallContext.abort(context, state.stoppedWith as Error);
    // A state that is already ended cannot be ended better: its error has no reader.
    callGuarded(
      () => invoke(options, call, context),
      () => {},
    );
  }
}
