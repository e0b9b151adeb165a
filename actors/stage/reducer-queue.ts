// The way from one stage to one reducer: a queue, and the credit that the reducer has granted. Items leave in the order they
// came, and never more than the credit allows. Punctuation travels in the same queue, behind the data that it refers to, and uses
// no credit.
import { effect, type Ref } from '../protocol/actor.js';
import type { DeliveredItem } from '../protocol/item.js';
import type { ReducerRequest, LocateTarget } from '../protocol/pipeline-messages.js';
import type { ReducerQueue, Queued, StageTurn, Waiting } from './state.js';
import { createDeque } from '../../src/core/deque.js';
import { KinactError } from '../../src/api/errors.js';

export function createReducerQueue(now: number): ReducerQueue {
  return { ref: undefined, credit: 0, sent: 0, received: 0, entries: createDeque<Queued>(), settledAt: now };
}

export function queueOf(queues: readonly ReducerQueue[], reducer: number): ReducerQueue {
  const queue = queues[reducer];
  if (queue === undefined) throw new KinactError('BROKEN_INVARIANT', `There is no reducer ${reducer}.`);
  return queue;
}

export function enqueue(queue: ReducerQueue, queued: Queued): void {
  queue.entries.push(queued);
}

/** Sends as many items as the credit allows: each run of items as one batch, with punctuation in between. */
export function dispatch(turn: StageTurn, queue: ReducerQueue): void {
  if (queue.ref === undefined) return;
  const stage = turn.state.self;
  let items: DeliveredItem[] = [];
  for (let head = queue.entries.peek(); head !== undefined; head = queue.entries.peek()) {
    if (head.item === undefined) {
      queue.entries.shift();
      items = sendItems(turn, queue, queue.ref, items);
      queue.sent += 1;
      const { punctuation: id, kind } = head;
      turn.effects.push(effect.send(queue.ref, { type: 'punctuation', stage, number: queue.sent, id, kind }));
    } else if (queue.credit > 0) {
      queue.entries.shift();
      queue.credit -= 1;
      items.push(head.item);
      countDown(head.waiting);
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
  queue.sent += 1;
  effects.push(effect.send(to, { type: 'items', stage: state.self, number: queue.sent, items }));
  return [];
}

function countDown(waiting: Waiting): void {
  waiting.items -= 1;
  if (waiting.items > 0) return;
  waiting.worker.recordsQueued -= 1;
  waiting.batch.recordsQueued -= 1;
}

/** Drops the queued items of one worker: they would use up credit and be processed twice. */
export function discard(queue: ReducerQueue, worker: number): void {
  for (let left = queue.entries.length; left > 0; left -= 1) {
    const queued = queue.entries.shift() as Queued;
    if (queued.item?.tenure.worker === worker) countDown((queued as { waiting: Waiting }).waiting);
    else queue.entries.push(queued);
  }
}

/**
 * The place in the queue of an item of this record, or of this punctuation. Only the watchdog asks, so a linear search is good
 * enough.
 */
export function indexInQueue(queue: ReducerQueue, sought: LocateTarget): number | undefined {
  for (let place = 0; place < queue.entries.length; place += 1) {
    const queued = queue.entries.at(place) as Queued;
    const isIt =
      'punctuation' in sought
        ? queued.item === undefined && queued.punctuation === sought.punctuation
        : queued.item?.tenure.worker === sought.worker && queued.item.ordinal === sought.ordinal;
    if (isIt) return place;
  }
  return undefined;
}

/** The oldest record of each worker that waits here, for `status()`. */
export function oldestQueued(
  queue: ReducerQueue,
  now: number,
): { worker: number; ordinal: number; state: 'queued'; forMs: number }[] {
  const oldest = new Map<number, number>();
  for (let place = 0; place < queue.entries.length; place += 1) {
    const item = queue.entries.at(place)?.item;
    if (item === undefined) continue;
    const { worker } = item.tenure;
    oldest.set(worker, Math.min(item.ordinal, oldest.get(worker) ?? Infinity));
  }
  return [...oldest].map(([worker, ordinal]) => ({ worker, ordinal, state: 'queued', forMs: now - queue.settledAt }));
}
