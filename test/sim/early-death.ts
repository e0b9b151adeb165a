// In some worlds a process dies within the first seconds, before its first checkpoints: what its rows say of where to begin is all that
// its successors have. Thrown by dice of their own, so that what the other seeds mean stays as it is.
import { createDice } from './dice.js';
import { kill } from './faults.js';
import { isAtWork } from './stopping.js';
import type { World } from './world.js';

/** At LATEST most is at stake: the next one may take its own start for it. */
const atLatest = 1 / 2;
const otherwise = 1 / 8;
const earliestMs = 200;
const latestMs = 6_000;

export function dieEarly(world: World, seed: number): void {
  const dice = createDice(seed ^ 0xea71d1e);
  if (!dice.chance(world.initialPosition === 'LATEST' ? atLatest : otherwise)) return;
  world.clock.after(dice.between(earliestMs, latestMs), () => {
    const living = world.processes.filter(isAtWork);
    if (living.length > 0) kill(world, dice.pick(living));
  });
}
