// The items that still wait for another attempt when their shard is given up in a stop, and those whose call has not ended: the report
// of the stop names them. A reducer notes them when their worker ends, and what is left when it is stopped itself. Nothing is noted
// before a stop has begun.
import { DeliveredItem } from '../protocol/item.js';
import type { LeftItems } from '../protocol/left-items.js';
import { refusals, waitingText } from '../protocol/pending-failures.js';
import { gatheredItems } from './batching.js';
import { waitingFlushes } from './failed-call.js';
import type { HeldItem } from './held-keys.js';
import type { ReducerState } from './state.js';

/** Notes what waits of this worker; of all workers without one. */
export function noteLeft(left: LeftItems | undefined, state: ReducerState, now: number, worker?: number): void {
  if (left?.isStopping !== true) return;
  const refused = refusals(state.pendingFailures);
  for (const { item, since, at, failures: attempts, error } of [...waitingItems(state, now), ...calledItems(state)]) {
    if (worker !== undefined && item.tenure.worker !== worker) continue;
    const { source, shardId, sequenceNumber, key } = item;
    const forMs = Math.round(now - since);
    const why = error === undefined ? '' : waitingText(error, refused.get(item));
    left.noted.set(item, { source, shardId, sequenceNumber, key, at, attempts, forMs, error: why });
  }
}

type Waiting = Omit<HeldItem, 'undecided'>;

const underWay = new Error('its call has not ended');

/** The items whose call is under way. A call that hangs is why a stop has not drained. */
function* calledItems({ running, batching }: ReducerState): Generator<Waiting> {
  const called = (item: DeliveredItem, since: number, at: Waiting['at']): Waiting => {
    return { item, failures: item.attempt - 1, since, at, error: underWay };
  };
  if (running?.type === 'fold') {
    const { current } = running.job;
    if (current !== undefined) yield called(current.item, current.since, 'reduce');
  } else if (running?.type === 'flush') {
    const { groups, noted, startedAt } = running.job;
    for (const { items, failures } of groups.slice(noted))
      for (const item of items) yield { ...called(item, startedAt, 'flush'), failures };
  } else if (running !== undefined) {
    const { items, startedAt } = running.job;
    for (const item of items) yield called(item, startedAt, 'reduce');
  }
  for (const { items, startedAt, task } of batching.calls)
    for (const item of items) yield called(item, startedAt, task.at);
}

/** The items that wait: those of held keys, of a waiting flush, and those that wait behind a call that holds the reducer. */
function* waitingItems(state: ReducerState, now: number): Generator<Waiting> {
  const { keys, waitingCall, carry, queue, batching } = state;
  for (const { head, behind } of keys.byKey.values())
    for (const each of [head, ...behind]) yield { ...each, error: each.error ?? head.error };
  if (waitingCall === undefined) return;

  let error: unknown;
  if (waitingCall.type === 'batch') {
    for (const { parts, failures, failedSince: since, at, cause } of waitingCall.tasks) {
      error ??= cause;
      for (const item of parts.flat()) yield { item, failures, since, at, error: cause };
    }
  }
  for (const { items, failures, failedSince: since, cause } of waitingFlushes(state)) {
    error ??= cause;
    for (const item of items) yield { item, failures, since, at: 'flush', error: cause };
  }
  const behindIt = (item: DeliveredItem): Waiting => ({ item, failures: 0, since: now, at: 'reduce', error });
  for (const item of gatheredItems(batching)) yield behindIt(item);
  for (const item of carry) yield behindIt(item);
  for (let place = 0; place < queue.length; place += 1) {
    const queued = queue.at(place);
    if (queued instanceof DeliveredItem) yield behindIt(queued);
  }
}
