// Notes what a node still has when a shard is given up in a stop: the call that waits or has not ended, and what its states keep. The
// report of the stop names the oldest item of each.
import type { DeliveredItem } from '../protocol/item.js';
import { waitingText } from '../protocol/pending-failures.js';
import { SentMessage, type ItemReferences } from '../protocol/pipe-message.js';
import type { Call, Calling } from './calls.js';
import type { PipeNodeOptions } from './options.js';
import { refusalOf } from './refusal.js';
import { keptReferences, type RouteState } from './route-states.js';
import type { PipeNodeState } from './state.js';
import { firstOf, forEachTenure } from '../../src/core/references.js';

const underWay = new Error('its call has not ended');

/** Notes what waits of this shard worker; of all shard workers without one. */
export function noteLeft(
  { leftItems, clock, name }: Pick<PipeNodeOptions, 'leftItems' | 'clock' | 'name'>,
  state: PipeNodeState,
  shardWorker?: number,
): void {
  if (leftItems?.isStopping !== true) return;
  const now = clock.now();
  const note = (what: Call | RouteState, { source, shardId, sequenceNumber, key }: DeliveredItem, rest: Rest): void => {
    const { since, ...others } = rest;
    const forMs = Math.round(now - since);
    leftItems.noted.set(what, { source, shardId, sequenceNumber, key, at: 'node', forMs, ...others });
  };

  const { waiting, calling } = state;
  const call = waiting?.call ?? calling?.call;
  const item = call === undefined ? undefined : itemOf(referencesOf(call), shardWorker);
  if (call !== undefined && item !== undefined) {
    const since = waiting === undefined ? (calling as Calling).since : call.failedSince;
    const error = waitingText(call.cause ?? underWay, refusalOf(state, call));
    note(call, item, { since, attempts: call.failures, error });
  }
  for (const routeState of state.routeStates.values()) {
    // What this state keeps is noted already, because the call, a flush or a timer, is about that.
    if (call?.routeState === routeState && call.message === undefined) continue;
    const kept = itemOf(keptReferences(routeState), shardWorker);
    if (kept !== undefined)
      note(routeState, kept, { since: routeState.keepsSince, attempts: 0, error: `${name} keeps it` });
  }
}

interface Rest {
  readonly since: number;
  readonly attempts: number;
  readonly error: string;
}

function referencesOf({ message, routeState }: Call): Iterable<ItemReferences | undefined> {
  return message === undefined ? keptReferences(routeState) : [SentMessage.referencesOf(message)];
}

/** An item of these references, if they belong to this shard worker. */
function itemOf(all: Iterable<ItemReferences | undefined>, shardWorker: number | undefined): DeliveredItem | undefined {
  for (const references of all) {
    if (references === undefined) continue;
    let isMeant = shardWorker === undefined;
    forEachTenure(references, ({ shardWorkerNumber }) => {
      if (shardWorkerNumber === shardWorker) isMeant = true;
    });
    if (isMeant) return firstOf(references) as DeliveredItem | undefined;
  }
  return undefined;
}
