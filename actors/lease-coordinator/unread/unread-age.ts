// For how long a shard of this table has had no reader, as far as this worker knows. Its lease may be held here without a shard worker or
// without an answer. Or it is free, its owner has died, or its end is not durable yet. It is the part of the application's lag that no
// shard worker can report. So every reason counts, even that a pipeline waits before it restarts. `status()` calls it.
import { waitsForItself } from './unread-leases.js';
import { readableRows } from './unread-since.js';
import { mayStart, type CoordinatorState, type Lease } from '../state.js';
import { type CoordinatorOptions } from '../options.js';
import { isFree } from '../../../src/core/lease-failover.js';
import { observe } from '../../../src/core/lease-plan.js';

/** The longest of these times in milliseconds, and its lease; undefined if every shard that can be read has a reader. */
export function longestUnread(
  options: CoordinatorOptions,
  state: CoordinatorState,
): { readonly leaseKey: string; readonly ms: number } | undefined {
  let longest: { leaseKey: string; ms: number } | undefined;
  const note = (leaseKey: string, ms: number): void => {
    if (ms > (longest?.ms ?? 0)) longest = { leaseKey, ms: Math.round(ms) };
  };

  const now = options.clock.now();
  const sinceOf = (leaseKey: string): number => state.unread.get(leaseKey)?.since ?? now;
  // Before the first scan, a new coordinator knows only what the one before it has left.
  if (state.scan.answeredAt === undefined)
    for (const [leaseKey, { since }] of state.unread) note(leaseKey, now - since);
  for (const lease of state.leases.values()) note(lease.leaseKey, heldUnreadMs(options, state, lease, now));
  const rows = readableRows(state);
  for (const { row, freeForMs, effectiveFailoverMs } of observe(
    rows,
    state.table.observations,
    now,
    options.failoverMs,
  )) {
    const deadForMs = row.leaseOwner === undefined ? 0 : effectiveFailoverMs;
    if (isFree(row, freeForMs)) note(row.leaseKey, freeForMs + deadForMs);
    note(row.leaseKey, now - sinceOf(row.leaseKey));
  }
  return longest;
}

/** For how long nothing of the shard of a held lease has been read, or its children have waited for its end. */
function heldUnreadMs(options: CoordinatorOptions, state: CoordinatorState, lease: Lease, now: number): number {
  const unread = state.unread.get(lease.leaseKey);
  const isStopping = state.release !== undefined || lease.stream.history.failure !== undefined;
  if (unread === undefined || lease.phase !== 'held' || isStopping) return 0;
  const ms = now - unread.since;
  if (unread.endIsProven) return ms;
  const isWaiting = !mayStart(lease) && !waitsForItself(state, lease);
  return isWaiting || ms <= options.failoverMs ? 0 : ms;
}
