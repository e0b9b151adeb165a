// Takes batches from shard workers, makes items of their records, routes each by its key to a reducer within that
// reducer's credit, and routes the dispositions back. What it must never do: lose the order of a key within a shard, hold a
// disposition back for a full queue, or let one slow reducer stop another.
import { reply, send, watch } from './actor.js';
import type { Behaviour, Effect, Ref, Step } from './actor.js';
import { emptyDispositions, hasDispositions, stopTenure } from './protocol/disposition.js';
import type { Dispositions } from './protocol/disposition.js';
import { isThenable, judge } from './protocol/failure.js';
import { DeliveredItem } from './protocol/item.js';
import type { StageMessage } from './protocol/pipeline.js';
import type { Tenure } from './tenure.js';
import { createLane, discard, dispatch, enqueue, oldestQueued, positionOf } from './stage/lane.js';
import { askedBefore, isRepeated, repeated } from './stage/repeated.js';
import type { Lane, Waiting, WorkerEntry } from './stage/lane.js';
import type { StageOptions, StageState } from './stage/state.js';
import { reducerOf } from '../src/core/murmur3.js';
import { recordKey } from '../src/core/record-key.js';
import { KinactError } from '../src/errors.js';
import type { UserRecord } from '../src/ports.js';
import type { FailedItem, RecordContext } from '../src/reducer.js';

export type { StageMessage } from './protocol/pipeline.js';
export type { StageOptions, StageState } from './stage/state.js';

type Effects = Effect<StageMessage>[];

export function stage(options: StageOptions): Behaviour<StageState, StageMessage> {
  return {
    kind: 'stage',
    initial: (self) => [initialState(options, self), [beat(options)]],
    receive: (state, message) => receive(options, state, message),
    status: (state) => ({
      workers: state.workers.size,
      holding: state.lanes.flatMap((lane) => oldestQueued(lane, options.clock.now())),
      lanes: state.lanes.map((lane, reducer) => ({ reducer, queued: lane.queue.length, credit: lane.credit })),
    }),
  };
}

function initialState(options: StageOptions, self: Ref<StageMessage>): StageState {
  const now = options.clock.now();
  const lanes = Array.from({ length: options.reducers }, () => createLane(now));
  return { self, lanes, workers: new Map(), punctuations: new Map(), nextPunctuation: 0 };
}

function beat(options: StageOptions): Effect<StageMessage> {
  return { type: 'after', key: 'beat', ms: options.flushIntervalMs, message: { type: 'beat' } };
}

function receive(options: StageOptions, state: StageState, message: StageMessage): Step<StageState, StageMessage> {
  const effects: Effects = [];
  switch (message.type) {
    case 'join': {
      const lane = laneOf(state, message.reducer);
      // Its credit would count twice.
      if (lane.ref?.id === message.ref.id) return [state, [repeated]];
      lane.ref = message.ref;
      lane.credit = message.credit;
      lane.settledAt = options.clock.now();
      dispatch(state.self, lane, effects);
      answerAll(options, state, effects);
      break;
    }
    case 'notify':
      notify(options, state, message, effects);
      break;
    case 'collect':
      collect(options, state, message, effects);
      break;
    case 'disposed':
      disposed(options, state, message, effects);
      break;
    case 'punctuate':
      punctuate(state, message, effects);
      break;
    case 'punctuated':
      punctuated(state, message, effects);
      break;
    case 'locate':
      locate(options, state, message, effects);
      break;
    case 'retire':
    case 'workerDown':
      retire(options, state, message.worker, effects);
      break;
    case 'beat':
      for (const lane of state.lanes) if (lane.ref !== undefined) effects.push(send(lane.ref, { type: 'heartbeat' }));
      effects.push(beat(options));
      break;
    default:
      message satisfies never;
      effects.push({ type: 'count', what: 'unknownMessage' });
  }
  return [state, effects];
}

function laneOf(state: StageState, reducer: number): Lane {
  const lane = state.lanes[reducer];
  if (lane === undefined) throw new KinactError('BROKEN_INVARIANT', `no reducer ${reducer}`);
  return lane;
}

function entryOf(state: StageState, tenure: Tenure, worker: Ref<never>, effects: Effects): WorkerEntry {
  let entry = state.workers.get(tenure.worker);
  if (entry === undefined) {
    entry = { tenure, waiting: 0, outbox: emptyDispositions(), notify: undefined, collect: undefined, asked: 0 };
    state.workers.set(tenure.worker, entry);
    // A worker that dies without a word must not leave its items queued (S4): nobody would take their dispositions.
    effects.push(watch(worker, () => ({ type: 'workerDown', worker: tenure.worker })));
  }
  return entry;
}

