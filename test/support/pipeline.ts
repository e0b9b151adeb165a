// The pipeline without leases: real stages, reducers and shard workers on the real runtime in virtual time, over streams in memory. A
// stub keeper only grants tenures and records its messages. For tests of actors, not of restarts.
import { shardWorker, type ShardWorkerOptions } from '../../actors/shard-worker/shard-worker.js';
import { stage, type StageMessage, type StageOptions } from '../../actors/stage/stage.js';
import { reducer, type ReducerActorMessage, type ReducerOptions } from '../../actors/reducer/reducer.js';
import { effect, type Behaviour, type Ref, type Ending } from '../../actors/protocol/actor.js';
import type { LeaseKeeperRequest, ShardWorkerRequest } from '../../actors/lease-keeper/lease-keeper.js';
import type { FrontierReport, Tenure, ShardWorkerEnd } from '../../actors/protocol/tenure.js';
import type { StartPosition } from '../../src/core/position.js';
import type { KinactEvent } from '../../src/api/events.js';
import type { StreamSource } from '../../src/api/ports.js';
import type { ReducerDefinition } from '../../src/api/reducer.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { createRuntime, endingOf, sendFromOutside, spawnRoot, stopRoot } from '../../supervision/system.js';
import { counters, statusOf } from '../../supervision/status.js';
import type { RuntimeOptions } from '../../supervision/index.js';

/** The messages to a stub keeper, and a way to send messages to its worker. */
export interface StubKeeper {
  readonly ref: Ref<LeaseKeeperRequest>;
  readonly frontiers: FrontierReport[];
  readonly ends: ShardWorkerEnd[];
  readonly tenures: Tenure[];
  /** All messages to the keeper, in order. */
  readonly log: LeaseKeeperRequest[];
  /** Sends the keeper's message to its shard workers, with the fence of the tenure. */
  control(message: { type: 'revoked'; reason: string } | { type: 'drain' | 'pause' | 'resume'; number?: number }): void;
}

export interface PipelineOptions {
  readonly definition: ReducerDefinition;
  readonly reducers?: number;
  readonly stages?: number;
  readonly credit?: number;
  readonly batchSize?: number;
  readonly batchIntervalMs?: number;
  readonly stage?: Partial<StageOptions>;
  readonly shardWorker?: Partial<ShardWorkerOptions>;
  readonly reducer?: Partial<ReducerOptions>;
  readonly runtime?: Partial<RuntimeOptions>;
  /** Replaces members of the stub keeper's tenures. */
  readonly tenure?: Partial<Tenure>;
  /** The keepers grant no tenure. */
  readonly refuse?: boolean;
}

export interface Pipeline {
  readonly clock: ManualClock;
  readonly events: KinactEvent[];
  readonly stages: readonly Ref<StageMessage>[];
  readonly reducers: readonly Ref<ReducerActorMessage>[];
  /** Starts a worker under a fresh tenure of a stub keeper. */
  read(
    source: StreamSource,
    shardId: string,
    start?: StartPosition,
    shardWorker?: Partial<ShardWorkerOptions>,
  ): { readonly keeper: StubKeeper; readonly shardWorker: Ref<never> };
  counters(): Readonly<Record<string, number>>;
  status(ref: Ref<never>): object | undefined;
  /** Sends any message to an actor, as another actor could. */
  tell(ref: Ref<never>, message: unknown): void;
  /** Stops one actor alone. Its effects that still run at the deadline (default: at once) are orphans. */
  kill(ref: Ref<never>, deadlineMs?: number): Promise<Ending>;
  /** For user code: resolves after this much virtual time. */
  sleep(ms: number): Promise<void>;
  ending(ref: Ref<never>): Promise<Ending>;
  stop(): Promise<void>;
}

let nextShardWorker = 1;

export function startPipeline(options: PipelineOptions): Pipeline {
  const clock = new ManualClock();
  clock.install();
  try {
    return build(options, clock);
  } catch (error) {
    clock.uninstall();
    throw error;
  }
}

