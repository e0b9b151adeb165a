// Whether the shard workers of a process may read and admit records. The application pauses and resumes all of them at once, before
// the start, while the consumer runs, and during restarts. So the state outlives every worker: a worker looks at it in each turn,
// and is told of each change. Not to be confused with the pause of one worker for a hand-over.

/** The state. Only the functions of this file change it. Times are monotonic milliseconds. */
export interface Intake {
  /** Since when records are not taken in; undefined if they are. */
  pausedAt: number | undefined;
  /** When the last pause ended; -Infinity if there was none. */
  resumedAt: number;
  readonly watchers: Set<() => void>;
}

export function createIntake(): Intake {
  return { pausedAt: undefined, resumedAt: -Infinity, watchers: new Set() };
}

/** Pauses the intake. Returns false, and changes nothing, if it is paused. */
export function pauseIntake(intake: Intake, now: number): boolean {
  if (intake.pausedAt !== undefined) return false;
  intake.pausedAt = now;
  tellWatchers(intake);
  return true;
}

/** Resumes the intake. Returns how long it was paused; undefined, and changes nothing, if it was not. */
export function resumeIntake(intake: Intake, now: number): number | undefined {
  const { pausedAt } = intake;
  if (pausedAt === undefined) return undefined;
  intake.pausedAt = undefined;
  intake.resumedAt = now;
  tellWatchers(intake);
  return now - pausedAt;
}

/** Calls `changed` after each change. Returns a function that ends this. */
export function watchIntake(intake: Intake, changed: () => void): () => void {
  intake.watchers.add(changed);
  return () => intake.watchers.delete(changed);
}

function tellWatchers({ watchers }: Intake): void {
  for (const changed of [...watchers]) changed();
}
