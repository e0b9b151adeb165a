// A keeper's write of the kind that is due: what it changes, on what condition, and the request that sends it. Invariant: the state
// has the write before its request leaves. `proceed` (lease-keeper.ts) calls `beginWrite`; writes.ts handles the outcome.
import { effect } from '../protocol/actor.js';
import { wishEffect } from './hand-over-asker.js';
import { answerOf, newOwnerOf } from './hand-over-holder.js';
import type { LeaseKeeperOptions } from './options.js';
import type { RowCreation, RowUpdate, Write } from './state.js';
import type { LeaseKeeperMessage } from './messages.js';
import { effectName, type KeeperTurn } from './turn.js';
import type { Checkpoint } from '../../src/core/checkpoint.js';
import {
  extraCheckpointAt,
  renewalCarriesCheckpoint,
  type CheckpointCadence,
} from '../../src/core/checkpoint-cadence.js';
import { renewalIntervalMs } from '../../src/core/lease-failover.js';
import * as leaseState from '../../src/core/lease-state.js';
import type { RowChange } from '../../src/core/lease-state.js';
import { latestMarginMs } from '../../src/core/shard-sync-plan.js';
import type { RowCondition } from '../../src/api/ports.js';

export function beginWrite(turn: KeeperTurn, kind: Write['kind']): void {
  const { state } = turn;
  const write = writeOf(turn, kind);
  state.queuePlace.permit = undefined;
  state.writes.begun = write.id;
  state.writes.current = write;

  switch (write.kind) {
    case 'wish':
    case 'withdrawWish':
      return wishEffect(turn, write);
    case 'create':
      return creationEffect(turn, write);
    case 'take':
    case 'renew':
    case 'checkpoint':
    case 'answer':
    case 'handOver':
    case 'release':
    case 'shardEnd':
      return updateEffect(turn, write);
  }
}

function writeOf(turn: KeeperTurn, kind: Write['kind']): Write {
  const { options, state, now } = turn;
  const begun = { id: state.writes.begun + 1, startedAt: now, permit: state.queuePlace.permit };
  if (kind === 'wish' || kind === 'withdrawWish') return { ...begun, kind };
  if (kind === 'create')
    return { ...begun, kind, newRow: leaseState.recreatedRow(state.lease, options.writer, serviceNow(turn)) };

  const hasCheckpoint = carriesCheckpoint(turn, kind);
  const change = changeOf(turn, kind, hasCheckpoint ? leaseState.nextCheckpoint(state.lease) : undefined);
  if (change.checkpoint !== undefined) leaseState.noteCheckpointBegun(state.lease);
  const coveredRecords = hasCheckpoint ? state.lease.uncheckpointedRecords : 0;
  return { ...begun, kind, change, coveredRecords, forShardWorker: state.shardWorkers.tenureRequest?.shardWorker };
}

function creationEffect({ options: { store }, effects }: KeeperTurn, write: RowCreation): void {
  const { id, newRow } = write;
  effects.push(
    effect.run({
      name: effectName(write),
      kind: 'io',
      start: (signal) => store.create(newRow, signal),
      done: (): LeaseKeeperMessage => ({ type: 'created', id }),
      failed: (error): LeaseKeeperMessage => ({ type: 'writeFailed', id, error }),
    }),
  );
}

function updateEffect(turn: KeeperTurn, write: RowUpdate): void {
  const { leaseKey, store, writer } = turn.options;
  const { id, kind, change } = write;
  const expected = conditionOf(turn, kind);
  turn.effects.push(
    effect.run({
      name: effectName(write),
      kind: 'io',
      start: (signal) => store.update(leaseKey, { expected, change, writer }, signal),
      done: (outcome): LeaseKeeperMessage => ({ type: 'written', id, outcome }),
      failed: (error): LeaseKeeperMessage => ({ type: 'writeFailed', id, error }),
    }),
  );
}

/**
 * The condition of a write: nothing has been written since the row was last seen. A hand-over also requires the wish that it grants
 * (`change.handOver`).
 */
function conditionOf({ options, state }: KeeperTurn, kind: RowUpdate['kind']): RowCondition {
  const { row } = state.lease;
  const unchanged: RowCondition = { counter: row.leaseCounter, writer: row.kinactWriter ?? null };
  // A Java worker that creates the row again begins at counter 0, so the counter alone may match by accident.
  if (kind === 'take') return { ...unchanged, owner: row.leaseOwner ?? null };
  // The last write of a keeper must not give away a lease that another worker has taken.
  const isLast = kind === 'release' || kind === 'shardEnd' || kind === 'handOver';
  return isLast ? { ...unchanged, owner: options.workerId } : unchanged;
}

/** The service's time now: its value when the keeper began, plus the time that has passed on the local clock. */
function serviceNow({ state, now }: KeeperTurn): number {
  return state.clocks.serviceTimeMs + (now - state.clocks.bornAt);
}

function carriesCheckpoint({ options, state, now }: KeeperTurn, kind: RowUpdate['kind']): boolean {
  const reached = { checkpointAt: state.timing.checkpointAt, uncheckpointedRecords: state.lease.uncheckpointedRecords };
  return kind === 'checkpoint' || (kind === 'renew' && renewalCarriesCheckpoint(cadenceOf(options), reached, now));
}

/** When an extra checkpoint is due. A keeper that only finishes the work of an earlier keeper writes none. */
export function nextExtraAt({ options, state }: KeeperTurn): number {
  if (state.phase !== 'held' || options.predecessor !== undefined) return Infinity;
  return extraCheckpointAt(cadenceOf(options), {
    checkpointAt: state.timing.checkpointAt,
    uncheckpointedRecords: state.lease.uncheckpointedRecords,
  });
}

function cadenceOf(options: LeaseKeeperOptions): CheckpointCadence {
  const { checkpointIntervalMs, checkpointRecords, failoverMs } = options;
  return { intervalMs: checkpointIntervalMs, records: checkpointRecords, renewalMs: renewalIntervalMs(failoverMs) };
}

function changeOf(turn: KeeperTurn, kind: RowUpdate['kind'], checkpoint: Checkpoint | undefined): RowChange {
  const { options, state } = turn;
  const { lease } = state;
  switch (kind) {
    case 'take':
      return leaseState.takeChange(lease.row, options, state.clocks.serviceTimeMs - latestMarginMs);
    case 'renew':
      return { ...leaseState.renewChange(checkpoint), ...answerOf(turn) };
    case 'answer':
      return { ...leaseState.renewChange(undefined), ...answerOf(turn) };
    case 'checkpoint':
      return leaseState.renewChange(checkpoint);
    case 'handOver':
      // There is a new owner: this kind is due only while the asker is to get the lease.
      return leaseState.handOverChange(lease, newOwnerOf(turn)!);
    case 'release': {
      const newOwner = newOwnerOf(turn);
      return newOwner === undefined ? leaseState.releaseChange(lease) : leaseState.handOverChange(lease, newOwner);
    }
    case 'shardEnd':
      // The children are known: this kind is due only then.
      return leaseState.shardEndChange(state.shardEnd!.childShardIds!);
  }
}
