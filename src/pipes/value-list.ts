// The list form of an aggregate. It remembers the lease of each value, so what a lost lease has brought can be taken out of the list.
import type { MessageLease, NodeContext } from '../api/pipe.js';
import type { MaybeLater } from './answer.js';
import type { Collection } from './collection.js';
import { keepUnder, sizeBytesOf, type LeaseHoldings } from './lease-holdings.js';

/** Makes the value of an aggregate from the values in it, in order; at least one. */
export type Make<In, Out> = (values: readonly In[], context: NodeContext) => MaybeLater<Out>;

export function valueList<In, Out>(make: Make<In, Out>): Collection<In, Out> {
  let values: In[] = [];
  /** `leases[i]` is the lease of `values[i]`. */
  let leases: (MessageLease | undefined)[] = [];
  const holdings: LeaseHoldings = new Map();
  return {
    count: () => values.length,
    sizeBytes: () => sizeBytesOf(holdings),
    offer: () => 'keep',
    // A copy, because `make` may return its argument, or may be called again.
    output: (offered, context) => make(offered === undefined ? [...values] : [...values, offered.value], context),
    keep: (message) => {
      values.push(message.value);
      leases.push(message.lease);
      return keepUnder(holdings, message.lease, message);
    },
    held: () => [...holdings.values()],
    forgetOffered: () => undefined,
    lose: (lease) => {
      if (!holdings.delete(lease)) return;
      values = values.filter((_, at) => leases[at] !== lease);
      leases = leases.filter((each) => each !== lease);
    },
  };
}
