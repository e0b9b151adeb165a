// What a message of a naive pipe stands for: a list of items, each with the part of it that the message has. Nothing is compressed, and
// nothing is shared, so a sum of fractions proves that an item was settled once.
import assert from 'node:assert/strict';
import type { Item } from '../../src/api/reducer.js';
import type { MessageLease, PipeMessage } from '../../src/api/pipe.js';

export interface NaiveItem {
  readonly id: number;
  readonly value: unknown;
  /** The same object for the same lease. */
  readonly lease: MessageLease;
  readonly sizeBytes?: number;
}

/** `count` / `of` of the item. */
export interface Share {
  readonly item: NaiveItem;
  readonly count: bigint;
  readonly of: bigint;
}

const divisor = (one: bigint, other: bigint): bigint => (other === 0n ? one : divisor(other, one % other));

export const divided = (shares: readonly Share[], by: number): Share[] =>
  shares.map(({ item, count, of }) => ({ item, count, of: of * BigInt(by) }));

export const leasesOf = (shares: readonly Share[]): ReadonlySet<MessageLease> =>
  new Set(shares.map(({ item }) => item.lease));

export class NaiveMessage implements PipeMessage {
  shares: readonly Share[];
  readonly value: unknown;
  readonly heads: readonly string[];
  readonly sizeBytes: number;

  constructor(value: unknown, shares: readonly Share[], heads: readonly string[], sizeBytes: number) {
    this.value = value;
    this.shares = shares;
    this.heads = heads;
    this.sizeBytes = sizeBytes;
  }

  get route(): string | undefined {
    return this.heads.at(-1);
  }

  get item(): Item<unknown> | undefined {
    const [only] = this.shares;
    const isItem = this.shares.length === 1 && only!.count === only!.of;
    return isItem ? (only!.item as unknown as Item<unknown>) : undefined;
  }

  get lease(): MessageLease | undefined {
    const { leases } = this;
    return leases.length === 1 ? leases[0] : undefined;
  }

  get leases(): readonly MessageLease[] {
    return [...leasesOf(this.shares)];
  }
}

/** How much of each item is settled. More than the whole of one is a failure. */
export interface Settlement {
  settle(shares: readonly Share[]): void;
  /** The items that are settled whole, in this order. */
  readonly whole: NaiveItem[];
}

export function createSettlement(): Settlement {
  const sums = new Map<NaiveItem, { readonly count: bigint; readonly of: bigint }>();
  const whole: NaiveItem[] = [];
  const settle = ({ item, count, of }: Share): void => {
    const sum = sums.get(item) ?? { count: 0n, of: 1n };
    const added = { count: sum.count * of + count * sum.of, of: sum.of * of };
    const common = divisor(added.count, added.of);
    const reduced = { count: added.count / common, of: added.of / common };
    assert(reduced.count <= reduced.of, `item ${item.id} is settled more than once`);
    sums.set(item, reduced);
    if (reduced.count === reduced.of) whole.push(item);
  };
  return { settle: (shares) => shares.forEach(settle), whole };
}
