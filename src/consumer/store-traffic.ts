// The lease table for a coordinator. Its writes pass the queue of the keepers' writes, and its reads of single rows pass a queue
// of reads. So hundreds of requests do not wait at the table before a renewal. Scans run one at a time, outside the queues.
import type { LeaseTraffic } from '../core/lease-traffic.js';
import { outcomeOf } from '../core/send-pace.js';
import type { LeaseStore } from '../api/ports.js';

export interface TableTraffic {
  readonly writes: LeaseTraffic;
  /** A separate queue: DynamoDB bills and limits reads apart from writes. */
  readonly reads: LeaseTraffic;
}

export function throughTraffic(store: LeaseStore, { reads, writes }: TableTraffic): LeaseStore {
  return {
    ...store,
    get: (leaseKey, signal) => pass(reads, signal, () => store.get(leaseKey, signal)),
    create: (row, signal) => pass(writes, signal, () => store.create(row, signal)),
    update: (leaseKey, update, signal) => pass(writes, signal, () => store.update(leaseKey, update, signal)),
    updateMeta: (leaseKey, meta, signal) => pass(writes, signal, () => store.updateMeta(leaseKey, meta, signal)),
    delete: (leaseKey, counter, signal) => pass(writes, signal, () => store.delete(leaseKey, counter, signal)),
  };
}

/** How often a throttled call is sent. Some throttling is normal, because the queue finds its pace by it. */
const maxAttempts = 5;

async function pass<R>(traffic: LeaseTraffic, signal: AbortSignal, call: () => Promise<R>): Promise<R> {
  const order = traffic.join();
  order.kind = 'duty';
  try {
    for (let attempt = 1; ; attempt += 1) {
      const permit = traffic.enter(order) ?? (await traffic.wait(order, signal));
      try {
        const result = await call();
        permit.end('answered');
        return result;
      } catch (error) {
        const outcome = outcomeOf(error);
        permit.end(outcome);
        // The outcome of a throttled call is known: nothing was written. So the call may be repeated.
        if (outcome !== 'throttled' || attempt === maxAttempts) throw error;
      }
    }
  } finally {
    traffic.leave(order);
  }
}
