// One thread of the pool: one seed after the other.
import { parentPort } from 'node:worker_threads';
import { mutants } from './mutants/index.js';
import type { Job } from './pool.js';
import { runSeed, type Outcome, type RunOptions } from './run.js';
import { runTableSeed } from './tables/table-run.js';

function optionsOf({ size, mutant, provisional = false }: Job): RunOptions {
  const found = mutants.find(({ name }) => name === mutant?.name);
  const makeActors = { alone: found?.make, unmasked: found?.masked?.make, defenceOff: found?.masked?.off }[
    mutant?.how ?? 'alone'
  ];
  return { provisional, ...(size === undefined ? {} : { size }), ...(makeActors === undefined ? {} : { makeActors }) };
}

function run(job: Job): Promise<Outcome> {
  const { size, makeActors } = optionsOf(job);
  if (job.kind !== 'tables') return runSeed(job.seed, optionsOf(job));
  // A mutant of tables needs no machine.
  const made = makeActors === undefined ? {} : { makeActors: () => makeActors({ machine: undefined as never }) };
  return runTableSeed(job.seed, { ...(size === undefined ? {} : { size }), ...made });
}

parentPort?.on('message', (job: Job) => {
  void run(job).then(
    (outcome) => parentPort?.postMessage({ outcome }),
    (error: unknown) => parentPort?.postMessage({ error: String((error as Error).stack ?? error) }),
  );
});
