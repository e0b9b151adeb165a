// Decides whether Java workers of the KCL 2.x share the table of a world, and when each comes and goes. The fleet has its own dice, so
// it does not change the rest of what a seed means.
import { createDice } from './dice.js';
import { startJavaWorker, type JavaWorker } from './java-worker.js';
import type { World } from './world.js';

export interface JavaFleet {
  /** Whether the worker of this name is gone, or has not come yet. */
  isGone(name: string): boolean;
  /** Called for the calm weather: the last Java worker goes, as at the end of a migration to kinact. */
  end(): void;
}

const besideJava = 1 / 3;

/**
 * Undefined if there are none. Java workers need the failover time of all other workers, and a Java worker that takes a lease at LATEST
 * starts at its own present. The documentation states both.
 */
export function drawJavaFleet(world: World, seed: number, isOneFailover: boolean): JavaFleet | undefined {
  const dice = createDice(seed ^ 0x1a7a);
  const fits = world.layout.kind === 'one' && world.initialPosition !== 'LATEST' && isOneFailover;
  if (!dice.chance(besideJava) || !fits) return undefined;
  const { clock, say } = world;
  const workers = new Map<string, JavaWorker>();
  let cancel = (): void => {};
  let isOver = false;
  const come = (): void => {
    const name = `java-${workers.size}`;
    const worker = startJavaWorker(world, name, dice.split());
    workers.set(name, worker);
    cancel = clock.after(dice.between(20_000, 100_000), () => {
      const isKilled = dice.chance(0.5);
      say(`${isKilled ? 'kill' : 'stop'} ${name}`);
      if (isKilled) worker.kill();
      else worker.stop();
      cancel = clock.after(dice.between(1_000, 30_000), come);
    });
  };
  cancel = clock.after(dice.between(5_000, 40_000), come);
  return {
    isGone: (name) => workers.get(name)?.isGone() !== false,
    end: () => {
      if (isOver) return;
      isOver = true;
      cancel();
      say('the last Java worker is killed');
      for (const worker of workers.values()) worker.kill();
    },
  };
}
