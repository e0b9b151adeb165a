// A call of a node that has failed. The failure policy decides, as for a reducer. Under `retry` the call holds the node, and so
// everything that comes behind it in the pipe. Under `crash` the node calls nothing more, and what it has emitted drains before the
// pipeline restarts.
import { effect } from '../protocol/actor.js';
import type { Failure, Verdict } from '../protocol/failure-policy.js';
import type { DeliveredItem } from '../protocol/item.js';
import { beginParking } from '../protocol/parking.js';
import { askPolicy, takeDecided, type Decided } from '../protocol/pending-failures.js';
import { SentMessage, type ItemReferences } from '../protocol/pipe-message.js';
import { endIfLate, stopTenure, type Tenure } from '../protocol/tenure.js';
import type { Call, NodeTask } from './calls.js';
import { failNode } from './ending.js';
import { settle } from './settled.js';
import { noteKept, type RouteState } from './route-states.js';
import { heldOf, isGone, parkablesOf } from './parkables.js';
import { bringBackFailed } from './route-uses.js';
import { copied, isHere, same, takeHeld, type Held } from './result.js';
import { dropLost } from './lost.js';
import type { NodeTurn } from './state.js';
import { noteDue } from './tasks.js';
import { exponentialMs } from '../../src/core/backoff.js';
import { countItems, firstOf, forEachTenure, withoutEnded } from '../../src/core/references.js';
import { KinactError } from '../../src/api/errors.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import type { ConsumerEvents } from '../../src/api/events.js';
import { NonRetryableError, type Park, type Retry } from '../../src/api/failure-policy.js';
import { isNodeFailure, type NodeFailure } from '../../src/api/pipe-failure.js';
import { show } from '../../src/api/refusal.js';
import { HeldBundle } from '../../src/core/holding.js';

interface FailedCall {
  readonly call: Call;
  readonly failure: Failure;
}

/** Handles a failure of the task under way. */
export function callFailed(turn: NodeTurn, task: NodeTask, call: Call, thrown: unknown): void {
  const { options, state, now, effects } = turn;
  if (call.callback === 'terminate') {
    const message = `${options.name}: terminate has failed`;
    effects.push(effect.emit({ name: 'warning', data: { message, error: thrown } }));
    return;
  }
  if (task.kind === 'start') {
    effects.push(effect.fail(thrown));
    return;
  }
  call.failures += 1;
  if (call.failures === 1) call.failedSince = now;
  call.cause = notePartsOf(call, thrown);
  const failed = failedItemOf(turn, call);
  call.failed ??= failed;
  const tenures = tenuresOf(turn, call);
  if (isLost(tenures)) {
    repeatWithoutLost(turn, task, call);
    return;
  }
  const failure: Failure = { cause: call.cause, failed, attempt: call.failures };
  state.waiting = { call, dueAt: Infinity, isTrying: false };
  const verdict = askPolicy(turn, call, failure, tenures);
  if (verdict !== undefined) applyVerdict(turn, task, { call, failure }, verdict);
}

/** Notes what the application says has failed. Returns what was thrown at first. */
function notePartsOf(call: Call, thrown: unknown): unknown {
  call.parts = undefined;
  if (!isNodeFailure(thrown)) return thrown;
  const said = membersOf(thrown);
  if (said === undefined)
    return new NonRetryableError('The members of a NodeFailure cannot be read.', { cause: thrown });
  const { of, state, values, cause } = said;
  // A failure that names nothing would leave `skip` nothing to settle: the same call would be repeated for ever.
  const isValid =
    Array.isArray(of) && of.every((held) => isHere(call.routeState, call.message, held)) && of.some(holdsSomething);
  if (!isValid) return new NonRetryableError('A NodeFailure names nothing, or what is not here.', { cause: thrown });
  const each = [...new Set(of)];
  const refusal = values === undefined ? undefined : refusalOfValues(call.routeState, values, each);
  if (refusal !== undefined) return new NonRetryableError(refusal, { cause: thrown });
  call.parts = { of: each, state, values, isStale: false };
  return cause;
}

type Said = Pick<NodeFailure, 'of' | 'state' | 'values' | 'cause'>;

/** What it says, read once and copied: user code may change it while the policy or a sink is waited for. Undefined: a getter throws. */
function membersOf(thrown: NodeFailure): (Said & { readonly of: readonly Held[] }) | undefined {
  try {
    const { of, state, values, cause } = thrown;
    return { of: copied(of, same) as readonly Held[], state, values: copied(values, same), cause };
  } catch {
    return undefined;
  }
}

/**
 * All of `of` would be settled with the values, so there must be one for each message. A state that has lost something may say more: values
 * that its lost leases have brought, of holdings that it does not name.
 */
