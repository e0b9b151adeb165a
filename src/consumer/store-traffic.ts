// The lease table as a coordinator reaches it. What it writes passes the queue of its keepers' writes, and the single
// rows it reads pass one, too. So hundreds of them do not wait at the table before a renewal. Scans are one at a time,
// outside the queue.
import type { LeaseTraffic } from '../core/lease-traffic.js';
import { outcomeOf } from '../core/send-pace.js';
import type { LeaseStore } from '../api/ports.js';

export interface TableTraffic {
  readonly writes: LeaseTraffic;
  /** A queue of their own: DynamoDB bills and bounds reads apart from writes. */
  readonly reads: LeaseTraffic;
}

export function throughTraffic(store: LeaseStore, { reads, writes }: TableTraffic): LeaseStore {
  return {
    ...store,
    get: (leaseKey, signal) => pass(reads, signal, () => store.get(leaseKey, signal)),
    create: (row, signal) => pass(writes, signal, () => store.create(row, signal)),
    update: (leaseKey, update, signal) => pass(writes, signal, () => store.update(leaseKey, update, signal)),
    describeLease: (leaseKey, meta, signal) => pass(writes, signal, () => store.describeLease(leaseKey, meta, signal)),
    delete: (leaseKey, counter, signal) => pass(writes, signal, () => store.delete(leaseKey, counter, signal)),
  };
}

/**
 * How often a call is sent that the table refuses for its pace: the queue finds the pace by being refused now and then.
 */
const mostAttempts = 5;

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
        // A refusal is no attempt whose outcome is unknown: nothing was written.
        if (outcome !== 'throttled' || attempt === mostAttempts) throw error;
      }
    }
  } finally {
    traffic.leave(order);
  }
}