type MessageOf<T extends StageMessage['type']> = StageMessage & { readonly type: T };

function notify(options: StageOptions, state: StageState, message: MessageOf<'notify'>, effects: Effects): void {
  const entry = entryOf(state, message.tenure, message.worker, effects);
  if (askedBefore(entry, message.replyTo, effects)) return;
  const { source, shardId } = entry.tenure;
  const context: RecordContext = { source, shardId, opaque: options.opaqueOf(source) };
  const batch = { waiting: 0 };
  for (let index = 0; index < message.records.length; index += 1) {
    const record = message.records[index] as UserRecord;
    const ordinal = message.ordinals[index] as number;
    let items: DeliveredItem[];
    try {
      items = itemsOf(options, state.self, entry.tenure, record, ordinal, context);
    } catch (error) {
      if (!failed(options, entry, record, ordinal, error, effects)) return;
      continue;
    }
    if (items.length !== 1) entry.outbox.forks.push(ordinal, items.length);
    if (items.length === 0) continue;
    const waiting: Waiting = { worker: entry, batch, items: items.length };
    entry.waiting += 1;
    batch.waiting += 1;
    for (const item of items) enqueue(laneOf(state, reducerOf(item.key, state.lanes.length)), { item, waiting });
  }
  entry.notify = { replyTo: message.replyTo, batch };
  for (const lane of state.lanes) dispatch(state.self, lane, effects);
  answerAll(options, state, effects);
}

/** The whole record or nothing: a throw half way through an iterable must not leave half of its items routed. */
function itemsOf(
  options: StageOptions,
  stage: Ref<StageMessage>,
  tenure: Tenure,
  record: UserRecord,
  ordinal: number,
  context: RecordContext,
): DeliveredItem[] {
  const { opaque } = context;
  if (options.extract === undefined) {
    const key = options.key === undefined ? recordKey(record) : refuseThenable('key', options.key(record));
    return [new DeliveredItem(stage, textKey(key), record.data, tenure, ordinal, 0, record, opaque)];
  }
  const items: DeliveredItem[] = [];
  for (const made of refuseThenable('extract', options.extract(record, context))) {
    items.push(new DeliveredItem(stage, textKey(made.key), made.value, tenure, ordinal, items.length, record, opaque));
  }
  return items;
}

/** Awaiting would reorder a key (R3). Its rejection is nobody's business any more, but must not end the process. */
function refuseThenable<T>(name: string, returned: T): T {
  if (!isThenable(returned)) return returned;
  returned.then(undefined, () => {});
  throw new TypeError(`${name} must be synchronous, it returned a promise`);
}

function textKey(key: unknown): string {
  if (typeof key === 'string') return key;
  throw new TypeError(`a key must be a string, got ${key === null ? 'null' : typeof key}`);
}

/** False when the stage crashes and nothing after this record may be routed. */
function failed(
  options: StageOptions,
  entry: WorkerEntry,
  record: UserRecord,
  ordinal: number,
  cause: unknown,
  effects: Effects,
): boolean {
  const { source, shardId } = entry.tenure;
  const { sequenceNumber, subSequenceNumber } = record;
  const item: FailedItem = { source, shardId, sequenceNumber, subSequenceNumber, at: 'extract', items: 1 };
  const { policy, error } = judge(options.onFailure, cause, item);
  if (policy === 'crash') {
    effects.push({ type: 'fail', error });
    return false;
  }
  if (policy === 'stopShard') {
    stopTenure(entry.tenure, error);
    entry.outbox.dead = true;
    return true;
  }
  entry.outbox.ordinals.push(ordinal);
  entry.outbox.leaves.push(0);
  effects.push({ type: 'count', what: 'skippedItems' });
  effects.push({
    type: 'emit',
    event: {
      name: 'recordSkipped',
      data: { source, shardId, sequenceNumber, subSequenceNumber: subSequenceNumber ?? 0, error: cause },
    },
  });
  return true;
}

function collect(options: StageOptions, state: StageState, message: MessageOf<'collect'>, effects: Effects): void {
  const entry = state.workers.get(message.worker);
  // A collect never comes before the notify that made the entry, so this worker has retired and reads no answer.
  if (entry === undefined || askedBefore(entry, message.replyTo, effects)) return;
  entry.collect = message.replyTo;
  answer(options, entry, effects);
}

