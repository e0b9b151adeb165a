// Detects standstills: shards that make no progress although shard workers read them. Each tenure ends before the frontier has moved, and
// the next tenure reads the same records again. One such end is normal, but several in a row are a fault that nothing else detects.
import type { KeeperNews } from '../../protocol/lease-messages.js';
import { emit, type CoordinatorTurn } from '../turn.js';
import type { Lease, Standstill } from '../state.js';

/** A standstill is first reported after this many tenures in a row without progress, then each time the number doubles. */
const minReportedTenures = 3;

type NewsOf<T extends KeeperNews['type']> = Extract<KeeperNews, { readonly type: T }>;

/** Notes that a tenure has begun. Returns the standstill if one more tenure has ended without progress before it. */
export function noteTenureBegan(
  { state, now }: CoordinatorTurn,
  lease: Lease,
  { fence }: NewsOf<'working'>,
): Standstill | undefined {
  const known = state.standstills.get(lease.leaseKey);
  if (known === undefined) {
    state.standstills.set(lease.leaseKey, { fence, tenures: 0, since: now, ended: undefined, reason: '' });
    return undefined;
  }
  if (fence <= known.fence) return undefined;
  known.fence = fence;
  if (known.ended === undefined) {
    if (known.tenures === 0) known.since = now;
    return undefined;
  }

  known.reason = known.ended;
  known.ended = undefined;
  known.tenures += 1;
  return known;
}

/** Reports a standstill the first time it counts as one, and each time it has doubled. */
export function reportIfDue(turn: CoordinatorTurn, lease: Lease, standstill: Standstill | undefined): void {
  if (standstill === undefined || !isReportDue(standstill.tenures)) return;
  const { tenures, since, reason } = standstill;
  const { leaseKey, shardId, stream } = lease;
  const source = stream.sourceOptions.source.name;
  const sinceMs = Math.round(turn.now - since);
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
