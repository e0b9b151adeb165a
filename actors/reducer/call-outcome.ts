// Handles a finished call of user code: returns credit, settles items and applies the failure policy. Every item that was in a
// call ends here. The others end earlier. Filtered or undecodable records end in shard-worker/record-admission.ts, and records whose
// `extract` fails or returns no items in stage/extraction.ts. `revoked` (reducer.ts) drops items that are queued for a lost
// lease.
import { effect } from '../protocol/actor.js';
import { endIfLate, stopTenure } from '../protocol/tenure.js';
import { judgeFailure } from '../protocol/failure-policy.js';
import { renewState, type FlushGroup, type FlushJob, type FoldJob } from './user-calls.js';
import { DeliveredItem } from '../protocol/item.js';
import type { RawJob } from './raw-behaviour.js';
import type { ReducerState, ReducerTurn } from './state.js';
import { reportDead, returnCredit, settleItem } from './stage-reports.js';
import type { FailedItem } from '../../src/api/reducer.js';

export function afterFold(turn: ReducerTurn, job: FoldJob): void {
  const { state } = turn;
  const rest = job.items.slice(job.next);
  if (rest.length > 0) state.carry = [...rest, ...state.carry];
  // These items were not handed out, so they cannot be acknowledged yet.
  for (const item of rest) state.unacknowledged.delete(item);

  noteReduced(turn, job);
  for (const item of job.dropped) drop(state, item);

  if (job.failure !== undefined) {
    const { item, cause } = job.failure;
    returnCredit(state.reports, item);
    itemFailed(turn, item, cause, 'reduce');
  }
}

/**
 * Returns credit for the items folded so far, and acknowledges them if no flush follows. Also called during a job: a long call
 * must not delay the dispositions of the items before it.
 */
export function noteReduced(turn: ReducerTurn, job: FoldJob): void {
  const { options, state, now, effects } = turn;
  const { definition } = options;
  const reduced = job.reduced.slice(job.noted);
  if (reduced.length === 0) return;

  job.noted = job.reduced.length;
  for (const item of reduced) returnCredit(state.reports, item);

  if (definition.flush === undefined) {
    for (const item of reduced) {
      const slot = job.slotOf(item);
      if (slot.folded.length > 0) slot.folded = [];
    }
    if (definition.acknowledge !== 'manual') acknowledge(turn, reduced);
    return;
  }

  if (state.unflushed === 0) {
    state.unflushedSince = now;
    effects.push(effect.after('flush', options.batchIntervalMs, { type: 'flushDue' }));
  }
  state.unflushed += reduced.length;
}

/** Settles items that were processed. An item whose lease was lost is not settled: the new owner processes it, too. */
function acknowledge({ state, effects }: ReducerTurn, items: readonly DeliveredItem[]): void {
  let afterLoss = 0;
  for (const item of items) {
    if (item.tenure.dead) {
      afterLoss += 1;
      reportDead(state.reports, item);
    } else settleItem(state.reports, item);
  }
  if (afterLoss > 0) effects.push(effect.count('foldedAfterLoss', afterLoss));
}

/** Drops an item whose tenure had ended before the call: user code never got it, and the new owner will process it. */
function drop(state: ReducerState, item: DeliveredItem): void {
  state.unacknowledged.delete(item);
  returnCredit(state.reports, item);
  reportDead(state.reports, item);
}

function itemFailed(turn: ReducerTurn, item: DeliveredItem, cause: unknown, at: FailedItem['at']): void {
  const { options, state, effects } = turn;
  state.unacknowledged.delete(item);
  if (endIfLate(item.tenure, options.clock)) {
    // This is no failure, and no policy runs: the tenure is over, even if a renewal still comes (docs/design.md, section 6).
    reportDead(state.reports, item);
    return;
  }

  const { policy, error } = judgeFailure(options.onFailure, cause, failedItemOf(item, at, 1));
  if (policy === 'crash') effects.push(effect.fail(error));
  else if (policy === 'stopShard') stopShard(state, item, error);
  else skip(turn, [item], cause);
}

function failedItemOf(item: DeliveredItem, at: FailedItem['at'], items: number): FailedItem {
  const { source, shardId, sequenceNumber, subSequenceNumber, key, value } = item;
  return { source, shardId, sequenceNumber, subSequenceNumber, key, value, at, items };
}

function stopShard(state: ReducerState, item: DeliveredItem, error: Error): void {
  stopTenure(item.tenure, error);
  reportDead(state.reports, item);
}

/** Settles items that were not processed, because the policy is `skip`. Each of them is counted and reported. */
function skip({ state, effects }: ReducerTurn, items: readonly DeliveredItem[], cause: unknown): void {
  if (items.length === 0) return;
  effects.push(effect.count('skippedItems', items.length));
  for (const item of items) {
    settleItem(state.reports, item);
    const { source, shardId, sequenceNumber, key } = item;
    const data = { source, shardId, sequenceNumber, subSequenceNumber: item.subSequenceNumber ?? 0, key, error: cause };
    effects.push(effect.emit({ name: 'recordSkipped', data }));
  }
}

