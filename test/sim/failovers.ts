// The failover times of the processes of one world: one for all, or in some worlds one each, as while a deploy changes the option.
// They have their own dice, so they do not change the rest of what a seed means.
import { createDice } from './dice.js';

export interface Failovers {
  /** The longest of any process, in milliseconds. */
  readonly longestMs: number;
  readonly differ: boolean;
  /** Draws the failover time of a process that starts. */
  draw(process: string): number;
  /** The failover time of a process that has started; the longest for any other. */
  readonly of: (process: string) => number;
}

const differing = 1 / 5;
const drawn = [3_000, 10_000, 20_000];

/** `commonMs`: the failover time of all processes, if they do not differ. */
export function createFailovers(seed: number, commonMs: number): Failovers {
  const dice = createDice(seed ^ 0xfa11);
  const differ = dice.chance(differing);
  const longestMs = differ ? Math.max(...drawn) : commonMs;
  const known = new Map<string, number>();
  return {
    longestMs,
    differ,
    draw: (process) => {
      const ms = differ ? dice.pick(drawn) : commonMs;
      known.set(process, ms);
      return ms;
    },
    of: (process) => known.get(process) ?? longestMs,
  };
}
