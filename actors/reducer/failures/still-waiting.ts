// The items that still wait when their shard is given up in a stop: for another attempt, for the end of their call, or behind such an item.
// The report of the stop names them. A reducer notes them when their shard worker ends, and what is left when it is stopped itself. Nothing
// is noted before a stop has begun.
import { DeliveredItem } from '../../protocol/item.js';
import { refusals, waitingText } from '../../protocol/pending-failures.js';
import { gatheredItems } from '../batches/batching.js';
import { waitingCause, waitingFlushes } from './failed-call.js';
import type { HeldItem } from './held-keys.js';
import type { ReducerState } from '../state.js';
import type { ReducerOptions } from '../options.js';

/** Notes what waits of this shard worker; of all shard workers without one. */
export function noteLeft(
  { leftItems, definition }: Pick<ReducerOptions, 'leftItems' | 'definition'>,
  state: ReducerState,
  now: number,
  shardWorker?: number,
): void {
  if (leftItems?.isStopping !== true) return;
  const refused = refusals(state.pendingFailures);
  const isManual = definition.acknowledge === 'manual';
  const all = [...waitingItems(state), ...itemsBehind(state, now, isManual), ...calledItems(state)];
  for (const { item, since, at, failures: attempts, error } of all) {
    if (shardWorker !== undefined && item.tenure.shardWorkerNumber !== shardWorker) continue;
    const { source, shardId, sequenceNumber, key } = item;
    const forMs = Math.round(now - since);
    const why = waitingText(error, refused.get(item));
    leftItems.noted.set(item, { source, shardId, sequenceNumber, key, at, attempts, forMs, error: why });
  }
}

type Waiting = Omit<HeldItem, 'isUndecided'>;

const underWay = new Error('its call has not ended');
const behindIt = new Error('it waits behind a call that has not ended');

/** The items whose call is under way. A call that hangs is why a stop has not drained. */
function* calledItems({ running, batching }: ReducerState): Generator<Waiting> {
  const called = (item: DeliveredItem, since: number, at: Waiting['at']): Waiting => {
    return { item, failures: item.attempt - 1, since, at, error: underWay };
  };
  if (running?.type === 'fold') {
    const { current } = running.job;
    if (current !== undefined) yield called(current.item, current.since, 'reduce');
  } else if (running?.type === 'flush') {
    const { groups, noted, next, startedAt } = running.job;
    for (const { items, failures } of groups.slice(noted, next))
      for (const item of items) yield { ...called(item, startedAt, 'flush'), failures };
  } else if (running !== undefined) {
    const { items, startedAt } = running.job;
    for (const item of items) yield called(item, startedAt, 'reduce');
  }
  for (const { items, startedAt, task } of batching.calls)
    for (const item of items) yield called(item, startedAt, task.at);
}

/** The items of held keys, and those of a call that waits for another attempt. */
function* waitingItems(state: ReducerState): Generator<Waiting> {
  const { keys, waitingCall } = state;
  for (const { head, behind } of keys.byKey.values())
    for (const each of [head, ...behind]) yield { ...each, error: each.error ?? head.error ?? keys.outage?.error };
  if (waitingCall?.type === 'batch')
    for (const { parts, failures, failedSince: since, at, cause: error } of waitingCall.tasks)
      for (const item of parts.flat()) yield { item, failures, since, at, error };
  for (const { items, failures, failedSince: since, cause: error } of waitingFlushes(state))
    for (const item of items) yield { item, failures, since, at: 'flush', error };
}

/** The items behind a call that waits for another attempt, or has not ended. Without such a call none waits for long. */
function* itemsBehind(state: ReducerState, now: number, isManual: boolean): Generator<Waiting> {
  const { running, waitingCall, carry, queue, batching } = state;
  if (waitingCall === undefined && running === undefined && batching.calls.size === 0) return;
  const error = waitingCall === undefined ? behindIt : waitingCause(state);
  const behind = (item: DeliveredItem): Waiting => ({ item, failures: 0, since: now, at: 'reduce', error });
  for (const { parts } of batching.tasks) yield* parts.flat().map(behind);
  if (running?.type === 'flush')
    for (const { items } of running.job.groups.slice(running.job.next)) yield* items.map(behind);
  if (running?.type === 'fold') {
    yield* running.job.items.slice(running.job.next).map(behind);
    // They are in the state, and wait for their flush. What is acknowledged does not come again.
    const isOpen = (item: DeliveredItem): boolean => !isManual || state.unacknowledged.has(item);
    if (state.unflushed > 0) for (const { folded } of state.slots.values()) yield* folded.filter(isOpen).map(behind);
  }
  for (const item of gatheredItems(batching)) yield behind(item);
  yield* carry.map(behind);
  for (let place = 0; place < queue.length; place += 1) {
    const queued = queue.at(place);
    if (queued instanceof DeliveredItem) yield behind(queued);
  }
}
