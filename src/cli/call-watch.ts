// Tells the operator of a replay that a call takes long: after ten seconds, then every minute. A call that hangs must not look like one
// that works. parked-module-target.ts calls it.
import type { Timers } from '../api/ports.js';

const firstMs = 10_000;
const nextMs = 60_000;

/** The outcome of the work. `report` is called while the work is under way, with the time since its begin. */
export async function watched<T>(work: Promise<T>, timers: Timers, report: (forMs: number) => void): Promise<T> {
  let cancel = (): void => undefined;
  const wait = (ms: number, forMs: number): void => {
    cancel = timers.after(ms, () => {
      report(forMs);
      wait(nextMs, forMs + nextMs);
    });
  };
  wait(firstMs, firstMs);
  try {
    return await work;
  } finally {
    cancel();
  }
}