function disposed(options: StageOptions, state: StageState, message: MessageOf<'disposed'>, effects: Effects): void {
  const lane = laneOf(state, message.reducer);
  if (isRepeated(lane, message.number, effects)) return;
  lane.credit += message.credit;
  for (const settlement of message.settlements) {
    const entry = state.workers.get(settlement.worker);
    if (entry === undefined) {
      effects.push({ type: 'count', what: 'staleSettles', by: settlement.ordinals.length });
      continue;
    }
    if (settlement.ordinals.length > 0) lane.settledAt = options.clock.now();
    append(entry.outbox.ordinals, settlement.ordinals);
    append(entry.outbox.leaves, settlement.leaves);
    if (settlement.dead === true) entry.outbox.dead = true;
  }
  dispatch(state.self, lane, effects);
  answerAll(options, state, effects);
}

/** Not `push(...from)`: a batch may be longer than an argument list. */
function append(to: number[], from: readonly number[]): void {
  for (const value of from) to.push(value);
}

function answerAll(options: StageOptions, state: StageState, effects: Effects): void {
  for (const entry of state.workers.values()) answer(options, entry, effects);
}

/** Dispositions leave with whichever reply goes first; a notify that may be answered goes before a collect. */
function answer(options: StageOptions, entry: WorkerEntry, effects: Effects): void {
  const open = entry.notify;
  if (open !== undefined && (open.batch.waiting === 0 || entry.waiting * 2 <= options.maxPending)) {
    entry.notify = undefined;
    effects.push(reply(open.replyTo, takeOutbox(entry)));
  }
  if (entry.collect !== undefined && hasDispositions(entry.outbox)) {
    const replyTo = entry.collect;
    entry.collect = undefined;
    effects.push(reply(replyTo, takeOutbox(entry)));
  }
}

function takeOutbox(entry: WorkerEntry): Dispositions {
  const { outbox } = entry;
  if (hasDispositions(outbox)) entry.outbox = emptyDispositions();
  return outbox;
}

function punctuate(state: StageState, message: MessageOf<'punctuate'>, effects: Effects): void {
  const entry = state.workers.get(message.worker);
  if (entry !== undefined && askedBefore(entry, message.replyTo, effects)) return;
  const id = state.nextPunctuation;
  state.nextPunctuation += 1;
  state.punctuations.set(id, { worker: message.worker, replyTo: message.replyTo, missing: state.lanes.length });
  for (const lane of state.lanes) {
    enqueue(lane, { punctuation: id, kind: message.kind });
    dispatch(state.self, lane, effects);
  }
}

function punctuated(state: StageState, { reducer, number, id }: MessageOf<'punctuated'>, effects: Effects): void {
  if (isRepeated(laneOf(state, reducer), number, effects)) return;
  const open = state.punctuations.get(id);
  if (open === undefined) return;
  open.missing -= 1;
  if (open.missing > 0) return;
  state.punctuations.delete(id);
  effects.push(reply(open.replyTo, true));
}

function locate(options: StageOptions, state: StageState, message: MessageOf<'locate'>, effects: Effects): void {
  const { worker, ordinal, replyTo } = message;
  for (const lane of state.lanes) {
    if (positionOf(lane, worker, ordinal) === undefined) continue;
    const forMs = options.clock.now() - lane.settledAt;
    // The reducer knows best whether it gets on: it may be settling what another stage has sent.
    if (lane.ref === undefined) effects.push(reply(replyTo, { holder: state.self.path, state: 'queued', forMs }));
    else effects.push(send(lane.ref, { type: 'locate', worker, ordinal, replyTo, next: [], queued: true }));
    return;
  }
  // Not here: every reducer is asked in turn, the first that holds it answers, the last one answers for all.
  const [first, ...rest] = state.lanes.flatMap((lane) => (lane.ref === undefined ? [] : [lane.ref]));
  if (first === undefined) effects.push(reply(replyTo, { holder: state.self.path, state: 'unknown', forMs: 0 }));
  else effects.push(send(first, { type: 'locate', worker, ordinal, replyTo, next: rest, queued: false }));
}

function retire(options: StageOptions, state: StageState, worker: number, effects: Effects): void {
  const entry = state.workers.get(worker);
  if (entry === undefined) return;
  state.workers.delete(worker);
  // A worker that died without a word did not say so itself: what a reducer is about to fold must not be handed out.
  entry.tenure.dead = true;
  const { shardId, fence } = entry.tenure;
  for (const lane of state.lanes) {
    discard(lane, worker);
    if (lane.ref !== undefined) {
      lane.sent += 1;
      const number = lane.sent;
      effects.push(send(lane.ref, { type: 'revoked', stage: state.self, number, worker, shardId, fence }));
    }
    dispatch(state.self, lane, effects);
  }
  for (const [id, open] of state.punctuations) if (open.worker === worker) state.punctuations.delete(id);
  answerAll(options, state, effects);
}
