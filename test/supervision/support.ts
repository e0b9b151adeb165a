// An actor that carries out the effects of a message and notes what comes back, with helpers that wait for it.
import type { Behaviour, Effect, Ending, Ref } from '../../supervision/actor.js';
import { sendFromOutside } from '../../supervision/system.js';

export type Order =
  | { readonly type: 'do'; readonly effects: readonly Effect<Order>[] }
  | { readonly type: 'throw'; readonly error: unknown }
  | { readonly type: 'note'; readonly what: unknown };

export const note = (what: unknown): Order => ({ type: 'note', what });

/** `notes` collects the noted values. `log` gets the start and the stop hook, with the name. */
export function puppet(
  name: string,
  notes: unknown[] = [],
  log: string[] = [],
  extra: Partial<Behaviour<undefined, Order>> = {},
): Behaviour<undefined, Order> {
  return {
    kind: 'puppet',
    initial() {
      log.push(`start ${name}`);
      return [undefined, []];
    },
    receive(_state, order) {
      switch (order.type) {
        case 'do':
          return [undefined, order.effects];
        case 'throw':
          throw order.error;
        case 'note':
          notes.push(order.what);
          return [undefined, []];
      }
    },
    stopped(_state, reason) {
      log.push(`stop ${name} ${reason}`);
      return [];
    },
    ...extra,
  };
}

export function order(ref: Ref<Order>, ...effects: readonly Effect<Order>[]): void {
  sendFromOutside(ref, { type: 'do', effects } satisfies Order);
}

/** A child under a puppet: resolves to its reference once it has started. `down` is noted by the parent. */
export function spawned(
  parent: Ref<Order>,
  behaviour: Behaviour<undefined, Order>,
  shutdownMs?: number,
): Promise<Ref<Order>> {
  return new Promise((resolve) => {
    order(parent, {
      type: 'spawn',
      name: 'child',
      behaviour: behaviour as unknown as Behaviour<never, never>,
      spawned: (ref) => (resolve(ref as Ref<Order>), note('spawned')),
      down: (_ref, how: Ending) => note(how),
      ...(shutdownMs === undefined ? {} : { shutdownMs }),
    });
  });
}

/** A promise that the test settles. */
export function gate<T = void>(): { readonly promise: Promise<T>; open(value: T): void; fail(error: Error): void } {
  let open!: (value: T) => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}
