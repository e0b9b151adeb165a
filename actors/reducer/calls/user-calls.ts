// Calls the code of a reducer that folds, one call after the other: `reduce` over a slice of items, and `flush`. (`process` and raw
// behaviours are called elsewhere.) Before each call it compares the deadline of the items with the clock (docs/leases.md): after a
// stall, timers and messages come too late. Only a thenable is awaited, so a synchronous `reduce` costs no promise. A run gives way
// only between two calls (`advanceItem`, `flushGroups`), by ending its effect. The effect's message returns the rest, and the reducer
// starts another effect for the rest in a later turn.
import { endIfLate } from '../../protocol/tenure.js';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import { isThenable, ignoreRejection } from '../../../src/core/callback.js';
import { openFlush, type CallContext, type CallContexts } from './call-contexts.js';
import type { DeliveredItem } from '../../protocol/item.js';
import { sliceMs, startSlice } from '../../../src/core/time-slice.js';
import { recordBytes } from '../../../src/core/record-bytes.js';
import { refuse } from '../../../src/api/refusal.js';
import type { Clock } from '../../../src/api/ports.js';
import type { FlushContext, Item, ReducerContext, ReducerDefinition } from '../../../src/api/reducer.js';

/** A state of the reducer: one in all, or one per shard. */
export interface StateSlot {
  state: unknown;
  /** Whether `init` returned something. Then a call that returns undefined has forgotten its `return`. */
  hasState: boolean;
  /** The items folded since the last flush, in order. */
  folded: DeliveredItem[];
  /** The application has called `ctx.fail` for an item in the state: it must not be flushed. */
  condemned?: Error | undefined;
  /** Of a `collectsOnly` reducer: what was emitted for the folded items. It goes on with their flush: until then they may be repeated. */
  emissions?: Map<DeliveredItem, readonly unknown[]> | undefined;
}

/** Makes a slot with a new state. Throws what `init` throws, and INVALID_OPTION for a promise: nobody would await it. */
export function createSlot(definition: ReducerDefinition): StateSlot {
  const slot: StateSlot = { state: undefined, hasState: false, folded: [] };
  renewState(slot, definition);
  return slot;
}

/** Replaces the state by a new one from `init`. */
export function renewState(slot: StateSlot, definition: ReducerDefinition): void {
  const state = ignoreRejection((definition.init as () => unknown)());
  if (isThenable(state)) refuse('reducer.init', 'a synchronous function that returns the state', state);
  slot.condemned = undefined;
  slot.state = state;
  slot.hasState = state !== undefined;
}

/** The state that a call has returned. Throws if it has none, although `init` made one. */
export function returnedState(slot: StateSlot, name: 'reduce' | 'behaviour', returned: unknown): unknown {
  if (returned !== undefined || !slot.hasState) return returned;
  // A mistake in the code: no repetition mends it.
  throw new NonRetryableError(
    `${name} must return the new state, got undefined, but init returned a state: is a return missing?`,
  );
}

/** One run over items that may end early: at a failure, or when its time slice is over. */
export interface FoldJob {
  readonly items: readonly DeliveredItem[];
  readonly slotOf: (item: DeliveredItem) => StateSlot;
  /** The index of the first item not yet dealt with. The rest goes to the next job. */
  next: number;
  /** Items for which `reduce` has returned. */
  readonly reduced: DeliveredItem[];
  /** When the first run over the items began, monotonic milliseconds. */
  startedAt: number | undefined;
  /** How many of `reduced` the actor has noted (`finishReduced`, also during a long call). */
  noted: number;
  /** Items not handed out, because their tenure had ended. */
  readonly dropped: DeliveredItem[];
  /** The call under way, for `status()`. */
  current: CurrentCall | undefined;
  failure: { readonly item: DeliveredItem; readonly cause: unknown; readonly at: 'reduce' | 'ack' } | undefined;
  /** What `reduce` has emitted for items that the actor has not noted. */
  emissions?: Map<DeliveredItem, readonly unknown[]>;
  emitted: number;
  emittedBytes: number;
  /** Of a `collectsOnly` reducer: what was emitted waits for the flush, and so it needs no room now. */
  readonly holdsEmitted: boolean;
}

