// Several processes on one lease table, with real coordinators and real keepers. The pipeline is a stub: it begins a tenure for every
// startable lease, and reports nothing until it is told to drain. Every start and end of delivering is recorded with its time. So tests
// can measure hand-overs and detect two owners at once.
import type { Harness } from './actor-harness.js';
import type { ListedStream } from './listed-stream.js';
import type { MemoryLeaseStore } from './memory-lease-store.js';
import { effect, type Behaviour, type Ref } from '../../actors/protocol/actor.js';
import {
  leaseCoordinator,
  type LeaseCoordinatorMessage,
  type ReleaseOutcome,
} from '../../actors/lease-coordinator/lease-coordinator.js';
import {
  leaseKeeper,
  type LeaseKeeperRequest,
  type LeaseKeeperMessage,
  type LeaseKeeperState,
  type ShardWorkerRequest,
} from '../../actors/lease-keeper/lease-keeper.js';
import type { Tenure, TenureAnswer, ShardWorkerEnd } from '../../actors/protocol/tenure.js';
import type { HeldLeases } from '../../actors/protocol/lease-messages.js';
import type { LeaseCoordinatorOptions } from '../../actors/lease-coordinator/options.js';

export interface Delivery {
  readonly process: string;
  readonly leaseKey: string;
  readonly fence: number;
  readonly from: number;
  until: number | undefined;
  readonly tenure: Tenure;
}

type PipelineMessage =
  | HeldLeases
  | { readonly type: 'control'; readonly shardWorker: number; readonly control: ShardWorkerRequest }
  | {
      readonly type: 'answered';
      readonly leaseKey: string;
      readonly shardWorker: number;
      readonly keeper: Ref<LeaseKeeperRequest>;
      readonly answer: TenureAnswer;
    }
  | { readonly type: 'unanswered'; readonly leaseKey: string }
  | { readonly type: 'endShard'; readonly leaseKey: string; readonly how: ShardWorkerEnd };

interface Running {
  readonly keeper: Ref<LeaseKeeperRequest>;
  readonly shardWorker: number;
  readonly control: Ref<ShardWorkerRequest>;
  delivery: Delivery | undefined;
}

export interface Process {
  readonly id: string;
  readonly coordinator: Ref<LeaseCoordinatorMessage>;
  readonly pipeline: Ref<PipelineMessage>;
  delivering(): string[];
}

export interface Cluster {
  readonly processes: Map<string, Process>;
  /** Every tenure that ever delivered, oldest first. */
  readonly deliveries: Delivery[];
  join(id: string, options?: Partial<LeaseCoordinatorOptions<LeaseKeeperState, LeaseKeeperMessage>>): Process;
  kill(id: string): Promise<void>;
  /** Stops a process as SIGTERM does. The returned function returns the report, once it is there. */
  stop(id: string, deadlineMs?: number): Promise<() => readonly ReleaseOutcome[] | undefined>;
  endShard(leaseKey: string, how: ShardWorkerEnd): Promise<void>;
  /** How many shards each living process delivers, fewest first. */
  counts(): number[];
  /** The process that delivers a shard now. */
  owner(leaseKey: string): string | undefined;
}

