// In some worlds a process dies within the first seconds, before its first checkpoints. Its successors then have only the start
// position in its rows. This fault has its own dice, so it does not change the rest of what a seed means.
import { createDice } from './dice.js';
import { kill } from './faults.js';
import { isAtWork } from './stopping.js';
import type { World } from './world.js';

/** LATEST is the riskiest start: the next process could take the time of its own start for it. */
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
