// Finds out where an item is inside a reducer, for the watchdog and for `status()`. It walks the whole queue, so it runs only for
// a stalled shard or for `status()`.
import { effect } from '../protocol/actor.js';
import type { HeldRecord, Whereabouts } from '../protocol/disposition.js';
import { DeliveredItem } from '../protocol/item.js';
import type { ReducerRequest } from '../protocol/pipeline-messages.js';
import { waitingCause, waitingFlushes } from './failures/failed-call.js';
import { heldItemsOf, type HeldItem } from './failures/held-keys.js';
import { isOpen, oldestOrdinal } from '../protocol/open-records.js';
import { isStuck, oldestInPipe, type PipeBehind } from './emitting/pipe-behind.js';
import { batchedItems, gatheredCount, oldestCall } from './batches/batching.js';
import { refusals, waitingText } from '../protocol/pending-failures.js';
import type { WaitingSnapshot } from '../../src/api/status.js';
import type { Mark, ReducerState, ReducerTurn } from './state.js';

type Locate = Extract<ReducerRequest, { type: 'locate' }>;
type WaitsForAck = Extract<ReducerRequest, { type: 'waitsForAck' }>;

/** Answers where the record is, or passes the question on to the next reducer. The last reducer answers in any case. */
export function locate({ state, now, effects }: ReducerTurn, question: Locate): void {
  const found: Whereabouts | undefined = question.queued
    ? { actor: state.self.path, state: queuedState(state), forMs: now - state.settledAt, ...causeOf(state) }
    : 'punctuation' in question
      ? ofPunctuation(state, question, now)
      : whereabouts(state, question.shardWorker, question.ordinal, now);

  const { behind } = state;
  if (found === undefined && behind !== undefined && isEmitted(behind, question)) {
    effects.push(effect.send(behind.ref, question));
    return;
  }
  const [next, ...rest] = question.next;
  if (found === undefined && next !== undefined) effects.push(effect.send(next, { ...question, next: rest }));
  else effects.push(effect.reply(question.replyTo, found ?? { actor: state.self.path, state: 'unknown', forMs: 0 }));
}

function isEmitted({ open }: PipeBehind, question: Locate): boolean {
  return 'ordinal' in question && isOpen(open, question.shardWorker, question.ordinal);
}

/** Finds a punctuation. It counts as `running` while it waits for a running call. */
function ofPunctuation(
  state: ReducerState,
  { stage, punctuation }: Extract<Locate, { readonly punctuation: number }>,
  now: number,
): Whereabouts | undefined {
  const { self, running, queue, settledAt, batching } = state;
  const isSought = (mark: DeliveredItem | Mark | undefined): boolean =>
    mark !== undefined &&
    !(mark instanceof DeliveredItem) &&
    mark.type === 'punctuation' &&
    mark.stage === stage &&
    mark.id === punctuation;

  let isHere = (running?.type === 'raw' && isSought(running.mark)) || batching.marks.some(({ mark }) => isSought(mark));
  for (let index = 0; !isHere && index < queue.length; index += 1) isHere = isSought(queue.at(index));
  if (!isHere) return passedMark(state, now, isSought);

  const call = oldestCall(batching);
  if (call !== undefined) return { actor: self.path, state: 'running', forMs: now - call.startedAt };
  if (running === undefined) return { actor: self.path, state: queuedState(state), forMs: now - settledAt };
  const since = running.type === 'fold' ? (running.job.current?.since ?? now) : running.job.startedAt;
  return { actor: self.path, state: 'running', forMs: now - since };
}

/** A punctuation in the pipe behind the reducer waits for the calls of nodes. */
function passedMark({ behind }: ReducerState, now: number, isSought: (mark: Mark) => boolean): Whereabouts | undefined {
  if (behind === undefined) return undefined;
  for (const { punctuation, since } of behind.marks.values()) {
    if (!isSought(punctuation)) continue;
    const where = behind.isWaiting ? 'waiting' : 'running';
    return { actor: behind.ref.path, state: where, forMs: now - Math.max(since, behind.newsAt) };
  }
  return undefined;
}

