// Whether anybody writes to a table: watches for a while what must stand still in it. For commands that change a table
// by hand while no worker runs.
import type { Clock, Timers } from '../api/ports.js';

/** By row key, what does not change while nobody writes to the row. */
export type Picture = ReadonlyMap<string, string>;

const lookEveryMs = 3_000;

/**
 * Looks again and again for `forMs`, the last time at the end. Resolves with the key of the first row that is new, gone
 * or different; undefined when all stood still.
 */
export async function firstMove(
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  forMs: number,
  look: () => Promise<Picture>,
): Promise<string | undefined> {
  const until = clock.now() + forMs;
  const before = await look();
  for (;;) {
    const waitMs = Math.max(0, Math.min(lookEveryMs, until - clock.now()));
    await new Promise<void>((resolve) => void timers.after(waitMs, resolve));
    const now = await look();
    for (const key of new Set([...before.keys(), ...now.keys()])) if (before.get(key) !== now.get(key)) return key;
    if (clock.now() >= until) return undefined;
  }
}
