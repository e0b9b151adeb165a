// The status of each kind of actor, with the types of the actors, and the shards that a tree reads. The runtime does not keep
// these types: only this file casts a status back to its type. `inspection.ts` and tests call it.
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';
import type { HeldRecord } from '../../actors/protocol/disposition.js';
import type { ReducerStatus } from '../../actors/reducer/status.js';
import type { WorkerStatus } from '../../actors/shard-worker/watchdog.js';
import type { StageStatus } from '../../actors/stage/state.js';
import { walk, type ActorSnapshot, type ShardSnapshot } from '../api/status.js';
import type { KeeperStatus } from '../../actors/lease-keeper/status.js';

export interface StatusByKind {
  readonly 'lease-coordinator': CoordinatorStatus;
  readonly 'lease-keeper': KeeperStatus;
  readonly 'shard-worker': WorkerStatus;
  readonly stage: StageStatus;
  readonly reducer: ReducerStatus;
}

/** The typed status of an actor. Undefined if the actor is of another kind or has stopped, or if its `status` threw. */
export function statusOf<K extends keyof StatusByKind>(
  { kind, state }: Pick<ActorSnapshot, 'kind' | 'state'>,
  wanted: K,
): StatusByKind[K] | undefined {
  return kind === wanted && state !== undefined && !('error' in state) ? (state as StatusByKind[K]) : undefined;
}

/** Keyed by worker and ordinal. */
type Holders = ReadonlyMap<string, HeldRecord & { readonly path: string }>;

/** The shards that a tree reads, each with the holder of its oldest open record. */
export function shardsOf(tree: readonly ActorSnapshot[]): readonly ShardSnapshot[] {
  const actors = walk(tree);
  const holders = new Map<string, HeldRecord & { readonly path: string }>();
  for (const actor of actors) {
    for (const held of (statusOf(actor, 'stage') ?? statusOf(actor, 'reducer'))?.holding ?? []) {
      const name = `${held.worker} ${held.ordinal}`;
      if (!holders.has(name)) holders.set(name, { path: actor.path, ...held });
    }
  }
  return actors.flatMap((actor) => {
    const status = statusOf(actor, 'shard-worker');
    return status === undefined ? [] : [shardOf(actor.path, status, holders)];
  });
}

function shardOf(path: string, status: WorkerStatus, holders: Holders): ShardSnapshot {
  const { source, shardId, fence, doing, openRecords, openBytes, heldBytes, prefetchedBytes, oldestOpen } = status;
  const held = oldestOpen === undefined ? undefined : holders.get(`${status.worker} ${oldestOpen.ordinal}`);
  return {
    ...{ source, shardId, fence, doing, openRecords, openBytes, heldBytes, prefetchedBytes },
    millisBehindLatest: status.millisBehindLatest ?? null,
    retrieval: status.retrieval,
    oldestOpen:
      oldestOpen === undefined
        ? null
        : {
            sequenceNumber: oldestOpen.sequenceNumber,
            subSequenceNumber: oldestOpen.subSequenceNumber,
            ageMs: oldestOpen.ageMs,
            holder: held?.path ?? path,
            doing: held?.state ?? 'unknown',
            forMs: Math.round(held?.forMs ?? 0),
          },
  };
}
