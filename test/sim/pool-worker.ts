// One thread of the pool: one seed after the other.
import { parentPort } from 'node:worker_threads';
import { mutants } from './mutants/index.js';
import type { Job } from './pool.js';
import { runSeed, type RunOptions } from './run.js';

function optionsOf({ size, mutant, provisional = false }: Job): RunOptions {
  const found = mutants.find(({ name }) => name === mutant?.name);
  const makeActors = { alone: found?.make, unmasked: found?.masked?.make, defenceOff: found?.masked?.off }[
    mutant?.how ?? 'alone'
  ];
  return { provisional, ...(size === undefined ? {} : { size }), ...(makeActors === undefined ? {} : { makeActors }) };
}

parentPort?.on('message', (job: Job) => {
  void runSeed(job.seed, optionsOf(job)).then(
    (outcome) => parentPort?.postMessage({ outcome }),
    (error: unknown) => parentPort?.postMessage({ error: String((error as Error).stack ?? error) }),
  );
});
