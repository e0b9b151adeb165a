// Releases leases that are left: their keepers were stopped while they held them, and no coordinator can release them any more. It is
// called by consumer-stop.ts if a coordinator has not answered, and by source-changes.ts if one has crashed before a removal. Once the
// calls of the pipeline have ended or are orphans, each keeper is started again in a separate runtime, for one write. A keeper that has
// crashed is not started again: its lease is only reported.
import type { ReleaseOutcome } from '../../actors/lease-coordinator/lease-coordinator.js';
import {
  type LeaseKeeperOptions,
  type LeaseKeeperState,
  type leaseKeeper,
} from '../../actors/lease-keeper/lease-keeper.js';
import type { Behaviour, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { isWriterOf } from '../core/writer-signature.js';
import { adoptRow, durableCheckpoint } from '../core/lease-state.js';
import type { KinactEvent } from '../api/events.js';
import type { Environment } from '../api/source.js';
import { sleep } from './sleep.js';
import { ask, createRuntime, effect, spawn, stop, watch, type Runtime } from '../../supervision/index.js';

/** A keeper that was stopped while it held its lease, or may have held it. */
export interface LeftLease {
  readonly options: LeaseKeeperOptions;
  readonly state: LeaseKeeperState;
  /** The row is read before it is released: a new coordinator has started and may have changed it, or the keeper has crashed. */
  superseded: boolean;
  /** The keeper has crashed, so nothing that it knows is written: the lease is reported, not released. Peers wait until it expires. */
  readonly crashed: boolean;
}

export interface LeftLeases {
  /** Wraps the behaviour of a keeper so that its state is kept here when the keeper is stopped. */
  keepStateOf(options: LeaseKeeperOptions, behaviour: ReturnType<typeof leaseKeeper>): ReturnType<typeof leaseKeeper>;
  /** Notes that a new coordinator starts. It handles all leases of its table itself, once it knows them. */
  supersede(tableName: string): void;
  /** Forgets the left leases of a source. */
  forget(source: string): void;
  /** The left leases of these tables. */
  inTables(tableNames: ReadonlySet<string>): readonly LeftLease[];
}

export function createLeftLeases(): LeftLeases {
  const left = new Map<string, LeftLease>();
  const nameOf = (tableName: string, leaseKey: string): string => `${tableName} ${leaseKey}`;
  return {
    keepStateOf: (options, behaviour) => {
      const name = nameOf(options.store.tableName, options.leaseKey);
      return {
        ...behaviour,
        initial: (self) => (left.delete(name), behaviour.initial(self)),
        stopped: (state, reason) => {
          const crashed = reason === 'crash';
          if ((reason === 'shutdown' || crashed) && mayHold(state))
            left.set(name, { options, state, superseded: crashed, crashed });
          return behaviour.stopped?.(state, reason) ?? [];
        },
      };
    },
    supersede: (tableName) => {
      for (const lease of left.values()) lease.superseded ||= lease.options.store.tableName === tableName;
    },
    forget: (source) => {
      for (const [name, { options }] of left) if (options.source === source) left.delete(name);
    },
    inTables: (tableNames) => [...left.values()].filter(({ options }) => tableNames.has(options.store.tableName)),
  };
}

const isTaking = ({ phase, writes, lease }: LeaseKeeperState): boolean =>
  phase === 'taking' && (writes.current !== undefined || lease.unknownWrites.length > 0);

/** The lease has been handed over to this keeper, or may have been since. */
const isAsking = ({ phase, wishing, taking }: LeaseKeeperState): boolean =>
  taking.previousOwner !== undefined || (phase === 'wishing' && wishing !== undefined && wishing.number > 0);

const isUnsure = (state: LeaseKeeperState): boolean => state.phase !== 'held' && (isTaking(state) || isAsking(state));

const mayHold = (state: LeaseKeeperState): boolean => state.phase === 'held' || isUnsure(state);

type CoordinatorMessage = LeaseKeeperOptions['coordinator'] extends Ref<infer Message> ? Message : never;
type CollectorMessage =
  | CoordinatorMessage
  | { readonly type: 'report'; readonly replyTo: ReplyTo<readonly ReleaseOutcome[]> };

/** Stands in for the coordinator: collects the outcome of each release. */
const releaseCollector = (): Behaviour<ReleaseOutcome[], CollectorMessage> => ({
  kind: 'left-leases',
  initial: () => [[], []],
  receive: (leases, message) => {
    if (message.type === 'report') return [leases, [effect.reply(message.replyTo, leases)]];
    if (message.type === 'keeperNotice' && message.news.type === 'released') leases.push(message.news.lease);
    return [leases, []];
  },
});

/** The parts of a consumer, stopping or running, that are needed to release left leases. */
export interface ReleaseContext {
  readonly environment: Environment;
  readonly actors: { readonly leaseKeeper: typeof leaseKeeper };
  readonly emit: (event: KinactEvent) => void;
}

/**
 * Releases each lease at its frontier, within `deadlineMs`, except those of crashed keepers. The report has the leases that were
 * released, and those that were not: their keeper has crashed, or the time was up. A lease with another owner is not in it. Never
 * rejects.
 */
export async function releaseLeft(
  { environment, actors, emit }: ReleaseContext,
  left: readonly LeftLease[],
  reason: string,
  deadlineMs: number,
): Promise<readonly ReleaseOutcome[]> {
  if (left.length === 0) return [];

  const runtime = createRuntime({ ...environment, emit });
  const coordinator = spawn(runtime, releaseCollector());
  const unreleased: ReleaseOutcome[] = [];
  await Promise.all(
    left.map(async ({ options, state, superseded, crashed }) => {
      if (superseded || isUnsure(state)) {
        const whose = await adoptOwnRow({ options, state }, environment, deadlineMs);
        if (whose === 'unknown' || (whose === 'own' && crashed)) unreleased.push(unreleasedOutcome(options, state));
        if (whose !== 'own' || crashed) return;
      }
      await runKeeper(
        runtime,
        actors.leaseKeeper({ ...options, coordinator, predecessor: { state, reason, deadlineMs } }),
        deadlineMs,
      );
    }),
  );

  const report = await ask(coordinator, (replyTo: ReplyTo<readonly ReleaseOutcome[]>) => ({ type: 'report', replyTo }));
  await stop(coordinator);
  return [...report, ...unreleased];
}

function unreleasedOutcome(
  { source, shardId, leaseKey }: LeaseKeeperOptions,
  { lease }: LeaseKeeperState,
): ReleaseOutcome {
  const { checkpoint, subSequenceNumber } = durableCheckpoint(lease.row);
  return { source, shardId, leaseKey, recordsLeft: 'unknown', checkpoint, subSequenceNumber, released: false };
}

/** Runs one keeper. The keeper ends by itself at its deadline, unless an `onCheckpoint` never settles. */
async function runKeeper(
  runtime: Runtime,
  behaviour: ReturnType<typeof leaseKeeper>,
  deadlineMs: number,
): Promise<void> {
  const keeper = spawn(runtime, behaviour, '', { shutdownMs: 0 });
  const cancel = runtime.timers.after(deadlineMs + graceMs, () => void stop(keeper, { deadlineMs: 0 }));
  await watch(keeper);
  cancel();
}

const graceMs = 1_000;

/** How soon a read of a row that has failed is repeated. */
const againMs = 200;

/**
 * Reads the row, and adopts it if it belongs to this process. That is not known if a take was under way, or if a new coordinator may have
 * changed the row. A lease is never taken only to release it. `unknown`: no read has succeeded in time, and peers wait until the lease
 * expires.
 */
async function adoptOwnRow(
  { options, state }: Pick<LeftLease, 'options' | 'state'>,
  { timers }: Environment,
  deadlineMs: number,
): Promise<'own' | 'other' | 'unknown'> {
  const overdue = new AbortController();
  const cancel = timers.after(deadlineMs, () => overdue.abort());
  try {
    while (!overdue.signal.aborted) {
      const row = await options.store.get(options.leaseKey, overdue.signal).catch(() => 'failed' as const);
      if (row === 'failed') await sleep(timers, againMs);
      // An earlier keeper of this process may have written it: this one may have been stopped while it took the row again.
      else if (row?.leaseOwner !== options.workerId || !isWriterOf(options.writerPrefix, row.kinactWriter))
        return 'other';
      else {
        adoptRow(state.lease, row);
        return 'own';
      }
    }
    return 'unknown';
  } finally {
    cancel();
  }
}
