// One simulated process: its clocks (which may drift), its timers, and the three things that can happen to it as a whole: it
// is killed, it is paused, it goes on. A paused process does nothing; whatever comes for it waits, in order.
import type { Ref } from '../../actors/actor.js';
import type { Intercept } from '../../supervision/cell.js';
import type { Clock, Timers } from '../../src/ports.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';

export interface Machine {
  readonly name: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly intercept: Intercept;
  /** Every actor that was ever sent a message, by path. */
  readonly actors: ReadonlyMap<string, Ref<never>>;
  readonly alive: boolean;
  readonly paused: boolean;
  /** From now on nothing of this process acts or is answered. */
  kill(): void;
  pause(): void;
  resume(): void;
  /** Runs now, later when paused, never when dead. */
  run(work: () => void): void;
}

const never = new Promise<never>(() => {});

export function createMachine(name: string, world: ManualClock, drift: number): Machine {
  let alive = true;
  let paused = false;
  let waiting: (() => void)[] = [];
  const actors = new Map<string, Ref<never>>();
  const run = (work: () => void): void => {
    if (!alive) return;
    if (paused) waiting.push(work);
    else work();
  };
  return {
    name,
    clock: { now: () => world.now() * drift, wallNow: () => world.wallNow() },
    timers: { after: (ms, callback) => world.after(ms / drift, () => run(callback)) },
    intercept: {
      deliver: ({ to }, deliver) => {
        actors.set(to.path, to);
        run(deliver);
      },
      startEffect: (_actor, _info, start) => (alive ? start() : never),
    },
    actors,
    get alive() {
      return alive;
    },
    get paused() {
      return paused;
    },
    kill: () => {
      alive = false;
      waiting = [];
    },
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      const due = waiting;
      waiting = [];
      for (const work of due) run(work);
    },
    run,
  };
}
