// One simulated process: its clocks (which may drift, jump or stand still), its timers, and the mail between its actors. It can be
// killed, paused, suspended, or blocked by code that computes. A paused or blocked process does nothing, and incoming work waits in
// order.
import type { Ref } from '../../actors/protocol/actor.js';
import type { Intercept } from '../../supervision/intercept.js';
import type { Clock, Timers } from '../../src/api/ports.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';
import type { Dice } from './dice.js';

/** The faults of the mail between two actors. The order between them never changes. */
export interface Mischief {
  /** Probabilities that a message arrives twice, and that it waits (with all messages behind it). */
  duplicated: number;
  delayed: number;
}

export interface Machine {
  readonly name: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly intercept: Intercept;
  readonly mischief: Mischief;
  /** How often a message was repeated or mail was held up. */
  readonly harmed: () => number;
  /** World time at which it last continued after a pause, or continues after a block; -Infinity if never. */
  readonly resumedAt: () => number;
  /** Whether mail is held up now. */
  readonly mailWaits: () => boolean;
  /** World time at which mail was last held up: now if some is held up; -Infinity if never. */
  readonly mailHeldAt: () => number;
  /** Every actor that was ever sent a message, by path. */
  readonly actors: ReadonlyMap<string, Ref<never>>;
  readonly alive: boolean;
  readonly paused: boolean;
  /** Whether it is paused or blocked, so that incoming work waits. */
  readonly standsStill: () => boolean;
  /** Timers that have neither fired nor been canceled. */
  readonly liveTimers: () => number;
  /** From now on nothing of this process acts or is answered. */
  kill(): void;
  pause(): void;
  /** The machine sleeps: like a pause, but its monotonic clock stands still as well. */
  suspend(): void;
  resume(): void;
  /** Moves the wall clock forward or back. */
  jumpWall(ms: number): void;
  /** How often the wall clock was set. */
  readonly wallJumps: () => number;
  /** World time at which the wall clock was last set back; -Infinity if never. */
  readonly setBackAt: () => number;
  /** Code of this process computes for this long. The rest of the same step happens that much later. */
  spend(ms: number): void;
  /** World time as this process sees it: ahead of the world's while the process is blocked. */
  readonly worldNow: () => number;
  /** Runs `work` now, later if paused or blocked, never if dead. */
  run(work: () => void): void;
}

export function createMachine(name: string, world: ManualClock, dice: Dice): Machine {
  const drift = 1 + (dice.next() - 0.5) * 0.002;
  let alive = true;
  let paused = false;
  let suspendedAt: number | undefined;
  let slept = 0;
  let wallOffset = 0;
  let wallJumps = 0;
  let setBackAt = -Infinity;
  let resumedAt = -Infinity;
  let blockedUntil = -Infinity;
  let waiting: (() => void)[] = [];
  const live = new Set<() => void>();
  const actors = new Map<string, Ref<never>>();
  const worldNow = (): number => Math.max(world.now(), blockedUntil);
  const now = (): number => ((suspendedAt ?? worldNow()) - slept) * drift;
  const isBlocked = (): boolean => world.now() < blockedUntil;
  const run = (work: () => void): void => {
    if (!alive) return;
    if (paused || isBlocked() || waiting.length > 0) waiting.push(work);
    else work();
  };
  /** Runs the waiting work in order, until the process is blocked or paused again. */
  const release = (): void => {
    let next = 0;
    while (alive && !paused && !isBlocked() && next < waiting.length) {
      const work = waiting[next] as () => void;
      next += 1;
      work();
    }
    waiting.splice(0, next);
  };
  const mail = createMail(world, dice.split(), run);
  return {
    name,
    clock: { now, wallNow: () => world.wallNow() + (worldNow() - world.now()) + wallOffset },
    timers: { after: (ms, callback) => after(ms, callback) },
    intercept: {
      deliver: (delivery, deliver) => {
        actors.set(delivery.to.path, delivery.to);
        mail.pass(delivery, deliver);
      },
      // A new promise each time: a shared one would keep everything that ever waited for it in memory.
      startEffect: (_actor, _info, start) => (alive ? start() : new Promise(() => {})),
    },
    mischief: mail.mischief,
    harmed: mail.harmed,
    mailWaits: mail.waits,
    mailHeldAt: mail.heldAt,
    resumedAt: () => Math.max(resumedAt, blockedUntil),
    actors,
    get alive() {
      return alive;
    },
    get paused() {
      return paused;
    },
    standsStill: () => paused || isBlocked(),
    liveTimers: () => live.size,
    kill: () => {
      alive = false;
      waiting = [];
      for (const cancel of live) cancel();
      live.clear();
    },
    pause: () => {
      paused = true;
    },
    suspend: () => {
      paused = true;
      suspendedAt ??= worldNow();
    },
    resume: () => {
      paused = false;
      resumedAt = world.now();
      if (suspendedAt !== undefined) slept += Math.max(0, world.now() - suspendedAt);
      suspendedAt = undefined;
      release();
    },
    spend: (ms) => {
      blockedUntil = worldNow() + ms;
      world.after(blockedUntil - world.now(), release);
    },
    worldNow,
    jumpWall: (ms) => {
      wallOffset += ms;
      wallJumps += 1;
      if (ms < 0) setBackAt = world.now();
    },
    wallJumps: () => wallJumps,
    setBackAt: () => setBackAt,
    run,
  };

  /** A timer by this machine's own clock: after a sleep it waits for the rest of its time. */
  function after(ms: number, callback: () => void): () => void {
    const due = now() + ms;
    let cancelWorld = (): void => {};
    const cancel = (): void => {
      live.delete(cancel);
      cancelWorld();
    };
    const set = (left: number): void => {
      cancelWorld = world.after(left / drift, () =>
        run(() => {
          if (!live.has(cancel)) return;
          const rest = due - now();
          if (rest > 1e-6) return set(rest);
          live.delete(cancel);
          callback();
        }),
      );
    };
    live.add(cancel);
    set(ms);
    return cancel;
  }
}

type Deliver = NonNullable<Intercept['deliver']>;

interface Mail {
  readonly mischief: Mischief;
  readonly harmed: () => number;
  readonly waits: () => boolean;
  readonly heldAt: () => number;
  readonly pass: Deliver;
}

function createMail(world: ManualClock, dice: Dice, run: (work: () => void) => void): Mail {
  const mischief: Mischief = { duplicated: 0, delayed: 0 };
  const held = new Map<string, (() => void)[]>();
  let harmed = 0;
  let releasedAt = -Infinity;
  const pass: Deliver = ({ from, to }, deliver) => {
    const arrive = (): void => run(deliver);
    if (from === undefined) return arrive();
    const pair = `${from.id}>${to.id}`;
    const queue = held.get(pair);
    if (queue !== undefined) return void queue.push(arrive);
    if (mischief.delayed > 0 && dice.chance(mischief.delayed)) {
      harmed += 1;
      const late = [arrive];
      held.set(pair, late);
      world.after(dice.between(1, 3_000), () => {
        held.delete(pair);
        releasedAt = world.now();
        for (const each of late) each();
      });
      return;
    }
    arrive();
    if (mischief.duplicated > 0 && dice.chance(mischief.duplicated)) {
      harmed += 1;
      arrive();
    }
  };
  return {
    mischief,
    harmed: () => harmed,
    waits: () => held.size > 0,
    heldAt: () => (held.size > 0 ? world.now() : releasedAt),
    pass,
  };
}
