// Runs seeds on one thread per processor, but on four at most. A seed is the work of one thread and depends on nothing else.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Outcome, Size } from './run.js';

/** The mutant alone, the mutant with its masking defence off, or only that defence off. */
export type How = 'alone' | 'unmasked' | 'defenceOff';

/** What is simulated: a cluster on a Kinesis stream (run.ts), or consumers of a table's stream (tables/table-run.ts). */
export type Kind = 'cluster' | 'tables';

/** One run: the seed, and the mutant from which it gets its actors. */
export interface Job {
  readonly seed: number;
  /** Default: `cluster`. */
  readonly kind?: Kind;
  readonly size?: Size;
  readonly provisional?: boolean;
  readonly mutant?: { readonly name: string; readonly how: How };
}

export interface Pool {
  run(job: Job): Promise<Outcome>;
  readonly threads: number;
  close(): Promise<void>;
}

/** A new thread compiles everything again, which costs as much as three seeds. If anything stays in memory, it goes with the thread. */
const seedsPerThread = 500;

/** A seed makes much short-lived garbage. With this room for it, a seed saves the copying, a fifth of its time. */
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
