// The audit of streams without hash ranges (`listingProof: 'lineage'`): every listed leaf must have a row, or an ancestor with a row
// that has not ended. The shard sync checks that and creates what is missing; this file decides who lists, and when. Invariant: as
// long as a lease has a living holder, the number of listings in a minute does not grow with the number of workers. Each end of a shard
// costs one call beside that, in the process that reads the shard (src/aws/dynamodb-streams/ended-shards.ts).
import { scanWithin, syncBy, jittered, type CoordinatorTurn } from '../turn.js';
import type { Stream } from '../state.js';
import { rowsOf } from './stream-rows.js';
import { expiresAt } from '../../../src/core/lease-failover.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import { isForeign } from '../../../src/core/writer-signature.js';

/** Which worker audits. `every`: each of them, because no worker holds a lease of the stream, and so the rows choose none. */
type Auditor = 'this' | 'other' | 'every';

/** If every worker audits, each one pauses this many times longer. */
const pausesOfEvery = 5;

/** How often a worker looks for the children of shards that ended without any, and the first pause. Each pause is twice as long. */
const looksForChildren = 4;
const firstLookMs = 5_000;

export function isAuditedByLineage({ sourceOptions }: Stream): boolean {
  return sourceOptions.source.listingProof === 'lineage';
}

/**
 * One worker audits: the holder of the lease with the smallest key. All workers see in the rows who that is, and when it dies its lease
 * expires. Java workers do not count, because they may not list.
 */
export function auditorOf({ options, state, now }: CoordinatorTurn, stream: Stream): Auditor {
  let smallest: string | undefined;
  for (const row of rowsOf(state, stream).rows.values()) {
    const { leaseKey, leaseOwner } = row;
    if (smallest !== undefined && leaseKey > smallest) continue;
    const isHeld = state.leases.get(leaseKey)?.phase === 'held';
    if (!isHeld && (leaseOwner === undefined || hasEnded(row) || isForeign(row))) continue;
    const since = state.table.observations.get(leaseKey)?.since ?? now;
    if (isHeld || expiresAt(row, since, options.failoverMs) > now) smallest = leaseKey;
  }
  if (smallest === undefined) return 'every';
  return state.leases.get(smallest)?.phase === 'held' ? 'this' : 'other';
}

/** How many intervals a worker pauses after an audit. */
export function pausesAfterAudit(auditor: Auditor): number {
  return auditor === 'every' ? pausesOfEvery : 1;
}

/** Asks for a shard sync, if the audit is this worker's. */
export function auditLineage(turn: CoordinatorTurn, stream: Stream): void {
  const { options, now } = turn;
  const auditor = auditorOf(turn, stream);
  const pauses = hasOnlyEnded(turn, stream) ? 1 : pausesAfterAudit(auditor);
  stream.audit.dueAt = now + pauses * jittered(turn, options.shardSyncIntervalMs);
  if (auditor !== 'other') syncBy(stream, now);
}

/** Nothing is left to read. The stream was disabled, and the table may have another one: that must be noticed soon. */
function hasOnlyEnded({ state }: CoordinatorTurn, stream: Stream): boolean {
  const { rows, malformed } = rowsOf(state, stream);
  return rows.size > 0 && malformed.size === 0 && [...rows.values()].every(hasEnded);
}

/**
 * A shard has ended, and no child of it is listed. In a disabled stream that is final. In an enabled one the service lists the child
 * late, and this worker may be the only one that knows.
 */
export function watchForLateChildren(turn: CoordinatorTurn, stream: Stream): void {
  if (!isAuditedByLineage(stream)) return;
  stream.audit.lateChildren = looksForChildren;
  lookIn(turn, stream, firstLookMs);
}

/** Called after each sync. */
export function planLookForLateChildren(turn: CoordinatorTurn, stream: Stream): void {
  const { audit } = stream;
  if (audit.lateChildren === 0) return;
  audit.lateChildren -= 1;
  if (audit.lateChildren > 0) lookIn(turn, stream, firstLookMs * 2 ** (looksForChildren - audit.lateChildren));
}

function lookIn(turn: CoordinatorTurn, stream: Stream, ms: number): void {
  syncBy(stream, turn.now + ms);
  scanWithin(turn, ms);
}