function whereabouts(
  state: ReducerState,
  shardWorkerNumber: number,
  ordinal: number,
  now: number,
): Whereabouts | undefined {
  // `at` is called only behind a call of `noteIfSought` that has returned true.
  let sought!: DeliveredItem;
  const noteIfSought = (item: DeliveredItem): boolean => {
    if (item.tenure.shardWorkerNumber !== shardWorkerNumber || item.ordinal !== ordinal) return false;
    sought = item;
    return true;
  };
  const at = (where: Whereabouts['state'], since: number): Whereabouts => {
    const found = { actor: state.self.path, state: where, forMs: now - since };
    const { key, arrivedAt } = sought;
    const named = { key, ...(arrivedAt === undefined ? {} : { arrivedAt }) };
    return { ...found, ...named, ...(where === 'waiting' ? causeOf(state, sought) : {}) };
  };

  const { running } = state;
  if (running?.type === 'fold') {
    const { current, items, next } = running.job;
    if (current !== undefined && noteIfSought(current.item)) return at('running', current.since);
    if (items.slice(next).some(noteIfSought)) return at('queued', state.settledAt);
    if (running.job.reduced.slice(running.job.noted).some(noteIfSought)) return at('folded', current?.since ?? now);
  } else if (running?.type === 'flush') {
    if (running.job.groups.slice(running.job.noted).some((group) => group.items.some(noteIfSought)))
      return at('running', running.job.startedAt);
  } else if (running?.type === 'raw' && running.job.items.some(noteIfSought)) {
    return at('running', running.job.startedAt);
  }

  for (const { items, startedAt } of state.batching.calls)
    if (items.some(noteIfSought)) return at('running', startedAt);
  for (const item of batchedItems(state.batching))
    if (noteIfSought(item)) return at(queuedState(state), state.settledAt);

  const heldSince = waitsSince(state, noteIfSought);
  if (heldSince !== undefined) return at('waiting', heldSince);
  for (const [item, since] of state.unacknowledged) if (noteIfSought(item)) return at('folded', since);
  for (const slot of state.slots.values())
    if (slot.folded.some(noteIfSought)) return at('folded', state.unflushedSince);
  if (state.carry.some(noteIfSought)) return at(queuedState(state), state.settledAt);

  for (let index = 0; index < state.queue.length; index += 1) {
    const queued = state.queue.at(index);
    if (queued instanceof DeliveredItem && noteIfSought(queued)) return at(queuedState(state), state.settledAt);
  }
  return undefined;
}

/**
 * Answers for how long the shard worker's items have waited for `ctx.ack` alone, here and in the reducers asked before. A reducer makes
 * progress if a call runs, or if it has settled something of any shard: it may acknowledge without more items of this one.
 */
export function reportAckWait({ state, now, effects }: ReducerTurn, question: WaitsForAck): void {
  const { shardWorker, next: refs, replyTo } = question;
  const isActive = state.running !== undefined || state.batching.calls.size > 0;
  const activeAt = !isActive ? Math.max(state.calledAt, state.settledAt) : now;
  let heldForMs = waitsForCall(state, shardWorker) ? 0 : question.heldForMs;
  for (const [{ tenure }, since] of state.unacknowledged)
    if (tenure.shardWorkerNumber === shardWorker) heldForMs = Math.min(heldForMs, now - Math.max(since, activeAt));

  // The pipe behind the reducer knows since when it has kept the oldest record that it has.
  const ordinal = state.behind === undefined ? undefined : oldestInPipe(state.behind, shardWorker);
  if (state.behind !== undefined && heldForMs > 0 && ordinal !== undefined) {
    effects.push(effect.send(state.behind.ref, { ...question, heldForMs, ordinal }));
    return;
  }
  const [first, ...next] = refs;
  if (heldForMs > 0 && first !== undefined) effects.push(effect.send(first, { ...question, heldForMs, next }));
  else effects.push(effect.reply(replyTo, heldForMs === Infinity ? 0 : heldForMs));
}

/** Whether an item of the shard worker waits for a call: for its own, or for the flush of its state. */
function waitsForCall(state: ReducerState, shardWorker: number): boolean {
  const { running, carry, slots, queue, unacknowledged, keys, waitingCall, batching } = state;
  const isOurs = (item: DeliveredItem): boolean => item.tenure.shardWorkerNumber === shardWorker;
  if (waitingCall !== undefined || heldItemsOf(keys, shardWorker).next().done !== true) return true;
  if (running?.type === 'fold' && running.job.items.some(isOurs)) return true;
  if (running?.type === 'flush' && running.job.groups.some(({ items }) => items.some(isOurs))) return true;
  if (carry.some(isOurs)) return true;
  for (const item of batchedItems(batching)) if (isOurs(item)) return true;
  for (const { folded } of slots.values())
    if (folded.some((item) => isOurs(item) && !unacknowledged.has(item))) return true;
  for (let index = 0; index < queue.length; index += 1) {
    const queued = queue.at(index);
    if (queued instanceof DeliveredItem && isOurs(queued)) return true;
  }
  return false;
}

