// What follows a failed call: the failure policy is asked, and its verdict is applied. The policy answers at once or by a promise. Until
// then a failed item holds its key, and a failed flush or raw call holds the reducer. Items whose lease has ended are given up, whatever
// the verdict. parked-call.ts handles what the sinks of `park` answer.
import { effect } from '../../protocol/actor.js';
import type { Failure, Verdict } from '../../protocol/failure-policy.js';
import type { DeliveredItem } from '../../protocol/item.js';
import { beginParking } from '../../protocol/parking.js';
import { askPolicy, takeDecided, type Decided } from '../../protocol/pending-failures.js';
import { endIfLate, endLateTenures, stopTenure } from '../../protocol/tenure.js';
import {
  attemptDropped,
  attemptReturned,
  endOutage,
  holdFailed,
  holdNew,
  isHandedOutAgain,
  noteFailedKey,
  delayOutage,
  takeOut,
} from './held-keys.js';
import { withdraw } from '../batches/batching.js';
import { callFailed, failedItemOf, reportRetry } from './failure-reports.js';
import { settleOwn } from '../emitting/emitting.js';
import type { RawJob } from '../calls/raw-behaviour.js';
import { forgetCredit, markCredited, reportEnded } from '../../protocol/stage-reports.js';
import type { FailedCall, ReducerState, WaitingCall, ReducerTurn } from '../state.js';
import { renewState, type FlushGroup } from '../calls/user-calls.js';
import { exponentialMs } from '../../../src/core/backoff.js';
import type { FailedItem } from '../../../src/api/failed-item.js';
import type { Park, Retry } from '../../../src/api/failure-policy.js';

type SimpleCall = Exclude<FailedCall, { readonly type: 'batch' }>;
type FailedItems = Extract<FailedCall, { readonly type: 'items' }>;

/** Handles items that have failed. Their credit has been returned. */
export function itemsFailed(
  turn: ReducerTurn,
  items: readonly DeliveredItem[],
  cause: unknown,
  at: FailedItem['at'],
): void {
  for (const item of items) turn.state.unacknowledged.delete(item);
  const live = withoutLate(turn, items);
  const [oldest] = live;
  if (oldest === undefined) return;
  const failed = failedItemOf(oldest, at, live.length);
  askAndApply(turn, { type: 'items', items: live, at, cause }, { cause, failed, attempt: oldest.attempt });
}

/** Handles a flush that has failed for some lease that is live. */
export function flushFailed(turn: ReducerTurn, group: FlushGroup): void {
  const { state, now } = turn;
  group.failures += 1;
  if (group.failures === 1) {
    group.failedSince = now;
    // A drain that already waits is answered only after one more try of this flush.
    state.drainsTriedFor = new WeakSet();
  }
  const { cause, failures: attempt, items } = group;
  const failed = failedItemOf(items[0] as DeliveredItem, 'flush', items.length);
  askAndApply(turn, { type: 'flush', group }, { cause, failed, attempt });
}

/** Handles a call of a raw behaviour that has failed without an item that could be delivered again. */
export function rawCallFailed(turn: ReducerTurn, job: RawJob, live: readonly DeliveredItem[]): void {
  const { state } = turn;
  const { cause } = job.failure as NonNullable<RawJob['failure']>;
  const at = job.items.length > 0 ? 'reduce' : 'flush';
  const oldest = live[0] ?? state.unacknowledged.keys().next().value;
  const failed = oldest === undefined ? undefined : failedItemOf(oldest, at, 0);
  const named: FailedItem = failed ?? { source: '', shardId: '', sequenceNumber: '', at, items: 0 };
  askAndApply(turn, { type: 'rawCall', job, live, failed, cause }, { cause, failed: named, attempt: job.attempt });
}

export function askAndApply(turn: ReducerTurn, call: FailedCall, failure: Failure): void {
  const verdict = askPolicy(turn, call, failure, new Set(itemsOf(call).map(({ tenure }) => tenure)));
  if (verdict === undefined) waitForVerdict(turn, call);
  else applyToOpenItems(turn, call, failure, verdict);
}

/**
 * Applies the verdict of the policy. Under manual acknowledgement your code may have acknowledged some items of a failed flush already.
 * These are done, so `skip` and `park` apply to the others only.
 */
