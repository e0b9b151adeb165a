// Handles a finished `reduce`, `flush` or call of a raw behaviour: returns credit, and settles items. An item that was in a call ends
// in one of these files:
// - call-outcome.ts, with `process` process-outcome.ts: its call has succeeded, or its tenure had ended before the call.
// - failed-call.ts: its call has failed, and the policy has decided, or its tenure has ended since.
// - parked-call.ts: a sink has kept it, or has refused it.
// - attempts.ts: its shard worker has ended while it waited for another attempt.
//
// All others end earlier. Filtered or undecodable records end in shard-worker/record-admission.ts. Records whose `extract` fails or
// returns no items end in stage/failed-record.ts and stage/extraction.ts. `revoked` (reducer.ts) drops items that are queued for a
// lost lease.
import { effect } from '../../protocol/actor.js';
import { endIfLate, endLateTenures } from '../../protocol/tenure.js';
import { isolatesFailures } from '../batches/batching.js';
import { flushPartFailed } from '../failures/bisection.js';
import { emitForItem, emitForItems, settleOwn } from '../emitting/emitting.js';
import { takeEmitted, type FlushGroup, type FlushJob, type FoldJob } from './user-calls.js';
import {
  callSucceeded,
  dropGroup,
  flushFailed,
  endWait,
  itemsFailed,
  leaveKey,
  rawCallFailed,
} from '../failures/failed-call.js';
import { reportFlushRecovery, reportRecovery } from '../failures/failure-reports.js';
import { holdsAny } from '../failures/held-keys.js';
import { DeliveredItem } from '../../protocol/item.js';
import { createRawJob, type RawJob } from './raw-behaviour.js';
import type { ReducerState, ReducerTurn } from '../state.js';
import { reportEnded, returnCredit } from '../../protocol/stage-reports.js';
import { failUnsettled } from '../failures/late-failure.js';
import { noteStray } from '../batches/stray-tokens.js';

export function afterFold(turn: ReducerTurn, job: FoldJob): void {
  const { state } = turn;
  const rest = job.items.slice(job.next);
  if (rest.length > 0) state.carry = [...rest, ...state.carry];
  // These items were not handed out, so they cannot be acknowledged yet.
  for (const item of rest) state.unacknowledged.delete(item);

  finishReduced(turn, job);
  for (const item of job.dropped) drop(turn, item);

  if (job.failure !== undefined) {
    const { item, cause, at } = job.failure;
    returnCredit(state.reports, item);
    // The item fails once, even if your code has also called `ctx.fail` for it.
    const isByHand = state.failedInCall.delete(item);
    const isAcknowledged = turn.options.definition.acknowledge === 'manual' && !state.unacknowledged.has(item);
    settleAcknowledged(turn, [item]);
    if (isByHand || !isAcknowledged) itemsFailed(turn, [item], cause, at);
    else acknowledgedFailed(turn, item, cause);
  }
}

/** A call has failed whose item was acknowledged meanwhile: nothing is delivered again, but the policy runs. */
function acknowledgedFailed(turn: ReducerTurn, item: DeliveredItem, cause: unknown): void {
  leaveKey(turn, item);
  const job = createRawJob([item], { type: 'items', items: [item] }, turn.now);
  if (!endIfLate(item.tenure, turn.options.clock)) rawCallFailed(turn, { ...job, failure: { cause } }, [item]);
}

/**
 * Returns credit for the items folded so far, and acknowledges them if no flush follows. Also called during a job: a long call
 * must not delay the dispositions of the items before it.
 */
export function finishReduced(turn: ReducerTurn, job: FoldJob): void {
  const { options, state, now, effects } = turn;
  const { definition } = options;
  const reduced = job.reduced.slice(job.noted);
  if (reduced.length === 0) return;

  job.noted = job.reduced.length;
  for (const item of reduced) returnCredit(state.reports, item);
  const byHand = takeFailedInCall(state, reduced);
  if (holdsAny(state.keys)) for (const item of reduced) if (!byHand.has(item)) endWait(turn, item);
  for (const [item, error] of byHand) itemsFailed(turn, [item], error, 'ack');
  // Under manual acknowledgement a call has succeeded when its item is acknowledged, in a `collectsOnly` reducer when it is flushed.
  if (definition.acknowledge !== 'manual' && !isolatesFailures(definition)) {
    // Only the call of an attempt can end a failure, and it has one item.
    if (reduced.length === 1) reportRecovery(turn, reduced[0] as DeliveredItem);
    callSucceeded(turn);
  }

  const passed = emitReduced(turn, job, reduced, byHand);
  settleAcknowledged(turn, reduced);
  if (definition.flush === undefined) {
    for (const item of reduced) {
      const slot = job.slotOf(item);
      if (slot.folded.length > 0) slot.folded = [];
    }
    const { acknowledge: acknowledges } = definition;
    if (acknowledges !== 'manual') acknowledge(turn, withoutPassed(reduced, passed));
    return;
  }

  if (state.unflushed === 0) {
    state.unflushedSince = now;
    effects.push(effect.after('flush', options.batchIntervalMs, { type: 'flushDue' }));
  }
  state.unflushed += reduced.length;
}

