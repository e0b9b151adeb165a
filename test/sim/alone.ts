// I51: where an item that fails is called alone, and a batch that has failed is called again in parts, the order of a key is kept over
// all calls. An item is handed out only once every earlier item of its key and tenure is done, or came before it in the same call.
import type { Delivery } from './oracle.js';
import type { StreamLog } from './stream-log.js';

export interface Alone {
  delivered(delivery: Delivery): void;
}

export function createAlone(
  log: Pick<StreamLog, 'item' | 'isOpen'>,
  violate: (invariant: string, text: string) => void,
): Alone {
  /** Per shard, key, fence and process: the items that were handed out and were not done when it was last looked at. */
  const open = new Map<string, Set<string>>();
  return {
    delivered: ({ process, id, shardId, fence, together }) => {
      if (together === undefined) return;
      const { key, index } = log.item(id);
      const name = `${shardId}/${key}/${fence}/${process}`;
      const ids = open.get(name) ?? new Set();
      for (const earlier of ids) {
        if (!log.isOpen(earlier)) ids.delete(earlier);
        else if (log.item(earlier).index < index && !together.includes(earlier))
          violate(
            'I51',
            `${id} of key ${key} was handed out before ${earlier} was done, in fence ${fence} of ${process}`,
          );
      }
      open.set(name, ids.add(id));
    },
  };
}
