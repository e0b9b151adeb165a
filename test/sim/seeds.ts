// Decides which seeds are run. A seed whose faults never hit an open record does not count: another one is drawn in its place.
import { createDice } from './dice.js';
import type { Job, Pool } from './pool.js';
import type { Outcome, Size } from './run.js';

const mostDraws = 5;

/** The seed that is drawn in place of another. It is at least 2^31, and seeds on the command line are below. */
const drawn = (seed: number, draw: number): number =>
  (createDice(seed + draw * 7_919).between(0, 0x7fff_ffff) | 0x8000_0000) >>> 0;

export async function runCounting(pool: Pool, seed: number, job: Omit<Job, 'seed'> = {}): Promise<Outcome> {
  let outcome = await pool.run({ ...job, seed });
  for (let draw = 1; draw <= mostDraws && outcome.hits === 0 && outcome.violations.length === 0; draw += 1) {
    outcome = await pool.run({ ...job, seed: drawn(seed, draw) });
  }
  return outcome;
}

/** Makes a failing seed as small as possible: fewer faults, records and shards, while the same invariant breaks. */
export async function shrink(pool: Pool, failing: Outcome, job: Omit<Job, 'seed' | 'size'> = {}): Promise<Outcome> {
  const invariant = failing.violations[0]?.invariant;
  let best = failing;
  for (let progress = true; progress;) {
    progress = false;
    for (const size of smaller(best.size)) {
      const outcome = await pool.run({ ...job, seed: failing.seed, size });
      if (!outcome.violations.some((violation) => violation.invariant === invariant)) continue;
      best = outcome;
      progress = true;
      break;
    }
  }
  return best;
}

function smaller({ shards, records, faults }: Size): readonly Size[] {
  const half = (value: number, least: number): number => Math.max(least, Math.floor(value / 2));
  const sizes = [
    { shards, records, faults: half(faults, 0) },
    { shards, records: half(records, 10), faults },
    { shards: half(shards, 1), records, faults },
    { shards, records, faults: Math.max(0, faults - 1) },
    { shards: Math.max(1, shards - 1), records, faults },
  ];
  return sizes.filter((size) => size.shards < shards || size.records < records || size.faults < faults);
}
