// The memory of a ledger: what it knows of each record from the oldest open one to the newest. Only ledger.ts changes it.

/**
 * A buffer of which several records are views. It stays in memory as long as one of them is open, however small that record is. `users`
 * counts these records, and also the code that admits them, until it has admitted all.
 */
export interface Pin {
  readonly bytes: number;
  users: number;
}

/**
 * The entries from `head` to `admitted`; entry `ordinal` is in slot `ordinal & mask`. One array per member avoids one object per entry.
 */
export interface Ring {
  readonly mask: number;
  readonly sequenceNumbers: string[];
  readonly subSequenceNumbers: Int32Array;
  readonly bytes: Float64Array;
  readonly admittedAt: Float64Array;
  readonly arrivedAt: Float64Array;
  readonly checkpointable: Uint8Array;
  readonly pins: (Pin | undefined)[];
  /** How many items the record has; `uncounted` counts as one. */
  readonly items: Int32Array;
  readonly itemsOpen: Int32Array;
  /** Which of the first 32 items are settled, one bit each. */
  readonly settledItems: Int32Array;
  /** The same for items from 32 on, by ordinal. Few records have that many items. */
  readonly moreItems: Map<number, Int32Array>;
}

const firstCapacity = 16;

export function createRing(capacity = firstCapacity, moreItems = new Map<number, Int32Array>()): Ring {
  return {
    mask: capacity - 1,
    sequenceNumbers: new Array<string>(capacity).fill(''),
    subSequenceNumbers: new Int32Array(capacity),
    bytes: new Float64Array(capacity),
    admittedAt: new Float64Array(capacity),
    arrivedAt: new Float64Array(capacity),
    checkpointable: new Uint8Array(capacity),
    pins: new Array<Pin | undefined>(capacity).fill(undefined),
    items: new Int32Array(capacity),
    itemsOpen: new Int32Array(capacity),
    settledItems: new Int32Array(capacity),
    moreItems,
  };
}

/** A ring of twice the capacity with the entries from `head` to `admitted` in their new slots. */
export function doubledRing(old: Ring, head: number, admitted: number): Ring {
  const ring = createRing((old.mask + 1) * 2, old.moreItems);

  for (let ordinal = head; ordinal < admitted; ordinal++) {
    const from = ordinal & old.mask;
    const to = ordinal & ring.mask;
    ring.sequenceNumbers[to] = old.sequenceNumbers[from] as string;
    ring.subSequenceNumbers[to] = old.subSequenceNumbers[from] as number;
    ring.bytes[to] = old.bytes[from] as number;
    ring.admittedAt[to] = old.admittedAt[from] as number;
    ring.arrivedAt[to] = old.arrivedAt[from] as number;
    ring.checkpointable[to] = old.checkpointable[from] as number;
    ring.pins[to] = old.pins[from];
    ring.items[to] = old.items[from] as number;
    ring.itemsOpen[to] = old.itemsOpen[from] as number;
    ring.settledItems[to] = old.settledItems[from] as number;
  }

  return ring;
}
