// What a side of the benchmark gets, and the work of its reducer, which is the same on every side.
import type { Delays } from './delays.js';
import { count, type Tally } from './tally.js';
import type { Transport } from './transport.js';
import type { Workload } from './workload.js';

/** One way of reading a workload to its end. */
export type Side = (run: SideRun) => Promise<Tally>;

export interface SideRun {
  readonly workload: Workload;
  readonly transport: Transport;
  /** What the reducer does with a record: it counts, and then it burns CPU. */
  readonly take: (tally: Tally, data: Uint8Array) => Tally;
  readonly delays: Delays;
}

/** `rounds`: how much CPU the reducer burns besides counting (roundsPerMicro). */
export function takeOf(rounds: number): SideRun['take'] {
  if (rounds === 0) return count;
  return (tally, data) => {
    // The result is used, or the compiler would leave the work out. It is never -1, because a byte sum is not negative.
    if (burn(rounds, tally.byteSum) === -1) throw new Error('unreachable');
    return count(tally, data);
  };
}

function burn(rounds: number, seed: number): number {
  let state = seed;
  for (let round = 0; round < rounds; round += 1) state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state;
}

/** Rounds of work in a microsecond of this machine, quickest of several tries. Every side then does the same number. */
export function roundsPerMicro(): number {
  const rounds = 1_000_000;
  const tries = Array.from({ length: 20 }, (_, seed) => {
    const from = performance.now();
    if (burn(rounds, seed) === -1) throw new Error('unreachable');
    return (performance.now() - from) * 1000;
  });
  return rounds / Math.min(...tries);
}
