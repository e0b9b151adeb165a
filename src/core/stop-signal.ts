// Decides what a signal means after earlier signals. One request to stop often arrives as several signals. `timeout`, npm and
// process managers send one to a process and one to its group, and a terminal sends Ctrl-C to the whole group. `runUntilSignal`
// and the command line use this.

/** `stop`: the first signal. `repeated`: the same request again. `atOnce`: the sender does not want to wait any longer. */
export type StopSignal = 'stop' | 'repeated' | 'atOnce';

/** Signals within this time after the first one count as the same request. */
export const sameStopMs = 2_000;

/** Signals that ask for an immediate end with a core dump, not for a clean stop. */
const stronger: ReadonlySet<string> = new Set(['SIGQUIT', 'SIGABRT', 'SIGTRAP']);

/** Returns a function that classifies the signals of one process. `now` is in milliseconds and never goes back. */
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
