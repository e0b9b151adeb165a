// I70: a flush, or a drain, that a pipe answers has settled all that came before it. So has one that a reducer before a pipe answers. What
// the answer names may be open, and what belongs to ended tenures. (Every node of the simulation flushes all that it keeps.) The law reads
// the mail between stages, reducers and pipes.
import type { DeliveredItem } from '../../../actors/protocol/item.js';
import type { Delivery } from '../../../supervision/intercept.js';
import { Piece, type Grain } from './grain.js';

export interface FlushLaw {
  /** A message leaves its sender. */
  passed(delivery: Delivery): void;
}

interface Sent {
  readonly grain: Grain;
  readonly item: DeliveredItem;
}

interface Mail {
  readonly type: string;
  readonly items: readonly DeliveredItem[];
  readonly shardWorker: number;
  readonly id: number;
  readonly waiting: readonly number[];
}

const isRunner = (path: string): boolean => path.startsWith('pipe/') || path.startsWith('reducer/');

export function createFlushLaw(violate: (invariant: string, text: string) => void): FlushLaw {
  /** By stage, pipe and worker. */
  const sent = new Map<string, Sent[]>();
  /** What must be settled when a punctuation is answered, by stage, pipe and its id. */
  const asked = new Map<string, readonly Sent[]>();
  const isOpen = ({ grain, item }: Sent): boolean =>
    !grain.isDone && !grain.mayBeParked && !grain.isByHand && !item.tenure.ended;
  return {
    passed: ({ from, to, message }) => {
      if (from === undefined) return;
      const { type, items, shardWorker, id, waiting } = (message ?? {}) as Mail;
      if (type === 'items' && isRunner(to.path)) {
        for (const item of items) {
          const name = `${from.path} ${to.path} ${item.tenure.shardWorkerNumber}`;
          const [grain] = item.value instanceof Piece ? item.value.grains : [];
          if (grain !== undefined) sent.set(name, [...(sent.get(name) ?? []).filter(isOpen), { grain, item }]);
        }
      } else if (type === 'punctuation' && isRunner(to.path)) {
        asked.set(
          `${from.path} ${to.path} ${id}`,
          (sent.get(`${from.path} ${to.path} ${shardWorker}`) ?? []).filter(isOpen),
        );
      } else if (type === 'punctuated' && isRunner(from.path)) {
        const before = asked.get(`${to.path} ${from.path} ${id}`) ?? [];
        asked.delete(`${to.path} ${from.path} ${id}`);
        const left = before.filter((each) => isOpen(each) && !waiting.includes(each.item.ordinal));
        if (left.length > 0)
          violate(
            'I70',
            `${from.path} answers a flush, and ${left.map(({ grain }) => grain.id).join(' ')} came before it`,
          );
      }
    },
  };
}
