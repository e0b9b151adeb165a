// `ctx.fail` under automatic acknowledgement, where kinact settles an item when its call returns, or when its flush does. Within the call
// of the item it counts instead of what the call returns. Later, the item is in the state already: the flush of the state then fails, and
// no repetition can mend it.
import type { DeliveredItem } from '../../protocol/item.js';
import { itemsFailed } from './failed-call.js';
import { returnCredit } from '../../protocol/stage-reports.js';
import type { ReducerState, ReducerTurn } from '../state.js';
import { takeEmitted, type FoldJob, type StateSlot } from '../calls/user-calls.js';
import { chainText } from '../../../src/core/thrown.js';
import { NonRetryableError } from '../../../src/api/failure-policy.js';

/** Returns false if the item is settled, or not in this reducer: nothing happens then. */
export function failUnsettled(turn: ReducerTurn, item: DeliveredItem, error: unknown): boolean {
  const { state, options } = turn;
  const jobs = foldJobs(state);
  const current = jobs.find((job) => job.current?.item === item)?.current;
  if (current !== undefined) {
    current.failed ??= { error };
    return true;
  }

  if (options.definition.flush === undefined) return jobs.some((job) => failReduced(turn, job, item, error));
  const slot = slotOf(state, item);
  if (slot === undefined) return false;
  const text = `ctx.fail was called for record ${item.sequenceNumber} after its reduce had returned: ${chainText(error)}`;
  slot.condemned ??= new NonRetryableError(text, { cause: error });
  return true;
}

function foldJobs({ running, batching }: ReducerState): readonly FoldJob[] {
  const parts = [...batching.calls].flatMap(({ part }) => (part === undefined ? [] : [part.job]));
  return running?.type === 'fold' ? [running.job, ...parts] : parts;
}

/** Its call has returned in this run, and it is not settled yet. */
function failReduced(turn: ReducerTurn, job: FoldJob, item: DeliveredItem, error: unknown): boolean {
  const place = job.reduced.indexOf(item, job.noted);
  if (place < 0) return false;
  job.reduced.splice(place, 1);
  takeEmitted(job, item);
  const slot = job.slotOf(item);
  slot.folded = slot.folded.filter((each) => each !== item);
  returnCredit(turn.state.reports, item);
  itemsFailed(turn, [item], error, 'ack');
  return true;
}

/** The state that the item is folded into, if that is not flushed. */
function slotOf({ slots, running, waitingCall, batching }: ReducerState, item: DeliveredItem): StateSlot | undefined {
  for (const slot of slots.values()) if (slot.folded.includes(item)) return slot;
  for (const { part } of batching.calls) if (part?.job.items.includes(item) === true) return part.slot;
  const groups = [
    ...(running?.type === 'flush' ? running.job.groups.slice(running.job.noted) : []),
    ...(waitingCall?.type === 'flush' ? waitingCall.groups : []),
  ];
  return groups.find(({ items }) => items.includes(item))?.slot;
}
