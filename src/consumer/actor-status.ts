// What each kind of actor says of itself, typed by the actors' own types, and the shards that a tree reads. The runtime forgets these
// types, so this is the one place where they are claimed again. Called by `inspection.ts` and by tests.
import type { CoordinatorStatus } from '../../actors/lease-coordinator/status.js';
import type { Held } from '../../actors/protocol/disposition.js';
import type { ReducerStatus } from '../../actors/reducer/status.js';
import type { WorkerStatus } from '../../actors/shard-worker/watchdog.js';
import type { StageStatus } from '../../actors/stage/state.js';
import { walk } from '../api/status.js';
import type { ActorSnapshot, ShardSnapshot } from '../api/status.js';
import type { KeeperStatus } from '../../actors/lease-keeper/status.js';

export interface StatusByKind {
  readonly 'lease-coordinator': CoordinatorStatus;
  readonly 'lease-keeper': KeeperStatus;
  readonly 'shard-worker': WorkerStatus;
  readonly stage: StageStatus;
  readonly reducer: ReducerStatus;
}

/** Undefined for an actor of another kind, and for one that is stopped, or whose `status` threw. */
export function statusOf<K extends keyof StatusByKind>(
  { kind, state }: Pick<ActorSnapshot, 'kind' | 'state'>,
  of: K,
): StatusByKind[K] | undefined {
  return kind === of && state !== undefined && !('error' in state) ? (state as StatusByKind[K]) : undefined;
}

/** By worker and ordinal. */
type Holders = ReadonlyMap<string, Held & { readonly path: string }>;

/** The shards a tree reads, each with the holder of its oldest open record. */
export function shardsOf(tree: readonly ActorSnapshot[]): readonly ShardSnapshot[] {
  const actors = walk(tree);
  const holders = new Map<string, Held & { readonly path: string }>();
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
