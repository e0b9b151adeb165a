// A runtime in virtual time that says when it rests: no message is on its way, and no call runs. A call takes no virtual time, however
// long it really takes, unless it runs already when time begins to pass. For `drivePipe`.
import { setImmediate } from 'node:timers/promises';
import type { KinactEvent } from '../api/events.js';
import { isThenable } from '../core/callback.js';
import { createRuntime, status, type ActorStatus, type Runtime } from '../../supervision/index.js';
import type { ManualClock } from './manual-clock.js';

export interface RestingRuntime {
  readonly runtime: Runtime;
  /** Resolves when nothing happens any more without time. */
  rest(): Promise<void>;
  /**
   * Lets time pass, from timer to timer, with a rest behind each. A call that runs now may still run at the end. A call that begins
   * meanwhile is waited for.
   */
  advance(ms: number): Promise<void>;
}

/** A call under way, and the path of its actor. */
interface RunningCall {
  readonly actor: string;
}

export function createRestingRuntime(clock: ManualClock, emit: (event: KinactEvent) => void): RestingRuntime {
  const running = new Set<RunningCall>();
  const waiters = new Set<() => void>();
  let hasFired = false;

  /** A call is over, or a timer has fired. */
  const change = (): void => {
    for (const wake of waiters) wake();
    waiters.clear();
  };

  const runtime = createRuntime<KinactEvent>({
    clock,
    timers: {
      after: (ms, callback) =>
        clock.after(ms, () => {
          hasFired = true;
          callback();
          change();
        }),
    },
    // The pauses after failures are as long as they can be.
    random: { next: () => 1 },
    emit: (event) => emit(event as KinactEvent),
    trace: ({ what, to }) => {
      if (what !== 'stopped') return;
      // Its calls are orphans: nobody waits for them any more.
      for (const call of running) if (call.actor === to) running.delete(call);
      change();
    },
    intercept: {
      startEffect: (actor, _, start) => {
        const result = start();
        if (!isThenable(result)) return result;
        const call: RunningCall = { actor: actor.path };
        running.add(call);
        const over = (): void => {
          running.delete(call);
          change();
        };
        const promise = Promise.resolve(result);
        promise.then(over, over);
        return promise;
      },
    },
  });

  let steps: Promise<unknown> = Promise.resolve();

  /** Lets time pass until a timer has fired, or to the end. Methods of a driver may overlap, but the clock's must not. */
  const step = (until: number): Promise<boolean> => {
    const next = steps.then(async () => {
      hasFired = false;
      return clock.advanceUntil(() => hasFired, Math.max(0, until - clock.now()));
    });
    steps = next.catch(() => undefined);
    return next;
  };

  /** Rests, but for these calls. */
  const restBeside = async (held: ReadonlySet<RunningCall>): Promise<void> => {
    for (;;) {
      await setImmediate();
      if ((await step(clock.now())) || hasMail(status(runtime))) continue;
      if ([...running].every((call) => held.has(call))) return;
      await new Promise<void>((wake) => waiters.add(wake));
    }
  };

  return {
    runtime,
    rest: () => restBeside(new Set()),
    advance: async (ms) => {
      const until = clock.now() + ms;
      await restBeside(running);
      const held = new Set(running);
      for (let goesOn = true; goesOn;) {
        goesOn = await step(until);
        await restBeside(held);
      }
    },
  };
}

function hasMail(actors: readonly ActorStatus[]): boolean {
  return actors.some(({ queued, children }) => queued > 0 || hasMail(children));
}
