// Handles leases whose reads fail. Such a lease is given back if a peer is alive. If no shard of the source can be read here, this worker
// leaves the source alone for a time that doubles with each failure. Then it takes one lease of the source, the trial lease, until a read
// succeeds. The coordinator calls these functions on notices of keepers and around scans.
import { effect } from '../../protocol/actor.js';
import { coolDown, isLongUntaken, endReadCoolDowns } from './cool-downs.js';
import { streamOfLease } from '../streams/stream-rows.js';
import { noteSomethingRead } from './unread-since.js';
import type { CoordinatorTurn } from '../turn.js';
import type { Lease, Stream } from '../state.js';
import { exponentialMs } from '../../../src/core/backoff.js';
import type { LeaseRow } from '../../../src/core/lease.js';

/** Reads that have failed for this long count as failing for good. */
const failingMs = 60_000;

/** Notes that a read has succeeded: this worker can read the source again. */
export function readsWork(turn: CoordinatorTurn, lease: Lease): void {
  const { state } = turn;
  const { stream } = lease;
  if (!lease.falseEnd) noteSomethingRead(turn, lease.leaseKey);
  // If the reads of this shard have not failed, one more success proves nothing about other shards whose reads fail.
  if (!lease.readsWork) endReadCoolDowns(turn, (leaseKey) => isLeaseOf(stream, leaseKey));
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
