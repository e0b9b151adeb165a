// Leases that keepers still held when their tree ended under them, with no coordinator to release them. The coordinator
// was down, or the application had stopped our parent, and no message arrived any more. Their keepers are started once
// more, in a runtime of their own, to do that one write each. By then nothing of the old tree acts any more, and its
// user calls have settled or are orphans.
import type { ReleasedLease } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { LeaseKeeperOptions, LeaseKeeperState } from '../../actors/lease-keeper/lease-keeper.js';
import type { Behaviour, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { adoptRow } from '../core/lease-state.js';
import type { KinactEvent } from '../api/events.js';
import type { Environment } from '../api/source.js';
import { ask, createRuntime, effect, spawn, stop, watch } from '../../supervision/index.js';
import type { Runtime } from '../../supervision/index.js';
import type { leaseKeeper } from '../../actors/lease-keeper/lease-keeper.js';

/** A keeper that was stopped while it held its lease, or may have. */
export interface LeftLease {
  readonly options: LeaseKeeperOptions;
  readonly state: LeaseKeeperState;
  /** Another coordinator has begun since: what it did with the row is not known here. */
  superseded: boolean;
}

export interface LeftLeases {
  /** A keeper's behaviour that leaves its state here when it is stopped. */
  kept(options: LeaseKeeperOptions, behaviour: ReturnType<typeof leaseKeeper>): ReturnType<typeof leaseKeeper>;
  /** A new coordinator begins. It looks after all leases of its table itself, once it knows them. */
  supersede(tableName: string): void;
  /** For these tables. */
  of(tableNames: ReadonlySet<string>): readonly LeftLease[];
}

export function createLeftLeases(): LeftLeases {
  const left = new Map<string, LeftLease>();
  const nameOf = (tableName: string, leaseKey: string): string => `${tableName} ${leaseKey}`;
  return {
    kept: (options, behaviour) => {
      const name = nameOf(options.store.tableName, options.leaseKey);
      return {
        ...behaviour,
        initial: (self) => (left.delete(name), behaviour.initial(self)),
        stopped: (state, reason) => {
          if (reason === 'shutdown' && mayHold(state)) left.set(name, { options, state, superseded: false });
          return behaviour.stopped?.(state, reason) ?? [];
        },
      };
    },
    supersede: (tableName) => {
      for (const lease of left.values()) lease.superseded ||= lease.options.store.tableName === tableName;
    },
    of: (tableNames) => [...left.values()].filter(({ options }) => tableNames.has(options.store.tableName)),
  };
}

const isTaking = ({ phase, writes, lease }: LeaseKeeperState): boolean =>
  phase === 'taking' && (writes.current !== undefined || lease.unknown.length > 0);

/** It may have been handed over since, or has been. */
const isAsking = ({ phase, wishing, taking }: LeaseKeeperState): boolean =>
  taking.handedFrom !== undefined || (phase === 'wishing' && wishing !== undefined && wishing.number > 0);

const isUnsure = (state: LeaseKeeperState): boolean => state.phase !== 'held' && (isTaking(state) || isAsking(state));

const mayHold = (state: LeaseKeeperState): boolean => state.phase === 'held' || isUnsure(state);

type AsCoordinator = LeaseKeeperOptions['coordinator'] extends Ref<infer Message> ? Message : never;
type Told = AsCoordinator | { readonly type: 'report'; readonly replyTo: ReplyTo<readonly ReleasedLease[]> };

/** In place of the coordinator: notes what became of each lease. */
const listener = (): Behaviour<ReleasedLease[], Told> => ({
  kind: 'left-leases',
  initial: () => [[], []],
  receive: (leases, message) => {
    if (message.type === 'report') return [leases, [effect.reply(message.replyTo, leases)]];
    if (message.type === 'keeperNotice' && message.news.type === 'released') leases.push(message.news.lease);
    return [leases, []];
  },
});

/** Of a consumer that stops, what its left leases are released with. */
export interface LeftBehind {
  readonly environment: Environment;
  readonly actors: { readonly leaseKeeper: typeof leaseKeeper };
  readonly emit: (event: KinactEvent) => void;
}

/**
 * Releases each at its frontier, within `deadlineMs`; the report has the leases released, and those not released in
 * time. Never rejects.
 */
export async function releaseLeft(
  { environment, actors, emit }: LeftBehind,
  left: readonly LeftLease[],
  reason: string,
  deadlineMs: number,
): Promise<readonly ReleasedLease[]> {
  if (left.length === 0) return [];
  const runtime = createRuntime({ ...environment, emit });
  const coordinator = spawn(runtime, listener());
  await Promise.all(
    left.map(async ({ options, state, superseded }) => {
      if ((superseded || isUnsure(state)) && !(await isOurs({ options, state }, environment, deadlineMs))) return;
      await ended(
        runtime,
        actors.leaseKeeper({ ...options, coordinator, left: { state, reason, deadlineMs } }),
        deadlineMs,
      );
    }),
  );
  const report = await ask(coordinator, (replyTo: ReplyTo<readonly ReleasedLease[]>) => ({ type: 'report', replyTo }));
  await stop(coordinator);
  return report;
}

/** It ends by itself at its deadline, except for an `onCheckpoint` that never settles. */
async function ended(runtime: Runtime, behaviour: ReturnType<typeof leaseKeeper>, deadlineMs: number): Promise<void> {
  const keeper = spawn(runtime, behaviour, '', { shutdownMs: 0 });
  const cancel = runtime.timers.after(deadlineMs + graceMs, () => void stop(keeper, { deadlineMs: 0 }));
  await watch(keeper);
  cancel();
}

const graceMs = 1_000;

/**
 * Nobody knows whether a take under way has landed, or what has become of a lease that a dead coordinator left. The row
 * says so, and nothing is taken only to release it.
 */
async function isOurs(
  { options, state }: Pick<LeftLease, 'options' | 'state'>,
  { timers }: Environment,
  deadlineMs: number,
): Promise<boolean> {
  const overdue = new AbortController();
  const cancel = timers.after(deadlineMs, () => overdue.abort());
  try {
    const row = await options.store.get(options.leaseKey, overdue.signal);
    if (row?.leaseOwner !== options.workerId || row.kinactWriter !== options.writer) return false;
    adoptRow(state.lease, row);
    return true;
  } catch {
    // Unknown, as before: peers see it expire.
    return false;
  } finally {
    cancel();
  }
}