/** What is queued behind a call that waits for another attempt waits, too. What the rate limit holds back does not count as stalled. */
function queuedState(state: ReducerState): 'queued' | 'waiting' | 'limited' {
  const { waitingCall, reservation } = state;
  if (waitingCall !== undefined || isStuck(state.behind)) return 'waiting';
  return reservation === undefined ? 'queued' : 'limited';
}

/** Why an item waits: its own last error, that of its key, of the call that holds the reducer, or of the outage. */
function causeOf(state: ReducerState, item?: DeliveredItem): { readonly error?: unknown } {
  const { keys, waitingCall } = state;
  if (waitingCall !== undefined) return { error: waitingCause(state) };
  const held = item === undefined ? undefined : keys.byKey.get(item.key);
  const ofKey = held === undefined ? [] : [...held.behind.filter((each) => each.item === item), held.head];
  const others = keys.outage === undefined ? [] : [...keys.byKey.values()].map(({ head }) => head);
  const failed = [...ofKey, ...others].find(({ error }) => error !== undefined);
  return failed === undefined ? {} : { error: failed.error };
}

/** Since when a sought item waits for another attempt; undefined if none does. */
function waitsSince(state: ReducerState, isSought: (item: DeliveredItem) => boolean): number | undefined {
  const { keys } = state;
  for (const { head, behind } of keys.byKey.values())
    for (const held of [head, ...behind]) if (isSought(held.item)) return held.since;
  for (const { items, failedSince } of waitingFlushes(state)) if (items.some(isSought)) return failedSince;
  const { waitingCall } = state;
  if (waitingCall?.type !== 'batch') return undefined;
  return waitingCall.tasks.find(({ parts }) => parts.flat().some(isSought))?.failedSince;
}

/** The items and flushes that have failed and wait for another attempt. */
function failing(state: ReducerState, now: number): readonly WaitingSnapshot[] {
  const held = [...state.keys.byKey.values()].flatMap(({ head, behind }) => [head, ...behind]);
  const failed: Omit<HeldItem, 'isUndecided'>[] = held.filter(({ failures }) => failures > 0);
  for (const { items, failures, failedSince: since, cause: error } of waitingFlushes(state))
    failed.push({ item: items[0] as DeliveredItem, failures, since, at: 'flush', error });
  if (state.waitingCall?.type === 'batch') {
    for (const { parts, failures, failedSince: since, at, cause: error } of state.waitingCall.tasks)
      failed.push({ item: parts.flat()[0] as DeliveredItem, failures, since, at, error });
  }
  const refused = refusals(state.pendingFailures);
  return failed.map(({ item, failures: attempts, since, at, error: cause }) => {
    const { source, shardId, sequenceNumber, key } = item;
    const forMs = Math.round(now - since);
    const error = waitingText(cause, refused.get(item));
    return { source, shardId, sequenceNumber, key, at, attempts, forMs, error };
  });
}

function heldBy(state: ReducerState, now: number): readonly HeldRecord[] {
  const held = new Map<number, HeldRecord>();
  for (const item of itemsOf(state)) {
    const { ordinal, tenure } = item;
    if (ordinal >= (held.get(tenure.shardWorkerNumber)?.ordinal ?? Infinity)) continue;
    held.set(tenure.shardWorkerNumber, { shardWorker: tenure.shardWorkerNumber, ordinal, state: 'unknown', forMs: 0 });
  }

  for (const shardWorker of state.behind?.open.keys() ?? []) {
    const ordinal = oldestOrdinal((state.behind as PipeBehind).open, shardWorker) as number;
    if (ordinal < (held.get(shardWorker)?.ordinal ?? Infinity))
      held.set(shardWorker, { shardWorker, ordinal, state: 'unknown', forMs: 0 });
  }

  return [...held.values()].map((each) => {
    const where = whereabouts(state, each.shardWorker, each.ordinal, now);
    return where === undefined ? each : { ...each, state: where.state, forMs: where.forMs };
  });
}

