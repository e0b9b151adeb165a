// The events and counters of failed calls: they are repeated, they succeed in the end, or they leave nothing to repeat.
import { effect } from '../../protocol/actor.js';
import type { DeliveredItem } from '../../protocol/item.js';
import type { RawJob } from '../calls/raw-behaviour.js';
import type { FailedOne, ReducerTurn } from '../state.js';
import type { FlushGroup } from '../calls/user-calls.js';
import type { FailedItem } from '../../../src/api/failed-item.js';
import type { ConsumerEvents } from '../../../src/api/events.js';

export function failedItemOf(item: DeliveredItem, at: FailedItem['at'], items: number): FailedOne {
  const { source, shardId, sequenceNumber, subSequenceNumber, key, value, record } = item;
  const { data, arrivedAt } = record;
  return { source, shardId, sequenceNumber, subSequenceNumber, data, arrivedAt, key, value, at, items };
}

/** Reports the first, second, fourth, eighth … attempt that has failed. */
export function reportRetry(
  { effects }: ReducerTurn,
  failed: FailedOne,
  retried: { readonly attempt: number; readonly delayMs: number; readonly error: unknown },
): void {
  const { attempt } = retried;
  effects.push(effect.count('retries'));
  if ((attempt & (attempt - 1)) !== 0) return;
  effects.push(effect.emit({ name: 'itemRetrying', data: { ...placeOf(failed), ...retried } }));
}

function placeOf(failed: FailedOne): Omit<ConsumerEvents['itemRecovered'], 'attempts' | 'forMs'> {
  const { source, shardId, sequenceNumber, subSequenceNumber, key, at, items } = failed;
  return { source, shardId, sequenceNumber, subSequenceNumber: subSequenceNumber ?? 0, key, at, items };
}

/** Reports the success of an item that had failed. */
export function reportRecovery(turn: ReducerTurn, item: DeliveredItem): void {
  if (item.failedSince === undefined) return;
  const at = turn.options.definition.process === undefined ? 'reduce' : 'process';
  itemRecovered(turn, failedItemOf(item, at, 1), { attempts: item.attempt, since: item.failedSince });
}

/** `since`: when the first call failed. */
export function itemRecovered(
  { now, effects }: ReducerTurn,
  failed: FailedOne,
  { attempts, since }: { readonly attempts: number; readonly since: number },
): void {
  const data = { ...placeOf(failed), attempts, forMs: Math.round(now - since) };
  effects.push(effect.emit({ name: 'itemRecovered', data }));
}

/** Reports the success of a flush that had failed before. */
export function reportFlushRecovery(turn: ReducerTurn, { items, failures, failedSince }: FlushGroup): void {
  const failed = failedItemOf(items[0] as DeliveredItem, 'flush', items.length);
  itemRecovered(turn, failed, { attempts: failures + 1, since: failedSince });
}

/** Reports a failed call that left no item to deliver again, or to skip. */
export function callFailed({ effects }: ReducerTurn, job: RawJob, error: Error): void {
  effects.push(effect.count('failedCalls'));
  const message = `a reducer failed at ${job.message.type}`;
  effects.push(effect.emit({ name: 'warning', data: { message, error } }));
}
