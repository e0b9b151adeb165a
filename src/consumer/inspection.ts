// What `status()`, `ready()` and `live()` answer. The functions read the states of the running actors, and change nothing. Called by
// consumer.ts.
import type { LeaseCoordinatorRequest } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';
import type { Ref } from '../../actors/protocol/actor.js';
import type { Runtime } from '../../supervision/index.js';
import { counters, stateOfActor, status as treeOf } from '../../supervision/status.js';
import { createCallSlots, slotCounts, type CallSlots } from '../core/call-slots.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import type { ByteBudget } from '../core/byte-budget.js';
import type { Pausing } from './pausing.js';
import { visible } from '../core/visible.js';
import { lagOf, shardsOf, statusOf } from './actor-status.js';
import { waitingTexts } from './waiting-text.js';
import { walk, type ActorSnapshot, type ConsumerStatus, type FailingSnapshot, type Health } from '../api/status.js';

/** Several times the time between two scans of an idle worker. With an older scan, this worker does not see free leases. */
const maxScanAgeMs = 30_000;

export interface Inspected {
  readonly state: ConsumerStatus['state'];
  readonly pausing: Pick<Pausing, 'pausedForMs' | 'parts'>;
  readonly perSecond: number | undefined;
  readonly restarts: number;
  readonly orphans: readonly string[];
  /** How often the application's logger, meter and listeners have thrown. */
  readonly failures: Readonly<Record<'logger' | 'meter' | 'listener', number>>;
  readonly runtime: Runtime;
  readonly options: Pick<ResolvedOptions, 'workerId' | 'maxBytes' | 'maxPollingCalls'>;
  readonly calls: CallSlots | undefined;
  readonly budget: Pick<ByteBudget, 'heldBytes' | 'waiting'> | undefined;
  readonly coordinators: ReadonlyMap<string, Ref<LeaseCoordinatorRequest>> | undefined;
}

function coordinatorStatus(state: object | undefined): CoordinatorStatus | undefined {
  return statusOf({ kind: 'lease-coordinator', state }, 'lease-coordinator');
}

export function statusOfConsumer(inspected: Inspected): ConsumerStatus {
  const { state, pausing, perSecond, restarts, orphans, failures, runtime, budget, calls, options } = inspected;
  const { workerId, maxBytes, maxPollingCalls } = options;
  const tree = treeOf(runtime);
  const shards = shardsOf(tree);
  const leases = [...(inspected.coordinators ?? [])].map(([table, ref]) => ({ table, state: stateOfActor(ref) }));
  const thrown = Object.entries(failures).flatMap(([callback, times]) =>
    times > 0 ? [[`${callback}Failures`, times]] : [],
  );

  return {
    state,
    workerId,
    pausedForMs: pausing.pausedForMs(),
    paused: pausing.parts(),
    limit: perSecond === undefined ? null : { perSecond, waiting: limitedReducers(tree) },
    restarts,
    shards,
    lag: lagOf(tree, shards),
    sources: leases.flatMap(({ table, state: coordinator }) =>
      (coordinatorStatus(coordinator)?.sources ?? []).map((each) => ({ ...each, table })),
    ),
    bytes: { max: maxBytes, held: budget?.heldBytes ?? 0, waiting: budget?.waiting.size ?? 0 },
    polling: { max: maxPollingCalls, ...slotCounts(calls ?? createCallSlots(maxPollingCalls)) },
    leases,
    orphans: [...orphans],
    counters: { ...counters(runtime), ...(Object.fromEntries(thrown) as Record<string, number>) },
    tree,
  };
}

/** How many reducers wait for the rate limit. */
function limitedReducers(tree: readonly ActorSnapshot[]): number {
  return [...walk(tree)].filter((actor) => statusOf(actor, 'reducer')?.limited === true).length;
}

/** Once calls have failed for this long, the process is not ready. */
const maxFailingMs = 30_000;

/**
 * One reason per operation and kind of failure, for any number of shards. Shard workers of failed sources are left out, because a
 * failed source retries nothing.
 */
