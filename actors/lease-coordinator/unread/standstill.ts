// Detects standstills: shards that make no progress although workers read them. Each tenure ends before the frontier has moved, and
// the next tenure reads the same records again. One such end is normal, but several in a row are a fault that nothing else detects.
import type { KeeperNews } from '../../protocol/lease-messages.js';
import { emit, type CoordinatorTurn } from '../turn.js';
import type { Lease, Standstill } from '../state.js';

/** A standstill is first reported after this many tenures in a row without progress, then each time the number doubles. */
const minReportedTenures = 3;

type NewsOf<T extends KeeperNews['type']> = Extract<KeeperNews, { readonly type: T }>;

export function noteTenureBegan(turn: CoordinatorTurn, lease: Lease, { fence }: NewsOf<'working'>): void {
  const { state, now } = turn;
  const known = state.standstills.get(lease.leaseKey);
  if (known === undefined) {
    state.standstills.set(lease.leaseKey, { fence, tenures: 0, since: now, ended: undefined, reason: '' });
    return;
  }
  if (fence <= known.fence) return;
  known.fence = fence;
  if (known.ended === undefined) {
    if (known.tenures === 0) known.since = now;
    return;
  }

  known.reason = known.ended;
  known.ended = undefined;
  known.tenures += 1;
  if (!isReportDue(known.tenures)) return;

  const { leaseKey, shardId, stream } = lease;
  const source = stream.sourceOptions.source.name;
  const { tenures, reason } = known;
  const sinceMs = Math.round(now - known.since);
  emit(turn, { name: 'noProgress', data: { source, shardId, leaseKey, tenures, sinceMs, reason } });
}

function isReportDue(tenures: number): boolean {
  for (let times = minReportedTenures; times <= tenures; times *= 2) if (times === tenures) return true;
  return false;
}

export function noteTenureEnded(
  { state }: CoordinatorTurn,
  lease: Lease,
  { fence, reason, openRecords }: NewsOf<'idle'>,
): void {
  const known = state.standstills.get(lease.leaseKey);
  if (known?.fence === fence && openRecords) known.ended = reason;
}

/** Notes that the frontier has moved: the tenure has made progress, however it ends. */
export function noteTenureAdvanced({ state, now }: CoordinatorTurn, lease: Lease, { fence }: NewsOf<'advanced'>): void {
  const known = state.standstills.get(lease.leaseKey);
  if (known?.fence !== fence) return;
  known.tenures = 0;
  known.since = now;
  known.ended = undefined;
}

/** The leases held here that make no progress, for `status()` and `ready()`. */
export function standingStill(
  standstills: ReadonlyMap<string, Standstill>,
  leases: ReadonlyMap<string, Lease>,
): { readonly leaseKey: string; readonly tenures: number; readonly reason: string }[] {
  return [...standstills].flatMap(([leaseKey, { tenures, reason }]) =>
    tenures >= minReportedTenures && leases.has(leaseKey) ? [{ leaseKey, tenures, reason }] : [],
  );
}
