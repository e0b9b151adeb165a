// A queue in a ring buffer. It removes the oldest item in O(1), while an array's `shift` takes O(n). The queues between stages,
// reducers and shard workers use it, because they may hold thousands of items. An empty slot is cleared: otherwise the garbage
// collector could not free the removed item.

/** First in, first out; amortized O(1) at both ends and by index. */
export interface Deque<T> {
  readonly length: number;
  push(item: T): void;
  /** Removes and returns the oldest item; undefined when empty. */
  shift(): T | undefined;
  /** Returns the oldest item without removing it; undefined when empty. */
  peek(): T | undefined;
  /** Returns the item at `index`, where 0 is the oldest; undefined if out of range. */
  at(index: number): T | undefined;
  /** Keeps the items for which `keep` returns true, in order; returns how many were dropped. O(n). */
  retain(keep: (item: T) => boolean): number;
}

const firstCapacity = 16;

/** An empty deque. */
export function createDeque<T>(): Deque<T> {
  // The capacity is always a power of two, so `& mask` wraps an index around.
  let slots = new Array<T | undefined>(firstCapacity);
  let mask = firstCapacity - 1;
  let head = 0;
  let length = 0;

  function grow(): void {
    const wider = new Array<T | undefined>(slots.length * 2);
    for (let index = 0; index < length; index++) wider[index] = slots[(head + index) & mask];
    slots = wider;
    mask = slots.length - 1;
    head = 0;
  }

  return {
    get length() {
      return length;
    },
    push(item) {
      if (length === slots.length) grow();
      slots[(head + length) & mask] = item;
      length++;
    },
    shift() {
      if (length === 0) return undefined;
      const item = slots[head];
      slots[head] = undefined;
      head = (head + 1) & mask;
      length--;
      return item;
    },
    peek() {
      return slots[head];
    },
    at(index) {
      return index >= 0 && index < length ? slots[(head + index) & mask] : undefined;
    },
    retain(keep) {
      let kept = 0;
      for (let index = 0; index < length; index++) {
        const item = slots[(head + index) & mask] as T;
        if (keep(item)) slots[(head + kept++) & mask] = item;
      }
      for (let index = kept; index < length; index++) slots[(head + index) & mask] = undefined;
      const dropped = length - kept;
      length = kept;
      return dropped;
    },
  };
}
