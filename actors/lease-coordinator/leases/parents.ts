// Decides whether the shard of a held lease may be read now. If its checkpoint is a sequence number, it may, because it was read before,
// after its parents. Otherwise each of its parents must have ended, or have no row. (The row of an ended parent is removed in time, and an
// old parent may never have had one.) A parent whose row was deleted before its end counts as open, because somebody may still read it.
// Invariant: before the first read of a shard, its parents' rows have been read consistently, or this process has written SHARD_END for all
// of them.
import { effect } from '../../protocol/actor.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import { reportRetryAt, clearFailure, type CoordinatorTurn } from '../turn.js';
import { mayStart, type Lease } from '../state.js';
import { readParents } from '../streams/table-calls.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import { hasEnded, hasProgress } from '../../../src/core/shard-graph.js';
import { leaseOf } from './keepers.js';

/**
 * Finds out whether a held lease may start (KCL clause 2.8). It may start at once if it has progress, or if this
 * process has written SHARD_END for all parents. Otherwise the parents' rows are read consistently. Called when the lease is
 * taken, and when the answer may have changed.
 */
export function checkParents(turn: CoordinatorTurn, lease: Lease): void {
  const { options, state, effects } = turn;
  const { row, leaseKey, incarnation } = lease;
  const { keyPrefix } = lease.stream;
  if (hasProgress(row) || row.parentShardIds.every((parent) => state.endedHere.has(leaseKeyOf(keyPrefix, parent)))) {
    setAwaited(turn, lease, []);
    return;
  }

  if (lease.readingParents) return;
  lease.readingParents = true;
  effects.push(
    effect.run({
      name: `parents/${leaseKey}/${++state.works}`,
      kind: 'io',
      start: (signal) => readParents(options.store, row, keyPrefix, signal),
      done: (awaited): LeaseCoordinatorMessage => ({ type: 'parentsRead', leaseKey, incarnation, awaited }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'parentsReadFailed', leaseKey, incarnation, error }),
    }),
  );
}

const parentReading = 'reading the parents of a lease';

/** Handles a failed read of parents' rows. The next scan repeats the read. */
export function parentsReadFailed(
  turn: CoordinatorTurn,
  { leaseKey, incarnation, error }: Message<'parentsReadFailed'>,
): void {
  const lease = leaseOf(turn, leaseKey, incarnation);
  if (lease === undefined) return;
  lease.readingParents = false;
  const { stream, shardId } = lease;
  reportRetryAt(turn, parentReading, { error, at: turn.state.scan.dueAt, stream, shardId });
}

export function parentsRead(turn: CoordinatorTurn, { leaseKey, incarnation, awaited }: Message<'parentsRead'>): void {
  const lease = leaseOf(turn, leaseKey, incarnation);
  if (lease === undefined) return;
  lease.readingParents = false;
  clearFailure(turn, parentReading, lease.stream);
  if (mayStart(lease)) return;

  const { endedHere, table } = turn.state;
  const keyOf = (parent: string): string => leaseKeyOf(lease.stream.keyPrefix, parent);
  // A parent with a deleted row counts as open: its holder may still be reading the parent, and creates the row again.
  const deletedParents = lease.row.parentShardIds.filter((parent) => table.deletedRows.has(keyOf(parent)));
  const unended = new Set([...awaited, ...deletedParents]);
  setAwaited(
    turn,
    lease,
    [...unended].filter((parent) => !endedHere.has(keyOf(parent))),
  );
}

function setAwaited(turn: CoordinatorTurn, lease: Lease, awaited: readonly string[]): void {
  const couldStart = mayStart(lease);
  lease.awaited = awaited;
  if (couldStart || !mayStart(lease)) return;
  lease.idleSince = turn.now;
  turn.state.publishing.changed.add(lease.leaseKey);
  if (lease.keeper !== undefined) turn.effects.push(effect.send(lease.keeper, { type: 'startAllowed' }));
}

/** After a scan, checks the parents of each waiting lease again, unless the scan shows that one of them has not ended. */
export function reconsiderWaiting(turn: CoordinatorTurn): void {
  const { state } = turn;
  for (const lease of state.leases.values()) {
    if (lease.phase !== 'held' || mayStart(lease)) continue;
    const isStillRead = (lease.awaited ?? []).some((parent) => {
      const leaseKey = leaseKeyOf(lease.stream.keyPrefix, parent);
      const row = state.table.rows.get(leaseKey);
      const isUnreadable = state.table.malformed.has(leaseKey) || state.table.deletedRows.has(leaseKey);
      return isUnreadable || (row !== undefined && !hasEnded(row));
    });
    if (!isStillRead) checkParents(turn, lease);
  }
}
