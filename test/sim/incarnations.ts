// I26: within one process no user effect of one pipeline incarnation overlaps one of a later incarnation, unless an orphan
// was reported. The law reads the runtime's trace, and wraps the start of each effect.
import type { TraceEntry } from '../../supervision/intercept.js';

export interface Incarnations {
  traced(entry: TraceEntry): void;
  orphaned(actor: string): void;
  /** Starts an effect of this actor, after checking the law. */
  start(actor: string, name: string, start: () => unknown): unknown;
  /** A shard worker hands records to a stage: `shardWorker` is its number, `actor` its path. */
  works(shardWorker: number, actor: string): void;
  /** World time at which the worker of this number began to end; undefined while it lives. */
  endedAt(shardWorker: number): number | undefined;
  /** Shard workers that live now. */
  readonly shardWorkers: () => number;
}

interface Running {
  readonly actor: string;
  readonly name: string;
  readonly pipeline: number;
}

/** `overlaps`: calls of one reducer may overlap, because it has `concurrency` (I52 counts them). */
export function createIncarnations(
  now: () => number,
  violate: (text: string) => void,
  overlaps: () => boolean = () => false,
): Incarnations {
  let pipelines = 0;
  const pipelineOf = new Map<string, number>();
  const orphans = new Set<string>();
  const ending = new Map<string, number>();
  const shardWorkers = new Map<number, string>();
  const living = new Set<string>();
  const running = new Set<Running>();
  return {
    traced: ({ what, to }) => {
      if (what === 'stopping') {
        ending.set(to, now());
        living.delete(to);
      }
      if (what !== 'start') return;
      if (to.startsWith('shard-worker/')) living.add(to);
      // `stage/0` is the first child of every pipeline incarnation.
      if (to.startsWith('stage/0#')) pipelines += 1;
      else if (/^(reducer|pipe-node)\//.test(to)) pipelineOf.set(to, pipelines);
    },
    orphaned: (actor) => void orphans.add(actor),
    shardWorkers: () => living.size,
    works: (shardWorker, actor) => void shardWorkers.set(shardWorker, actor),
    endedAt: (shardWorker) => ending.get(shardWorkers.get(shardWorker) ?? ''),
    start: (actor, name, start) => {
      // A policy that answers by a promise decides beside the calls.
      if (!/^(reducer|pipe-node)\//.test(actor) || /^(onFailure|park)#/.test(name)) return start();
      const pipeline = pipelineOf.get(actor) ?? pipelines;
      for (const other of running) {
        if (other.actor === actor && overlaps()) continue;
        if (other.actor === actor) violate(`'${name}' of ${actor} began while its '${other.name}' was under way`);
        else if (other.pipeline !== pipeline && !orphans.has(other.actor))
          violate(`'${name}' of ${actor} began while '${other.name}' of ${other.actor} was under way`);
      }
      const result = start();
      if (!isThenable(result)) return result;
      const mine = { actor, name, pipeline };
      running.add(mine);
      const over = (): void => void running.delete(mine);
      result.then(over, over);
      return result;
    },
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}
