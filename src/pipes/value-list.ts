// The list form of an aggregate. It remembers the leases of each value, so what lost leases have brought can be taken out of the list.
import type { NodeContext } from '../api/pipe.js';
import type { MaybeLater } from './answer.js';
import type { Collection } from './collection.js';
import { holdingsIn, keepUnder, leasesKeyOf, loseLease, sizeBytesOf, type LeaseHoldings } from './lease-holdings.js';

/** Makes the value of an aggregate from the values in it, in order; at least one. */
export type AggregateFunction<In, Out> = (values: readonly In[], context: NodeContext) => MaybeLater<Out>;

export function valueList<In, Out>(make: AggregateFunction<In, Out>): Collection<In, Out> {
  let values: In[] = [];
  /** `keys[i]` stands for the leases of `values[i]`. */
  let keys: string[] = [];
  const holdings: LeaseHoldings = new Map();
  return {
    count: () => values.length,
    sizeBytes: () => sizeBytesOf(holdings),
    offer: () => 'keep',
    // A copy, because `make` may return its argument, or may be called again.
    output: (offered, context) => make(offered === undefined ? [...values] : [...values, offered.value], context),
    keep: (message) => {
      const key = leasesKeyOf(message);
      values.push(message.value);
      keys.push(key);
      return keepUnder(holdings, key, message);
    },
    held: () => holdingsIn(holdings),
    values: () => [...values],
    forgetOffered: () => undefined,
    lose: (lease) => {
      const { gone } = loseLease(holdings, lease);
      if (gone.size === 0) return;
      values = values.filter((_, at) => !gone.has(keys[at] as string));
      keys = keys.filter((key) => !gone.has(key));
    },
  };
}
