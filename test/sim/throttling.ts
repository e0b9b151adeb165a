// In some worlds the application pauses and resumes its consumers, or limits how many items they hand out, at any time: before the
// start, in a restart, in a hand-over, in a stop. These acts have their own dice, so they do not change the rest of what a seed means.
import { createDice, type Dice } from './dice.js';
import { crashOne, startAnother } from './faults.js';
import { underWay } from './meddling.js';
import { isAtWork, stopProcess } from './stopping.js';
import type { Process, World } from './world.js';

const pausing = 1 / 3;
const limiting = 1 / 3;
/** Rates that let a process do its share of a seed. */
const enough = [20, 50, 200] as const;

export interface Throttling {
  readonly pauses: boolean;
  readonly limits: boolean;
  /** The limit of the process of this name when it starts. */
  limitOf(name: string): number | undefined;
  /** How long this process is paused from its start on; 0: not at all. */
  pauseAtStart(name: string): number;
}

export function drawThrottling(seed: number): Throttling {
  const dice = createDice(seed ^ 0x7407713);
  const pauses = dice.chance(pausing);
  const limits = dice.chance(limiting);
  const of = (name: string): Dice => createDice(seed ^ (Number(name.slice(1)) * 0x9e3779b1));
  return {
    pauses,
    limits,
    limitOf: (name) => (limits ? of(name).pick([undefined, ...enough]) : undefined),
    pauseAtStart: (name) => {
      const mine = of(name).split();
      return pauses && mine.chance(0.3) ? mine.between(1, 20_000) : 0;
    },
  };
}

/** Pauses the intake of a process, and resumes it after this time. */
export function pauseIntake({ clock, say }: World, process: Process, ms: number): void {
  const { machine, consumer } = process;
  say(`${machine.name} is paused by its application for ${ms}`);
  machine.run(() => {
    // From a stop on, a pause has no effect.
    if (isAtWork(process)) process.intake.paused();
    consumer.pause();
  });
  clock.after(ms, () => resumeIntake(process));
}

export function resumeIntake(process: Process): void {
  const { machine, consumer } = process;
  machine.run(() => {
    process.intake.resumed();
    consumer.resume();
  });
}

export function setLimit({ say }: World, { machine, consumer, limits }: Process, perSecond: number | undefined): void {
  say(`limit of ${machine.name} is ${perSecond ?? 'none'}`);
  machine.run(() => {
    limits.changed(perSecond);
    consumer.setLimit(perSecond);
  });
}

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

/** Acts until the returned function is called. It also ends all pauses, and the low limits. */
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

/** Calm weather: nothing is paused, and no limit is low. */
export function endThrottling(world: World): void {
  for (const process of world.processes) {
    if (!isAtWork(process)) continue;
    if (process.intake.isPaused()) resumeIntake(process);
    if ((process.limits.perSecond() ?? Infinity) < enough[0]) setLimit(world, process, enough[0]);
  }
}
