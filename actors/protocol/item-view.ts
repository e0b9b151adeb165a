// An item as the code of a pipe's nodes sees it (`message.item`). A message stands for its item, so the item itself, with its tenure, its
// stage and its ordinal, must not be reached: user code could make it stand for another. A view is made only when somebody looks.
import type { DeliveredItem } from './item.js';
import { hideClass } from '../../src/core/hidden-class.js';
import type { Item, ItemToken } from '../../src/api/reducer.js';

const views = new WeakMap<DeliveredItem, ItemView>();

/** The same view for the same item. */
export function viewOf(item: DeliveredItem): Item<unknown> {
  let view = views.get(item);
  if (view === undefined) views.set(item, (view = new ItemView(item)));
  return view;
}

class ItemView implements Item<unknown>, ItemToken {
  readonly #item: DeliveredItem;

  constructor(item: DeliveredItem) {
    this.#item = item;
  }

  get key(): string {
    return this.#item.key;
  }

  get value(): unknown {
    return this.#item.value;
  }

  get token(): ItemToken {
    return this;
  }

  get idempotencyKey(): string {
    return this.#item.idempotencyKey;
  }

  get source(): string {
    return this.#item.source;
  }

  get shardId(): string {
    return this.#item.shardId;
  }

  get sequenceNumber(): string {
    return this.#item.sequenceNumber;
  }

  get subSequenceNumber(): number | undefined {
    return this.#item.subSequenceNumber;
  }

  get arrivedAt(): number | undefined {
    return this.#item.arrivedAt;
  }

  get fetchedAt(): number {
    return this.#item.fetchedAt;
  }

  get millisBehindLatest(): number | undefined {
    return this.#item.millisBehindLatest;
  }

  get attempt(): number {
    return this.#item.attempt;
  }

  get fence(): number {
    return this.#item.fence;
  }

  get replayed(): boolean {
    return this.#item.replayed;
  }

  get opaque(): unknown {
    return this.#item.opaque;
  }

  get signal(): AbortSignal {
    return this.#item.signal;
  }
}

hideClass(ItemView);