/** Every item that is in the reducer, some perhaps more than once. */
export function* itemsOf(state: ReducerState): Generator<DeliveredItem> {
  const { running } = state;
  if (running?.type === 'fold') {
    if (running.job.current !== undefined) yield running.job.current.item;
    yield* running.job.items.slice(running.job.next);
  } else if (running?.type === 'flush')
    for (const { items } of running.job.groups.slice(running.job.noted)) yield* items;
  else if (running !== undefined) yield* running.job.items;

  for (const { head, behind } of state.keys.byKey.values()) for (const { item } of [head, ...behind]) yield item;
  for (const { items } of waitingFlushes(state)) yield* items;
  if (state.waitingCall?.type === 'batch') for (const { parts } of state.waitingCall.tasks) yield* parts.flat();
  yield* batchedItems(state.batching);
  yield* state.unacknowledged.keys();
  for (const { folded } of state.slots.values()) yield* folded;
  yield* state.carry;

  for (let index = 0; index < state.queue.length; index += 1) {
    const queued = state.queue.at(index);
    if (queued instanceof DeliveredItem) yield queued;
  }
}

/** An outage that stands: calls fail for every key, one item at a time is tried, and all others wait. */
export interface OutageStatus {
  /** The key of the attempt under way, or of the last one. */
  readonly key: string;
  /** How many attempts have failed since the outage began. */
  readonly failures: number;
  readonly forMs: number;
  /** The message of the last error, and those of its causes. */
  readonly error: string;
}

/** Nothing waits after the leases of all waiting items have ended. Then nothing is tried, and nobody knows whether calls would fail. */
function outageOf({ keys: { outage, byKey } }: ReducerState, now: number): OutageStatus | undefined {
  if (outage === undefined || byKey.size === 0) return undefined;
  const { key, failures, since, error } = outage;
  return { key, failures, forMs: Math.round(now - since), error: waitingText(error, undefined) };
}

/** A reducer as `status()` shows it. `current` names the call under way and the record that the call is about. */
export interface ReducerStatus {
  /** The oldest record of each shard worker in this reducer. */
  readonly holding: readonly HeldRecord[];
  readonly doing: 'idle' | 'reduce' | 'flush' | 'behaviour' | 'process';
  readonly queued: number;
  /** Whether items wait for the rate limit. */
  readonly limited: boolean;
  readonly unflushed: number;
  readonly unacknowledged: number;
  /** The items and flushes that have failed and wait for another attempt. */
  readonly waiting: readonly WaitingSnapshot[];
  readonly outage?: OutageStatus;
  /** What was emitted into the pipe behind the reducer; absent without one. */
  readonly emitted?: {
    /** How many messages the pipe has not taken. */
    readonly untaken: number;
    /** How many records have an item that was emitted and is not settled. */
    readonly openRecords: number;
  };
  readonly current?: {
    readonly shardId: string;
    readonly sequenceNumber: string;
    readonly key: string;
    readonly forMs: number;
  };
}

function emittedOf({ behind }: ReducerState): Pick<ReducerStatus, 'emitted'> {
  if (behind === undefined) return {};
  let openRecords = 0;
  for (const { items } of behind.open.values()) openRecords += items.size;
  return { emitted: { untaken: behind.untaken, openRecords } };
}

export function reducerStatus(state: ReducerState, now: number): ReducerStatus {
  const { running, batching } = state;
  const call = oldestCall(batching);
  const doing =
    running === undefined
      ? call === undefined
        ? 'idle'
        : call.task.at === 'flush'
          ? 'flush'
          : 'process'
      : running.type === 'fold'
        ? 'reduce'
        : running.type === 'raw'
          ? 'behaviour'
          : 'flush';

  const held =
    running?.type === 'fold'
      ? running.job.current
      : running?.type === 'flush'
        ? { item: running.job.groups[running.job.noted]?.items[0], since: running.job.startedAt }
        : running?.type === 'raw'
          ? { item: running.job.items[0], since: running.job.startedAt }
          : call && { item: call.items[0], since: call.startedAt };

  const item = held?.item;
  const outage = outageOf(state, now);
  return {
    holding: heldBy(state, now),
    doing,
    queued: state.queue.length + state.carry.length + gatheredCount(batching),
    limited: state.reservation !== undefined,
    unflushed: state.unflushed,
    unacknowledged: state.unacknowledged.size,
    waiting: failing(state, now),
    ...(outage === undefined ? {} : { outage }),
    ...emittedOf(state),
    ...(item === undefined || held === undefined
      ? {}
      : {
          current: {
            shardId: item.shardId,
            sequenceNumber: item.sequenceNumber,
            key: item.key,
            forMs: now - held.since,
          },
        }),
  };
}
