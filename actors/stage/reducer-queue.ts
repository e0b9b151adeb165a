// The path from one stage to one reducer: a queue, and the credit that the reducer has granted. Items leave in the order they
// came, and never more than the credit allows. Punctuation travels in the same queue, behind the data that it refers to, and uses
// no credit.
import { effect, type Ref } from '../protocol/actor.js';
import { DeliveredItem } from '../protocol/item.js';
import type { ReducerRequest, LocateTarget } from '../protocol/pipeline-messages.js';
import type { Batch, QueueEntry, ReducerQueue } from './state.js';
import type { StageTurn } from './turn.js';
import { createDeque } from '../../src/core/deque.js';
import { KinactError } from '../../src/api/errors.js';

export function createReducerQueue(now: number): ReducerQueue {
  return {
    ref: undefined,
    credit: 0,
    lastSent: 0,
    lastReceived: 0,
    entries: createDeque<QueueEntry>(),
    batches: createDeque<Batch | undefined>(),
    settledAt: now,
  };
}

export function queueOf(queues: readonly ReducerQueue[], reducer: number): ReducerQueue {
  const queue = queues[reducer];
  if (queue === undefined) throw new KinactError('BROKEN_INVARIANT', `There is no reducer ${reducer}.`);
  return queue;
}

/** `batch`: that of an item. */
export function enqueue(queue: ReducerQueue, entry: QueueEntry, batch: Batch | undefined): void {
  queue.entries.push(entry);
  queue.batches.push(batch);
}

/** Sends as many items as the credit allows: each run of items as one batch, with punctuation in between. */
export function dispatch(turn: StageTurn, queue: ReducerQueue): void {
  if (queue.ref === undefined) return;

  const stage = turn.state.self;
  let items: DeliveredItem[] = [];
  for (let head = queue.entries.peek(); head !== undefined; head = queue.entries.peek()) {
    if (!(head instanceof DeliveredItem)) {
      queue.entries.shift();
      queue.batches.shift();
      items = sendItems(turn, queue, queue.ref, items);
      queue.lastSent += 1;
      const { punctuation: id, shardWorker, kind } = head;
      turn.effects.push(
        effect.send(queue.ref, { type: 'punctuation', stage, number: queue.lastSent, id, shardWorker, kind }),
      );
    } else if (queue.credit > 0) {
      queue.entries.shift();
      queue.credit -= 1;
      items.push(head);
      countDown(queue.batches.shift() as Batch, head);
    } else break;
  }

  sendItems(turn, queue, queue.ref, items);
}

function sendItems(
  { state, effects }: StageTurn,
  queue: ReducerQueue,
  to: Ref<ReducerRequest>,
  items: DeliveredItem[],
): DeliveredItem[] {
  if (items.length === 0) return items;
  queue.lastSent += 1;
  effects.push(effect.send(to, { type: 'items', stage: state.self, number: queue.lastSent, items }));
  return [];
}

/** An item has left a queue: with the last item of a record the record has. */
function countDown(batch: Batch, { ordinal }: DeliveredItem): void {
  const { itemsQueued } = batch;
  const items = itemsQueued.size === 0 ? undefined : itemsQueued.get(ordinal);
  if (items !== undefined && items > 1) {
    itemsQueued.set(ordinal, items - 1);
    return;
  }
  if (items !== undefined) itemsQueued.delete(ordinal);
  batch.entry.recordsQueued -= 1;
  batch.recordsQueued -= 1;
}

/** Drops the queued items of one shard worker: they would use up credit and be processed twice. */
export function discard(queue: ReducerQueue, shardWorkerNumber: number): void {
  for (let left = queue.entries.length; left > 0; left -= 1) {
    const entry = queue.entries.shift() as QueueEntry;
    const batch = queue.batches.shift();
    if (entry instanceof DeliveredItem && entry.tenure.shardWorkerNumber === shardWorkerNumber)
      countDown(batch as Batch, entry);
    else enqueue(queue, entry, batch);
  }
}

/**
 * The place in the queue of an item of this record, or of this punctuation. Only the watchdog asks, so a linear search is good
 * enough.
 */
export function indexInQueue(queue: ReducerQueue, sought: LocateTarget): number | undefined {
  for (let index = 0; index < queue.entries.length; index += 1) {
    const entry = queue.entries.at(index) as QueueEntry;
    const isSought =
      'punctuation' in sought
        ? !(entry instanceof DeliveredItem) && entry.punctuation === sought.punctuation
        : entry instanceof DeliveredItem &&
          entry.tenure.shardWorkerNumber === sought.shardWorker &&
          entry.ordinal === sought.ordinal;
    if (isSought) return index;
  }
  return undefined;
}

/** The oldest record of each shard worker that waits here, for `status()`. */
export function oldestQueued(
  queue: ReducerQueue,
  now: number,
): { shardWorker: number; ordinal: number; state: 'queued'; forMs: number }[] {
  const oldest = new Map<number, number>();

  for (let index = 0; index < queue.entries.length; index += 1) {
    const item = queue.entries.at(index);
    if (!(item instanceof DeliveredItem)) continue;
    const { shardWorkerNumber: shardWorker } = item.tenure;
    oldest.set(shardWorker, Math.min(item.ordinal, oldest.get(shardWorker) ?? Infinity));
  }

  return [...oldest].map(([shardWorker, ordinal]) => ({
    shardWorker,
    ordinal,
    state: 'queued',
    forMs: now - queue.settledAt,
  }));
}
