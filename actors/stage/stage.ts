// Takes batches from shard workers, makes items of their records, routes each by its key to a reducer within that
// reducer's credit, and routes the dispositions back. What it must never do: lose the order of a key within a shard, hold a
// disposition back for a full queue, or let one slow reducer stop another.
import { reply, send, watch } from '../protocol/actor.js';
import type { Behaviour, Effect, Ref, Step } from '../protocol/actor.js';
import { emptyDispositions, hasDispositions } from '../protocol/disposition.js';
import type { Dispositions } from '../protocol/disposition.js';
import type { StageMessage } from '../protocol/pipeline.js';
import type { Tenure } from '../protocol/tenure.js';
import { extractForAWhile, isExtracted, unextracted, waitsForExtraction } from './extraction.js';
import { createLane, discard, dispatch, enqueue, laneOf, oldestQueued, positionOf } from './lane.js';
import { askedBefore, isRepeated, repeated } from './repeated.js';
import type { WorkerEntry } from './lane.js';
import type { StageOptions, StageState } from './state.js';
import { createDeque } from '../../src/core/deque.js';

export type { StageMessage } from '../protocol/pipeline.js';
export type { StageOptions, StageState } from './state.js';

type Effects = Effect<StageMessage>[];

export function stage(options: StageOptions): Behaviour<StageState, StageMessage> {
  return {
    kind: 'stage',
    initial: (self) => [initialState(options, self), [beat(options)]],
    receive: (state, message) => receive(options, state, message),
    status: (state) => ({
      workers: state.workers.size,
      holding: [
        ...state.lanes.flatMap((lane) => oldestQueued(lane, options.clock.now())),
        ...[...state.workers.values()].flatMap((entry) => unextracted(entry, options.clock.now())),
      ],
      lanes: state.lanes.map((lane, reducer) => ({ reducer, queued: lane.queue.length, credit: lane.credit })),
    }),
  };
}

function initialState(options: StageOptions, self: Ref<StageMessage>): StageState {
  const now = options.clock.now();
  const lanes = Array.from({ length: options.reducers }, () => createLane(now));
  return {
    self,
    lanes,
    workers: new Map(),
    extracting: createDeque<WorkerEntry>(),
    turns: 0,
    turnIsDue: false,
    punctuations: new Map(),
    nextPunctuation: 0,
  };
}

function beat(options: StageOptions): Effect<StageMessage> {
  return { type: 'after', key: 'beat', ms: options.flushIntervalMs, message: { type: 'beat' } };
}

function receive(options: StageOptions, state: StageState, message: StageMessage): Step<StageState, StageMessage> {
  const effects: Effects = [];
  switch (message.type) {
    case 'join': {
      const lane = laneOf(state.lanes, message.reducer);
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
    case 'extract':
      extract(options, state, message, effects);
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

function entryOf(state: StageState, tenure: Tenure, worker: Ref<never>, now: number, effects: Effects): WorkerEntry {
  let entry = state.workers.get(tenure.worker);
  if (entry === undefined) {
    entry = {
      tenure,
      waiting: 0,
      outbox: emptyDispositions(),
      notify: undefined,
      behind: [],
      extractedAt: now,
      collect: undefined,
      asked: 0,
    };
    state.workers.set(tenure.worker, entry);
    // A worker that dies without a word must not leave its items queued (S4): nobody would take their dispositions.
    effects.push(watch(worker, () => ({ type: 'workerDown', worker: tenure.worker })));
  }
  return entry;
}

type MessageOf<T extends StageMessage['type']> = StageMessage & { readonly type: T };

function notify(options: StageOptions, state: StageState, message: MessageOf<'notify'>, effects: Effects): void {
  const { tenure, worker, ordinals, records, replyTo } = message;
  const now = options.clock.now();
  const entry = entryOf(state, tenure, worker, now, effects);
  if (askedBefore(entry, replyTo, effects)) return;
  entry.notify = { replyTo, batch: { ordinals, records, next: 0, waiting: 0 } };
  entry.extractedAt = now;
  state.extracting.push(entry);
  askForTurn(state, effects);
}

/** In a turn of its own each time: the lease keepers of this process must come in between, however much there is to do. */
function askForTurn(state: StageState, effects: Effects): void {
  if (state.turnIsDue) return;
  state.turnIsDue = true;
  state.turns += 1;
  effects.push(send(state.self, { type: 'extract', turn: state.turns }));
}

function extract(options: StageOptions, state: StageState, { turn }: MessageOf<'extract'>, effects: Effects): void {
  if (!state.turnIsDue || turn !== state.turns) {
    effects.push(repeated);
    return;
  }
  state.turnIsDue = false;
  if (!extractForAWhile(options, state, effects)) return;
  if (state.extracting.length > 0) askForTurn(state, effects);
  for (const lane of state.lanes) dispatch(state.self, lane, effects);
  answerAll(options, state, effects);
}

function collect(options: StageOptions, state: StageState, message: MessageOf<'collect'>, effects: Effects): void {
  const entry = state.workers.get(message.worker);
  // A collect never comes before the notify that made the entry, so this worker has retired and reads no answer.
  if (entry === undefined || askedBefore(entry, message.replyTo, effects)) return;
  entry.collect = message.replyTo;
  answer(options, entry, effects);
}

function disposed(options: StageOptions, state: StageState, message: MessageOf<'disposed'>, effects: Effects): void {
  const lane = laneOf(state.lanes, message.reducer);
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
  const inDemand = open?.batch.waiting === 0 || entry.waiting * 2 <= options.maxPending;
  if (open !== undefined && isExtracted(open.batch) && inDemand) {
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
  const punctuation = { punctuation: id, kind: message.kind };
  // It speaks of all that was handed over before it, some of which is not an item yet.
  if (entry !== undefined && waitsForExtraction(entry)) entry.behind.push(punctuation);
  else for (const lane of state.lanes) enqueue(lane, punctuation);
  for (const lane of state.lanes) dispatch(state.self, lane, effects);
}

function punctuated(state: StageState, { reducer, number, id }: MessageOf<'punctuated'>, effects: Effects): void {
  if (isRepeated(laneOf(state.lanes, reducer), number, effects)) return;
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
  const entry = state.workers.get(worker);
  const found = entry === undefined ? undefined : waitsForExtraction(entry, ordinal);
  if (entry !== undefined && found === true) {
    const forMs = options.clock.now() - entry.extractedAt;
    return void effects.push(reply(replyTo, { holder: state.self.path, state: 'queued', forMs }));
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
  const { source, shardId, fence } = entry.tenure;
  for (const lane of state.lanes) {
    discard(lane, worker);
    if (lane.ref !== undefined) {
      lane.sent += 1;
      const number = lane.sent;
      effects.push(send(lane.ref, { type: 'revoked', stage: state.self, number, worker, source, shardId, fence }));
    }
    dispatch(state.self, lane, effects);
  }
  for (const [id, open] of state.punctuations) if (open.worker === worker) state.punctuations.delete(id);
  answerAll(options, state, effects);
}
