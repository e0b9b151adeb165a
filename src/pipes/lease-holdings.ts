// What a state holds back, one holding per lease: when a lease is lost, its part can be taken out alone. A message of several leases
// goes into a part of its own, whose lease is undefined, and from which nothing can be taken out.
import type { Holding, Keep, MessageLease, PipeMessage } from '../api/pipe.js';
import { createHolding } from './holding.js';

export type LeaseHoldings = Map<MessageLease | undefined, Holding>;

/** What `keep` of a result says: the message goes into the part of this lease. */
export function keepUnder(holdings: LeaseHoldings, lease: MessageLease | undefined, message: PipeMessage): Keep {
  let holding = holdings.get(lease);
  if (holding === undefined) holdings.set(lease, (holding = createHolding()));
  return { message, in: holding };
}

export function sizeBytesOf(holdings: LeaseHoldings): number {
  let sum = 0;
  for (const { sizeBytes } of holdings.values()) sum += sizeBytes;
  return sum;
}
