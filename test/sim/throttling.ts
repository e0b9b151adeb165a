// In some worlds the application pauses and resumes its consumers, or limits how many items they hand out, at any time: before the
// start, in a restart, in a hand-over, in a stop. These acts have their own dice, so they do not change the rest of what a seed means.
import { createDice, type Dice } from './dice.js';
import { isAtWork } from './stopping.js';
import type { DrawnPipes } from './pipes/drawn-pipes.js';
import type { Process, World } from './world.js';

const pausing = 1 / 3;
const limiting = 1 / 3;
/** Rates that let a process do its share of a seed. */
export const enough = [20, 50, 200] as const;

export interface Throttling {
  readonly pauses: boolean;
  readonly limits: boolean;
  /** The limit of the process of this name when it starts. */
  limitOf(name: string): number | undefined;
  /** How long this process is paused from its start on; 0: not at all. */
  pauseAtStart(name: string): number;
}

export function drawThrottling(seed: number, pipes: Pick<DrawnPipes, 'of'>): Throttling {
  const dice = createDice(seed ^ 0x7407713);
  const pauses = dice.chance(pausing);
  const limits = dice.chance(limiting);
  const of = (name: string): Dice => createDice(seed ^ (Number(name.slice(1)) * 0x9e3779b1));
  return {
    pauses,
    limits,
    limitOf: (name) => (limits && pipes.of(name) === undefined ? of(name).pick([undefined, ...enough]) : undefined),
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

/** A process with a pipe has no limit. */
export function setLimit(
  { pipes, say }: World,
  { machine, consumer, limits }: Process,
  perSecond: number | undefined,
): void {
  if (pipes.of(machine.name) !== undefined) return;
  say(`limit of ${machine.name} is ${perSecond ?? 'none'}`);
  machine.run(() => {
    limits.changed(perSecond);
    consumer.setLimit(perSecond);
  });
}

/** Calm weather: nothing is paused, and no limit is low. */
export function endThrottling(world: World): void {
  for (const process of world.processes) {
    if (!isAtWork(process)) continue;
    if (process.intake.isPaused()) resumeIntake(process);
    if ((process.limits.perSecond() ?? Infinity) < enough[0]) setLimit(world, process, enough[0]);
  }
}
