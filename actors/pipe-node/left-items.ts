// Notes the call that still waits, or has not ended, when its shard is given up in a stop: the report of the stop names its oldest item.
import type { DeliveredItem } from '../protocol/item.js';
import { waitingText } from '../protocol/pending-failures.js';
import { SentMessage } from '../protocol/pipe-message.js';
import type { Call } from './calls.js';
import type { PipeNodeOptions } from './options.js';
import { refusalOf } from './refusal.js';
import { keptReferences } from './slots.js';
import type { PipeNodeState } from './state.js';
import { firstOf, forEachGrant } from '../../src/core/references.js';

const underWay = new Error('its call has not ended');

/** Notes what waits of this worker; of all workers without one. */
export function noteLeft(
  { leftItems, clock }: Pick<PipeNodeOptions, 'leftItems' | 'clock'>,
  state: PipeNodeState,
  worker?: number,
): void {
  if (leftItems?.isStopping !== true) return;
  const { waiting, calling } = state;
  const call = waiting?.call ?? calling?.call;
  const item = call === undefined ? undefined : itemOf(call, worker);
  if (call === undefined || item === undefined) return;
  const { source, shardId, sequenceNumber, key } = item;
  const since = waiting === undefined ? (calling?.since ?? clock.now()) : call.failedSince;
  const cause = call.cause ?? underWay;
  leftItems.noted.set(call, {
    ...{ source, shardId, sequenceNumber, key, at: 'node', attempts: call.failures },
    forMs: Math.round(clock.now() - since),
    error: waitingText(cause, refusalOf(state, call)),
  });
}

/** An item that the call is about, if it is about this worker. */
function itemOf({ message, slot }: Call, worker: number | undefined): DeliveredItem | undefined {
  const all = message === undefined ? [...keptReferences(slot)] : [SentMessage.referencesOf(message)];
  for (const references of all) {
    if (references === undefined) continue;
    let isMeant = worker === undefined;
    forEachGrant(references, ({ workerNumber }) => {
      if (workerNumber === worker) isMeant = true;
    });
    if (isMeant) return firstOf(references) as DeliveredItem | undefined;
  }
  return undefined;
}
