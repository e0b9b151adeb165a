// Detects leases that are held here but that no shard worker reads, reports them and heals them. The pipeline gets the held leases
// again, and a keeper without a shard worker gives up. The coordinator calls these functions on notices of keepers and after scans.
import { readsFail } from './failing-reads.js';
import { emit, type CoordinatorTurn } from '../turn.js';
import { noteSomethingRead, noteUnread, noteUnreadWorking } from './unread-since.js';
import type { Message } from '../messages.js';
import { mayStart, waitsForParents, type CoordinatorState, type Lease } from '../state.js';
import { type CoordinatorOptions } from '../options.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';

/** Notes that no shard worker reads the shard from now on, although a shard worker may. */
export function noteIdle(turn: CoordinatorTurn, lease: Lease, reason: string): void {
  lease.idleSince ??= turn.now;
  noteUnread(turn, lease.leaseKey);
  if (!lease.falseEnd) lease.idleReason = reason;
}

/** Notes that a shard worker has begun. After a false end this proves nothing: the new shard worker may reach the same false end. */
export function noteShardWorkerBegan(turn: CoordinatorTurn, lease: Lease): void {
  noteUnreadWorking(turn, lease);
  if (!lease.falseEnd) noteRead(lease);
}

/** Notes that records of the shard were settled. */
export function noteAdvanced(turn: CoordinatorTurn, lease: Lease): void {
  noteSomethingRead(turn, lease.leaseKey);
  noteRead(lease);
}

/** Notes that the shard is being read. After a false end, only progress or a shard worker that lasts proves this. */
function noteRead(lease: Lease): void {
  lease.idleSince = undefined;
  lease.waitsForOtherShard = false;
  lease.unreadReported = false;
  lease.falseEnd = false;
}

export function pipelineDelayed({ state, now }: CoordinatorTurn, { forMs }: Message<'pipelineDelayed'>): void {
  state.pipelineBackAt = now + forMs;
}

function isReading({ falseEnd, fence, workingSince = 0 }: Lease, forMs: number, now: number): boolean {
  return fence !== undefined && (!falseEnd || now - workingSince > forMs);
}

/**
 * For how long no shard worker has read a held lease; 0 if there is an excuse, or if the time is at most `failoverMs`. `from`: the time
 * before that does not count.
 */
export function unreadMs(
  { options, state }: { readonly options: CoordinatorOptions; readonly state: CoordinatorState },
  lease: Lease,
  { now, from }: { readonly now: number; readonly from: number },
): number {
  const { waitsForOtherShard, idleSince, phase, stream } = lease;
  // Nobody need read a shard whose parent has not ended, or whose end waits for a merge partner. A stop and a failed source excuse, too.
  const isWaiting = !mayStart(lease) && !waitsForItself(state, lease);
  const isExcused = phase !== 'held' || isWaiting || waitsForOtherShard || idleSince === undefined;
  if (
    isExcused ||
    isReading(lease, options.failoverMs, now) ||
    state.release !== undefined ||
    stream.history.failure !== undefined
  )
    return 0;

  const ms = now - Math.max(idleSince, from);
  return ms > options.failoverMs ? ms : 0;
}

/** The pipeline waits before it restarts: no shard worker can read before that. */
function excused({ pipelineBackAt }: CoordinatorState, now: number): { readonly now: number; readonly from: number } {
  return { now, from: pipelineBackAt };
}

/** Whether the rows wrongly name a shard as its own ancestor: the shard would wait for itself forever. */
export function waitsForItself({ table: { rows } }: CoordinatorState, lease: Lease): boolean {
  if (!waitsForParents(lease)) return false;
  const { row, shardId, stream } = lease;
  const ancestors = new Set(row.parentShardIds);
  // Iterating a Set also visits members added during the loop.
  for (const each of ancestors)
    for (const parent of rows.get(leaseKeyOf(stream.keyPrefix, each))?.parentShardIds ?? []) ancestors.add(parent);
  return ancestors.has(shardId);
}

function reasonOf(state: CoordinatorState, lease: Lease): string {
  if (!waitsForItself(state, lease)) return lease.idleReason;
  return `its row and its parents' rows name it as its own ancestor: correct parentShardId, or run \`kinact reset\``;
}

/** Reports and heals unread leases, after a scan. */
export function watchUnread(turn: CoordinatorTurn): void {
  const { state, now } = turn;
  for (const lease of state.leases.values()) {
    if (isReading(lease, turn.options.failoverMs, now)) {
      if (lease.falseEnd) noteSomethingRead(turn, lease.leaseKey);
      noteRead(lease);
    }
    const ms = unreadMs(turn, lease, excused(state, now));
    if (ms === 0) continue;

    // The supervisor of shard workers may have missed a message, so it gets the lease again. A missing version shows it the rest.
    state.publishing.changed.add(lease.leaseKey);
    // After a false end, each reader lasts only a few seconds. Together, these readers count as reads that have failed for `ms`.
    if (lease.falseEnd) readsFail(turn, lease, ms);

    if (lease.unreadReported) continue;
    lease.unreadReported = true;
    const { leaseKey, shardId, stream } = lease;
    const reason = reasonOf(state, lease);
    const source = stream.sourceOptions.source.name;
    emit(turn, { name: 'leaseUnread', data: { source, shardId, leaseKey, unreadMs: Math.round(ms), reason } });
  }
}

/** The unread leases, for `status()` and `ready()`. */
export function unreadLeases(
  options: CoordinatorOptions,
  state: CoordinatorState,
): { readonly leaseKey: string; readonly unreadMs: number; readonly reason: string }[] {
  const now = options.clock.now();
  return [...state.leases.values()].flatMap((lease) => {
    const ms = Math.round(unreadMs({ options, state }, lease, excused(state, now)));
    return ms === 0 ? [] : [{ leaseKey: lease.leaseKey, unreadMs: ms, reason: reasonOf(state, lease) }];
  });
}
