// Leases without a living owner that nobody takes, this worker included. Each worker has its reasons to leave a lease alone for
// a while; whatever they are, a shard that stands still for them is said. Called by the coordinator after each scan.
import { freeForMs } from './cool-downs.js';
import { placeOf, warn } from './state.js';
import type { Turn } from './state.js';
import type { LeaseRow } from '../../src/core/lease.js';

/** Beside two failover times, after which whoever can takes it. */
const untakenMs = 60_000;

/** `rows`: those of streams that are read here. Says each once for as long as it stands. */
export function watchUntaken(turn: Turn, rows: readonly LeaseRow[]): void {
  const { settings, state } = turn;
  const before = state.untaken;
  const untaken = new Set<string>();
  for (const { leaseKey } of rows) {
    const ms = freeForMs(turn, leaseKey);
    const place = placeOf(state, leaseKey);
    if (place === undefined || state.leases.has(leaseKey) || ms < untakenMs + 2 * settings.failoverMs) continue;
    untaken.add(leaseKey);
    if (before.has(leaseKey)) continue;
    const { shardId, stream } = place;
    const seconds = Math.round(ms / 1_000);
    const message = `Nobody reads shard ${shardId}: its lease has had no living owner for ${seconds} s, and no worker takes it. \`kinact leases\` shows the table; this worker leaves it alone after failures, or has as many leases as it may.`;
    warn(turn, message, { source: stream.options.source.name, shardId });
  }
  state.untaken = untaken;
}
