// npm run sim -- --seeds N [--from S] [--faults all] [--kind tables] [--trace] [--json], or --mutants [--only TEXT] [--most SEEDS]. See
// run.ts for what one seed does, hunt.ts for mutants. Every fourth seed is also run with a table's stream (tables/table-run.ts).
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { hunt, usualMost, type Catch } from './hunt.js';
import { mutants } from './mutants/index.js';
import { openPool, type Kind, type Pool } from './pool.js';
import type { Outcome } from './run.js';
import { runCounting, shrink } from './seeds.js';

const options = {
  seeds: { type: 'string', default: '20' },
  from: { type: 'string', default: '1' },
  trace: { type: 'boolean', default: false },
  mutants: { type: 'boolean', default: false },
  only: { type: 'string', default: '' },
  most: { type: 'string', default: String(usualMost) },
  faults: { type: 'string', default: 'proven' },
  kind: { type: 'string', default: 'all' },
  json: { type: 'boolean', default: false },
} as const;

interface Told {
  readonly ok: boolean;
  readonly line: string;
}

const wrong = (text: string): never => {
  console.error(text);
  process.exit(2);
};

interface Given {
  readonly seeds: number;
  readonly from: number;
  readonly trace: boolean;
  readonly mutants: boolean;
  readonly only: string;
  readonly most: number;
  readonly json: boolean;
  /** Undefined: each seed is a cluster, and every fourth also tables. */
  readonly kind: Kind | undefined;
  readonly job: { readonly provisional: boolean };
}

function read(): Given {
  try {
    const { values } = parseArgs({ options, strict: true });
    const number = (name: 'seeds' | 'from' | 'most', least: number): number => {
      const value = Number(values[name]);
      const fits = Number.isSafeInteger(value) && value >= least && value < 2 ** 31;
      return fits ? value : wrong(`--${name}: expected an integer from ${least} below 2^31, got ${values[name]}`);
    };
    const { only } = values;
    if (only !== '' && !values.mutants) return wrong('--only: chooses among mutants, and --mutants is missing');
    if (!mutants.some(({ name }) => name.includes(only))) return wrong(`--only: no mutant has '${only}' in its name`);
    const { faults, kind } = values;
    if (faults !== 'all' && faults !== 'proven') return wrong(`--faults: expected all or proven, got ${faults}`);
    if (kind !== 'all' && kind !== 'cluster' && kind !== 'tables')
      return wrong(`--kind: expected all, cluster or tables, got ${kind}`);
    return {
      ...values,
      kind: kind === 'all' ? undefined : kind,
      job: { provisional: faults === 'all' },
      seeds: number('seeds', 1),
      from: number('from', 0),
      most: number('most', 1),
    };
  } catch (error) {
    return wrong((error as Error).message);
  }
}

const given = read();
const say = (text: string): void => (given.json ? console.error(text) : console.log(text));

/** The runs of a seed. */
function kindsOf(seed: number): readonly Kind[] {
  if (given.kind !== undefined) return [given.kind];
  return seed % 4 === 0 ? ['cluster', 'tables'] : ['cluster'];
}

async function simulate(pool: Pool): Promise<Told & Record<string, unknown>> {
  const { seeds, from, trace, job } = given;
  const totals = {
    violations: 0,
    faults: 0,
    hits: 0,
    checkpoints: 0,
    deliveries: 0,
    tables: 0,
    failed: [] as string[],
  };
  const jobs = Array.from({ length: seeds }, (_, index) => from + index).flatMap((seed) =>
    kindsOf(seed).map((kind) => ({ ...job, seed, kind })),
  );
  const runner = async (): Promise<void> => {
    for (let next = jobs.shift(); next !== undefined; next = jobs.shift()) {
      const { seed, kind } = next;
      const outcome = await runCounting(pool, seed, next).catch((error: unknown) => {
        // Above all a clock that finds no rest, because actors answer one another without end.
        totals.violations += 1;
        totals.failed.push(`${seed} ${kind}`);
        say(`seed ${seed}: the run of ${kind} has failed: ${String(error)}`);
      });
      if (outcome === undefined) continue;
      if (kind === 'tables') totals.tables += 1;
      totals.violations += outcome.violations.length;
      totals.faults += outcome.faults;
      totals.hits += outcome.hits;
      totals.checkpoints += outcome.checkpoints;
      totals.deliveries += outcome.deliveries;
      if (trace) tell(outcome, seed);
      if (outcome.violations.length === 0) continue;
      totals.failed.push(`${seed} ${kind}`);
      explain(outcome, await shrink(pool, outcome, next));
    }
  };
  await Promise.all(Array.from({ length: pool.threads }, runner));
  const line = `sim: ${seeds} seeds from ${from}, ${totals.tables} runs of tables, ${totals.violations} violations, ${totals.faults} faults, ${totals.checkpoints} checkpoints checked`;
  return { ok: totals.violations === 0, line, seeds, from, ...totals };
}

function tell({ seed, faults, hits, checkpoints, deliveries, records, hash, log }: Outcome, asked: number): void {
  const drawn = seed === asked ? '' : ` (drawn for ${asked})`;
  say(
    `seed ${seed}${drawn}: ${records} records, ${deliveries} deliveries, ${faults} faults, ${hits} on open records, ${checkpoints} checkpoints, trace ${hash}`,
  );
  for (const line of log) say(`   ${line}`);
}

function explain({ seed, size, violations }: Outcome, small: Outcome): void {
  say(`seed ${seed}: ${violations.length} violations`);
  for (const { invariant, text } of violations) say(`   ${invariant}: ${text}`);
  say(`   shrunk from ${JSON.stringify(size)} to ${JSON.stringify(small.size)}; what led to its first violation:`);
  for (const { invariant, text } of small.violations.slice(0, 3)) say(`   ${invariant}: ${text}`);
  say('   faults:');
  for (const line of small.log) say(`      ${line}`);
  say('   last events:');
  for (const line of small.events) say(`      ${line}`);
}

async function showMutants(pool: Pool): Promise<Told & Record<string, unknown>> {
  const row = ({ mutant, broken, seeds, without }: Catch): string =>
    `${mutant.padEnd(66)} | ${(broken.join(' ') || 'SURVIVED').padEnd(16)} | ${String(seeds).padStart(2)} | ${without ?? '-'}`;
  say(`${'mutant'.padEnd(66)} | ${'broke'.padEnd(16)} | seeds | with which second defence off`);
  const caught = await hunt(pool, given, (one) => {
    say(row(one));
    if (given.trace) say(`      ${one.example}`);
  });
  const count = caught.filter(({ invariant }) => invariant !== undefined).length;
  const line = `mutants: caught ${count} of ${caught.length}`;
  return { ok: count === caught.length, line, mutants: caught };
}

// A seed runs thousands of functions a little. V8's default is to optimize them so early that its compiler takes a quarter of the CPU.
setFlagsFromString('--interrupt-budget=270000');
const pool = openPool();
try {
  const result = await (given.mutants ? showMutants(pool) : simulate(pool));
  console.log(given.json ? JSON.stringify(result) : result.line);
  process.exitCode = result.ok ? 0 : 1;
} finally {
  await pool.close();
}
