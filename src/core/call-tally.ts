// Counts calls and their time since the last report to the meter. The maker of the calls adds to a tally, and the metering empties
// it. A call costs a few additions.

/** Calls that have ended since the last report. */
export interface CallTally {
  calls: number;
  ms: number;
  /** Gets the time of each call, if the meter keeps distributions. */
  readonly each?: ((ms: number) => void) | undefined;
}

/** Creates an empty tally. */
export function createCallTally(each?: (ms: number) => void): CallTally {
  return { calls: 0, ms: 0, each };
}

/** Counts a call that took `ms`. A clock that was set back makes no negative time. */
export function addCall(tally: CallTally, ms: number): void {
  const spent = Math.max(0, ms);
  tally.calls += 1;
  tally.ms += spent;
  tally.each?.(spent);
}

/** Empties the tally. Returns what was in it. */
export function takeCalls(tally: CallTally): { readonly calls: number; readonly ms: number } {
  const { calls, ms } = tally;
  tally.calls = 0;
  tally.ms = 0;
  return { calls, ms };
}
