// A call of a node that has failed. The failure policy decides, as for a reducer. Under `retry` the call holds the node, and so everything that
// comes behind it in the pipe. Under `crash` the node calls nothing more, and what it has emitted drains before the pipeline restarts.
import { effect } from '../protocol/actor.js';
import type { Failure, Verdict } from '../protocol/failure-policy.js';
import type { DeliveredItem } from '../protocol/item.js';
import { beginParking } from '../protocol/parking.js';
import { askPolicy, takeDecided, type Decided } from '../protocol/pending-failures.js';
import { SentMessage, type ItemReferences } from '../protocol/pipe-message.js';
import { endIfLate, stopTenure, type Tenure } from '../protocol/tenure.js';
import { callOf, type Call, type Work } from './calls.js';
import { failNode } from './ending.js';
import { settle } from './settled.js';
import { keptReferences, oldestItem, takeKept } from './slots.js';
import type { NodeTurn } from './state.js';
import { exponentialMs } from '../../src/core/backoff.js';
import { countItems, firstOf, forEachGrant, withoutEnded } from '../../src/core/references.js';
import { KinactError } from '../../src/api/errors.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import type { ConsumerEvents } from '../../src/api/events.js';
import type { Retry } from '../../src/api/failure-policy.js';

/** Handles a failure of the work under way. */
export function callFailed(turn: NodeTurn, work: Work, call: Call, cause: unknown): void {
  const { options, state, now, effects } = turn;
  if (call.callback === 'terminate') {
    const message = `${options.name}: terminate has failed`;
    effects.push(effect.emit({ name: 'warning', data: { message, error: cause } }));
    return;
  }
  if (work.kind === 'start') {
    effects.push(effect.fail(cause));
    return;
  }
  call.failures += 1;
  if (call.failures === 1) call.failedSince = now;
  call.cause = cause;
  const failed = failedItemOf(turn, call);
  call.failed ??= failed;
  const tenures = tenuresOf(turn, call);
  // A call that fails after its leases have ended is no failure of the application's.
  if (tenures.size > 0 && [...tenures].every(({ dead }) => dead)) {
    giveUp(turn, work, call);
    return;
  }
  const failure: Failure = { cause, failed, attempt: call.failures };
  state.waiting = { call, dueAt: Infinity, isTrying: false };
  const verdict = askPolicy(turn, call, failure, tenures);
  if (verdict !== undefined) applyVerdict(turn, work, { call, failure }, verdict);
}

/** The policy has answered, or has not in time. */
export function decided(turn: NodeTurn, message: Decided): void {
  const { state } = turn;
  const known = takeDecided(turn, message);
  if (known === undefined || state.waiting?.call !== known.subject || state.work === undefined) return;
  const { subject: call, failure, verdict } = known;
  const tenures = tenuresOf(turn, call);
  if (tenures.size > 0 && [...tenures].every(({ dead }) => dead)) giveUp(turn, state.work, call);
  else applyVerdict(turn, state.work, { call, failure }, verdict);
}

export function applyVerdict(
  turn: NodeTurn,
  work: Work,
  { call, failure }: { readonly call: Call; readonly failure: Failure },
  { policy, error }: Verdict,
): void {
  const { options, state, now } = turn;
  const item = call.message?.item;
  // A state that cannot be made leaves nothing to skip.
  const isStateless = call.callback === 'init' && call.message === undefined;
  if (typeof policy === 'object' && policy.type === 'retry') {
    const delayMs = pauseMs(turn, policy, call.failures);
    state.waiting = { call, dueAt: now + delayMs, isTrying: false };
    work.again = call;
    reportRetry(turn, failure, delayMs);
  } else if (policy === 'skip' && !isStateless) {
    skip(turn, call);
    giveUp(turn, work, call);
    // After a failed flush the state may be half emitted.
    if (call.message === undefined) work.again = callOf('init', call.slot);
  } else if (policy === 'stopShard' && !isStateless) {
    for (const tenure of tenuresOf(turn, call)) stopTenure(tenure, error);
    giveUp(turn, work, call);
  } else if (typeof policy === 'object' && item !== undefined) {
    state.waiting = { call, dueAt: Infinity, isTrying: false };
    beginParking(turn, call, failure, { policy, items: [item], failedSince: call.failedSince });
  } else {
    const isParked = typeof policy === 'object';
    const text = `${options.name}: only a message that stands for one item can be parked; treated as crash`;
    failNode(turn, isParked ? new KinactError('PROCESSING_FAILED', text, { cause: error }) : error);
  }
}

