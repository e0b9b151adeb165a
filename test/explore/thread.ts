// One thread of a search.
import { parentPort, workerData } from 'node:worker_threads';
import { mutated } from './mutants.js';
import { scenes } from './scenes.js';
import { search, type Limits, type Shared } from './search.js';

export interface ThreadJob {
  readonly scene: string;
  readonly mutant: string | undefined;
  readonly shared: Shared;
  readonly limits: Limits;
  readonly first: boolean;
}

const { scene, mutant, shared, limits, first } = workerData as ThreadJob;
const found = scenes.find(({ name }) => name === scene);
if (found === undefined) throw new Error(`no scene ${scene}`);
search(mutated(found, mutant), shared, limits, first);
parentPort?.postMessage('done');
