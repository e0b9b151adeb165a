// What a state holds back, in parts: one for each lease, and one for the messages that stand for the same several leases. When a lease is
// lost, its part can be taken out alone. A part of several leases can be taken out only with the last of them.
import type { Holding, Keep, MessageLease, PipeMessage } from '../api/pipe.js';
import { createHolding } from './holding.js';

interface Part {
  readonly holding: Holding;
  /**
   * The leases that are not lost. None if all were lost while the call ran that keeps the first message: a node that has another share of
   * it has taken them out.
   */
  readonly left: Set<MessageLease>;
}

/** By the key of their leases. */
export type LeaseHoldings = Map<string, Part>;

const keys = new WeakMap<MessageLease, string>();
let lastKey = 0;

function keyOf(lease: MessageLease): string {
  let key = keys.get(lease);
  if (key === undefined) keys.set(lease, (key = String((lastKey += 1))));
  return key;
}

/** What stands for nothing cannot be lost. */
const ofNoLease = '';

/** The same text for messages of the same leases. */
export function leasesKeyOf({ leases }: PipeMessage): string {
  const [only] = leases;
  return only !== undefined && leases.length === 1 ? keyOf(only) : leases.map(keyOf).toSorted().join();
}

/** What `keep` of a result says: the message goes into this part. Since the key was made, the message may have lost a lease. */
export function keepUnder(holdings: LeaseHoldings, key: string, message: PipeMessage): Keep {
  let part = holdings.get(key);
  if (part === undefined) holdings.set(key, (part = { holding: createHolding(), left: new Set(message.leases) }));
  return { message, in: part.holding };
}

export function holdingsIn(holdings: LeaseHoldings): readonly Holding[] {
  return Array.from(holdings.values(), ({ holding }) => holding);
}

export function sizeBytesOf(holdings: LeaseHoldings): number {
  let sum = 0;
  for (const { holding } of holdings.values()) sum += holding.sizeBytes;
  return sum;
}

/** Takes out the parts of which nothing is left without this lease. Returns their keys, and how many messages they had. */
export function loseLease(
  holdings: LeaseHoldings,
  lease: MessageLease,
): { readonly gone: ReadonlySet<string>; readonly messages: number } {
  const gone = new Set<string>();
  let messages = 0;
  for (const [key, { holding, left }] of holdings) {
    left.delete(lease);
    if (left.size > 0 || key === ofNoLease) continue;
    holdings.delete(key);
    gone.add(key);
    messages += holding.messages;
  }
  return { gone, messages };
}
