// Shards that stand still although they are read. Tenure after tenure ends before a record of it was dealt with, and each
// reads the same records again. One such end is normal; several in a row are a fault that nothing else would notice.
import type { KeeperNews } from '../../protocol/leasing.js';
import { emit } from '../state.js';
import type { Lease, CoordinatorTurn, Standstill } from '../state.js';

/** The number of ends in a row at which this is first reported; then at every doubling. */
const firstTold = 3;

type NewsOf<T extends KeeperNews['type']> = Extract<KeeperNews, { readonly type: T }>;

export function tenureBegan(turn: CoordinatorTurn, lease: Lease, { fence }: NewsOf<'working'>): void {
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
  if (!isTold(known.tenures)) return;
  const { leaseKey, shardId, stream } = lease;
  const source = stream.options.source.name;
  const { tenures, reason } = known;
  const sinceMs = Math.round(now - known.since);
  emit(turn, { name: 'noProgress', data: { source, shardId, leaseKey, tenures, sinceMs, reason } });
}

function isTold(tenures: number): boolean {
  for (let times = firstTold; times <= tenures; times *= 2) if (times === tenures) return true;
  return false;
}

export function tenureEnded(
  { state }: CoordinatorTurn,
  lease: Lease,
  { fence, reason, openRecords }: NewsOf<'idle'>,
): void {
  const known = state.standstills.get(lease.leaseKey);
  if (known?.fence === fence && openRecords) known.ended = reason;
}

/** The frontier has moved under this tenure: however it ends, it was not in vain. */
export function tenureAdvanced({ state, now }: CoordinatorTurn, lease: Lease, { fence }: NewsOf<'advanced'>): void {
  const known = state.standstills.get(lease.leaseKey);
  if (known?.fence !== fence) return;
  known.tenures = 0;
  known.since = now;
  known.ended = undefined;
}

/** The shards of this process that stand still, for `status()` and `ready()`. */
export function standingStill(
  standstills: ReadonlyMap<string, Standstill>,
  leases: ReadonlyMap<string, Lease>,
): { readonly leaseKey: string; readonly tenures: number; readonly reason: string }[] {
  return [...standstills].flatMap(([leaseKey, { tenures, reason }]) =>
    tenures >= firstTold && leases.has(leaseKey) ? [{ leaseKey, tenures, reason }] : [],
  );
}