function applyToOpenItems(turn: ReducerTurn, call: FailedCall, failure: Failure, verdict: Verdict): void {
  const { policy } = verdict;
  const isSetAside = policy === 'skip' || (typeof policy === 'object' && policy.type === 'park');
  if (call.type !== 'flush' || !isSetAside || turn.options.definition.acknowledge !== 'manual')
    return applyVerdict(turn, call, failure, verdict);
  const { unacknowledged } = turn.state;
  const items = call.group.items.filter((item) => unacknowledged.delete(item));
  const rest: FailedCall = { type: 'flush', group: { ...call.group, items } };
  if (items.length > 0) applyVerdict(turn, rest, failure, verdict);
  else renewState(call.group.slot, turn.options.definition);
}

function itemsOf(call: FailedCall): readonly DeliveredItem[] {
  if (call.type === 'items') return call.items;
  if (call.type === 'batch') return call.task.parts.flat();
  return call.type === 'flush' ? call.group.items : call.live;
}

function waitForVerdict(turn: ReducerTurn, call: FailedCall, isParked = false): void {
  if (call.type === 'items')
    for (const item of call.items) hold(turn, item, call, { dueAt: Infinity, isUndecided: true, isParked });
  else {
    const waiting = openWaitingCall(turn, call);
    waiting.undecided += 1;
    if (call.type === 'batch' && waiting.type === 'batch') waiting.tasks.push(call.task);
  }
}

/** The policy has answered, or has not in time. */
export function decided(turn: ReducerTurn, message: Decided): void {
  const known = takeDecided(turn, message);
  if (known === undefined) return;
  const { subject: call, failure, verdict } = known;

  if (call.type === 'items') {
    const live = withoutLate(turn, call.items);
    if (live.length > 0) applyVerdict(turn, { ...call, items: live }, failure, verdict);
    return;
  }

  if (call.type === 'flush') endLateTenures(call.group.items, turn.options.clock);
  const isOver = call.type === 'flush' && call.group.items.every(({ tenure }) => tenure.ended);
  if (isOver) dropGroup(turn, call.group);
  else applyToOpenItems(turn, call, failure, verdict);
  verdictArrived(turn, call);
}

/** The flushes about which a policy or a sink has not answered. */
export function* pendingFlushes({ pendingFailures }: ReducerState): Generator<FlushGroup> {
  for (const { subject, parking } of pendingFailures.byNumber.values()) {
    if (subject.type !== 'flush') continue;
    // A cast, because reducers park nothing but items.
    const items = (parking?.notParked ?? subject.group.items) as readonly DeliveredItem[];
    yield { ...subject.group, items };
  }
}

/** The flushes that have failed and are not over. */
export function waitingFlushes(state: ReducerState): readonly FlushGroup[] {
  const { waitingCall } = state;
  return [...pendingFlushes(state), ...(waitingCall?.type === 'flush' ? waitingCall.groups : [])];
}

/** The error of the call that holds the reducer. */
export function waitingCause(state: ReducerState): unknown {
  const { waitingCall } = state;
  if (waitingCall?.type === 'rawCall') return waitingCall.cause;
  const failed = waitingCall?.type === 'batch' ? waitingCall.tasks : waitingFlushes(state);
  return failed.find(({ cause }) => cause !== undefined)?.cause;
}

/** Notes that the policy or the sink has answered about a flush, batch or raw call. The reducer goes on if nothing else holds it. */
export function verdictArrived(turn: ReducerTurn, call: Exclude<FailedCall, { type: 'items' }>): void {
  const waiting = openWaitingCall(turn, call);
  waiting.undecided -= 1;
  if (waiting.undecided === 0 && waiting.dueAt === Infinity) turn.state.waitingCall = undefined;
}

export function applyVerdict(turn: ReducerTurn, call: FailedCall, failure: Failure, verdict: Verdict): void {
  const { policy, error } = verdict;
  if (call.type === 'batch') call.apply(turn, verdict);
  else if (policy === 'crash') turn.effects.push(effect.fail(error));
  else if (typeof policy === 'string') skipOrStop(turn, call, policy, error);
  else if (policy.type === 'retry') retryLater(turn, call, policy, error);
  // There is nothing to park: the call had no items, or your code has acknowledged all of them.
  else if (call.type === 'rawCall') skipOrStop(turn, call, 'skip', error);
  else parkCall(turn, call, failure, policy);
}

