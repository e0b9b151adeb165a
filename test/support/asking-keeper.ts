// A keeper that asks a living holder for its lease. The holder supports wishes.
import type { LeaseTraffic } from '../../src/core/lease-traffic.js';
import { driveKeeper, failoverMs, shardId, type KeeperDriver } from './keeper-driver.js';
import { applyChange, leaseRow, type MemoryLeaseStore } from './memory-lease-store.js';

/** The writer of the holder. */
export const holderWriter = 'y1/3';

/** The row when the keeper begins. */
export const seenRow = leaseRow({
  leaseKey: shardId,
  leaseCounter: 4,
  leaseOwner: 'you',
  checkpoint: '100',
  kinactWriter: holderWriter,
  kinactFailover: `${failoverMs} ${holderWriter}`,
});

export const asking = (
  store: MemoryLeaseStore,
  { stale, ...more }: { readonly stale?: string; readonly traffic?: LeaseTraffic } = {},
): Promise<KeeperDriver> => driveKeeper({ seenRow, store, wish: { stale }, ...more });

/** The holder releases its lease. */
export function free(store: MemoryLeaseStore): void {
  store.rows.set(shardId, applyChange(store.row(shardId), { leaseOwner: null }, holderWriter));
}
