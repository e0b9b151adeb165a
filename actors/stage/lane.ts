// The way from one stage to one reducer: a queue, and the credit that the reducer has granted. Items leave in the order they
// came, never more than the credit. Punctuation travels in the same queue, behind the data that it refers to, and uses no
// credit.
import { send } from '../protocol/actor.js';
import type { Ref } from '../protocol/actor.js';
import type { DeliveredItem } from '../protocol/item.js';
import type { ReducerInbox, Sought } from '../protocol/pipeline.js';
import type { Lane, Queued, Turn, Waiting } from './state.js';
import { createDeque } from '../../src/core/deque.js';
import { KinactError } from '../../src/api/errors.js';

export function createLane(now: number): Lane {
  return { ref: undefined, credit: 0, sent: 0, received: 0, queue: createDeque<Queued>(), settledAt: now };
}

export function laneOf(lanes: readonly Lane[], reducer: number): Lane {
  const lane = lanes[reducer];
  if (lane === undefined) throw new KinactError('BROKEN_INVARIANT', `no reducer ${reducer}`);
  return lane;
}

export function enqueue(lane: Lane, queued: Queued): void {
  lane.queue.push(queued);
}

/** Sends what the credit allows: runs of items as one batch each, punctuation in between. */
export function dispatch(turn: Turn, lane: Lane): void {
  if (lane.ref === undefined) return;
  const stage = turn.state.self;
  let items: DeliveredItem[] = [];
  for (let head = lane.queue.peek(); head !== undefined; head = lane.queue.peek()) {
    if (head.item === undefined) {
      lane.queue.shift();
      items = sendItems(turn, lane, lane.ref, items);
      lane.sent += 1;
      const { punctuation: id, kind } = head;
      turn.effects.push(send(lane.ref, { type: 'punctuation', stage, number: lane.sent, id, kind }));
    } else if (lane.credit > 0) {
      lane.queue.shift();
      lane.credit -= 1;
      items.push(head.item);
      settleWaiting(head.waiting);
    } else break;
  }
  sendItems(turn, lane, lane.ref, items);
}

function sendItems(
  { state, effects }: Turn,
  lane: Lane,
  to: Ref<ReducerInbox>,
  items: DeliveredItem[],
): DeliveredItem[] {
  if (items.length === 0) return items;
  lane.sent += 1;
  effects.push(send(to, { type: 'items', stage: state.self, number: lane.sent, items }));
  return [];
}

function settleWaiting(waiting: Waiting): void {
  waiting.items -= 1;
  if (waiting.items > 0) return;
  waiting.worker.waiting -= 1;
  waiting.batch.waiting -= 1;
}

/** Drops the queued items of one worker (S4): they would use up credit and be done twice. */
export function discard(lane: Lane, worker: number): void {
  for (let left = lane.queue.length; left > 0; left -= 1) {
    const queued = lane.queue.shift() as Queued;
    if (queued.item?.tenure.worker === worker) settleWaiting((queued as { waiting: Waiting }).waiting);
    else lane.queue.push(queued);
  }
}

/** The place in the queue of an item of this record, or of this punctuation. Only the watchdog asks, so a walk is good enough. */
export function positionOf(lane: Lane, sought: Sought): number | undefined {
  for (let place = 0; place < lane.queue.length; place += 1) {
    const queued = lane.queue.at(place) as Queued;
    const isIt =
      'punctuation' in sought
        ? queued.item === undefined && queued.punctuation === sought.punctuation
        : queued.item?.tenure.worker === sought.worker && queued.item.ordinal === sought.ordinal;
    if (isIt) return place;
  }
  return undefined;
}

/** Per worker the oldest record that waits here, for `status()`. */
export function oldestQueued(
  lane: Lane,
  now: number,
): { worker: number; ordinal: number; state: 'queued'; forMs: number }[] {
  const oldest = new Map<number, number>();
  for (let place = 0; place < lane.queue.length; place += 1) {
    const item = lane.queue.at(place)?.item;
    if (item === undefined) continue;
    const { worker } = item.tenure;
    oldest.set(worker, Math.min(item.ordinal, oldest.get(worker) ?? Infinity));
  }
  return [...oldest].map(([worker, ordinal]) => ({ worker, ordinal, state: 'queued', forMs: now - lane.settledAt }));
}