function failingCalls(tree: readonly ActorSnapshot[], failed: ReadonlySet<string>): readonly string[] {
  const groups = new Map<string, FailingSnapshot[]>();
  for (const actor of walk(tree)) {
    const shardWorker = statusOf(actor, 'shard-worker');
    if (shardWorker !== undefined && failed.has(shardWorker.source)) continue;
    const status = shardWorker ?? statusOf(actor, 'lease-keeper') ?? statusOf(actor, 'lease-coordinator');
    for (const each of status?.failing ?? []) {
      if (each.forMs < maxFailingMs) continue;
      const key = `${each.operation} ${each.kind}`;
      groups.set(key, [...(groups.get(key) ?? []), each]);
    }
  }

  return [...groups.values()].map((group) => {
    const longest = group.reduce((one, other) => (other.forMs > one.forMs ? other : one));
    const times = group.length > 1 ? ` (in ${group.length} places)` : '';
    return `${longest.operation} has failed for ${Math.round(longest.forMs / 1_000)} s${times}: ${longest.error}`;
  });
}

/**
 * One reason for the outages of all reducers, from their first moment: what the calls write to is probably one thing. It names the key
 * that is tried now, or that was tried last, of the longest outage.
 */
function outageReasons(tree: readonly ActorSnapshot[]): readonly string[] {
  const standing = [...walk(tree)].flatMap((actor) => statusOf(actor, 'reducer')?.outage ?? []);
  const [longest] = standing.toSorted((one, other) => other.forMs - one.forMs);
  if (longest === undefined) return [];
  const { key, forMs, error } = longest;
  const places = standing.length > 1 ? ` (in ${standing.length} reducers)` : '';
  return [`an outage has lasted for ${Math.round(forMs / 1_000)} s${places}: key '${key}' is tried: ${error}`];
}

/** An item or a flush that has failed this often, or for this long, makes the process not ready. */
const maxAttempts = 10;
const maxWaitingMs = 60_000;

/** The nodes of pipes whose failed call holds them, and with them their pipe. */
function failingNodes(tree: readonly ActorSnapshot[]): readonly string[] {
  const failing = [...walk(tree)].flatMap((actor) => {
    const status = statusOf(actor, 'pipe-node');
    return status?.failing === undefined ? [] : [{ path: actor.path, ...status.failing }];
  });
  const known = failing
    .filter(({ attempts, forMs }) => attempts >= maxAttempts || forMs >= maxWaitingMs)
    .toSorted((one, other) => other.forMs - one.forMs);
  const [longest] = known;
  if (longest === undefined) return [];
  const { path, attempts, forMs, error } = longest;
  const places = known.length > 1 ? ` (and ${known.length - 1} more)` : '';
  return [
    `${path} has waited for ${Math.round(forMs / 1_000)} s, after ${attempts} failed attempts${places}: ${error}`,
  ];
}

/** What waits for another attempt and has waited too long. */
function waitingReasons(tree: readonly ActorSnapshot[]): readonly string[] {
  const waiting = [...walk(tree)]
    .flatMap((actor) => {
      const status = statusOf(actor, 'reducer') ?? statusOf(actor, 'stage') ?? statusOf(actor, 'shard-worker');
      return status?.waiting ?? [];
    })
    .filter(({ attempts, forMs }) => attempts >= maxAttempts || forMs >= maxWaitingMs)
    .toSorted((one, other) => other.forMs - one.forMs);
  return waitingTexts(waiting);
}

/** A reason names at most this many shards. */
const maxNamedShards = 3;

function malformedReasons(table: string, malformed: CoordinatorStatus['malformed']): readonly string[] {
  const ours = malformed.filter(({ isOurs }) => isOurs);
  const more = ours.length - maxNamedShards;
  return [
    ...ours
      .slice(0, maxNamedShards)
      .map(
        ({ leaseKey, reason }) =>
          `the row ${leaseKey} of ${table} cannot be read, so nobody reads its shard: ${reason}`,
      ),
    ...(more > 0 ? [`${more} more rows of ${table} cannot be read`] : []),
  ];
}

/** The shards of which nothing is delivered, because their checkpoints are not of their records. */
function checkpointReasons(tree: readonly ActorSnapshot[]): readonly string[] {
  const refuted = [...walk(tree)].flatMap((actor) => {
    const status = statusOf(actor, 'shard-worker');
    const { checkpointBeyondTip: why } = status ?? {};
    return why === undefined ? [] : [`nothing of ${status?.source}/${status?.shardId} is delivered: ${why}`];
  });
  const more = refuted.length - maxNamedShards;
  const rest =
    more > 0 ? [`nothing of ${more} more shards is delivered: their checkpoints are not of their records`] : [];
  return [...refuted.slice(0, maxNamedShards), ...rest];
}