interface CurrentCall {
  readonly item: DeliveredItem;
  readonly since: number;
  context: CallContext | undefined;
  /** The application has called `ctx.fail` for the item. */
  failed?: { readonly error: unknown };
}

type Reduce = (state: unknown, item: Item<unknown>, context: ReducerContext) => unknown;

export function createFoldJob(
  items: readonly DeliveredItem[],
  slotOf: (item: DeliveredItem) => StateSlot,
  holdsEmitted: boolean,
): FoldJob {
  return {
    emitted: 0,
    emittedBytes: 0,
    holdsEmitted,
    items,
    slotOf,
    startedAt: undefined,
    next: 0,
    reduced: [],
    noted: 0,
    dropped: [],
    current: undefined,
    failure: undefined,
  };
}

/** What all calls of one run have in common. */
interface FoldRun {
  readonly reduce: Reduce;
  readonly contexts: CallContexts;
  readonly clock: Clock;
  readonly startedAt: number;
}

export function fold(job: FoldJob, reduce: Reduce, contexts: CallContexts, clock: Clock): FoldJob | Promise<FoldJob> {
  const run: FoldRun = { reduce, contexts, clock, startedAt: clock.now() };
  job.startedAt ??= run.startedAt;
  for (let item = advanceItem(job, run); item !== undefined; item = advanceItem(job, run)) {
    const pending = callReduce(job, item, run);
    if (pending !== undefined) return foldRest(job, item, pending, run);
  }
  return job;
}

/** The next item to hand out; undefined if the job is over or gives way. */
function advanceItem(job: FoldJob, { contexts, clock, startedAt }: FoldRun): DeliveredItem | undefined {
  job.current?.context?.end();
  job.current = undefined;
  const { signal } = contexts.shared;
  while (job.failure === undefined && job.next < job.items.length && !signal.aborted) {
    const now = clock.now();
    if (job.next > 0 && (now - startedAt >= sliceMs || !hasRoom(job, contexts))) return undefined;

    const item = job.items[job.next] as DeliveredItem;
    job.next += 1;
    if (!endIfLate(item.tenure, clock, now)) {
      job.current = { item, since: now, context: undefined };
      return item;
    }
    job.dropped.push(item);
  }
  return undefined;
}

/** Without a pipe there is always room. */
function hasRoom({ holdsEmitted, emitted, emittedBytes }: FoldJob, contexts: CallContexts): boolean {
  return contexts.hasRoom === undefined || holdsEmitted || contexts.hasRoom(emitted, emittedBytes);
}

/** Calls `reduce`. Returns its result only if that is a thenable. */
function callReduce(
  job: FoldJob,
  item: DeliveredItem,
  { reduce, contexts }: FoldRun,
): PromiseLike<unknown> | undefined {
  const slot = job.slotOf(item);
  try {
    const opened = contexts.open('reduce', item);
    if (job.current !== undefined) job.current.context = opened;
    const state = reduce(slot.state, item, opened.context);
    if (isThenable(state)) return state;
    keepState(job, slot, item, state, contexts);
  } catch (cause) {
    job.failure ??= { item, cause, at: 'reduce' };
  }
  return undefined;
}

/** A loop instead of nested promises, because a batch may be long. */
async function foldRest(
  job: FoldJob,
  first: DeliveredItem,
  firstPending: PromiseLike<unknown>,
  run: FoldRun,
): Promise<FoldJob> {
  let pending: PromiseLike<unknown> | undefined = firstPending;
  for (let item: DeliveredItem | undefined = first; item !== undefined;) {
    try {
      if (pending !== undefined) keepState(job, job.slotOf(item), item, await pending, run.contexts);
    } catch (cause) {
      job.failure ??= { item, cause, at: 'reduce' };
    }
    item = advanceItem(job, run);
    pending = item === undefined ? undefined : callReduce(job, item, run);
  }
  return job;
}

