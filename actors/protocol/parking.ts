// Parks what has failed: calls the sink of the policy `park`, again and again if it fails, and says what the sink has kept. Only that may
// be settled. At most `maxCalls` calls of one actor are under way, because a sink may be a remote service, and never two for the same
// failure. A call that has not ended may still succeed.
import { effect } from './actor.js';
import { verdictNotParked, type Failure, type Verdict } from './failure-policy.js';
import { ParkableMessage } from './parkable-message.js';
import { entryOf, isLate, itemsIn, nameOf, tenuresOf, type Parkable } from './parkable.js';
import {
  addPending,
  pendingOf,
  type FailureTurn,
  type Parking,
  type ParkingDue,
  type ParkingEnded,
  type ParkingOverdue,
  type PendingFailure,
} from './pending-failures.js';
import type { Tenure } from './tenure.js';
import { isThenable } from '../../src/core/callback.js';
import { exponentialMs } from '../../src/core/backoff.js';
import type { RecordEvent } from '../../src/api/event-members.js';
import type { FailedItem } from '../../src/api/failed-item.js';
import { isNonRetryable, NonRetryableError, type Park } from '../../src/api/failure-policy.js';
import type { ParkedItem, ParkingSink } from '../../src/api/parking.js';

/** What has become of a parking. */
export interface ParkingNews<Subject> {
  readonly pending: PendingFailure<Subject>;
  /** What the sink keeps now. */
  readonly parked: readonly Parkable[];
  /** What belongs to leases that have ended: the next owner decides about it. */
  readonly late: readonly Parkable[];
  /** What is not parked. If there is no verdict, the sink is called again. */
  readonly notParked: readonly Parkable[];
  readonly verdict?: Verdict;
}

const maxCalls = 16;
/** How many items of a failed flush a sink gets at a time. */
const maxItems = 32;
const noPromiseText = 'the sink of park must return a promise that is fulfilled when it has kept the item';
const delays = { baseMs: 100, capMs: 30_000 };

/** Begins to park. The news follow in later turns. */
export function beginParking<Subject>(
  turn: FailureTurn<Subject>,
  subject: Subject,
  failure: Failure,
  parking: { readonly policy: Park; readonly items: readonly Parkable[]; readonly failedSince: number },
): void {
  const { pendingFailures } = turn.state;
  const { policy, items: notParked, failedSince } = parking;
  const doubt = turn.options.doubtOf?.(policy.sink);
  if (doubt !== undefined) turn.effects.push(effect.emit({ name: 'warning', data: { message: doubt } }));
  const tenures = new Set<Tenure>();
  for (const each of notParked) for (const tenure of tenuresOf(each)) tenures.add(tenure);
  const begun: Parking = { policy, failedSince, notParked, attempt: 0, error: undefined, phase: 'queued' };
  const { number } = addPending(pendingFailures, { subject, failure, tenures, parking: begun });
  pendingFailures.queued.push(number);
  callSinks(turn);
}

/** Calls sinks for what is queued, as long as calls are free. */
function callSinks<Subject>(turn: FailureTurn<Subject>): void {
  const { pendingFailures } = turn.state;
  while (pendingFailures.called.size < maxCalls) {
    const number = pendingFailures.queued.shift();
    if (number === undefined) return;
    const pending = pendingFailures.byNumber.get(number);
    if (pending?.parking?.phase === 'queued') callSink(turn, pending, pending.parking);
  }
}

function callSink<Subject>(
  { options, state, now, effects }: FailureTurn<Subject>,
  { number, failure }: PendingFailure<Subject>,
  parking: Parking,
): void {
  const { clock, answerDeadlineMs, application } = options;
  const { policy, notParked, failedSince } = parking;
  parking.phase = 'calling';
  parking.attempt += 1;
  state.pendingFailures.called.add(number);

  const parkedAt = clock.wallNow();
  const why = { at: failure.failed.at, attempts: failure.attempt, error: failure.cause };
  const times = { failedAt: Math.round(parkedAt - (now - failedSince)), parkedAt };
  const parked = (each: Parkable): ParkedItem => ({ ...entryOf(each), application, ...why, ...times });
  const name = `park#${number}`;
  effects.push(
    effect.after(name, answerDeadlineMs, { type: 'parkingOverdue', number, isLast: false }),
    effect.run({
      name,
      kind: 'user',
      start: (signal) => parkAll(policy.sink, notParked, parked, signal),
      done: (answer: Answer): ParkingEnded => ({ type: 'parkingEnded', number, ...answer }),
      failed: (error): ParkingEnded => ({ type: 'parkingEnded', number, parked: [], error }),
    }),
  );
}

type Answer = Pick<ParkingEnded, 'parked' | 'error'>;

