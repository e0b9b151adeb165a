// Runs seeds on as many threads as there are processors, for a seed is one thread's work and depends on nothing else.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Outcome, Size } from './run.js';

/** A mutant by itself, with the defence off that masks it, or that defence off alone. */
export type How = 'alone' | 'unmasked' | 'defenceOff';

/** One run: the seed, and which mutant's parts it gets. */
export interface Job {
  readonly seed: number;
  readonly size?: Size;
  readonly provisional?: boolean;
  readonly mutant?: { readonly name: string; readonly how: How };
}

export interface Pool {
  run(job: Job): Promise<Outcome>;
  readonly threads: number;
  close(): Promise<void>;
}

/** Processes that were killed never answer, and what waits for them stays: a thread is given up now and then. */
const seedsPerThread = 60;

/** A seed makes much that is soon garbage: with room for it, a fifth of the time that a seed takes is not spent on copying it. */
const maxYoungGenerationSizeMb = 192;

interface Waiting {
  readonly job: Job;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

export function openPool(threads = Math.min(4, availableParallelism())): Pool {
  const queue: Waiting[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  const done = new Map<Worker, number>();
  const next = (): void => {
    while (idle.length > 0 && queue.length > 0) {
      const worker = idle.pop() as Worker;
      const waiting = queue.shift() as Waiting;
      busy.set(worker, waiting);
      worker.postMessage(waiting.job);
    }
  };
  const spawn = (): void => {
    const worker = new Worker(new URL('./pool-worker.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    worker.on('message', (answer: { readonly outcome?: Outcome; readonly error?: string }) => {
      const waiting = busy.get(worker);
      busy.delete(worker);
      done.set(worker, (done.get(worker) ?? 0) + 1);
      if ((done.get(worker) ?? 0) < seedsPerThread) idle.push(worker);
      else replace(worker);
      if (answer.outcome !== undefined) waiting?.resolve(answer.outcome);
      else waiting?.reject(new Error(answer.error));
      next();
    });
    worker.on('error', (error: Error) => busy.get(worker)?.reject(error));
    done.set(worker, 0);
    idle.push(worker);
  };
  const replace = (worker: Worker): void => {
    done.delete(worker);
    void worker.terminate();
    spawn();
  };
  for (let thread = 0; thread < threads; thread += 1) spawn();
  return {
    threads,
    run: (job) =>
      new Promise((resolve, reject) => {
        queue.push({ job, resolve, reject });
        next();
      }),
    close: async () => {
      await Promise.all([...done.keys()].map((worker) => worker.terminate()));
    },
  };
}