// oxlint-disable-next-line max-params -- called for each item: an object to carry them would be one more of each
function keepState(job: FoldJob, slot: StateSlot, item: DeliveredItem, state: unknown, contexts: CallContexts): void {
  const failed = job.current?.failed ?? contexts.takeFailed(item);
  if (failed !== undefined) {
    job.failure = { item, cause: failed.error, at: 'ack' };
    return;
  }
  slot.state = returnedState(slot, 'reduce', state);
  slot.folded.push(item);
  job.reduced.push(item);
  const values = job.current?.context?.emission?.values;
  if (values !== undefined && values.length > 0) noteEmitted(job, item, values);
}

function noteEmitted(job: FoldJob, item: DeliveredItem, values: readonly unknown[]): void {
  (job.emissions ??= new Map()).set(item, values);
  job.emitted += values.length;
  job.emittedBytes += recordBytes(item.record);
}

/** Takes what was emitted for an item of the job. */
export function takeEmitted(job: FoldJob, item: DeliveredItem): readonly unknown[] | undefined {
  const values = job.emissions?.get(item);
  if (values === undefined) return undefined;
  job.emissions?.delete(item);
  job.emitted -= values.length;
  job.emittedBytes -= recordBytes(item.record);
  return values;
}

/** One flush: one state, and exactly the items folded into it before the flush began. */
export interface FlushGroup {
  readonly slot: StateSlot;
  readonly items: readonly DeliveredItem[];
  outcome: 'flushed' | 'dropped' | 'failed';
  cause?: unknown;
  /** How often it has failed, and since when. */
  failures: number;
  failedSince: number;
  /** What its call has emitted, and before it the calls of `reduce` of a `collectsOnly` reducer. */
  emitted?: readonly unknown[];
  readonly emissions?: ReadonlyMap<DeliveredItem, readonly unknown[]> | undefined;
}

/** One run over groups. It may end early when its time slice is over, and continues later. */
export interface FlushJob {
  readonly groups: readonly FlushGroup[];
  readonly startedAt: number;
  /** The index of the first group not yet dealt with. */
  next: number;
  /** How many groups the actor has noted. */
  noted: number;
}

export function takeFlushJob(slots: Iterable<StateSlot>, now: number): FlushJob {
  const groups: FlushGroup[] = [];
  for (const slot of slots) {
    if (slot.folded.length === 0) continue;
    const { folded: items, emissions } = slot;
    groups.push({ slot, items, outcome: 'dropped', failures: 0, failedSince: 0, emissions });
    slot.emissions = undefined;
    slot.folded = [];
  }
  return { groups, startedAt: now, next: 0, noted: 0 };
}

type Flush = (state: unknown, context: FlushContext) => unknown;

export async function flushGroups(
  job: FlushJob,
  flush: Flush,
  contexts: CallContexts,
  clock: Clock,
): Promise<FlushJob> {
  const slice = startSlice(clock);
  const first = job.next;
  let emitted = 0;
  while (job.next < job.groups.length && (job.next === first || !slice.isOver())) {
    const group = job.groups[job.next] as FlushGroup;
    job.next += 1;

    // A state with only items of ended tenures is not flushed: that could only do harm, because the new owner processes them.
    let live = false;
    for (const tenure of new Set(group.items.map((item) => item.tenure))) live = !endIfLate(tenure, clock) || live;
    if (!live || contexts.shared.signal.aborted) continue;

    const { slot } = group;
    const { context, emission, end } = openFlush(contexts, 'flush', group.items);
    try {
      const returned: unknown = slot.condemned === undefined ? await flush(slot.state, context) : undefined;
      if (slot.condemned !== undefined) throw slot.condemned;
      if (returned !== undefined) slot.state = returned;
      group.outcome = 'flushed';
      if (emission !== undefined) group.emitted = emission.values;
    } catch (cause) {
      group.outcome = 'failed';
      group.cause = cause;
    }
    end();
    emitted += group.emitted?.length ?? 0;
    if (contexts.hasRoom?.(emitted, 0) === false) break;
  }

  return job;
}
