// Proves that the simulation finds bugs: every mutant must break an invariant, and the same seeds must be clean without the mutant.
import { mutants } from './mutants/index.js';
import type { Mutant } from './mutants/around.js';
import { isPiped } from './pipes/drawn-pipes.js';
import type { How, Kind, Pool } from './pool.js';
import { isBesideJava } from './run.js';
import { runCounting } from './seeds.js';

export interface Catch {
  readonly mutant: string;
  /** The first invariant that it broke; undefined: it survived. */
  readonly invariant: string | undefined;
  /** All invariants that broke in that seed. */
  readonly broken: readonly string[];
  readonly seeds: number;
  /** The second defence that had to be off to show the mutant. */
  readonly without: string | undefined;
  readonly example: string;
}

/** How many seeds a mutant gets before it counts as surviving, unless told otherwise. While a masked mutant is alone, it gets fewer. */
export const usualMost = 96;
const mostMasked = 8;

export interface Bounds {
  /** The first seed. */
  readonly from: number;
  /** Hunts the mutants whose name contains this text. */
  readonly only: string;
  /** How many seeds a mutant gets. */
  readonly most: number;
}

export async function hunt(pool: Pool, bounds: Bounds, told: (caught: Catch) => void): Promise<readonly Catch[]> {
  const clean = { cluster: cleanSeeds(pool, bounds.from, 'cluster'), tables: cleanSeeds(pool, bounds.from, 'tables') };
  return Promise.all(
    mutants
      .filter(({ name }) => name.includes(bounds.only))
      .map(async (mutant) => {
        const caught = await huntOne(pool, bounds, mutant, clean[mutant.kind ?? 'cluster']);
        told(caught);
        return caught;
      }),
  );
}

/** Whether a seed is clean without any mutant. Each seed is run once. */
function cleanSeeds(pool: Pool, from: number, kind: Kind): (seed: number) => Promise<boolean> {
  const runs = new Map<number, Promise<boolean>>();
  return (seed) => {
    const known = runs.get(seed);
    if (known !== undefined) return known;
    const run = pool.run({ seed, kind }).then(({ violations }) => violations.length === 0);
    if (seed >= from) runs.set(seed, run);
    return run;
  };
}

async function huntOne(
  pool: Pool,
  { from, most }: Bounds,
  mutant: Mutant,
  isClean: (seed: number) => Promise<boolean>,
): Promise<Catch> {
  const { name, masked, kind = 'cluster' } = mutant;
  const seeds = seedsFor(from, most, mutant);
  const alone = await chase(
    pool,
    masked === undefined ? seeds : seeds.slice(0, mostMasked),
    { kind, mutant: { name, how: 'alone' } },
    isClean,
  );
  if (alone.invariant !== undefined || masked === undefined) return { ...alone, without: undefined };
  const isOfTheMutant = async (seed: number): Promise<boolean> => {
    if (!(await isClean(seed))) return false;
    if (masked.off === undefined) return true;
    return (await pool.run({ seed, kind, mutant: { name, how: 'defenceOff' } })).violations.length === 0;
  };
  return {
    ...(await chase(pool, seeds, { kind, mutant: { name, how: 'unmasked' } }, isOfTheMutant)),
    without: masked.by,
  };
}

function seedsFor(from: number, most: number, { besideJava, piped }: Mutant): readonly number[] {
  const seeds: number[] = [];
  const shows = (seed: number): boolean =>
    (besideJava !== true || isBesideJava(seed)) && (piped !== true || isPiped(seed));
  for (let seed = from; seeds.length < most; seed += 1) if (shows(seed)) seeds.push(seed);
  return seeds;
}

async function chase(
  pool: Pool,
  seeds: readonly number[],
  job: { readonly kind: Kind; readonly mutant: { readonly name: string; readonly how: How } },
  isOfTheMutant: (seed: number) => Promise<boolean>,
): Promise<Omit<Catch, 'without'>> {
  const { name } = job.mutant;
  for (const [index, seed] of seeds.entries()) {
    const outcome = await runCounting(pool, seed, job);
    const [first] = outcome.violations;
    if (first === undefined || !(await isOfTheMutant(outcome.seed))) continue;
    const broken = [...new Set(outcome.violations.map(({ invariant }) => invariant))];
    return { mutant: name, invariant: first.invariant, broken, seeds: index + 1, example: first.text };
  }
  return { mutant: name, invariant: undefined, broken: [], seeds: seeds.length, example: '' };
}
