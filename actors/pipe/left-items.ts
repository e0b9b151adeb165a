// Notes the items that still wait here when their shard is given up in a stop: the report of the stop names them. The nodes note theirs.
import { DeliveredItem } from '../protocol/item.js';
import { SentMessage } from '../protocol/pipe-message.js';
import { firstOf } from '../../src/core/references.js';
import type { PipeState } from './state.js';
import type { PipeOptions } from './options.js';

/** Notes what waits of this shard worker; of all shard workers without one. */
export function noteLeft(
  { leftItems }: Pick<PipeOptions, 'leftItems'>,
  { queue }: PipeState,
  shardWorker?: number,
): void {
  if (leftItems?.isStopping !== true) return;
  const note = (item: DeliveredItem): void => {
    const { source, shardId, sequenceNumber, key, tenure } = item;
    if (shardWorker !== undefined && tenure.shardWorkerNumber !== shardWorker) return;
    const error = 'it waits behind a call that has not ended';
    leftItems.noted.set(item, { source, shardId, sequenceNumber, key, at: 'node', attempts: 0, forMs: 0, error });
  };
  for (let place = 0; place < queue.length; place += 1) {
    const queued = queue.at(place);
    if (queued instanceof DeliveredItem) note(queued);
    else if (SentMessage.isMessage(queued)) {
      const references = SentMessage.referencesOf(queued);
      const first = references === undefined ? undefined : (firstOf(references) as DeliveredItem | undefined);
      if (first !== undefined) note(first);
    }
  }
}
