// Handles leases that are held here but not read, and leases whose reads fail. An unread lease is reported and healed: the
// pipeline gets the held leases again, and a keeper without a worker gives up. A lease whose reads fail is given back if a peer is
// alive. If no shard of the source can be read here, this worker leaves the source alone for a growing time, then tries one shard.
// The coordinator calls these functions on notices of keepers and around scans.
import { effect } from '../../protocol/actor.js';
import { coolDown, isLongUntaken, readsAgain } from './cool-downs.js';
import { emit, streamOfLease, type CoordinatorTurn } from '../turn.js';
import type { CoordinatorState, Lease, CoordinatorOptions, Stream } from '../state.js';
import { exponentialMs } from '../../../src/core/backoff.js';
import { leaseKeyOf } from '../../../src/core/lease-key.js';
import type { LeaseRow } from '../../../src/core/lease.js';

/** Reads that have failed for this long count as failing for good. */
const failingMs = 60_000;

/** Notes that no worker reads the shard from now on, although a worker may. */
export function beganIdle({ now }: CoordinatorTurn, lease: Lease, reason: string): void {
  lease.idleSince ??= now;
  if (!lease.falseEnd) lease.idleReason = reason;
}

/** Notes that a worker has begun. After a false end this proves nothing: the new worker may reach the same false end. */
export function beganReading(lease: Lease): void {
  if (!lease.falseEnd) noteRead(lease);
}

/** Notes that the shard is being read. After a false end, only progress or a worker that lasts proves this. */
export function noteRead(lease: Lease): void {
  lease.idleSince = undefined;
  lease.waitsForOtherShard = false;
  lease.unreadReported = false;
  lease.falseEnd = false;
}

function isReading({ falseEnd, fence, workingSince = 0 }: Lease, forMs: number, now: number): boolean {
  return fence !== undefined && (!falseEnd || now - workingSince > forMs);
}

/** For how long no worker has read a held lease; 0 if there is an excuse, or if the time is at most `failoverMs`. */
function unreadMs(
  { options, state }: { options: CoordinatorOptions; state: CoordinatorState },
  lease: Lease,
  now: number,
): number {
  const { awaited, waitsForOtherShard, idleSince, phase, stream } = lease;
  // The excuses: a parent that has not ended, an end that waits for a merge partner, a stop, a failed source.
  const isWaiting = awaited?.length !== 0 && !waitsForItself(state, lease);
  const isExcused = phase !== 'held' || isWaiting || waitsForOtherShard || idleSince === undefined;
  if (
    isExcused ||
    isReading(lease, options.failoverMs, now) ||
    state.releasing !== undefined ||
    stream.history.failure !== undefined
  )
    return 0;
  const ms = now - idleSince;
  return ms > options.failoverMs ? ms : 0;
}

/** Whether the rows wrongly name a shard as its own ancestor: the shard would wait for itself forever. */
function waitsForItself({ table: { rows } }: CoordinatorState, { awaited, row, shardId, stream }: Lease): boolean {
  if (awaited === undefined || awaited.length === 0) return false;
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
    if (isReading(lease, turn.options.failoverMs, now)) noteRead(lease);
    const ms = unreadMs(turn, lease, now);
    if (ms === 0) continue;
    // The supervisor of shard workers may have missed a message, so it gets the held leases again.
    state.publishing.changed = true;
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
    const ms = Math.round(unreadMs({ options, state }, lease, now));
    return ms === 0 ? [] : [{ leaseKey: lease.leaseKey, unreadMs: ms, reason: reasonOf(state, lease) }];
  });
}

/** Notes that a read has succeeded: this worker can read the source again. */
export function readsWork(turn: CoordinatorTurn, lease: Lease): void {
  const { state } = turn;
  const { stream } = lease;
  // If the reads of this shard have not failed, one more success proves nothing about other shards whose reads fail.
  if (!lease.readsWork) readsAgain(turn, (leaseKey) => isLeaseOf(stream, leaseKey));
  lease.readsWork = true;
  if (stream.reads.failures === 0) return;
  stream.reads.failures = 0;
  stream.reads.againAt = 0;
  for (const other of state.leases.values()) if (other.stream === stream) other.givenBack = false;
}

/**
 * Handles reads of a shard that have failed for `forMs`. If a peer is alive, the lease is given back. If this worker reads no
 * other shard of the source, it leaves the whole source alone: otherwise it would soon steal another of its shards.
 */
export function readsFail(turn: CoordinatorTurn, lease: Lease, forMs: number): void {
  const { options, state, effects, now } = turn;
  const { keeper, stream } = lease;
  lease.readsWork = false;
  if (forMs < failingMs || lease.givenBack || keeper === undefined || state.planning.plan?.hasPeers !== true) return;
  lease.givenBack = true;
  const reason = `its reads have failed for ${Math.round(forMs / 1_000)} s`;
  effects.push(effect.send(keeper, { type: 'release', reason, deadlineMs: options.callDeadlineMs }));
  const othersAreRead = [...state.leases.values()].some((other) => other.stream === stream && other.readsWork);
  if (othersAreRead) return coolDown(turn, lease, options.coolDownMs, 'reads');
  // The shards of one source fail together, and count as one failure.
  if (stream.reads.againAt > now) return;
  stream.reads.againAt =
    now + exponentialMs({ baseMs: failingMs, capMs: options.coolDownCapMs }, stream.reads.failures);
  stream.reads.failures += 1;
}

/** Keys of rows to leave to other workers, because their source cannot be read here. Rows that stay untaken for long are exempt. */
export function keysLeftToOthers(turn: CoordinatorTurn): string[] {
  const { state, now } = turn;
  const resting = state.streams.filter(({ reads }) => reads.againAt > now);
  if (resting.length === 0) return [];
  return [...state.table.rows.keys()].filter(
    (leaseKey) => resting.some((each) => isLeaseOf(each, leaseKey)) && !isLongUntaken(turn, leaseKey),
  );
}

/**
 * The rows that may be taken now. If a source could not be read here, only one of its rows is tried until a read of the source
 * succeeds. Rows that no other worker has taken for long are not held back.
 */
export function limitToTrialLease(turn: CoordinatorTurn, rows: readonly LeaseRow[]): LeaseRow[] {
  const { state } = turn;
  const tried = new Set<Stream>();
  for (const { stream } of state.leases.values()) tried.add(stream);
  return rows.filter(({ leaseKey }) => {
    const stream = streamOfLease(state, leaseKey)?.stream;
    if (stream === undefined || stream.reads.failures === 0 || isLongUntaken(turn, leaseKey)) return true;
    if (tried.has(stream)) return false;
    tried.add(stream);
    return true;
  });
}

function isLeaseOf({ keyPrefix }: Stream, leaseKey: string): boolean {
  return keyPrefix === undefined || leaseKey.startsWith(`${keyPrefix}:`);
}
