// Handles leases with a durable SHARD_END: leases that waited for one may start, and its children are taken at once. A keeper's
// news `ended` begins it.
import { effect } from '../../protocol/actor.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import type { Lease } from '../state.js';
import type { CoordinatorTurn } from '../turn.js';
import { readRows } from '../streams/table-calls.js';
import { noteEndDurable } from '../unread/unread-since.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import { dropLease, takeLease } from './keepers.js';
import { checkParents } from './parents.js';

/** Handles a durable SHARD_END: leases that waited for it may start, and its children are taken without waiting for a scan. */
export function leaseEnded(turn: CoordinatorTurn, lease: Lease, childShardIds: readonly string[]): void {
  const { options, state, effects } = turn;
  const { keyPrefix } = lease.stream;
  state.endedHere.add(lease.leaseKey);
  state.standstills.delete(lease.leaseKey);
  noteEndDurable(turn, lease.leaseKey, childShardIds);
  dropLease(turn, lease);
  state.leftAlone.coolDowns.delete(lease.leaseKey);

  for (const other of state.leases.values()) {
    // Hundreds of leases may wait: only those that wait for this shard are concerned.
    const mayWaitForThis = other.awaited === undefined || other.awaited.includes(lease.shardId);
    if (other.stream === lease.stream && other.phase === 'held' && mayWaitForThis) checkParents(turn, other);
  }

  const children = childShardIds
    .map((shardId) => leaseKeyOf(keyPrefix, shardId))
    .filter((leaseKey) => !state.leases.has(leaseKey));
  if (children.length === 0 || state.phase !== 'running') return;
  effects.push(
    effect.run({
      name: `children/${++state.works}`,
      kind: 'io',
      start: (signal) => readRows(options.store, children, signal),
      done: (rows): LeaseCoordinatorMessage => ({ type: 'childrenRead', rows }),
      failed: (): LeaseCoordinatorMessage => ({ type: 'childrenReadFailed' }),
    }),
  );
}

export function childrenRead(turn: CoordinatorTurn, { rows }: Message<'childrenRead'>): void {
  const { options, state, now } = turn;
  for (const row of rows) {
    const coolDown = state.leftAlone.coolDowns.get(row.leaseKey);
    const room = state.leases.size < options.maxLeases;
    if (row.leaseOwner === undefined && !hasEnded(row) && room && (coolDown === undefined || coolDown.until <= now))
      takeLease(turn, row);
  }
}
