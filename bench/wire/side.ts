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

/** The result of the work goes here, or the compiler would leave the work out. */
const sink = new Int32Array(1);

/** `rounds`: how much CPU the reducer burns besides counting (roundsPerMicro). */
export function takeOf(rounds: number): SideRun['take'] {
  if (rounds === 0) return count;
  return (tally, data) => {
    burn(rounds);
    return count(tally, data);
  };
}

/**
 * The state is always a whole number of 32 bits. With larger ones the same rounds cost the loops about twice
 * what they cost kinact, probably because the compiler chose different code.
 */
function burn(rounds: number): void {
  let state = sink[0] as number;
  for (let round = 0; round < rounds; round += 1) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  sink[0] = state;
}

/** Rounds of work in a microsecond of this machine, quickest of several tries. Every side then does the same number. */
export function roundsPerMicro(): number {
  const rounds = 1_000_000;
  const tries = Array.from({ length: 20 }, () => {
    const from = performance.now();
    burn(rounds);
    return (performance.now() - from) * 1000;
  });
  return rounds / Math.min(...tries);
}
