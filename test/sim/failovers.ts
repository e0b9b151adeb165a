// The failover times of the processes of one world: one for all, or in some worlds one each, as while a deploy changes it. Drawn by
// dice of their own, so that what else a seed means stays as it is.
import { createDice } from './dice.js';

export interface Failovers {
  /** Of any process, milliseconds. */
  readonly longestMs: number;
  readonly differ: boolean;
  /** For a process that starts. */
  draw(process: string): number;
  /** Of a process that has started; the longest for any other. */
  readonly of: (process: string) => number;
}

const differing = 1 / 5;
const drawn = [3_000, 10_000, 20_000];

/** `commonMs`: of all, where they do not differ. */
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
