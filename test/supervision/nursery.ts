// Children for a supervisor under test. They log what an observer sees of them, and crash or end on order.
import type { Behaviour, Ref } from '../../supervision/actor.js';

export type Order = { readonly type: 'crash' } | { readonly type: 'end' };

export interface Nursery {
  /** The children that live, by id. */
  readonly refs: ReadonlyMap<string, Ref<Order>>;
  readonly child: (id: string) => Behaviour<undefined, Order>;
}

/** `failures`: how many of the next starts of each id fail. */
export function nursery(failures: Map<string, number>, log: string[]): Nursery {
  const refs = new Map<string, Ref<Order>>();
  const child: Nursery['child'] = (id) => ({
    kind: 'child',
    initial(self) {
      const left = failures.get(id) ?? 0;
      failures.set(id, Math.max(0, left - 1));
      log.push(left > 0 ? `fail ${id}` : `start ${id}`);
      if (left > 0) throw new Error(`${id} does not start`);
      refs.set(id, self);
      return [undefined, []];
    },
    receive(_state, order) {
      if (order.type === 'crash') throw new Error(`${id} crashes`);
      return [undefined, [{ type: 'end' }]];
    },
    stopped() {
      log.push(`stop ${id}`);
      refs.delete(id);
      return [];
    },
  });
  return { refs, child };
}