/** Sends what these items have emitted. Returns those of which nothing is left here. */
function emitReduced(
  turn: ReducerTurn,
  job: FoldJob,
  reduced: readonly DeliveredItem[],
  byHand: ReadonlyMap<DeliveredItem, unknown>,
): ReadonlySet<DeliveredItem> {
  const passed = new Set<DeliveredItem>();
  if (job.emissions === undefined) return passed;
  const { flush, acknowledge: acknowledges } = turn.options.definition;
  const keepsShare = flush !== undefined || acknowledges === 'manual';
  for (const item of reduced) {
    const values = takeEmitted(job, item);
    if (values === undefined || byHand.has(item)) continue;
    const slot = job.slotOf(item);
    if (job.holdsEmitted) (slot.emissions ??= new Map()).set(item, values);
    else if (emitForItem(turn, item, values, keepsShare)) passed.add(item);
  }
  return passed;
}

/** The items without those of which nothing is left here. */
export function withoutPassed(
  items: readonly DeliveredItem[],
  passed: ReadonlySet<DeliveredItem>,
): readonly DeliveredItem[] {
  return passed.size === 0 ? items : items.filter((item) => !passed.has(item));
}

/** Settles items that were processed. An item whose lease was lost is not settled: the new owner processes it, too. */
export function acknowledge(turn: ReducerTurn, items: readonly DeliveredItem[]): void {
  const { options, state, effects } = turn;
  let afterLoss = 0;
  let inPipe = 0;
  for (const item of items) {
    if (item.tenure.ended) {
      afterLoss += 1;
      reportEnded(state.reports, item);
    } else if (!settleOwn(turn, item)) inPipe += 1;
  }
  options.progress.settled += items.length - inPipe;
  if (afterLoss > 0) effects.push(effect.count('foldedAfterLoss', afterLoss));
}

/** Drops an item whose tenure had ended before the call: user code never got it, and the new owner will process it. */
export function drop(turn: ReducerTurn, item: DeliveredItem): void {
  const { state } = turn;
  state.unacknowledged.delete(item);
  returnCredit(state.reports, item);
  leaveKey(turn, item);
  reportEnded(state.reports, item);
}

/** Handles the groups finished since the last call. */
export function afterFlush(turn: ReducerTurn, job: FlushJob): void {
  const { options } = turn;
  const groups = job.groups.slice(job.noted, job.next);
  job.noted = job.next;

  for (const group of groups) {
    if (group.outcome === 'failed') endLateTenures(group.items, options.clock);
    if (group.outcome === 'failed' && group.items.some(({ tenure }) => !tenure.ended)) {
      if (isolatesFailures(options.definition)) flushPartFailed(turn, group);
      else flushFailed(turn, group);
    } else if (group.outcome === 'flushed') {
      if (group.failures > 0) reportFlushRecovery(turn, group);
      callSucceeded(turn);
      flushSucceeded(turn, group);
    } else dropGroup(turn, group);
    settleAcknowledged(turn, group.items);
  }
}

function flushSucceeded(turn: ReducerTurn, group: FlushGroup): void {
  const { items, emissions, emitted } = group;
  for (const [item, values] of emissions ?? []) emitForItem(turn, item, values, true);
  if (turn.options.definition.acknowledge !== 'manual') {
    const passed = emitForItems(turn, items, emitted);
    acknowledge(turn, withoutPassed(items, passed));
  } else emitForUnacknowledged(turn, items, emitted);
}

/** What a call emits stands for those of its items that were not acknowledged before. Each waits for its acknowledgement, too. */
function emitForUnacknowledged(
  turn: ReducerTurn,
  items: readonly DeliveredItem[],
  values: readonly unknown[] | undefined,
): void {
  const { unacknowledged, behind } = turn.state;
  if (behind === undefined || values === undefined || items.every(({ tenure }) => tenure.ended)) return;
  const open = items.filter((item) => unacknowledged.has(item) || behind.acknowledgedInCall.has(item));
  emitForItems(turn, open, values, true);
}

/** Settles items that were acknowledged by hand during a call that has ended now. */
function settleAcknowledged(turn: ReducerTurn, items: readonly DeliveredItem[]): void {
  const { behind } = turn.state;
  if (behind === undefined || behind.acknowledgedInCall.size === 0) return;
  acknowledgedByHand(
    turn,
    items.filter((item) => behind.acknowledgedInCall.delete(item)),
  );
}