/** Handles the groups finished since the last call. */
export function afterFlush(turn: ReducerTurn, job: FlushJob): void {
  const { options, state } = turn;
  const groups = job.groups.slice(job.noted, job.next);
  job.noted = job.next;

  for (const group of groups) {
    if (group.outcome === 'failed' && group.items.some(({ tenure }) => !endIfLate(tenure, options.clock))) {
      flushFailed(turn, group);
    } else if (group.outcome === 'flushed') {
      if (options.definition.acknowledge !== 'manual') acknowledge(turn, group.items);
    } else {
      renewState(group.slot, options.definition);
      for (const item of group.items) reportDead(state.reports, item);
    }
  }
}

/**
 * After a failed flush the state cannot be used again: it may be half saved. `skip` and `stopShard` replace it by a new one from
 * `init`; after `crash`, the restart does.
 */
function flushFailed(turn: ReducerTurn, group: FlushGroup): void {
  const { options, state, effects } = turn;
  const oldest = group.items[0] as DeliveredItem;
  const { policy, error } = judgeFailure(
    options.onFailure,
    group.cause,
    failedItemOf(oldest, 'flush', group.items.length),
  );

  if (policy === 'crash') {
    effects.push(effect.fail(error));
    return;
  }

  renewState(group.slot, options.definition);
  if (policy === 'skip') skip(turn, group.items, group.cause);
  else for (const item of group.items) stopShard(state, item, error);
}

export function afterBehaviour(turn: ReducerTurn, job: RawJob): void {
  const { options, state, effects } = turn;
  const dropped = new Set(job.dropped);
  for (const item of job.items) {
    if (dropped.has(item)) drop(state, item);
    else returnCredit(state.reports, item);
  }
  if (job.failure === undefined) return;

  const { cause } = job.failure;
  // Of a batch, the items that are not acknowledged have failed. A failed heartbeat or flush has no items of its own.
  const unacknowledged = job.items.filter((item) => state.unacknowledged.has(item));
  const failed = unacknowledged.filter(({ tenure }) => !endIfLate(tenure, options.clock));
  for (const item of unacknowledged) if (item.tenure.dead) reportDead(state.reports, item);

  // The policy runs even if the call had acknowledged all its items: the author must learn that the call has failed.
  const live = job.items.filter((item) => !dropped.has(item) && !endIfLate(item.tenure, options.clock));
  if (job.items.length > 0 && live.length === 0) return;

  const at = job.items.length > 0 ? 'reduce' : 'flush';
  const oldest = failed[0] ?? live[0] ?? state.unacknowledged.keys().next().value;
  const nowhere: FailedItem = { source: '', shardId: '', sequenceNumber: '', at, items: 0 };
  const { policy, error } = judgeFailure(
    options.onFailure,
    cause,
    oldest === undefined ? nowhere : failedItemOf(oldest, at, failed.length),
  );

  if (policy === 'crash') {
    effects.push(effect.fail(error));
    return;
  }

  if (failed.length === 0) callFailed(turn, job, error);
  for (const item of failed) state.unacknowledged.delete(item);
  if (policy === 'skip') skip(turn, failed, cause);
  else for (const item of failed.length > 0 ? failed : live) stopShard(state, item, error);
}

/** Reports a failed call that left no item to skip. */
function callFailed({ effects }: ReducerTurn, job: RawJob, error: Error): void {
  effects.push(effect.count('failedCalls'));
  const message = `a reducer failed at ${job.message.type}`;
  effects.push(effect.emit({ name: 'warning', data: { message, error } }));
}

/** Handles the calls of `ctx` that application code has made since the last `take`. */
export function contextCalled(turn: ReducerTurn): void {
  const { state, effects } = turn;
  const { acknowledged, failed } = state.controller.take();
  let strays = 0;
  let afterLoss = 0;

  for (const token of acknowledged) {
    if (!(token instanceof DeliveredItem) || !state.unacknowledged.delete(token)) strays += 1;
    else if (token.tenure.dead) afterLoss += 1;
    else settleItem(state.reports, token);
  }

  for (const { token, error } of failed) {
    if (!(token instanceof DeliveredItem) || !state.unacknowledged.has(token)) {
      strays += 1;
      // Warn, because this item has been, or will be, acknowledged in spite of the `fail`.
      const message = 'ctx.fail got a token that awaits no acknowledgement; it has no effect';
      effects.push(effect.emit({ name: 'warning', data: { message, error } }));
    } else itemFailed(turn, token, error, 'ack');
  }

  if (strays > 0) effects.push(effect.count('strayAcknowledgements', strays));
  if (afterLoss > 0) effects.push(effect.count('foldedAfterLoss', afterLoss));
}
