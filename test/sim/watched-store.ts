// The lease table as one process reaches it: the oracle sees each of its writes at the moment when the write takes effect.
import type { LeaseStore } from '../../src/api/ports.js';
import type { MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import type { Oracle } from './oracle.js';

export interface StoreWatch {
  readonly process: string;
  readonly oracle: Pick<Oracle, 'wrote'>;
  /** World time. */
  readonly now: () => number;
  /** The way to the table and back. */
  readonly call: <T>(effect: () => Promise<T>) => Promise<T>;
}

export function watchedStore(leases: MemoryLeaseStore, watch: StoreWatch): LeaseStore {
  const { process, oracle, now, call } = watch;
  const write = <T>(leaseKey: string, effect: () => Promise<T>): Promise<T> => {
    const sentAt = now();
    return call(async () => {
      const before = leases.rows.get(leaseKey);
      // A write to the store in memory takes effect before its promise resolves.
      const outcome = effect();
      const after = leases.rows.get(leaseKey);
      if (after !== before) oracle.wrote({ process, leaseKey, before, after, sentAt });
      return outcome;
    });
  };
  return {
    tableName: leases.tableName,
    ensureTable: (signal) => call(() => leases.ensureTable(signal)),
    scan: (signal) => call(() => leases.scan(signal)),
    get: (leaseKey, signal) => call(() => leases.get(leaseKey, signal)),
    create: (row, signal) => write(row.leaseKey, () => leases.create(row, signal)),
    update: (leaseKey, ...rest) => write(leaseKey, () => leases.update(leaseKey, ...rest)),
    wish: (leaseKey, ...rest) => write(leaseKey, () => leases.wish(leaseKey, ...rest)),
    updateMeta: (leaseKey, ...rest) => write(leaseKey, () => leases.updateMeta(leaseKey, ...rest)),
    delete: (leaseKey, ...rest) => write(leaseKey, () => leases.delete(leaseKey, ...rest)),
    close: () => {},
  };
}