export function afterBehaviour(turn: ReducerTurn, job: RawJob): void {
  const { options, state } = turn;
  const dropped = new Set(job.dropped);
  for (const item of job.items) {
    if (dropped.has(item)) drop(turn, item);
    else returnCredit(state.reports, item);
  }

  const byHand = takeFailedInCall(state, job.items);
  for (const [item, error] of byHand) itemsFailed(turn, [item], error, 'ack');
  const handedOut = job.items.filter((item) => !dropped.has(item) && !byHand.has(item));
  emitForUnacknowledged(turn, handedOut, job.emitted);
  settleAcknowledged(turn, job.items);
  if (job.failure === undefined) {
    if (holdsAny(state.keys)) for (const item of handedOut) endWait(turn, item);
    return;
  }

  // Of a batch, the items that are not acknowledged have failed. A failed heartbeat or flush has no items of its own.
  const unacknowledged = handedOut.filter((item) => state.unacknowledged.has(item));
  for (const item of handedOut) if (!state.unacknowledged.has(item)) leaveKey(turn, item);
  endLateTenures(handedOut, options.clock);
  const live = handedOut.filter((item) => !item.tenure.ended);
  if (unacknowledged.length > 0) itemsFailed(turn, unacknowledged, job.failure.cause, 'reduce');
  // The policy runs even if the call had acknowledged all its items: the author must learn that the call has failed.
  else if (job.items.length === 0 || live.length > 0) rawCallFailed(turn, job, live);
}

/** Takes the items for which `ctx.fail` was called during the call that has now ended. Their failures had to wait for its end. */
function takeFailedInCall(
  { failedInCall }: ReducerState,
  items: readonly DeliveredItem[],
): ReadonlyMap<DeliveredItem, unknown> {
  if (failedInCall.size === 0) return noFailures;
  const found = new Map<DeliveredItem, unknown>();
  for (const item of items) if (failedInCall.has(item)) found.set(item, failedInCall.get(item));
  for (const item of found.keys()) failedInCall.delete(item);
  return found;
}

const noFailures: ReadonlyMap<DeliveredItem, unknown> = new Map();

/** Whether the call of this item has not ended, or its end is not handled. */
function isInCall({ running }: ReducerState, item: DeliveredItem): boolean {
  if (running?.type === 'raw') return running.job.items.includes(item);
  if (running?.type !== 'fold') return false;
  const { current, failure, reduced, noted } = running.job;
  return current?.item === item || failure?.item === item || reduced.includes(item, noted);
}

/** Whether the item is in a flush that runs, or whose end is not handled. */
function isInFlush({ running }: ReducerState, item: DeliveredItem): boolean {
  if (running?.type !== 'flush') return false;
  const { groups, noted, next } = running.job;
  return groups.slice(noted, next).some(({ items }) => items.includes(item));
}

/** Handles the calls of `ctx` that application code has made since the last `take`. */
export function contextCalled(turn: ReducerTurn): void {
  const { options, state } = turn;
  const { acknowledged, failed } = state.controller.take();
  const settled: DeliveredItem[] = [];

  for (const token of acknowledged) {
    if (!(token instanceof DeliveredItem) || !state.unacknowledged.delete(token)) {
      noteStray(turn, { call: 'ack', token });
      continue;
    }
    // The call may still emit for it.
    if (state.behind !== undefined && (isInCall(state, token) || isInFlush(state, token)))
      state.behind.acknowledgedInCall.add(token);
    else settled.push(token);
  }
  acknowledgedByHand(turn, settled);

  for (const { token, error } of failed) {
    const item = token instanceof DeliveredItem ? token : undefined;
    if (item !== undefined && state.unacknowledged.has(item)) {
      if (!isInCall(state, item)) itemsFailed(turn, [item], error, 'ack');
      else if (state.unacknowledged.delete(item)) state.failedInCall.set(item, error);
    } else if (item === undefined || isByHand(options) || !failUnsettled(turn, item, error))
      noteStray(turn, { call: 'fail', token, error });
  }
}

function acknowledgedByHand(turn: ReducerTurn, items: readonly DeliveredItem[]): void {
  if (items.length === 0) return;
  let afterLoss = 0;
  let inPipe = 0;
  for (const item of items) {
    if (item.tenure.ended) afterLoss += 1;
    else {
      if (!settleOwn(turn, item)) inPipe += 1;
      reportRecovery(turn, item);
    }
  }
  turn.options.progress.settled += items.length - inPipe;
  callSucceeded(turn);
  if (afterLoss > 0) turn.effects.push(effect.count('foldedAfterLoss', afterLoss));
}

/** Whether the application acknowledges its items. */
function isByHand({ definition: { acknowledge, behaviour } }: ReducerTurn['options']): boolean {
  return acknowledge === 'manual' || behaviour !== undefined;
}
