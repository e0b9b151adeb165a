// What the application does to its consumers in the worlds of throttling.ts: it pauses, resumes and limits them in the middle of a
// restart, a hand-over or a stop.
import { createDice, type Dice } from './dice.js';
import { crashOne, startAnother } from './faults.js';
import { underWay } from './meddling.js';
import { isAtWork, stopProcess } from './stopping.js';
import { enough, pauseIntake, setLimit } from './throttling.js';
import type { Process, World } from './world.js';

type Act = (world: World, victim: Process, dice: Dice) => void;

const kinds = ['stage', 'reducer', 'shard-worker', 'lease-keeper', 'lease-coordinator', 'pipeline'] as const;

const pause: Act = (world, victim, dice) => pauseIntake(world, victim, dice.between(10, dice.pick([500, 30_000])));

const pauseOften: Act = (world, victim, dice) => {
  const everyMs = dice.pick([1, 50, 700]);
  for (let time = 0; time < 6; time += 1)
    world.clock.after(time * 2 * everyMs, () => {
      if (isAtWork(victim)) pauseIntake(world, victim, everyMs);
    });
};

const pauseInARestart: Act = (world, victim, dice) => {
  const crash = (): void => crashOne(world, victim, dice.pick(kinds));
  const isBefore = dice.chance(0.5);
  if (!isBefore) crash();
  world.clock.after(isBefore ? 0 : dice.between(1, 800), () => {
    if (isAtWork(victim)) pause(world, victim, dice);
  });
  if (isBefore) world.clock.after(dice.between(1, 3_000), crash);
};

const pauseInAStop: Act = (world, victim, dice) => {
  const isBefore = dice.chance(0.6);
  if (isBefore) pause(world, victim, dice);
  world.clock.after(isBefore ? dice.between(1, 3_000) : 0, () => {
    if (!isAtWork(victim)) return;
    void stopProcess(world, victim, dice.pick([5_000, 20_000]));
    startAnother(world);
  });
  if (!isBefore) world.clock.after(dice.between(0, 500), () => pause(world, victim, dice));
};

const pauseInAHandOver: Act = (world, victim, dice) => {
  const found = underWay(world);
  pause(world, found === undefined ? victim : dice.pick([found.holder, found.holder, found.author]), dice);
};

const pauses: readonly Act[] = [pause, pause, pauseOften, pauseInARestart, pauseInAStop, pauseInAHandOver];

const limit: Act = (world, victim, dice) => {
  setLimit(world, victim, dice.pick([0.5, 2, 5, 20, 100, undefined]));
  world.clock.after(dice.between(1_000, 20_000), () => {
    if (isAtWork(victim)) setLimit(world, victim, dice.pick([...enough, undefined]));
  });
};

const limitOften: Act = (world, victim, dice) => {
  for (let time = 0; time < 6; time += 1)
    world.clock.after(time * dice.pick([10, 200, 1_500]), () => {
      if (isAtWork(victim)) setLimit(world, victim, dice.pick([1, 10, 100, undefined]));
    });
  world.clock.after(10_000, () => {
    if (isAtWork(victim)) setLimit(world, victim, dice.pick(enough));
  });
};

const limitInAStop: Act = (world, victim, dice) => {
  setLimit(world, victim, dice.pick([0.5, 5, 50]));
  world.clock.after(dice.between(1, 3_000), () => {
    if (!isAtWork(victim)) return;
    void stopProcess(world, victim, dice.pick([5_000, 20_000]));
    startAnother(world);
  });
};

const limits: readonly Act[] = [limit, limit, limit, limitOften, limitInAStop];

/** Acts until the returned function is called. */
export function throttle(world: World, seed: number): () => void {
  const dice = createDice(seed ^ 0x1277e);
  const acts = [...(world.throttling.pauses ? pauses : []), ...(world.throttling.limits ? limits : [])];
  let cancel = (): void => {};
  const next = (): void => {
    cancel = world.clock.after(dice.between(1_000, 15_000), () => {
      const living = world.processes.filter(isAtWork);
      if (living.length > 0 && !world.isShutDown) dice.pick(acts)(world, dice.pick(living), dice);
      next();
    });
  };
  if (acts.length > 0) next();
  return () => cancel();
}