/** The shards with records that may expire before they are done. */
function retentionReasons(tree: readonly ActorSnapshot[]): readonly string[] {
  const atRisk = [...walk(tree)].flatMap((actor) => statusOf(actor, 'shard-worker')?.retentionAtRisk ?? []);
  const more = atRisk.length - maxNamedShards;
  return [...atRisk.slice(0, maxNamedShards), ...(more > 0 ? [`records of ${more} more shards may expire`] : [])];
}

export function readyOfConsumer({ state, pausedForMs, paused, leases, sources, tree }: ConsumerStatus): Health {
  const reasons: string[] = [];
  if (state !== 'running') reasons.push(`the consumer is ${state}`);
  if (pausedForMs !== null)
    reasons.push(
      `the application paused the consumer ${Math.round(pausedForMs / 1_000)} s ago: no shard is read until it resumes it`,
    );

  for (const { source, shardId, forMs } of paused) {
    const what = shardId === undefined ? `the source ${source}` : `shard ${shardId} of ${source}`;
    reasons.push(
      `the application paused ${what} ${Math.round(forMs / 1_000)} s ago: it is not read here until it is resumed`,
    );
  }

  for (const { table, state: coordinator } of leases) {
    const known: Partial<CoordinatorStatus> = coordinatorStatus(coordinator) ?? {};
    const { scanAgeMs, phase, busy, standingStill = [], unread = [], contradictions = [], malformed = [] } = known;
    for (const { leaseKey, unreadMs, reason } of unread)
      reasons.push(
        `this worker holds ${leaseKey} but has not read it for ${Math.round(unreadMs / 1_000)} s: ${reason}`,
      );
    reasons.push(...malformedReasons(table, malformed));
    for (const leaseKey of contradictions)
      reasons.push(
        `the row ${leaseKey} is at SHARD_END, but its shard is open: no worker reads it until \`kinact reset --application ${table}\` sets a position`,
      );
    if (busy !== undefined) reasons.push(`the lease table ${table} is too slow: ${busy.leases} leases have no owner`);
    for (const { leaseKey, tenures, reason } of standingStill)
      reasons.push(
        `${leaseKey} is stuck: ${tenures} tenures in a row ended before the frontier moved; last: ${reason}`,
      );
    if (coordinator === undefined) reasons.push(`the coordinator of ${table} is not running`);
    else if (phase !== 'failed' && scanAgeMs !== undefined && scanAgeMs > maxScanAgeMs)
      reasons.push(`the lease table ${table} was last read ${Math.round(scanAgeMs / 1_000)} s ago`);
  }

  if (state === 'running' && sources.length === 0) reasons.push('the consumer has no source');
  for (const { source, state, error } of sources) {
    const why = error === undefined ? '' : `: ${error.message}`;
    if (state === 'failed') reasons.push(`the source ${source} has failed for good${why}`);
    else if (state === 'starting') reasons.push(`the source ${source} is not read yet${why}`);
  }
  const failed = sources.filter((each) => each.state === 'failed').map(({ source }) => source);
  for (const { kind, state: pipeline } of walk(tree))
    if (kind === 'pipeline' && (pipeline as { readonly operation?: string } | undefined)?.operation === 'delaying')
      reasons.push('the pipeline has crashed, and waits before it restarts');
  reasons.push(...failingCalls(tree, new Set(failed)), ...outageReasons(tree));
  reasons.push(...waitingReasons(tree), ...failingNodes(tree));
  reasons.push(...retentionReasons(tree), ...checkpointReasons(tree));
  return { ok: reasons.length === 0, reasons: reasons.map(visible) };
}

export function liveOfConsumer(state: ConsumerStatus['state'], reason: Error | undefined): Health {
  if (reason !== undefined) return { ok: false, reasons: [visible(`the consumer ended by itself: ${reason.message}`)] };
  return { ok: true, reasons: state === 'closed' ? ['the consumer was stopped'] : [] };
}
