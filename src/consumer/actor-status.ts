// The status of each kind of actor, with the types of the actors, and the shards that a tree reads. The runtime does not keep
// these types: only this file casts a status back to its type. `inspection.ts` and tests call it.
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';
import type { HeldRecord } from '../../actors/protocol/disposition.js';
import type { PipeStatus } from '../../actors/pipe/status.js';
import type { PipeNodeStatus } from '../../actors/pipe-node/status.js';
import type { ReducerStatus } from '../../actors/reducer/status.js';
import type { ShardWorkerStatus } from '../../actors/shard-worker/status.js';
import type { StageStatus } from '../../actors/stage/state.js';
import { walk, type ActorSnapshot, type LagSnapshot, type ShardSnapshot } from '../api/status.js';
import type { KeeperStatus } from '../../actors/lease-keeper/status.js';

export interface StatusByKind {
  readonly 'lease-coordinator': CoordinatorStatus;
  readonly 'lease-keeper': KeeperStatus;
  readonly 'shard-worker': ShardWorkerStatus;
  readonly stage: StageStatus;
  readonly reducer: ReducerStatus;
  readonly pipe: PipeStatus;
  readonly 'pipe-node': PipeNodeStatus;
}

/** The typed status of an actor. Undefined if the actor is of another kind or has stopped, or if its `status` threw. */
export function statusOf<K extends keyof StatusByKind>(
  { kind, state }: Pick<ActorSnapshot, 'kind' | 'state'>,
  wanted: K,
): StatusByKind[K] | undefined {
  return kind === wanted && state !== undefined && !('error' in state) ? (state as StatusByKind[K]) : undefined;
}

/** Keyed by shard worker and ordinal. */
type HeldRecords = ReadonlyMap<string, HeldRecord & { readonly path: string }>;

/** The shards that a tree reads, each with the actor that has its oldest open record. */
export function shardsOf(tree: readonly ActorSnapshot[]): readonly ShardSnapshot[] {
  const actors = walk(tree);
  const heldRecords = new Map<string, HeldRecord & { readonly path: string }>();
  for (const actor of actors) {
    const ofPipe = statusOf(actor, 'pipe') ?? statusOf(actor, 'pipe-node');
    const status = statusOf(actor, 'stage') ?? statusOf(actor, 'reducer') ?? ofPipe;
    for (const held of status?.holding ?? []) {
      const name = `${held.shardWorker} ${held.ordinal}`;
      // A pipe does not know which of its nodes has a record; the node does.
      if ((heldRecords.get(name)?.state ?? 'unknown') === 'unknown')
        heldRecords.set(name, { path: actor.path, ...held });
    }
  }
  const uncheckpointed = uncheckpointedMs(actors);
  return actors.flatMap((actor) => {
    const status = statusOf(actor, 'shard-worker');
    if (status === undefined) return [];
    const { source, shardId, lagMs = null } = status;
    const keeperMs = uncheckpointed.get(`${source} ${shardId}`) ?? 0;
    const checkpointAgeMs = lagMs === null && keeperMs === 0 ? null : Math.max(lagMs ?? 0, keeperMs);
    return [{ ...shardOf(actor.path, status, heldRecords), lagMs, checkpointAgeMs }];
  });
}

/** By source and shard: the age of the oldest record that is settled and that no durable checkpoint covers. */
function uncheckpointedMs(actors: readonly ActorSnapshot[]): ReadonlyMap<string, number> {
  return new Map(
    actors.flatMap((actor): [string, number][] => {
      const keeper = statusOf(actor, 'lease-keeper');
      return keeper === undefined ? [] : [[`${keeper.source} ${keeper.shardId}`, keeper.uncheckpointedMs]];
    }),
  );
}

/** The figures of the application: the worst shard that is read here, or the table's shard that has had no reader for the longest time. */
export function lagOf(tree: readonly ActorSnapshot[], shards: readonly ShardSnapshot[]): LagSnapshot {
  const actors = walk(tree);
  const readLags = actors.flatMap((actor) => statusOf(actor, 'shard-worker')?.readLagMs ?? []);
  // A keeper may have records to checkpoint although the shard worker is gone that settled them.
  const settled = [...uncheckpointedMs(actors).values()].filter((ms) => ms > 0);
  const ages = [...shards.flatMap(({ checkpointAgeMs }) => checkpointAgeMs ?? []), ...settled];
  const coordinators = actors.flatMap((actor) => statusOf(actor, 'lease-coordinator') ?? []);
  const scanned = coordinators.filter(({ scanAgeMs }) => scanAgeMs !== undefined);
  const [unread] = coordinators
    .flatMap(({ table, longestUnread }) =>
      longestUnread === undefined ? [] : [{ table, leaseKey: longestUnread.leaseKey, forMs: longestUnread.ms }],
    )
    .toSorted((one, other) => other.forMs - one.forMs);

  // Without a lease that may be read this process knows of no lag, once it has seen the table. With one it does not know it yet.
  const hasNone = shards.length === 0 && scanned.every(({ startable }) => startable === 0);
  const known = scanned.length > 0 && hasNone ? [0] : [];
  const largest = (of: readonly number[]): number | null => {
    const all = [...of, ...known, ...(unread === undefined ? [] : [unread.forMs])];
    return all.length === 0 ? null : all.reduce((one, other) => Math.max(one, other), 0);
  };
  return { maxMillisBehindLatest: largest(readLags), checkpointAgeMs: largest(ages), unread: unread ?? null };
}

function shardOf(
  path: string,
  status: ShardWorkerStatus,
  heldRecords: HeldRecords,
): Omit<ShardSnapshot, 'lagMs' | 'checkpointAgeMs'> {
  const { source, shardId, fence, doing, openRecords, openBytes, heldBytes, prefetchedBytes, oldestOpen } = status;
  const held = oldestOpen === undefined ? undefined : heldRecords.get(`${status.shardWorker} ${oldestOpen.ordinal}`);
  return {
    source,
    shardId,
    fence,
    doing,
    openRecords,
    openBytes,
    heldBytes,
    prefetchedBytes,
    millisBehindLatest: status.millisBehindLatest ?? null,
    retrieval: status.retrieval,
    oldestOpen:
      oldestOpen === undefined
        ? null
        : {
            sequenceNumber: oldestOpen.sequenceNumber,
            subSequenceNumber: oldestOpen.subSequenceNumber,
            ageMs: oldestOpen.ageMs,
            actor: held?.path ?? path,
            doing: held?.state ?? 'unknown',
            forMs: Math.round(held?.forMs ?? 0),
          },
  };
}
