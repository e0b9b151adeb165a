// Reports leases without a living owner that no worker takes. Each worker may have a reason to leave a lease alone for a while.
// But people must learn of a shard that no worker reads, whatever the reasons are. The coordinator calls `watchUntaken` after
// each scan.
import { freeForMs } from '../unread/cool-downs.js';
import { streamOfLease } from '../streams/stream-rows.js';
import { warn, type CoordinatorTurn } from '../turn.js';
import { longUntakenMs } from '../../../src/core/lease-failover.js';
import type { LeaseRow } from '../../../src/core/lease.js';

/** How much longer than `longUntakenMs` a lease may stay untaken before that is reported. */
const patienceMs = 60_000;

/** Reports a lease once, however long it stays untaken. `rows`: the rows of streams that this worker reads. */
export function watchUntaken(turn: CoordinatorTurn, rows: readonly LeaseRow[]): void {
  const { options, state } = turn;
  const reportAfterMs = patienceMs + longUntakenMs(options.failoverMs);
  const before = state.planning.untaken;
  const untaken = new Set<string>();

  for (const { leaseKey } of rows) {
    const ms = freeForMs(turn, leaseKey);
    const leasedShard = streamOfLease(state, leaseKey);
    if (leasedShard === undefined || state.leases.has(leaseKey) || ms < reportAfterMs) continue;
    untaken.add(leaseKey);
    if (before.has(leaseKey)) continue;

    const { shardId, stream } = leasedShard;
    const seconds = Math.round(ms / 1_000);
    const message = `Nobody reads shard ${shardId}: its lease has had no living owner for ${seconds} s. This worker leaves it alone after failures, or holds maxLeases. Look for earlier \`retrying\` events of the shard, or start another worker; \`kinact leases\` shows the table.`;
    warn(turn, message, { source: stream.sourceOptions.source.name, shardId });
  }

  state.planning.untaken = untaken;
}