async function parkAll(
  sink: ParkingSink,
  items: readonly Parkable[],
  parkedItem: (item: Parkable) => ParkedItem,
  signal: AbortSignal,
): Promise<Answer> {
  const parked: Parkable[] = [];
  const errors: unknown[] = [];
  const parkOne = async (item: Parkable): Promise<void> => {
    try {
      const kept = sink(parkedItem(item), { signal });
      // Without a promise nobody knows when the item is durable: the write was probably not awaited.
      if (!isThenable(kept)) throw new NonRetryableError(noPromiseText);
      await kept;
      parked.push(item);
    } catch (error) {
      errors.push(error);
    }
  };
  for (let next = 0; next < items.length; next += maxItems) {
    if (signal.aborted) return { parked, error: errors[0] ?? signal.reason };
    await Promise.all(items.slice(next, next + maxItems).map(parkOne));
  }
  return errors.length === 0 ? { parked } : { parked, error: errors[0] };
}

/** A call of a sink has ended. Undefined if nobody waits for it any more. */
export function parkingEnded<Subject>(
  turn: FailureTurn<Subject>,
  message: ParkingEnded,
): ParkingNews<Subject> | undefined {
  const { state, effects } = turn;
  const { pendingFailures } = state;
  const { number } = message;
  pendingFailures.called.delete(number);
  callSinks(turn);
  const pending = pendingFailures.byNumber.get(number);
  // A repeated message must not end a delay, or the deadline of the next call.
  const isAwaited = pending?.parking === undefined || isCalled(pending.parking);
  if (isAwaited) effects.push(effect.cancel(`park#${number}`));
  if (pending?.parking === undefined || !isAwaited) return undefined;

  const { failure, parking } = pending;
  const { parked, error } = message;
  reportParked(turn, failure, parked);
  const kept = new Set(parked);
  parking.notParked = parking.notParked.filter((each) => !kept.has(each));
  const late = takeOutLate(turn, pending, parking);
  const { notParked } = parking;
  if (notParked.length === 0) return { pending, parked, late, notParked };

  const { then } = parking.policy;
  if (then !== 'retry' || isNonRetryable(error)) {
    pendingFailures.byNumber.delete(number);
    // `retry` becomes `crash` after an error that no repetition mends, because the sink would refuse the item for ever.
    return {
      pending,
      parked,
      late,
      notParked,
      verdict: verdictNotParked(failure, then === 'retry' ? 'crash' : then, error),
    };
  }
  delayParking(turn, pending, parking, error);
  return { pending, parked, late, notParked };
}

function delayParking<Subject>(
  { options, effects }: FailureTurn<Subject>,
  { number, failure }: PendingFailure<Subject>,
  parking: Parking,
  error: unknown,
): void {
  const { attempt, notParked } = parking;
  const ceilingMs = exponentialMs(delays, attempt);
  const delayMs = Math.floor(delays.baseMs + options.random.next() * (ceilingMs - delays.baseMs));
  parking.phase = 'paused';
  parking.error = error;
  effects.push(effect.after(`park#${number}`, delayMs, { type: 'parkingDue', number }), effect.count('failedParkings'));
  // Only the first, second, fourth, eighth … failure is reported: a sink may be down for hours.
  if ((attempt & (attempt - 1)) !== 0) return;
  const [oldest] = notParked as [Parkable, ...Parkable[]];
  const items = sumOf(notParked);
  const data = { ...eventPlace(oldest), ...whereOf(failure), items, attempt, delayMs, error };
  effects.push(effect.emit({ name: 'parkingFailed', data }));
}

function isCalled({ phase }: Parking): boolean {
  return phase === 'calling' || phase === 'overdue';
}

/** Removes what belongs to leases that have ended, and the parking itself if nothing is left. */
function takeOutLate<Subject>(
  { options, state, effects }: FailureTurn<Subject>,
  { number }: PendingFailure<Subject>,
  parking: Parking,
): readonly Parkable[] {
  const late = parking.notParked.filter((each) => isLate(each, options.clock));
  const isGone = new Set(late);
  if (late.length > 0) parking.notParked = parking.notParked.filter((each) => !isGone.has(each));
  if (parking.notParked.length > 0) return late;
  state.pendingFailures.byNumber.delete(number);
  if (parking.phase === 'paused') effects.push(effect.cancel(`park#${number}`));
  return late;
}

