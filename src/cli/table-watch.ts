// Watches a table for a while, to find out whether a worker writes to it. For commands that may change a table only while no
// worker runs.
import type { Clock, Timers } from '../api/ports.js';

/** By row key: a text that stays the same while no worker writes to the row. */
export type TablePicture = ReadonlyMap<string, string>;

const lookEveryMs = 3_000;

/**
 * Calls `look` repeatedly for `forMs`, the last time at the end. Resolves to the key of the first row that is new, gone or
 * different, or to undefined if no row changed.
 */
export async function firstChangedRow(
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  forMs: number,
  look: () => Promise<TablePicture>,
): Promise<string | undefined> {
  const until = clock.now() + forMs;
  const before = await look();
  for (;;) {
    const waitMs = Math.max(0, Math.min(lookEveryMs, until - clock.now()));
    await new Promise<void>((resolve) => void timers.after(waitMs, resolve));
    const current = await look();
    for (const key of new Set([...before.keys(), ...current.keys()]))
      if (before.get(key) !== current.get(key)) return key;
    if (clock.now() >= until) return undefined;
  }
}
