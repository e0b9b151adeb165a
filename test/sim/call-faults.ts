// Faults of the application's calls: they fail, hang or compute. Each depends on the world's dice alone, and ends by itself after a
// while.
import { neverBlocks } from './blocking.js';
import { createDice, type Dice } from './dice.js';
import { putRecords } from './workload.js';
import type { World } from './world.js';

const poisonBy = (world: World, dice: Dice): void => {
  const { clock, onFailure, say } = world;
  const ms = dice.between(1_000, 8_000);
  say(`poison for ${ms}`);
  // Each crash takes a pipeline down. With the other policies the work continues, so more of their effects are seen.
  world.poison = dice.pick(onFailure === 'crash' ? [0.01, 0.03] : [0.03, 0.2]);
  clock.after(ms, () => (world.poison = 0));
};

export const poison = (world: World): void => poisonBy(world, world.dice);

/** Every call of the application fails for a while, as when its database is down. */
export const outage = (world: World): void => {
  const { clock, dice, onFailure, say } = world;
  // Under any other policy an outage ends the process, or skips everything.
  if (onFailure !== 'retry') return poison(world);
  const ms = dice.pick([500, 5_000, 60_000]);
  say(`calls fail for ${ms}`);
  world.poison = 1;
  clock.after(ms, () => (world.poison = 0));
};

/** Records of a burst for few keys or many: some of their items fail in every call, on every machine, until they are mended. */
export const badItems = (world: World): void => {
  const { badItems: bad, clock, dice, onFailure, say } = world;
  // Under these policies nothing else would go on.
  if (onFailure === 'crash' || onFailure === 'stopShard') return poison(world);
  const chance = dice.pick([0.03, 0.1, 0.4]);
  const ms = dice.between(2_000, 40_000);
  const before = world.items;
  putRecords(world, dice.between(40, 160), dice.pick([2, 8, 61]));
  const drawn: string[] = [];
  for (let number = before + 1; number <= world.items; number += 1) if (dice.chance(chance)) drawn.push(`r${number}`);
  for (const id of drawn) bad.add(id);
  say(`${drawn.length} of ${world.items - before} new items fail for ${ms}`);
  clock.after(ms, () => drawn.forEach((id) => bad.delete(id)));
};

/** The sink of `park` refuses some items, or all. */
export const sinkRefusesBy = (world: World, dice: Dice): void => {
  const { clock, say } = world;
  world.sinkRefuses = dice.pick([0.2, 1]);
  const ms = dice.pick([500, 5_000, 60_000]);
  say(`the sink refuses for ${ms}, at ${world.sinkRefuses}`);
  clock.after(ms, () => (world.sinkRefuses = 0));
  poisonBy(world, dice);
};

export const sinkRefuses = (world: World): void => sinkRefusesBy(world, world.dice);

const refusing = 1 / 2;

/** At which of so many faults a sink refuses for sure, if the policy may park: -1 for never. The dice are its own. */
export function sinkRefusesAt({ onFailure }: World, seed: number, faults: number): number {
  const dice = createDice(seed ^ 0x51c0);
  const mayPark = onFailure === 'park' || onFailure === 'any' || onFailure === 'retry';
  return mayPark && dice.chance(refusing) ? dice.between(0, Math.max(0, faults - 1)) : -1;
}

/** Some slow calls never end: the watchdog has to notice. */
export const hang = (world: World): void => {
  world.say('calls hang');
  world.hangs = world.dice.pick([0.02, 0.1]);
  world.hasHung = true;
  world.clock.after(world.dice.between(500, 4_000), () => (world.hangs = 0));
};

/** Some calls take longer than their `timeoutMs`, and end at their signal or do not. */
export const overdue = (world: World): void => {
  const { clock, dice, say } = world;
  world.overdue = dice.pick([0.02, 0.2, 0.5]);
  const ms = dice.between(500, 10_000);
  say(`calls are overdue for ${ms}, at ${world.overdue}`);
  clock.after(ms, () => (world.overdue = 0));
};

/** The application computes, and nothing else runs: often briefly, at times for seconds, or rarely for longer than a lease lasts. */
export const block = (world: World): void => {
  const { clock, dice, failoverMs, say } = world;
  const blocking = dice.pick([
    { chance: 0.3, leastMs: 1, mostMs: 60 },
    { chance: 0.02, leastMs: 200, mostMs: 2_000 },
    { chance: 0.003, leastMs: failoverMs / 2, mostMs: 2 * failoverMs },
  ]);
  say(`calls compute for up to ${blocking.mostMs} ms, at ${blocking.chance}`);
  world.blocking = blocking;
  clock.after(dice.between(2_000, 20_000), () => (world.blocking = neverBlocks));
};