function refusalOfValues(routeState: RouteState, values: unknown, of: readonly Held[]): string | undefined {
  const left = of.filter((held) => !isGone(routeState, held));
  const fewest = Math.max(
    left.length === 0 ? 0 : 1,
    sumOf(left, (holding) => HeldBundle.fewestIn(holding)),
  );
  const most = routeState.hasLost ? Infinity : sumOf(of, (holding) => HeldBundle.countIn(holding));
  if (Array.isArray(values) && values.length >= fewest && values.length <= most) return undefined;
  const expected = routeState.hasLost ? `at least ${fewest}` : fewest;
  const got = Array.isArray(values) ? values.length : show(values);
  const what = 'an array with one value for each message in `of`';
  return `The values of a NodeFailure must be ${what}: expected ${expected}, got ${got}.`;
}

function sumOf(of: readonly Held[], countIn: (holding: HeldBundle) => number): number {
  return of.reduce((sum, held) => sum + (SentMessage.isMessage(held) ? 1 : countIn(held)), 0);
}

function holdsSomething(held: Held): boolean {
  return SentMessage.isMessage(held) || !HeldBundle.isEmpty(held);
}

/** A call that fails after all its leases have ended is no failure of the application's. */
function isLost(tenures: ReadonlySet<Tenure>): boolean {
  return tenures.size > 0 && [...tenures].every(({ ended }) => ended);
}

/** What belongs to ended leases is taken out, and the call is repeated: a message of which nothing is left is not handed out. */
function repeatWithoutLost(turn: NodeTurn, task: NodeTask, call: Call): void {
  turn.state.waiting = undefined;
  dropLost(turn);
  task.again = call;
}

/** The policy has answered, or has not in time. */
export function decided(turn: NodeTurn, message: Decided): void {
  const { state } = turn;
  const known = takeDecided(turn, message);
  if (known === undefined || state.waiting?.call !== known.subject || state.task === undefined) return;
  const { subject: call, failure, verdict } = known;
  const tenures = tenuresOf(turn, call);
  // A state that has lost something since the failure would get it back with the verdict.
  if (isLost(tenures) || call.parts?.isStale === true) repeatWithoutLost(turn, state.task, call);
  else applyVerdict(turn, state.task, { call, failure }, verdict);
}

export function applyVerdict(
  turn: NodeTurn,
  task: NodeTask,
  { call, failure }: FailedCall,
  { policy, error, isNotParked }: Verdict,
): void {
  const { state, now } = turn;
  const tenures = policy === 'stopShard' ? tenuresOf(turn, call) : new Set<Tenure>();
  // `init` has failed without a message: there is no state to go on with, and no message to skip.
  const isStateless = call.callback === 'init' && call.message === undefined;
  if (typeof policy === 'object' && policy.type === 'retry') {
    const delayMs = retryDelayMs(turn, policy, call.failures);
    state.waiting = { call, dueAt: now + delayMs, isTrying: false };
    task.again = call;
    reportRetry(turn, failure, delayMs);
  } else if (!isStateless && (policy === 'skip' || (policy === 'stopShard' && tenures.size === 0))) {
    // A call about nothing has no shard to stop, and `stopShard` would only repeat it. So it is skipped, too.
    skip(turn, call, isNotParked === true ? error : call.cause);
    goOnWithout(turn, task, call);
  } else if (policy === 'stopShard' && !isStateless) {
    for (const tenure of tenures) stopTenure(tenure, error);
    repeatWithoutLost(turn, task, call);
  } else if (typeof policy === 'object' && !isStateless) {
    park(turn, task, { call, failure }, { policy, error });
  } else {
    failNode(turn, error);
  }
}

/** Begins to park what has failed. What cannot be parked crashes, so nothing is lost. */
function park(
  turn: NodeTurn,
  task: NodeTask,
  { call, failure }: FailedCall,
  { policy, error }: { readonly policy: Park; readonly error: KinactError },
): void {
  const { options, state } = turn;
  const items = parkablesOf(turn, call);
  if (typeof items === 'string') {
    const text = `${options.name}: ${items}; treated as crash`;
    failNode(turn, new KinactError('PROCESSING_FAILED', text, { cause: error, data: error.data }));
    return;
  }
  if (items.length === 0) {
    settleParked(turn, task, call);
    return;
  }
  state.waiting = { call, dueAt: Infinity, isTrying: false };
  beginParking(turn, call, failure, { policy, items, failedSince: call.failedSince });
}

/** The sink has not kept all of it, and the policy says what follows. */
export function notParked(turn: NodeTurn, task: NodeTask, failed: FailedCall, verdict: Verdict): void {
  // Repeated without what is lost, as in `settleParked`. Not under `crash`: a sink that has not ended would hold up the repeated call, too.
  if (failed.call.parts?.isStale === true && verdict.policy !== 'crash') repeatWithoutLost(turn, task, failed.call);
  else applyVerdict(turn, task, failed, verdict);
}

/** The sink keeps what has failed: it is settled. */
export function settleParked(turn: NodeTurn, task: NodeTask, call: Call): void {
  const { state, now, effects } = turn;
  // `parts.state` still has what the state has lost since, and a verdict would bring that back. So the call is repeated, and what is left
  // may be parked again.
  if (call.parts?.isStale === true) {
    repeatWithoutLost(turn, task, call);
    return;
  }
  for (const { references } of takeFailed(call, now)) {
    const { live, hasLost } = withoutEnded(references);
    if (live !== undefined && hasLost) effects.push(effect.count('foldedAfterLoss'));
    settle(state.settled, live);
  }
  goOnWithout(turn, task, call);
}