export function leaseCluster(
  harness: Harness,
  store: MemoryLeaseStore,
  stream: ListedStream,
  failoverMs: number,
): Cluster {
  const processes = new Map<string, Process>();
  const deliveries: Delivery[] = [];
  const controls = new Map<string, Ref<ShardWorkerRequest>[]>();
  let shardWorkers = 0;

  const relay = (shardWorker: number, to: Ref<PipelineMessage>): Behaviour<undefined, ShardWorkerRequest> => ({
    kind: 'shard-worker',
    initial: () => [undefined, []],
    receive: (state, control) => [state, [effect.send(to, { type: 'control', shardWorker, control })]],
  });

  function pipeline(
    process: string,
    coordinator: Ref<LeaseCoordinatorMessage>,
  ): Behaviour<Map<string, Running>, PipelineMessage> {
    let self: Ref<PipelineMessage>;
    const stopDelivering = (running: Running): void => {
      if (running.delivery !== undefined) running.delivery.until ??= harness.clock.now();
    };
    return {
      kind: 'pipeline',
      initial(own) {
        self = own;
        return [new Map(), [effect.send(coordinator, { type: 'subscribe', subscriber: own })]];
      },
      stopped(state) {
        for (const running of state.values()) stopDelivering(running);
        return [];
      },
      receive(state, message) {
        switch (message.type) {
          case 'held': {
            const effects = [];
            for (const lease of message.leases) {
              if (!lease.startable || state.get(lease.leaseKey)?.keeper.id === lease.keeper.id) continue;
              const shardWorker = ++shardWorkers;
              const { keeper, leaseKey } = lease;
              const control = harness.spawn(`shard-worker/${leaseKey}`, relay(shardWorker, self));
              controls.get(process)!.push(control);
              state.set(leaseKey, { keeper, shardWorker, control, delivery: undefined });
              effects.push(
                effect.ask(
                  keeper,
                  (replyTo) => ({ type: 'beginTenure', shardWorker, shardWorkerRef: control, replyTo }),
                  {
                    answered: (answer) => ({ type: 'answered', leaseKey, shardWorker, keeper, answer }),
                    failed: () => ({ type: 'unanswered', leaseKey }),
                  },
                ),
              );
            }
            return [state, effects];
          }
          case 'answered': {
            const running = state.get(message.leaseKey);
            if (running?.shardWorker !== message.shardWorker || message.answer.type !== 'granted') return [state, []];
            const { tenure } = message.answer;
            running.delivery = {
              process,
              leaseKey: message.leaseKey,
              fence: tenure.fence,
              from: harness.clock.now(),
              until: undefined,
              tenure,
            };
            deliveries.push(running.delivery);
            return [state, []];
          }
          case 'unanswered':
            state.delete(message.leaseKey);
            return [state, []];
          case 'control': {
            const running = [...state.values()].find((each) => each.shardWorker === message.shardWorker);
            if (running === undefined) return [state, []];
            stopDelivering(running);
            const { type, fence } = message.control;
            const how: ShardWorkerEnd = type === 'drain' ? { type: 'drained', open: 0 } : { type: 'tenureEnded' };
            return [
              state,
              [
                effect.send(running.keeper, {
                  type: 'shardWorkerEnded',
                  shardWorker: running.shardWorker,
                  fence,
                  end: how,
                }),
              ],
            ];
          }
          case 'endShard': {
            const running = state.get(message.leaseKey);
            if (running?.delivery === undefined) return [state, []];
            stopDelivering(running);
            return [
              state,
              [
                effect.send(running.keeper, {
                  type: 'shardWorkerEnded',
                  shardWorker: running.shardWorker,
                  fence: running.delivery.fence,
                  end: message.how,
                }),
              ],
            ];
          }
        }
      },
    };
  }

  const cluster: Cluster = {
    processes,
    deliveries,
    join(id, options = {}) {
      const ownMs = options.failoverMs ?? failoverMs;
      controls.set(id, []);
      const coordinator = harness.spawn(
        `lease-coordinator/${id}`,
        leaseCoordinator<LeaseKeeperState, LeaseKeeperMessage>({
          store,
          sources: [{ source: stream, initialPosition: 'TRIM_HORIZON' }],
          workerId: id,
          processNonce: `${id}-${shardWorkers++}`,
          clock: harness.clock,
          random: harness.random,
          failoverMs,
          makeKeeper: (args) =>
            leaseKeeper({
              ...args,
              store,
              clock: harness.clock,
              random: harness.random,
              failoverMs: ownMs,
              handOverMs: ownMs,
              marginMs: ownMs / 10,
              checkpointIntervalMs: 0,
              checkpointRecords: 0,
              callDeadlineMs: 30_000,
            }),
          ...options,
        }),
      );
      const process: Process = {
        id,
        coordinator,
        pipeline: harness.spawn(`pipeline/${id}`, pipeline(id, coordinator)),
        delivering: () =>
          deliveries.filter((each) => each.process === id && each.until === undefined).map((each) => each.leaseKey),
      };
      processes.set(id, process);
      return process;
    },
    async kill(id) {
      const { coordinator, pipeline: own } = processes.get(id)!;
      for (const each of deliveries) if (each.process === id) each.until ??= harness.clock.now();
      processes.delete(id);
      await harness.kill(coordinator);
      await harness.kill(own);
      for (const control of controls.get(id)!) await harness.kill(control);
    },
    async stop(id, deadlineMs = 20_000) {
      const { coordinator } = processes.get(id)!;
      const { later } = await harness.ask<LeaseCoordinatorMessage, readonly ReleaseOutcome[] | undefined>(
        coordinator,
        (replyTo) => ({
          type: 'releaseAll',
          deadlineMs,
          replyTo,
        }),
      );
      processes.delete(id);
      return later;
    },
    async endShard(leaseKey, how) {
      const owner = cluster.owner(leaseKey)!;
      await harness.tell(processes.get(owner)!.pipeline, { type: 'endShard', leaseKey, how });
    },
    counts: () => [...processes.values()].map((process) => process.delivering().length).sort((a, b) => a - b),
    owner: (leaseKey) => deliveries.findLast((each) => each.leaseKey === leaseKey && each.until === undefined)?.process,
  };
  return cluster;
}