function parkCall(
  turn: ReducerTurn,
  call: Exclude<SimpleCall, { type: 'rawCall' }>,
  failure: Failure,
  policy: Park,
): void {
  // Its call of the reducer is over, so an outage does not wait for the sink.
  if (call.type === 'items') for (const item of call.items) endAttempt(turn, item);
  waitForVerdict(turn, call, true);
  // `waitForVerdict` has held the items, so each has the time of its first failure.
  const failedSince = call.type === 'flush' ? call.group.failedSince : (call.items[0]?.failedSince as number);
  // A flush may hold items of a lease that has ended meanwhile.
  const items = call.type === 'flush' ? withoutLate(turn, call.group.items) : call.items;
  beginParking(turn, call, failure, { policy, items, failedSince });
}

function skipOrStop(turn: ReducerTurn, call: SimpleCall, policy: 'skip' | 'stopShard', error: Error): void {
  const { options, state } = turn;
  let items: readonly DeliveredItem[];
  if (call.type === 'items') {
    items = call.items;
    for (const item of items) leaveKey(turn, item);
  } else if (call.type === 'flush') {
    // The state cannot be used again: it may be half saved.
    renewState(call.group.slot, options.definition);
    items = withoutLate(turn, call.group.items);
  } else {
    callFailed(turn, call.job, error);
    items = policy === 'skip' ? [] : withoutLate(turn, call.live);
  }

  if (policy === 'skip') skip(turn, items, call.type === 'flush' ? call.group.cause : call.cause);
  else for (const item of items) stopShard(state, item, error);
}

/** Tries the call again later. Until then an item holds its key, and any other call holds the reducer. */
function retryLater(turn: ReducerTurn, call: SimpleCall, policy: Retry, error: Error): void {
  const { now } = turn;
  if (call.type === 'items') {
    for (const item of call.items) holdForRetry(turn, item, call, policy);
    noteOutage(turn, call, policy);
    return;
  }
  if (call.type === 'flush') {
    const { group } = call;
    const delayMs = retryDelayMs(turn, policy, group.failures);
    const waiting = openWaitingCall(turn, call);
    if (waiting.type === 'flush') waiting.groups.push(group);
    waiting.dueAt = Math.max(waiting.dueAt === Infinity ? 0 : waiting.dueAt, now + delayMs);
    const oldest = group.items[0] as DeliveredItem;
    const failed = failedItemOf(oldest, 'flush', group.items.length);
    reportRetry(turn, failed, { attempt: group.failures, delayMs, error: group.cause });
    return;
  }

  const { job } = call;
  // Your code has acknowledged its items, so they cannot be delivered again.
  if (job.items.length > 0) return callFailed(turn, job, error);
  const delayMs = retryDelayMs(turn, policy, job.attempt);
  openWaitingCall(turn, call).dueAt = now + delayMs;
  if (call.failed !== undefined) reportRetry(turn, call.failed, { attempt: job.attempt, delayMs, error: call.cause });
}

function holdForRetry(turn: ReducerTurn, item: DeliveredItem, call: FailedItems, policy: Retry): void {
  const delayMs = retryDelayMs(turn, policy, item.attempt);
  hold(turn, item, call, { dueAt: turn.now + delayMs, isUndecided: false });
  reportRetry(turn, failedItemOf(item, call.at, 1), { attempt: item.attempt, delayMs, error: call.cause });
}

/** Begins an outage if enough keys have failed (`noteFailedKey`), or delays its next attempt. */
function noteOutage(turn: ReducerTurn, { items, cause }: FailedItems, policy: Retry): void {
  const { state, now, effects, options } = turn;
  const { keys } = state;
  if (keys.outage === undefined) {
    for (const { key } of items) noteFailedKey(keys, key, cause, now);
    if (keys.outage === undefined) return;
    const data = { reducer: options.index, keys: keys.failedKeys.size, error: cause };
    effects.push(effect.emit({ name: 'outageStarted', data }));
  } else if (keys.outage.isUnderWay) {
    keys.outage.failures += 1;
    keys.outage.error = cause;
  } else {
    // The item was handed out before the outage began. Its failure says nothing new about the outage.
    return;
  }
  delayOutage(keys, keys.outage, retryDelayMs(turn, policy, keys.outage.failures + 1), now);
}

function hold(
  turn: ReducerTurn,
  item: DeliveredItem,
  { at, cause: error }: FailedItems,
  { dueAt, ...more }: { readonly dueAt: number; readonly isUndecided: boolean; readonly isParked?: boolean },
): void {
  const { keys, reports } = turn.state;
  markCredited(reports, item);
  item.failedSince ??= turn.now;
  holdFailed(keys, { item, failures: item.attempt, since: item.failedSince, at, error, ...more }, dueAt);
  for (const later of withdraw(turn.state.batching, item.key)) holdNew(keys, later, turn.now);
}