/** The message is done. */
function giveUp({ state }: NodeTurn, task: NodeTask, call: Call): void {
  state.waiting = undefined;
  task.again = undefined;
  task.wasMade = false;
  if (call.message !== undefined) SentMessage.setReferences(call.message, undefined);
}

/** What has failed is settled: the task goes on after it. */
function goOnWithout(turn: NodeTurn, task: NodeTask, call: Call): void {
  const { message, parts, routeState } = call;
  if (parts !== undefined) {
    routeState.state = parts.state;
    noteKept(routeState, turn.now);
    noteDue(turn, routeState);
    bringBackFailed(turn.state, routeState);
    if (message === undefined || !parts.of.includes(message)) {
      // What the `NodeFailure` named is settled. The call is repeated for the rest, and its attempts count from 1 again.
      turn.state.waiting = undefined;
      Object.assign(call, { failures: 0, parts: undefined, parked: undefined });
      task.again = call;
      return;
    }
  }
  giveUp(turn, task, call);
  // A flush or a timer that has failed as a whole may have left the state half emitted.
  if (message === undefined) routeState.isForgotten = true;
}

/** Settles what the call was about. */
function skip({ options, state, now, effects }: NodeTurn, call: Call, error: unknown): void {
  for (const { held, references } of takeFailed(call, now)) {
    const { live } = withoutEnded(references);
    if (live === undefined) continue;
    settle(state.settled, live);
    if (call.parked?.has(held) === true) continue;
    const items = countItems(live);
    effects.push(effect.count('skippedItems', items));
    const item = firstOf(live) as DeliveredItem | undefined;
    if (item === undefined) continue;
    const { source, shardId, sequenceNumber, subSequenceNumber = 0, key } = item;
    const place = { source, shardId, sequenceNumber, subSequenceNumber, key };
    effects.push(effect.emit({ name: 'recordSkipped', data: { ...place, node: options.name, items, error } }));
  }
}

interface TakenOut {
  readonly held: Held;
  readonly references: ItemReferences;
}

/** Takes out what has failed. */
function takeFailed(call: Call, now: number): readonly TakenOut[] {
  const taken = heldOf(call).flatMap((held) => {
    const references = takeHeld(call.routeState, held);
    return references === undefined ? [] : [{ held, references }];
  });
  noteKept(call.routeState, now);
  return taken;
}

/** The references of what has failed. */
function* failedReferences(call: Call): Generator<ItemReferences> {
  for (const held of heldOf(call)) {
    const references = SentMessage.isMessage(held)
      ? SentMessage.referencesOf(held)
      : (HeldBundle.peek(held) as ItemReferences);
    if (references !== undefined) yield references;
  }
}

/** The tenures of what has failed, with the late ones ended. */
function tenuresOf({ options }: NodeTurn, call: Call): ReadonlySet<Tenure> {
  const tenures = new Set<Tenure>();
  for (const references of failedReferences(call)) forEachTenure(references, (tenure) => void tenures.add(tenure));
  for (const tenure of tenures) endIfLate(tenure, options.clock);
  return tenures;
}

/** What the call is about, as the failure policy and errors name it: the first of its items. */
export function failedItemOf({ options }: NodeTurn, call: Call): FailedItem {
  let items = 0;
  let item: DeliveredItem | undefined;
  for (const references of failedReferences(call)) {
    items += countItems(references);
    item ??= firstOf(references) as DeliveredItem | undefined;
  }
  const value = call.message === undefined ? undefined : SentMessage.contentOf(call.message);
  const where = { at: 'node', node: options.name, items, value } as const;
  if (item === undefined) return { source: '', shardId: '', sequenceNumber: '', ...where };
  const { source, shardId, sequenceNumber, subSequenceNumber, key, record } = item;
  const { data, arrivedAt } = record;
  return { source, shardId, sequenceNumber, subSequenceNumber, data, arrivedAt, key, ...where };
}

function retryDelayMs({ options }: NodeTurn, { minMs, maxMs }: Retry, failures: number): number {
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
  const { failures, failedSince } = call;
  // A cast, because only a call that has failed before recovers.
  const data = { ...placeOf(call.failed as FailedItem), attempts: failures + 1, forMs: Math.round(now - failedSince) };
  effects.push(effect.emit({ name: 'itemRecovered', data }));
}

type Place = Omit<ConsumerEvents['itemRecovered'], 'attempts' | 'forMs'>;

/** Each failure here names the node. */
function placeOf(failed: FailedItem): Place {
  const { source, shardId, sequenceNumber, subSequenceNumber, key, at, node, items } = failed;
  const place = { source, shardId, sequenceNumber, subSequenceNumber: subSequenceNumber ?? 0 };
  return { ...place, ...(key === undefined ? {} : { key }), node: node as string, at, items };
}
