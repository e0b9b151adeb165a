// One lease coordinator over a store in memory and a stream that can only be listed. Keepers are stubs that record their messages. The
// test decides what becomes of their leases.
import { actorHarness, type Harness } from './actor-harness.js';
import { listedStream, type ListedStream } from './listed-stream.js';
import { memoryLeaseStore, type MemoryLeaseStore } from './memory-lease-store.js';
import type { Behaviour, Ref } from '../../actors/protocol/actor.js';
import {
  leaseCoordinator,
  type LeaseCoordinatorMessage,
  type CoordinatorStarted,
  type ReleaseOutcome,
  type ShardEndPlan,
} from '../../actors/lease-coordinator/lease-coordinator.js';
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';
import type { LeaseKeeperRequest, KeeperNews } from '../../actors/lease-keeper/lease-keeper.js';
import type { HeldLeases } from '../../actors/protocol/lease-messages.js';
import type { LeaseRow } from '../../src/core/lease.js';
import { writerPrefixOf } from '../../src/core/writer-signature.js';
import type { KeeperArguments, LeaseCoordinatorOptions } from '../../actors/lease-coordinator/options.js';

export interface StubKeeper {
  readonly args: KeeperArguments;
  readonly ref: Ref<LeaseKeeperRequest>;
  readonly told: LeaseKeeperRequest[];
}

export interface CoordinatorDriver {
  readonly harness: Harness;
  readonly store: MemoryLeaseStore;
  readonly stream: ListedStream;
  readonly coordinator: Ref<LeaseCoordinatorMessage>;
  /** Every keeper ever spawned, oldest first. */
  readonly keepers: StubKeeper[];
  /** The messages to the subscriber. */
  readonly heard: HeldLeases[];
  /** The newest keeper of a lease. */
  keeper(leaseKey: string): StubKeeper;
  /** The keeper writes its take and reports it. */
  taken(leaseKey: string): Promise<LeaseRow>;
  takenAll(): Promise<void>;
  news(leaseKey: string, news: KeeperNews): Promise<void>;
  /** The keeper writes SHARD_END and reports it. */
  end(leaseKey: string, childShardIds?: readonly string[]): Promise<void>;
  started(): Promise<CoordinatorStarted | undefined>;
  askEnd(
    leaseKey: string,
    end?: Partial<
      Pick<Extract<LeaseCoordinatorMessage, { type: 'askShardEnd' }>, 'children' | 'notFound' | 'position'>
    >,
  ): Promise<ShardEndPlan | undefined>;
  releaseAll(deadlineMs: number): Promise<{ later: () => readonly ReleaseOutcome[] | undefined }>;
  subscribe(): Promise<Ref<HeldLeases>>;
  status(): CoordinatorStatus;
  startable(): string[];
  scans(): number;
}

export const workerId = 'me';
export const nonce = writerPrefixOf(workerId, 'p1');

type Setup = Partial<LeaseCoordinatorOptions<unknown, never>> & {
  readonly stream?: ListedStream;
  readonly store?: MemoryLeaseStore;
  readonly harness?: Harness;
};

export function driveCoordinator({
  stream = listedStream(),
  store = memoryLeaseStore(),
  harness = actorHarness(),
  ...options
}: Setup = {}): CoordinatorDriver {
  const keepers: StubKeeper[] = [];
  const heard: HeldLeases[] = [];

  function makeKeeper(args: KeeperArguments): Behaviour<unknown, LeaseKeeperRequest> {
    const told: LeaseKeeperRequest[] = [];
    return {
      kind: 'lease-keeper',
      initial(self) {
        keepers.push({ args, ref: self, told });
        return [undefined, []];
      },
      receive(state, message) {
        told.push(message);
        return [state, []];
      },
    };
  }

  const coordinator = harness.spawn(
    'lease-coordinator',
    leaseCoordinator<unknown, never>({
      store,
      sources: [{ source: stream, initialPosition: 'TRIM_HORIZON' }],
      workerId,
      processNonce: 'p1',
      clock: harness.clock,
      random: harness.random,
      failoverMs: 10_000,
      makeKeeper,
      ...options,
    }),
  );

  const driver: CoordinatorDriver = {
    harness,
    store,
    stream,
    coordinator,
    keepers,
    heard,
    keeper(leaseKey) {
      const found = keepers.findLast((each) => each.args.leaseKey === leaseKey);
      if (found === undefined) throw new Error(`no keeper of ${leaseKey}`);
      return found;
    },
    async taken(leaseKey) {
      const { args } = driver.keeper(leaseKey);
      const row = store.takeAs(leaseKey, workerId, args.writer);
      await driver.news(leaseKey, { type: 'taken', row });
      return row;
    },
    async takenAll() {
      for (const { args } of [...keepers])
        if (store.row(args.leaseKey).leaseOwner !== workerId) await driver.taken(args.leaseKey);
    },
    news: (leaseKey, news) =>
      harness.tell(coordinator, { type: 'keeperNotice', keeper: driver.keeper(leaseKey).ref, leaseKey, news }),
    async end(leaseKey, childShardIds = []) {
      const { leaseOwner: _, ...row } = store.row(leaseKey);
      store.put({ ...row, checkpoint: 'SHARD_END', childShardIds, leaseCounter: row.leaseCounter + 1 });
      await driver.news(leaseKey, { type: 'ended', childShardIds });
    },
    started: async () =>
      (
        await harness.ask<LeaseCoordinatorMessage, CoordinatorStarted>(coordinator, (replyTo) => ({
          type: 'awaitStart',
          replyTo,
        }))
      ).answer,
    async askEnd(leaseKey, end) {
      const asked = await harness.ask<LeaseCoordinatorMessage, ShardEndPlan>(coordinator, (replyTo) => ({
        type: 'askShardEnd',
        leaseKey,
        notFound: false,
        ...end,
        replyTo,
      }));
      // The coordinator asks a stream at most twice a second.
      if (asked.later() === undefined) await harness.advance(500);
      return asked.later();
    },
    releaseAll: (deadlineMs) =>
      harness.ask<LeaseCoordinatorMessage, readonly ReleaseOutcome[] | undefined>(coordinator, (replyTo) => ({
        type: 'releaseAll',
        deadlineMs,
        replyTo,
      })),
    async subscribe() {
      const subscriber = harness.spawn<undefined, HeldLeases>('pipeline', {
        kind: 'pipeline',
        initial: () => [undefined, []],
        receive(state, message) {
          heard.push(message);
          return [state, []];
        },
      });
      await harness.tell(coordinator, { type: 'subscribe', subscriber });
      return subscriber;
    },
    status: () => harness.statusOf(coordinator) as CoordinatorStatus,
    startable: () =>
      driver
        .status()
        .leases.filter((lease) => lease.here?.startable === true)
        .map((lease) => lease.leaseKey),
    scans: () => store.calls.filter((call) => call.operation === 'scan').length,
  };
  return driver;
}

/** A coordinator that has started and holds every lease. */
export async function holdingAll(setup: Parameters<typeof driveCoordinator>[0] = {}): Promise<CoordinatorDriver> {
  const driver = driveCoordinator(setup);
  await driver.started();
  await driver.takenAll();
  return driver;
}
