// Decides what a signal means after the signals before it. One request to stop often comes as several signals: `timeout`, npm and
// process managers send one to a process and one to its group, and a terminal sends Ctrl-C to the whole group. `runUntilSignal`
// and the command line use it.

/**
 * `stop`: the first signal. `repeated`: the same request once more. `atOnce`: the sender will not wait any longer.
 */
export type StopSignal = 'stop' | 'repeated' | 'atOnce';

/** For how long after the first signal others count as the same request. */
export const sameStopMs = 2_000;

/** Signals that ask for an end and a picture of the process, not for a clean stop. */
const stronger: ReadonlySet<string> = new Set(['SIGQUIT', 'SIGABRT', 'SIGTRAP']);

/** A judge of the signals that one process gets. `now` is in milliseconds and never goes back. */
export function stopSignals(now: () => number): (signal: string) => StopSignal {
  let first: { readonly signal: string; readonly at: number } | undefined;
  return (signal) => {
    if (first === undefined) {
      first = { signal, at: now() };
      return 'stop';
    }
    if (now() - first.at > sameStopMs) return 'atOnce';
    return stronger.has(signal) && !stronger.has(first.signal) ? 'atOnce' : 'repeated';
  };
}
