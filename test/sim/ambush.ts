// A fault that strikes a process just when a sink of it has kept something, and before the sink says so: the process dies, an actor in
// it crashes, it loses its leases, or it is told to stop. What was kept is then parked again, by this process or by another.
import { badItems, poison } from './call-faults.js';
import { crashOne, kill, stop } from './faults.js';
import { isAtWork } from './stopping.js';
import type { Process, World } from './world.js';

/** The sink answers later than that (sink.ts waits up to 2 s). */
const soonMs = 400;
const lastsMs = 20_000;

export function layAmbush(world: World): void {
  const { clock, dice, processes, say } = world;
  let left = dice.between(1, 6);
  say(`${left} ambushes of sinks`);
  world.ambush = (name) => {
    const victim = processes.find(({ machine }) => machine.name === name);
    if (left === 0 || victim === undefined || !isAtWork(victim)) return false;
    left -= 1;
    clock.after(dice.between(1, soonMs), () => {
      if (isAtWork(victim)) dice.pick(strikes)(world, victim);
    });
    return true;
  };
  clock.after(lastsMs, () => (left = 0));
  dice.pick([poison, badItems])(world);
}

type Strike = (world: World, victim: Process) => void;

/** Its leases are over, and it may take them again before the sink answers. */
const loseLeases: Strike = ({ failoverMs, say }, { machine }) => {
  say(`the leases of ${machine.name} are over while a sink is called`);
  machine.jumpWall(failoverMs + 1_000);
};

const crash =
  (kind: string): Strike =>
  (world, victim) =>
    crashOne(world, victim, kind);

const strikes: readonly Strike[] = [
  kill,
  stop,
  loseLeases,
  loseLeases,
  loseLeases,
  crash('reducer'),
  crash('stage'),
  crash('shard-worker'),
];
