// For how long a shard of this table has had no reader, as this worker knows. Its lease is held here without a worker, or it is free,
// or its owner has died, or its parent's end is not durable yet. It is the part of the application's lag that no shard worker can
// report. So no reason is an excuse, not even that a pipeline waits before it restarts. `status()` calls it.
import { unreadMs } from './unread-leases.js';
import type { CoordinatorOptions, CoordinatorState } from '../state.js';
import { streamOfLease } from '../streams/stream-rows.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import { observe } from '../../../src/core/lease-plan.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import { hasEnded } from '../../../src/core/shard-graph.js';

/** The longest of these times in milliseconds, and its lease; undefined if every shard that can be read has a reader. */
export function longestUnread(
  options: CoordinatorOptions,
  state: CoordinatorState,
): { readonly leaseKey: string; readonly ms: number } | undefined {
  let longest: { leaseKey: string; ms: number } | undefined;
  const note = (leaseKey: string, ms: number): void => {
    if (ms > (longest?.ms ?? 0)) longest = { leaseKey, ms };
  };

  const now = options.clock.now();
  for (const lease of state.leases.values()) {
    note(lease.leaseKey, Math.round(unreadMs({ options, state }, lease, { now, from: -Infinity })));
    note(lease.leaseKey, Math.round(now - (lease.childrenWaitSince ?? now)));
  }
  const { observations, rows } = state.table;
  const readable = [...observations.keys()].flatMap((leaseKey) => {
    const row = rows.get(leaseKey);
    const isHeld = state.leases.get(leaseKey)?.phase === 'held';
    return row === undefined || isHeld || !mayBeRead(state, row) ? [] : [row];
  });
  for (const { row, freeForMs, effectiveFailoverMs } of observe(readable, observations, now, options.failoverMs)) {
    // The owner of an expired lease may have died right after its last renewal.
    const deadForMs = row.leaseOwner === undefined ? 0 : effectiveFailoverMs;
    if (freeForMs > 0) note(row.leaseKey, Math.round(freeForMs + deadForMs));
  }
  return longest;
}

/** Whether the shard has not ended, and waits for no parent: while a parent is not read, the parent counts. */
function mayBeRead(state: CoordinatorState, row: LeaseRow): boolean {
  if (hasEnded(row)) return false;
  const prefix = streamOfLease(state, row.leaseKey)?.stream.keyPrefix;
  return row.parentShardIds.every((parent) => {
    const parentRow = state.table.rows.get(leaseKeyOf(prefix, parent));
    return parentRow === undefined || hasEnded(parentRow);
  });
}
