// Remembers since when each shard of the table has been unread, as far as this process knows. Invariant: no restart, release or new take
// begins a time again. It ends when something of the shard is read, when its end is durable, or when another worker holds the lease.
// The memory outlives the coordinator. Keeper news and scans write it, and unread-age.ts reads it.
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import { observe } from '../../../src/core/lease-plan.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import type { CoordinatorState, Lease } from '../state.js';
import { streamOfLease } from '../streams/stream-rows.js';
import type { CoordinatorTurn } from '../turn.js';
import type { LeaseRow } from '../../../src/core/lease.js';

/** Notes that nobody reads the shard. An earlier moment stays. */
export function noteUnread({ state, now }: CoordinatorTurn, leaseKey: string, since = now, deadCounter?: number): void {
  const known = state.unread.get(leaseKey);
  if (known === undefined) state.unread.set(leaseKey, { since, endIsProven: false, deadCounter });
  else if (since < known.since) state.unread.set(leaseKey, { ...known, since });
}

/** Notes that something of the shard was read. After its end that says nothing: its children wait for SHARD_END. */
export function noteSomethingRead({ state }: Pick<CoordinatorTurn, 'state'>, leaseKey: string): void {
  if (state.unread.get(leaseKey)?.endIsProven === false) state.unread.delete(leaseKey);
}

/** Notes that a shard worker has begun. If its source answers also when the shard is idle, the first answer is what counts. */
export function noteUnreadWorking(turn: CoordinatorTurn, { leaseKey, stream, falseEnd }: Lease): void {
  if (!falseEnd && stream.sourceOptions.source.answersIdle !== true) noteSomethingRead(turn, leaseKey);
}

/** Notes that the end of the shard is proven. From then on its children wait for it, if it has any. */
export function noteEndProven({ state, now }: CoordinatorTurn, leaseKey: string, hasChildren: boolean): void {
  const { since = now } = state.unread.get(leaseKey) ?? {};
  if (hasChildren) state.unread.set(leaseKey, { since, endIsProven: true, deadCounter: undefined });
  else state.unread.delete(leaseKey);
}

/** Notes a durable SHARD_END: the children have been unread for at least as long as they waited for it. */
export function noteEndDurable(turn: CoordinatorTurn, leaseKey: string, childShardIds: readonly string[]): void {
  const { state } = turn;
  const waited = state.unread.get(leaseKey);
  state.unread.delete(leaseKey);
  if (waited?.endIsProven !== true) return;
  const prefix = streamOfLease(state, leaseKey)?.stream.keyPrefix;
  for (const shardId of childShardIds) noteUnread(turn, leaseKeyOf(prefix, shardId), waited.since);
}

/** Compares the memory with the rows of a scan: leases that nobody holds begin to count, and those that others hold end. */
export function noteScanned(turn: CoordinatorTurn): void {
  const { options, state, now } = turn;
  const { observations, rows } = state.table;
  for (const [leaseKey, { deadCounter }] of state.unread) {
    const row = rows.get(leaseKey);
    const isGone = row === undefined && !state.leases.has(leaseKey);
    // A scan may show SHARD_END before the keeper's news. The loop also visits the children that it adds.
    if (row !== undefined && hasEnded(row)) noteEndDurable(turn, leaseKey, row.childShardIds);
    else if (isGone || (row !== undefined && isHeldByOther(turn, row) && row.leaseCounter !== deadCounter))
      state.unread.delete(leaseKey);
  }

  for (const { row, freeForMs, effectiveFailoverMs } of observe(
    readableRows(state),
    observations,
    now,
    options.failoverMs,
  )) {
    if (freeForMs <= 0) continue;
    // The owner of an expired lease may have died right after its last renewal.
    const isOwned = row.leaseOwner !== undefined;
    const since = now - freeForMs - (isOwned ? effectiveFailoverMs : 0);
    noteUnread(turn, row.leaseKey, since, isOwned ? row.leaseCounter : undefined);
  }
}

function isHeldByOther({ options, state }: CoordinatorTurn, { leaseKey, leaseOwner }: LeaseRow): boolean {
  return leaseOwner !== undefined && leaseOwner !== options.workerId && state.leases.get(leaseKey)?.phase !== 'held';
}

/** The rows of shards that may be read and that no keeper of this process holds. */
export function readableRows(state: CoordinatorState): LeaseRow[] {
  const { observations, rows } = state.table;
  return [...observations.keys()].flatMap((leaseKey) => {
    const row = rows.get(leaseKey);
    const isHeld = state.leases.get(leaseKey)?.phase === 'held';
    return row === undefined || isHeld || !mayBeRead(state, row) ? [] : [row];
  });
}

/** Whether the shard has not ended, and waits for no parent: while a parent is not read, the parent counts. */
function mayBeRead(state: CoordinatorState, row: LeaseRow): boolean {
  // The last scan may be older than a SHARD_END that this process wrote.
  const isOver = (each: LeaseRow): boolean => hasEnded(each) || state.endedHere.has(each.leaseKey);
  if (isOver(row)) return false;
  const prefix = streamOfLease(state, row.leaseKey)?.stream.keyPrefix;
  return row.parentShardIds.every((parent) => {
    const parentRow = state.table.rows.get(leaseKeyOf(prefix, parent));
    return parentRow === undefined || isOver(parentRow);
  });
}
