// What travels between the nodes of a pipe. The references of a message are private: user code cannot make, copy or change them. The static
// functions here are the only way to them, and no message leads to its class.
import type { Ref } from './actor.js';
import type { Disposed } from './disposition.js';
import { DeliveredItem } from './item.js';
import { viewOf } from './item-view.js';
import type { Tenure } from './tenure.js';
import type { Item } from '../../src/api/reducer.js';
import type { MessageLease, PipeMessage } from '../../src/api/pipe.js';
import { hideClass } from '../../src/core/hidden-class.js';
import { forEachTenure, type References } from '../../src/core/references.js';

export type ItemReferences = References<Tenure, Ref<Disposed>>;

/** A route: a list of heads. `id` is unique among routes. */
export interface Route {
  readonly head: string;
  readonly tail: Route | undefined;
  readonly id: string;
}

export const mainRouteId = '';

export function addHead(tail: Route | undefined, head: string): Route {
  return { head, tail, id: `${tail?.id ?? mainRouteId}/${head.length}:${head}` };
}

const leases = new WeakMap<Tenure, MessageLease>();

export function leaseOf(tenure: Tenure): MessageLease {
  let lease = leases.get(tenure);
  if (lease === undefined) {
    const { source, shardId, fence } = tenure;
    leases.set(tenure, (lease = Object.freeze({ source, shardId, fence })));
  }
  return lease;
}

export class SentMessage implements PipeMessage {
  // Private with a getter, and so read-only: a call that is repeated gets what the first attempt has got.
  readonly #value: unknown;
  readonly #sizeBytes: number;
  /** Undefined: it stands for nothing, because it was fed from outside a stream, or because it has been settled or passed on. */
  #references: ItemReferences | undefined;
  readonly #route: Route | undefined;

  constructor(value: unknown, references: ItemReferences | undefined, route: Route | undefined, sizeBytes: number) {
    this.#value = value;
    this.#sizeBytes = sizeBytes;
    this.#references = references;
    this.#route = route;
  }

  get value(): unknown {
    return this.#value;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get route(): string | undefined {
    return this.#route?.head;
  }

  get item(): Item<unknown> | undefined {
    return this.#references instanceof DeliveredItem ? viewOf(this.#references) : undefined;
  }

  get lease(): MessageLease | undefined {
    const { leases } = this;
    return leases.length === 1 ? leases[0] : undefined;
  }

  get leases(): readonly MessageLease[] {
    const references = this.#references;
    // The usual case is one item, which needs no Set.
    if (references instanceof DeliveredItem) return [leaseOf(references.tenure)];
    if (references === undefined) return [];
    const tenures = new Set<Tenure>();
    forEachTenure(references, (tenure) => void tenures.add(tenure));
    // Of several tenures, only those in force are named. A single one is named even if it has ended.
    if (tenures.size > 1) for (const tenure of tenures) if (tenure.ended) tenures.delete(tenure);
    return Array.from(tenures, leaseOf);
  }

  static isMessage(value: unknown): value is SentMessage {
    return typeof value === 'object' && value !== null && #references in value;
  }

  // Asked of the fields themselves: user code may give its object members of these names.

  static contentOf(message: SentMessage): unknown {
    return message.#value;
  }

  static sizeOf(message: SentMessage): number {
    return message.#sizeBytes;
  }

  static routeOf(message: SentMessage): Route | undefined {
    return message.#route;
  }

  static referencesOf(message: SentMessage): ItemReferences | undefined {
    return message.#references;
  }

  /** The item itself, if it is one: `item` is what user code sees of it. */
  static itemOf(message: SentMessage): DeliveredItem | undefined {
    return message.#references instanceof DeliveredItem ? message.#references : undefined;
  }

  static setReferences(message: SentMessage, references: ItemReferences | undefined): void {
    message.#references = references;
  }
}

hideClass(SentMessage);