export function openWaitingCall({ state }: ReducerTurn, call: Exclude<FailedCall, { type: 'items' }>): WaitingCall {
  state.waitingCall ??=
    call.type === 'flush'
      ? { type: 'flush', groups: [], dueAt: Infinity, undecided: 0 }
      : call.type === 'batch'
        ? { type: 'batch', tasks: [], dueAt: Infinity, undecided: 0 }
        : { type: 'rawCall', ...rawCallOf(call), dueAt: Infinity, undecided: 0 };
  return state.waitingCall;
}

function rawCallOf({ job: { message, attempt }, cause }: Extract<FailedCall, { type: 'rawCall' }>) {
  return { message, attempt, cause };
}

/** The delay before the next attempt: random, at least `minMs`, below a bound that doubles with every failure. */
export function retryDelayMs({ options }: ReducerTurn, { minMs, maxMs }: Retry, failures: number): number {
  const ceiling = exponentialMs({ baseMs: minMs, capMs: maxMs }, failures);
  return Math.floor(minMs + options.random.next() * (ceiling - minMs));
}

/** Ends the wait of an item whose call has returned. */
export function endWait(turn: ReducerTurn, item: DeliveredItem): void {
  const { keys } = turn.state;
  if (!isHandedOutAgain(keys, item)) return;
  free(turn, takeOut(keys, item, turn.now));
  attemptReturned(keys, turn.now);
}

/** Notes that a call has succeeded: an outage is over. */
export function callSucceeded(turn: ReducerTurn): void {
  const { options, state, now, effects } = turn;
  const { keys } = state;
  if (keys.failedKeys.size > 0) keys.failedKeys.clear();
  if (keys.outage === undefined) return;
  const { since, failures } = keys.outage;
  free(turn, endOutage(keys, now));
  const data = { reducer: options.index, failures, forMs: Math.round(now - since) };
  effects.push(effect.emit({ name: 'outageEnded', data }));
}

/** These items no longer wait, and go before all others. */
function free({ state }: ReducerTurn, items: readonly DeliveredItem[]): void {
  if (items.length > 0) state.carry = [...items, ...state.carry];
}

/** Ends the wait of an item that is not delivered again here. */
export function leaveKey(turn: ReducerTurn, item: DeliveredItem): void {
  const { state, now } = turn;
  forgetCredit(state.reports, item);
  endAttempt(turn, item);
  free(turn, takeOut(state.keys, item, now));
}

/** If the item was the attempt of an outage, the next one may come. */
function endAttempt({ state, now }: ReducerTurn, item: DeliveredItem): void {
  const held = state.keys.byKey.get(item.key);
  if (held?.head.item === item && held.isBusy && held.head.isParked !== true) attemptDropped(state.keys, now);
}

/**
 * Gives up the items whose leases have ended, even if a renewal still comes, because the new owner will process them. Returns the
 * others. If a call fails after its lease has ended, that is not a failure, and the policy is not asked (docs/design.md, section 3).
 */
export function withoutLate(turn: ReducerTurn, items: readonly DeliveredItem[]): readonly DeliveredItem[] {
  for (const item of items) {
    if (!endIfLate(item.tenure, turn.options.clock)) continue;
    leaveKey(turn, item);
    reportEnded(turn.state.reports, item);
  }
  return items.filter(({ tenure }) => !tenure.ended);
}

/** A flush whose leases have all ended. */
export function dropGroup({ options, state }: ReducerTurn, group: FlushGroup): void {
  renewState(group.slot, options.definition);
  for (const item of group.items) reportEnded(state.reports, item);
}

function stopShard(state: ReducerState, item: DeliveredItem, error: Error): void {
  stopTenure(item.tenure, error);
  reportEnded(state.reports, item);
}

/** Settles items that were not processed, because the policy is `skip`. Each of them is counted and reported. */
function skip(turn: ReducerTurn, items: readonly DeliveredItem[], cause: unknown): void {
  const { effects } = turn;
  if (items.length === 0) return;
  effects.push(effect.count('skippedItems', items.length));
  for (const item of items) {
    settleOwn(turn, item);
    const { source, shardId, sequenceNumber, key } = item;
    const data = { source, shardId, sequenceNumber, subSequenceNumber: item.subSequenceNumber ?? 0, key, error: cause };
    effects.push(effect.emit({ name: 'recordSkipped', data }));
  }
}
