// The network between one process and a service: every call takes time in both directions, and may be lost in either. A call that
// the service has carried out has its effect, whether or not the answer arrives.
import type { Dice } from './dice.js';
import type { Machine } from './machine.js';
import type { ManualClock } from '../../src/testing/manual-clock.js';

export interface Weather {
  /** Probabilities that a call never arrives, that its answer is lost, and that it takes seconds. */
  lost: number;
  unanswered: number;
  slow: number;
}

export const calm: Weather = { lost: 0, unanswered: 0, slow: 0 };

export interface Wire {
  weather: Weather;
  /** Every call takes this much longer, each way. */
  longWay: { readonly leastMs: number; readonly mostMs: number } | undefined;
  /** How many calls were harmed, on their way or by the service. */
  readonly harmed: () => number;
  /** Counts a call as harmed: the service does not do what it should. */
  harm(): void;
  /** How many calls are under way. */
  readonly open: () => number;
  call<T>(effect: () => T): Promise<T>;
}

export function createWire(machine: Machine, world: ManualClock, dice: Dice): Wire {
  let harmed = 0;
  let open = 0;
  const travel = (work: () => void, slow: boolean, leavesInMs = 0): void => {
    const { longWay } = wire;
    const longMs = longWay === undefined ? 0 : dice.between(longWay.leastMs, longWay.mostMs);
    world.after(leavesInMs + dice.between(1, 8) + longMs + (slow ? dice.between(500, 6_000) : 0), work);
  };
  const wire: Wire = {
    weather: calm,
    longWay: undefined,
    harmed: () => harmed,
    harm: () => void (harmed += 1),
    open: () => open,
    call: (effect) => {
      open += 1;
      const over = (): void => void (open -= 1);
      const answer = send(effect);
      answer.then(over, over);
      return answer;
    },
  };
  const send = <T>(effect: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      const { lost, unanswered, slow } = wire.weather;
      const fate = dice.next();
      const isLost = fate < lost;
      const isUnanswered = !isLost && fate < lost + unanswered;
      const isSlow = !isLost && !isUnanswered && fate < lost + unanswered + slow;
      if (isLost || isUnanswered || isSlow) harmed += 1;
      const fail = (): void => {
        world.after(dice.between(200, 3_000), () => machine.run(() => reject(unreachable())));
      };
      // The request arrives even if its process has died in the meantime.
      const arrive = (): void => {
        if (isLost) return fail();
        let outcome: () => void;
        try {
          const result = effect();
          // An answer that is lost must not be an unhandled rejection.
          if (result instanceof Promise) result.catch(() => {});
          outcome = () => resolve(result);
        } catch (error) {
          outcome = () => reject(error);
        }
        if (isUnanswered) return fail();
        travel(() => machine.run(outcome), isSlow && dice.chance(0.5));
      };
      travel(arrive, isSlow, machine.worldNow() - world.now());
    });
  return wire;
}

function unreachable(): Error {
  return Object.assign(new Error('socket hang up'), { name: 'TimeoutError', code: 'ECONNRESET' });
}
