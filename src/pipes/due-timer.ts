// The one timer of a state whose parts are due one after another.

/** A state with a timer. */
export interface Timed {
  /** When the timer is due, epoch milliseconds. Undefined: it is not set. */
  dueAt: number | undefined;
}

/** The time for which a timer that fires was set: the clock may have been set back since. */
export const timeOf = ({ dueAt }: Timed, now: number): number => Math.max(now, dueAt ?? 0);

/**
 * `timerMs` of a result. `oldestAt`: when the oldest part began; undefined: there is none. `forMs`: how long a part may take. The
 * answer is undefined if the timer stays as it is.
 */
export function setTimer(
  state: Timed,
  oldestAt: number | undefined,
  { forMs, now }: { readonly forMs: number; readonly now: number },
): number | null | undefined {
  const dueAt = oldestAt === undefined ? undefined : oldestAt + forMs;
  if (dueAt === state.dueAt) return undefined;
  state.dueAt = dueAt;
  return dueAt === undefined ? null : Math.min(Math.max(dueAt - now, 1), forMs);
}