/** The call is not made again. What belongs to ended leases is dropped, and the work goes on behind it. */
export function giveUp(turn: NodeTurn, work: Work, call: Call): void {
  const { state } = turn;
  state.waiting = undefined;
  work.again = undefined;
  work.wasMade = false;
  if (call.message !== undefined) SentMessage.setReferences(call.message, undefined);
}

/** Settles what the call was about. After a failed flush or timer the state cannot be used again: what it keeps is settled, too. */
function skip(turn: NodeTurn, call: Call): void {
  const { state, now, effects } = turn;
  const taken: ItemReferences[] = [];
  if (call.message === undefined) {
    taken.push(...takeKept(call.slot, now));
  } else {
    const references = SentMessage.referencesOf(call.message);
    if (references !== undefined) taken.push(references);
  }
  for (const references of taken) {
    const { live } = withoutEnded(references);
    if (live === undefined) continue;
    const items = countItems(live);
    effects.push(effect.count('skippedItems', items));
    const item = firstOf(live) as DeliveredItem | undefined;
    if (item !== undefined) {
      const { source, shardId, sequenceNumber, subSequenceNumber = 0, key } = item;
      const data = { source, shardId, sequenceNumber, subSequenceNumber, key, error: call.cause };
      effects.push(effect.emit({ name: 'recordSkipped', data }));
    }
    settle(state.settled, live);
  }
}

/** The tenures that the call is about, with the late ones ended. */
function tenuresOf({ options }: NodeTurn, { message, slot }: Call): ReadonlySet<Tenure> {
  const tenures = new Set<Tenure>();
  const add = (references: ItemReferences): void => forEachGrant(references, (tenure) => void tenures.add(tenure));
  const references = message === undefined ? undefined : SentMessage.referencesOf(message);
  if (references !== undefined) add(references);
  if (message === undefined) for (const kept of keptReferences(slot)) add(kept);
  for (const tenure of tenures) endIfLate(tenure, options.clock);
  return tenures;
}

function failedItemOf({ options }: NodeTurn, { message, slot }: Call): FailedItem {
  const references = message === undefined ? [...keptReferences(slot)] : [SentMessage.referencesOf(message)];
  let items = 0;
  for (const each of references) if (each !== undefined) items += countItems(each);
  const [first] = references;
  const item =
    message === undefined ? oldestItem(slot) : first === undefined ? undefined : (firstOf(first) as DeliveredItem);
  const where = { at: 'node', node: options.name, items } as const;
  if (item === undefined) return { source: '', shardId: '', sequenceNumber: '', value: message?.value, ...where };
  const { source, shardId, sequenceNumber, subSequenceNumber, key, record } = item;
  const { data, arrivedAt } = record;
  return { source, shardId, sequenceNumber, subSequenceNumber, data, arrivedAt, key, value: message?.value, ...where };
}

function pauseMs({ options }: NodeTurn, { minMs, maxMs }: Retry, failures: number): number {
  const ceiling = exponentialMs({ baseMs: minMs, capMs: maxMs }, failures);
  return Math.floor(minMs + options.random.next() * (ceiling - minMs));
}

/** Reports the first, second, fourth, eighth … attempt that has failed. */
function reportRetry({ effects }: NodeTurn, { failed, attempt, cause: error }: Failure, delayMs: number): void {
  effects.push(effect.count('retries'));
  if ((attempt & (attempt - 1)) !== 0) return;
  effects.push(effect.emit({ name: 'itemRetrying', data: { ...placeOf(failed), attempt, delayMs, error } }));
}

/** Reports a call that has succeeded after failures. */
export function reportRecovery(turn: NodeTurn, call: Call): void {
  const { now, effects } = turn;
  const { failures, failedSince, failed } = call;
  if (failed === undefined) return;
  const data = { ...placeOf(failed), attempts: failures + 1, forMs: Math.round(now - failedSince) };
  effects.push(effect.emit({ name: 'itemRecovered', data }));
}

type Place = Omit<ConsumerEvents['itemRecovered'], 'attempts' | 'forMs'>;

function placeOf(failed: FailedItem): Place {
  const { source, shardId, sequenceNumber, subSequenceNumber, key, at, node, items } = failed;
  const optional = { ...(key === undefined ? {} : { key }), ...(node === undefined ? {} : { node }) };
  return { source, shardId, sequenceNumber, subSequenceNumber: subSequenceNumber ?? 0, ...optional, at, items };
}
