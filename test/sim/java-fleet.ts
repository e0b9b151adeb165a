// Whether Java workers of the KCL 2.x share the table of a world, and when each comes and goes. Drawn by dice of their own, so that
// what else a seed means stays as it is.
import { createDice } from './dice.js';
import { startJavaWorker } from './java-worker.js';
import type { JavaWorker } from './java-worker.js';
import type { World } from './world.js';

export interface JavaFleet {
  /** Of one by this name; one that has not come yet is. */
  isGone(name: string): boolean;
  /** Calm weather: it is migrated to kinact, the last one goes. */
  end(): void;
}

const besideJava = 1 / 3;

/**
 * Undefined where there are none. They need the failover time of everybody else, and one who takes a lease that stands at LATEST begins
 * at its own now: both are said in the documentation.
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
