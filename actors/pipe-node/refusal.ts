// What the sink of `park` says about a failed call that waits for it.
import type { Call } from './calls.js';
import type { PipeNodeState } from './state.js';

/** Why the sink has not kept what the call is about; undefined if it has not refused it. */
export function refusalOf({ pendingFailures }: PipeNodeState, call: Call): unknown {
  for (const { subject, parking } of pendingFailures.byNumber.values()) if (subject === call) return parking?.error;
  return undefined;
}

/** Whether the sink has not kept what the call is about, and is called again later, or does not answer. */
export function hasFailedToPark({ pendingFailures }: PipeNodeState, call: Call): boolean {
  for (const { subject, parking } of pendingFailures.byNumber.values())
    if (subject === call && (parking?.phase === 'paused' || parking?.phase === 'overdue')) return true;
  return false;
}
