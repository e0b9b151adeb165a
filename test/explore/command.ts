// npm run explore: explores every scene on all its threads, as deep as the time allows, and prints how much it has seen. For a
// broken law it prints a chart of a shortest path to the violation.
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { chart } from './chart.js';
import { mutants, mutated } from './mutants.js';
import { scenes } from './scenes.js';
import { resultOf, share, type Result, type Shared } from './search.js';
import type { ThreadJob } from './thread.js';
import type { Scene } from './world.js';

interface Wanted {
  readonly seconds: number;
  readonly threads: number;
  readonly scenes: readonly Scene[];
  readonly mutant: string | undefined;
  readonly worlds: number;
}

const usage = `usage: npm run explore -- [--seconds 600] [--threads 2] [--scene name] [--mutant name] [--worlds 12000000]`;

function wantedOf(args: readonly string[]): Wanted {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '600' },
      threads: { type: 'string', default: '2' },
      scene: { type: 'string', default: '' },
      mutant: { type: 'string' },
      worlds: { type: 'string', default: '12000000' },
    },
  });
  const [seconds, threads, worlds] = [values.seconds, values.threads, values.worlds].map(Number) as [
    number,
    number,
    number,
  ];
  if (!(seconds > 0) || !(threads >= 1) || !(worlds >= 1_000)) throw new Error(usage);
  const chosen = scenes.filter(({ name }) => name.includes(values.scene));
  if (chosen.length === 0) throw new Error(`scenes: ${scenes.map(({ name }) => name).join('; ')}`);
  if (values.mutant !== undefined && !mutants.some(({ name }) => name === values.mutant))
    throw new Error(`mutants: ${mutants.map(({ name }) => name).join('; ')}`);
  return { seconds, threads, scenes: chosen, mutant: values.mutant, worlds };
}

/** One of this many worlds is followed to its end. */
const runOutEvery = 128;

/** Each thread makes many copies that are soon garbage. */
const maxYoungGenerationSizeMb = 128;

async function explore(wanted: Wanted, scene: Scene, shared: Shared, seconds: number): Promise<Result> {
  const { mutant, threads } = wanted;
  const limits = { until: Date.now() + seconds * 1_000, threads, runOutEvery };
  const jobs = Array.from({ length: threads }, async (_each, index) => {
    const job: ThreadJob = { scene: scene.name, mutant, shared, limits, first: index === 0 };
    const worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: job,
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    await once(worker, 'exit');
  });
  await Promise.all(jobs);
  return resultOf(mutated(scene, mutant), shared);
}

const grouped = (value: number): string => value.toLocaleString('en-US');

export interface Outcome {
  readonly code: 0 | 1;
  readonly line: string;
  readonly states: number;
  readonly paths: number;
}

export async function main(args: readonly string[], print: (line: string) => void): Promise<Outcome> {
  const wanted = wantedOf(args);
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1_000;
  const sum = { states: 0, paths: 0 };
  let counted: Int32Array | undefined;
  for (const [index, scene] of wanted.scenes.entries()) {
    const shared: Shared = share(wanted.worlds, counted);
    counted = shared.counted;
    const from = elapsed();
    const seconds = (wanted.seconds - from) / (wanted.scenes.length - index);
    const result = await explore(wanted, scene, shared, Math.max(1, seconds));
    sum.states += result.states;
    sum.paths += result.paths;
    const { states, worlds, paths, longest, runs, complete, found } = result;
    print(
      `${scene.name}: ${grouped(states)} new states (${grouped(worlds)} worlds with exact times), ${grouped(paths)} paths of up to ` +
        `${longest} choices${complete ? ', all there are' : ''}, ${grouped(runs)} followed to their end, ${(elapsed() - from).toFixed(0)} s`,
    );
    if (found !== undefined) {
      print(chart(mutated(scene, wanted.mutant), found.choices));
      return { code: 1, line: `explore: BROKEN in '${scene.name}': ${found.law}`, ...sum };
    }
  }
  const line = `explore: ok, ${grouped(sum.states)} distinct states, ${grouped(sum.paths)} paths in ${elapsed().toFixed(0)} s`;
  return { code: 0, line, ...sum };
}
