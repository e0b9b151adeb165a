// Notes the items that still wait here when their shard is given up in a stop: the report of the stop names them. The nodes note theirs.
import type { DeliveredItem } from '../protocol/item.js';
import { queuedItems } from './feeding.js';
import type { PipeState } from './state.js';
import type { PipeOptions } from './options.js';

/** Notes what waits of this shard worker; of all shard workers without one. */
export function noteLeft({ leftItems }: Pick<PipeOptions, 'leftItems'>, state: PipeState, worker?: number): void {
  if (leftItems?.isStopping !== true) return;
  const note = (item: DeliveredItem): void => {
    const { source, shardId, sequenceNumber, key, tenure } = item;
    if (worker !== undefined && tenure.workerNumber !== worker) return;
    const error = 'it waits behind a call that has not ended';
    leftItems.noted.set(item, { source, shardId, sequenceNumber, key, at: 'node', attempts: 0, forMs: 0, error });
  };
  for (const item of queuedItems(state)) note(item);
}
