// Runs a *raw behaviour*: a reducer that gets every message itself (items, heartbeats, flushes, lost shards), one at a time, and
// acknowledges only through `ctx`. The deadlines of the items are still checked here.
import { endIfLate } from '../../protocol/tenure.js';
import { returnedState, type StateSlot } from './user-calls.js';
import type { CallContexts } from './call-contexts.js';
import type { DeliveredItem } from '../../protocol/item.js';
import type { Clock } from '../../../src/api/ports.js';
import type { RawReducer, ReducerMessage } from '../../../src/api/reducer.js';

export interface RawJob {
  /** For a call with items: all its items, including those in `dropped`, whose tenure had ended. */
  readonly items: readonly DeliveredItem[];
  readonly dropped: DeliveredItem[];
  readonly message: ReducerMessage<unknown>;
  readonly startedAt: number;
  /** 1 for the first call with this message. */
  readonly attempt: number;
  failure: { readonly cause: unknown } | undefined;
  /** What a successful call has emitted. */
  emitted?: readonly unknown[];
}

export function createRawJob(items: readonly DeliveredItem[], message: ReducerMessage<unknown>, now: number): RawJob {
  return { items, dropped: [], message, startedAt: now, attempt: 1, failure: undefined };
}

/** What a call needs. */
interface RawCall {
  readonly definition: RawReducer<unknown, unknown>;
  readonly contexts: CallContexts;
  readonly clock: Clock;
}

/** Checks the deadlines as late as possible, just before the call. */
export async function behave(job: RawJob, slot: StateSlot, { definition, contexts, clock }: RawCall): Promise<RawJob> {
  let { message } = job;
  if (message.type === 'items') {
    const live: DeliveredItem[] = [];
    for (const item of job.items) (endIfLate(item.tenure, clock) ? job.dropped : live).push(item);
    if (live.length === 0) return job;
    message = { type: 'items', items: live };
  }

  const first = message.type === 'items' ? (message.items[0] as DeliveredItem) : undefined;
  const { context, emission, end } = contexts.open(message.type, first, message.type === 'items');
  try {
    slot.state = returnedState(slot, 'behaviour', await definition.behaviour(slot.state, message, context));
    if (emission !== undefined) job.emitted = emission.values;
  } catch (cause) {
    job.failure = { cause };
  }
  end();
  return job;
}
