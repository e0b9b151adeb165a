// With `concurrency`, no key is in two calls at once, or twice in one call. An item that is gathered takes the lane of its key until it
// is settled, held or dropped. Later items of the key wait in the lane, and other keys pass. Without `concurrency` there are no lanes.
import type { DeliveredItem } from '../../protocol/item.js';
import { creditAtOnce, holdIfItMustWait } from '../failures/attempts.js';
import type { Batching } from '../batches/batching.js';
import { holdsAny, mustWait } from '../failures/held-keys.js';
import { returnCredit } from '../../protocol/stage-reports.js';
import type { ReducerTurn } from '../state.js';
import { createDeque } from '../../../src/core/deque.js';

/** Whether the item may be handed out now. Otherwise it waits in the lane of its key. */
export function enterLane({ state }: ReducerTurn, item: DeliveredItem): boolean {
  const { lanes } = state.batching;
  if (lanes === undefined) return true;
  const lane = lanes.byKey.get(item.key);
  if (lane === undefined) {
    lanes.byKey.set(item.key, { owner: item, behind: undefined, isGathered: false });
    return true;
  }
  if (lane.owner === item) return true;
  creditAtOnce(state, item);
  lane.behind ??= createDeque();
  lane.behind.push(item);
  lanes.waiting += 1;
  if (lane.isGathered) lanes.isCrowded = true;
  return false;
}

/** Notes that an item is in the batch that is being gathered. */
export function noteGathered({ lanes }: Batching, { key }: DeliveredItem): void {
  const lane = lanes?.byKey.get(key);
  if (lanes === undefined || lane === undefined) return;
  lane.isGathered = true;
  if ((lane.behind?.length ?? 0) > 0) lanes.isCrowded = true;
}

/** Notes that the batch is handed out. */
export function noteBatchStarted({ lanes, open }: Batching): void {
  if (lanes === undefined) return;
  lanes.isCrowded = false;
  for (const { key } of open) {
    const lane = lanes.byKey.get(key);
    if (lane !== undefined) lane.isGathered = false;
  }
}

/** The item is settled, held or dropped: the next one of its key may go, or waits behind it. */
export function leaveLane(turn: ReducerTurn, item: DeliveredItem): void {
  const { batching, keys } = turn.state;
  const { lanes } = batching;
  const lane = lanes?.byKey.get(item.key);
  if (lanes === undefined || lane?.owner !== item) return;
  const isHeld = holdsAny(keys) && mustWait(keys, item);
  for (let next = lane.behind?.shift(); next !== undefined; next = lane.behind?.shift()) {
    lanes.waiting -= 1;
    if (isHeld) {
      holdIfItMustWait(turn, next);
      continue;
    }
    lane.owner = next;
    lane.isGathered = false;
    lanes.free.push(next);
    return;
  }
  lanes.byKey.delete(item.key);
}

/** Drops the gathered items of a shard worker that has ended. */
export function dropGathered(turn: ReducerTurn, shardWorker: number): void {
  const { batching, reports } = turn.state;
  const { lanes } = batching;
  const dropped: DeliveredItem[] = [];
  const keepOrDrop = (item: DeliveredItem): boolean => {
    if (item.tenure.shardWorkerNumber !== shardWorker) return true;
    dropped.push(item);
    return false;
  };

  if (lanes !== undefined) {
    for (const { behind } of lanes.byKey.values()) lanes.waiting -= behind?.retain(keepOrDrop) ?? 0;
    lanes.free.retain(keepOrDrop);
  }
  batching.open = batching.open.filter(keepOrDrop);
  for (const item of dropped) {
    returnCredit(reports, item);
    leaveLane(turn, item);
  }
}
