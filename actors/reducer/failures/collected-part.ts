// A call of a `collectsOnly` reducer with some items: `reduce` over them, from a new state, then `flush`. It gives way between two calls of
// `reduce`, like any fold. An item whose `reduce` throws has failed alone; the others are called again without it.
import type { CallContexts } from '../calls/call-contexts.js';
import type { ProcessCall, CollectedPart } from '../batches/batching.js';
import { takeFlushJob, createFoldJob, createSlot, flushGroups, fold, type FoldJob } from '../calls/user-calls.js';
import type { Clock } from '../../../src/api/ports.js';
import type { DeliveredItem } from '../../protocol/item.js';
import type { FoldingReducer } from '../../../src/api/reducer.js';

interface PartContext {
  readonly definition: FoldingReducer;
  readonly contexts: CallContexts;
  readonly clock: Clock;
}

export function createPart(definition: FoldingReducer, items: readonly DeliveredItem[]): CollectedPart {
  const slot = createSlot(definition);
  return { slot, job: createFoldJob(items, () => slot, true) };
}

/** Goes on with the part. The call is not over if it gave way. */
export async function callPart(call: ProcessCall, part: CollectedPart, context: PartContext): Promise<ProcessCall> {
  const { definition, contexts, clock } = context;
  const { job, slot } = part;
  await fold(job, definition.reduce as Parameters<typeof fold>[1], contexts, clock);
  if (job.failure === undefined && job.next < job.items.length) return call;

  call.isOver = true;
  call.handed = withoutDropped(job);
  if (job.failure !== undefined) {
    call.failed.set(job.failure.item, job.failure.cause);
    call.isRepeated = true;
    return call;
  }
  const flushing = takeFlushJob([slot], clock.now());
  await flushGroups(flushing, definition.flush as Parameters<typeof flushGroups>[1], contexts, clock);
  const [group] = flushing.groups;
  if (group?.outcome === 'failed') call.failure = { cause: group.cause };
  else if (group?.outcome === 'dropped') call.handed = [];
  if (group?.emitted !== undefined) call.emitted = group.emitted;
  return call;
}

function withoutDropped({ items, dropped }: FoldJob): readonly DeliveredItem[] {
  if (dropped.length === 0) return items;
  const left = new Set(dropped);
  return items.filter((item) => !left.has(item));
}