/** The deadline of a call has passed: its signal aborts. If the call does not end even then, `crash` applies. */
export function parkingOverdue<Subject>(
  turn: FailureTurn<Subject>,
  { number, isLast }: ParkingOverdue,
): ParkingNews<Subject> | undefined {
  const { options, state, effects } = turn;
  const pending = state.pendingFailures.byNumber.get(number);
  if (pending?.parking === undefined) {
    if (state.pendingFailures.called.delete(number)) callSinks(turn);
    return undefined;
  }
  const { parking, failure } = pending;
  const { answerDeadlineMs } = options;
  if (parking.phase !== (isLast ? 'overdue' : 'calling')) return undefined;
  if (!isLast) {
    parking.phase = 'overdue';
    const reason = new Error(`The sink of park has not answered within ${answerDeadlineMs} ms.`);
    effects.push(effect.abort(`park#${number}`, reason));
    effects.push(effect.after(`park#${number}`, answerDeadlineMs, { type: 'parkingOverdue', number, isLast: true }));
    return undefined;
  }
  const late = takeOutLate(turn, pending, parking);
  const { notParked } = parking;
  if (notParked.length === 0) {
    // The next owner decides. The call must not take a place for ever.
    state.pendingFailures.called.delete(number);
    callSinks(turn);
    return { pending, parked: [], late, notParked };
  }
  state.pendingFailures.byNumber.delete(number);
  const error = new Error(`its sink has not settled within ${answerDeadlineMs} ms after its signal had aborted`);
  return { pending, parked: [], late, notParked, verdict: verdictNotParked(failure, 'crash', error) };
}

/** The delay of a parking is over. News if its leases have ended in the meantime. */
export function parkingDue<Subject>(
  turn: FailureTurn<Subject>,
  { number }: ParkingDue,
): ParkingNews<Subject> | undefined {
  const pending = turn.state.pendingFailures.byNumber.get(number);
  if (pending?.parking?.phase !== 'paused') return undefined;
  const late = takeOutLate(turn, pending, pending.parking);
  const { notParked } = pending.parking;
  if (notParked.length > 0) {
    pending.parking.phase = 'queued';
    turn.state.pendingFailures.queued.push(number);
    callSinks(turn);
  }
  return late.length === 0 ? undefined : { pending, parked: [], late, notParked };
}

/** Ends the delays of the parkings that have a part in such a tenure. */
export function hurryParkings<Subject>(turn: FailureTurn<Subject>, isMeant: (tenure: Tenure) => boolean): void {
  const { pendingFailures } = turn.state;
  for (const { number, parking, tenures } of pendingFailures.byNumber.values()) {
    if (parking?.phase !== 'paused' || ![...tenures].some(isMeant)) continue;
    parking.phase = 'queued';
    turn.effects.push(effect.cancel(`park#${number}`));
    pendingFailures.queued.push(number);
  }
  callSinks(turn);
}

/** Ends the parkings of a shard worker that has ended, if no other shard worker has a part in them. Their calls are aborted. */
export function dropParkings<Subject>(
  turn: FailureTurn<Subject>,
  shardWorker: number,
): readonly ParkingNews<Subject>[] {
  const news: ParkingNews<Subject>[] = [];
  for (const pending of [...pendingOf(turn.state.pendingFailures, shardWorker)]) {
    const { parking, number } = pending;
    if (parking === undefined) continue;
    const late = takeOutLate(turn, pending, parking);
    if (parking.notParked.length === 0 && isCalled(parking)) {
      // Nobody waits for this call any more. If it never ends, it must not take a place for ever.
      const overdue: ParkingOverdue = { type: 'parkingOverdue', number, isLast: true };
      turn.effects.push(
        effect.after(`park#${number}`, turn.options.answerDeadlineMs, overdue),
        effect.abort(`park#${number}`, new Error('its lease has ended')),
      );
    }
    if (late.length > 0) news.push({ pending, parked: [], late, notParked: parking.notParked });
  }
  return news;
}

function reportParked<Subject>({ effects }: FailureTurn<Subject>, failure: Failure, parked: readonly Parkable[]): void {
  if (parked.length === 0) return;
  effects.push(effect.count('parkedItems', sumOf(parked)));
  for (const each of parked) {
    const { idempotencyKey, key, partitionKey } = nameOf(each);
    const named = key === undefined && partitionKey !== undefined ? { partitionKey } : {};
    const several = each instanceof ParkableMessage ? { items: each.items } : {};
    const call = { ...whereOf(failure), attempts: failure.attempt, idempotencyKey, error: failure.cause };
    const data = { ...eventPlace(each), ...named, ...several, ...call };
    effects.push(effect.emit({ name: 'itemParked', data }));
  }
}

function sumOf(parkables: readonly Parkable[]): number {
  return parkables.reduce((sum, each) => sum + itemsIn(each), 0);
}

function whereOf({ failed: { at, node } }: Failure): Pick<FailedItem, 'at'> & { readonly node?: string } {
  return { at, ...(node === undefined ? {} : { node }) };
}

function eventPlace(parkable: Parkable): RecordEvent {
  const { source, shardId, sequenceNumber, subSequenceNumber = 0, key } = nameOf(parkable);
  return { source, shardId, sequenceNumber, subSequenceNumber, ...(key === undefined ? {} : { key }) };
}