function build(options: PipelineOptions, clock: ManualClock): Pipeline {
  const events: KinactEvent[] = [];
  const runtime = createRuntime({ clock, timers: clock, emit: (event) => events.push(event), ...options.runtime });
  const onFailure = options.stage?.onFailure ?? options.reducer?.onFailure ?? 'crash';
  const random = { next: () => 0.5 };
  const shared = { application: 'test', clock, random, onFailure, answerDeadlineMs: 30_000 };
  const count = options.reducers ?? 2;
  const tell = (to: Ref<never>, message: unknown): void => sendFromOutside(to, message);
  const stages = Array.from({ length: options.stages ?? 1 }, (_, index) =>
    spawnRoot(
      runtime,
      stage({
        reducers: count,
        opaqueOf: () => undefined,
        maxPending: options.shardWorker?.maxPending ?? 1_024,
        flushIntervalMs: 1_000,
        ...shared,
        ...options.stage,
      }),
      String(index),
    ),
  );
  const reducers = Array.from({ length: count }, (_, index) =>
    spawnRoot(
      runtime,
      reducer({
        index,
        definition: options.definition,
        stages,
        credit: options.credit ?? 1_024,
        batchSize: options.batchSize ?? options.definition.batch?.size ?? 500,
        batchIntervalMs: options.batchIntervalMs ?? options.definition.batch?.intervalMs ?? 1_000,
        sendFromOutside,
        ...shared,
        progress: { settled: 0 },
        ...options.reducer,
      }),
      String(index),
    ),
  );
  let stopped = false;
  const roots: Ref<never>[] = [...stages, ...reducers];
  return {
    clock,
    events,
    stages,
    reducers,
    read: (source, shardId, start = { type: 'trimHorizon' }, special = {}) => {
      const keeper = stubKeeper(clock, source.name, shardId, start, options);
      const ref = spawnRoot(runtime, keeper.behaviour, shardId);
      const stub: StubKeeper = {
        ...keeper,
        ref,
        control: (message) => {
          const { fence } = keeper.tenures.at(-1) as Tenure;
          for (const shardWorker of keeper.shardWorkers) tell(shardWorker, { ...message, fence });
        },
      };
      const shardWorkerRef = spawnRoot(
        runtime,
        shardWorker({
          lease: { leaseKey: shardId, shardId, source: source.name, keeper: ref, startable: true },
          shardWorkerNumber: (nextShardWorker += 1),
          source,
          unpack: (record, range) => source.unpack(record, range),
          stages,
          spread: 'by-shard',
          onDuplicate: 'skip',
          maxPending: 1_024,
          maxPendingBytes: 32 * 1_024 * 1_024,
          watchdogMs: 600_000,
          flushes: options.definition.flush !== undefined || options.definition.behaviour !== undefined,
          acksEarly: options.definition.acknowledge === 'manual' || options.definition.behaviour !== undefined,
          sendFromOutside,
          ...shared,
          ...options.shardWorker,
          ...special,
        }),
        shardId,
      );
      roots.push(shardWorkerRef, ref);
      return { keeper: stub, shardWorker: shardWorkerRef };
    },
    counters: () => counters(runtime),
    status: (ref) => statusOf(ref)?.state,
    tell,
    kill: (ref, deadlineMs = 0) => stopRoot(ref, { deadlineMs }),
    sleep: (ms) => new Promise((resolve) => clock.after(ms, resolve)),
    ending: endingOf,
    stop: async () => {
      if (stopped) return;
      stopped = true;
      const ended = Promise.all(roots.toReversed().map((ref) => stopRoot(ref, { deadlineMs: 1_000 })));
      await clock.advance(2_000);
      await ended;
      clock.uninstall();
    },
  };
}

interface StubParts {
  readonly behaviour: Behaviour<null, LeaseKeeperRequest>;
  readonly frontiers: FrontierReport[];
  readonly ends: ShardWorkerEnd[];
  readonly tenures: Tenure[];
  readonly shardWorkers: Ref<ShardWorkerRequest>[];
  readonly log: LeaseKeeperRequest[];
}

let nextFence = 1;

function stubKeeper(
  clock: ManualClock,
  source: string,
  shardId: string,
  start: StartPosition,
  { refuse = false, tenure: differing = {} }: PipelineOptions,
): StubParts {
  const parts: Omit<StubParts, 'behaviour'> = { frontiers: [], ends: [], tenures: [], shardWorkers: [], log: [] };
  const { frontiers, ends, tenures, shardWorkers, log } = parts;
  const behaviour: Behaviour<null, LeaseKeeperRequest> = {
    kind: 'stub-keeper',
    initial: () => [null, []],
    receive: (_, message) => {
      log.push(message);
      if (message.type === 'beginTenure' && refuse)
        return [null, [effect.reply(message.replyTo, { type: 'refused', reason: 'not now' })]];
      if (message.type === 'beginTenure') {
        const tenure: Tenure = {
          shardWorkerNumber: message.shardWorker,
          leaseKey: shardId,
          shardId,
          source,
          idempotencyPrefix: `${source}@1/${shardId}`,
          fence: (nextFence += 1),
          start,
          deadline: clock.now() + 1e12,
          wallDeadline: Infinity,
          ended: false,
          signal: new AbortController().signal,
          ...differing,
        };
        tenures.push(tenure);
        shardWorkers.push(message.shardWorkerRef);
        return [null, [effect.reply(message.replyTo, { type: 'granted', tenure })]];
      }
      if (message.type === 'frontier') frontiers.push(message.frontier);
      if (message.type === 'shardWorkerEnded') ends.push(message.end);
      return [null, []];
    },
  };
  return { behaviour, ...parts };
}
