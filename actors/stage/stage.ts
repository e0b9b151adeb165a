// The actor that takes batches from shard workers and makes items of their records. It routes each item by its key to a reducer,
// within that reducer's credit, and routes the dispositions back. Invariants: it keeps the order of a key within a shard, and
// never holds a disposition back because a queue is full. One slow reducer does not stop another.
import { effect, hasFailed, type Behaviour, type Effect, type Ref } from '../protocol/actor.js';
import { handle, type Handlers, type MessageOf } from '../protocol/handlers.js';
import { emptyDispositions, hasDispositions, type Dispositions, type Whereabouts } from '../protocol/disposition.js';
import type { LocateTarget, StageMessage } from '../protocol/pipeline-messages.js';
import { awaitsAnswer, createPendingFailures } from '../protocol/pending-failures.js';
import type { Tenure } from '../protocol/tenure.js';
import { extractForAWhile, isExtracted, unextracted, waitsForExtraction } from './extraction.js';
import {
  dropFailedRecords,
  failedOrdinals,
  failedRecordAt,
  hurryFailedRecords,
  noteLeftRecords,
  oldestFailed,
  recordDecided,
  recordParkingDue,
  recordParkingEnded,
  recordParkingOverdue,
  waitingRecords,
} from './failed-record.js';
import {
  createReducerQueue,
  discard,
  dispatch,
  enqueue,
  queueOf,
  oldestQueued,
  indexInQueue,
} from './reducer-queue.js';
import { acceptNumber, acceptQuestion, countRepeat } from './repeat-filter.js';
import type { StageState, ShardWorkerEntry, StageStatus } from './state.js';
import type { StageTurn } from './turn.js';
import type { StageOptions } from './options.js';
import { createDeque } from '../../src/core/deque.js';

export type { StageMessage } from '../protocol/pipeline-messages.js';
export type { StageOptions } from './options.js';
export type { StageState } from './state.js';

export function stage(options: StageOptions): Behaviour<StageState, StageMessage, StageStatus> {
  return {
    kind: 'stage',
    initial: (self) => [initialState(options, self), [nextBeat(options)]],
    receive: (state, message) => {
      const turn: StageTurn = { options, state, now: options.clock.now(), effects: [] };
      handle(handlers, turn, message);
      return [state, turn.effects];
    },
    stopped: (state) => {
      noteLeftRecords(options, state, options.clock.now());
      return [];
    },
    status: (state) => ({
      shardWorkers: state.shardWorkerEntries.size,
      holding: [
        ...state.queues.flatMap((queue) => oldestQueued(queue, options.clock.now())),
        ...[...state.shardWorkerEntries.values()].flatMap((entry) => unextracted(entry, options.clock.now())),
        ...oldestFailed(state, options.clock.now()),
      ],
      waiting: waitingRecords(state, options.clock.now()),
      queues: state.queues.map((queue, reducer) => ({ reducer, queued: queue.entries.length, credit: queue.credit })),
    }),
  };
}

function initialState(options: StageOptions, self: Ref<StageMessage>): StageState {
  const now = options.clock.now();
  const queues = Array.from({ length: options.reducers }, () => createReducerQueue(now));
  return {
    self,
    queues,
    shardWorkerEntries: new Map(),
    extractionQueue: createDeque<ShardWorkerEntry>(),
    lastSlice: 0,
    sliceIsDue: false,
    punctuations: new Map(),
    nextPunctuationId: 0,
    pendingFailures: createPendingFailures(),
  };
}

function nextBeat(options: StageOptions): Effect<StageMessage> {
  return effect.after('beat', options.flushIntervalMs, { type: 'beat' });
}

type Message<Type extends StageMessage['type']> = MessageOf<StageMessage, Type>;

const handlers: Handlers<StageTurn, StageMessage> = {
  join,
  notify,
  extract,
  collect,
  disposed,
  punctuate,
  punctuated,
  locate,
  waitsForAck: reportAckWait,
  retire,
  shardWorkerDown: retire,
  beat,
  decided: thenAnswerDrains(recordDecided),
  parkingEnded: thenAnswerDrains(recordParkingEnded),
  parkingOverdue: thenAnswerDrains(recordParkingOverdue),
  parkingDue: thenAnswerDrains(recordParkingDue),
};

/** The handler, followed by the answers to drains: one may have waited for what a policy or a sink has answered here. */
function thenAnswerDrains<M>(handler: (turn: StageTurn, message: M) => void): (turn: StageTurn, message: M) => void {
  return (turn, message) => {
    handler(turn, message);
    if (!hasFailed(turn)) answerDrains(turn);
  };
}

function answerDrains(turn: StageTurn): void {
  for (const id of turn.state.punctuations.keys()) answerPunctuation(turn, id);
  answerAll(turn);
}

/** The timer for heartbeats: sends one to every reducer, once per `flushIntervalMs`. */
function beat({ options, state, effects }: StageTurn): void {
  for (const queue of state.queues)
    if (queue.ref !== undefined) effects.push(effect.send(queue.ref, { type: 'heartbeat' }));
  effects.push(nextBeat(options));
}

function join(turn: StageTurn, message: Message<'join'>): void {
  const { state, effects } = turn;
  const queue = queueOf(state.queues, message.reducer);
  // A repeated `join`: its credit would count twice.
  if (queue.ref?.id === message.ref.id) {
    effects.push(countRepeat);
    return;
  }

  queue.ref = message.ref;
  queue.credit = message.credit;
  queue.settledAt = turn.now;

  dispatch(turn, queue);
  answerAll(turn);
}

/** The entry of a shard worker, made at its first notify. */
function openEntry({ state, now, effects }: StageTurn, tenure: Tenure, shardWorkerRef: Ref<never>): ShardWorkerEntry {
  let entry = state.shardWorkerEntries.get(tenure.shardWorkerNumber);
  if (entry === undefined) {
    entry = {
      tenure,
      recordsQueued: 0,
      outbox: emptyDispositions(),
      openNotify: undefined,
      deferredPunctuation: [],
      extractedAt: now,
      openCollect: undefined,
      lastQuestion: 0,
    };
    state.shardWorkerEntries.set(tenure.shardWorkerNumber, entry);
    // If a shard worker dies without a `retire`, its items must not stay queued: their dispositions would have no receiver.
    effects.push(
      effect.watch(shardWorkerRef, () => ({ type: 'shardWorkerDown', shardWorker: tenure.shardWorkerNumber })),
    );
  }
  return entry;
}

function notify(turn: StageTurn, message: Message<'notify'>): void {
  const { tenure, shardWorkerRef, ordinals, records, fetches, replyTo } = message;
  const entry = openEntry(turn, tenure, shardWorkerRef);
  if (!acceptQuestion(turn, entry, replyTo)) return;

  const batch = {
    entry,
    ordinals,
    records,
    fetches,
    next: 0,
    recordsQueued: 0,
    itemsQueued: new Map<number, number>(),
  };
  entry.openNotify = { replyTo, batch };
  entry.extractedAt = turn.now;
  turn.state.extractionQueue.push(entry);
  askForSlice(turn);
}

/** The stage sends itself one message per slice, so lease keepers run in between. */
function askForSlice({ state, effects }: StageTurn): void {
  if (state.sliceIsDue) return;
  state.sliceIsDue = true;
  state.lastSlice += 1;
  effects.push(effect.send(state.self, { type: 'extract', slice: state.lastSlice }));
}

function extract(turn: StageTurn, message: Message<'extract'>): void {
  const { state, effects } = turn;
  if (!state.sliceIsDue || message.slice !== state.lastSlice) {
    effects.push(countRepeat);
    return;
  }

  state.sliceIsDue = false;
  if (!extractForAWhile(turn)) return;
  if (state.extractionQueue.length > 0) askForSlice(turn);

  for (const queue of state.queues) dispatch(turn, queue);
  answerAll(turn);
}

function collect(turn: StageTurn, message: Message<'collect'>): void {
  const entry = turn.state.shardWorkerEntries.get(message.shardWorker);
  // A collect never comes before the notify that makes the entry. So a shard worker without an entry has retired and needs no answer.
  if (entry === undefined || !acceptQuestion(turn, entry, message.replyTo)) return;
  entry.openCollect = message.replyTo;
  replyWhereDue(turn, entry);
}

function disposed(turn: StageTurn, message: Message<'disposed'>): void {
  const { state, effects } = turn;
  const queue = queueOf(state.queues, message.reducer);
  if (!acceptNumber(turn, queue, message.number)) return;

  queue.credit += message.credit;
  for (const shardWorkerDispositions of message.dispositions) {
    const entry = state.shardWorkerEntries.get(shardWorkerDispositions.shardWorker);
    if (entry === undefined) {
      effects.push(effect.count('staleSettles', shardWorkerDispositions.ordinals.length));
      continue;
    }
    if (shardWorkerDispositions.ordinals.length > 0) queue.settledAt = turn.now;
    append(entry.outbox.ordinals, shardWorkerDispositions.ordinals);
    append(entry.outbox.items, shardWorkerDispositions.items);
    if (shardWorkerDispositions.ended === true) entry.outbox.ended = true;
  }

  dispatch(turn, queue);
  answerAll(turn);
}

/** Not `push(...from)`: a batch may be longer than an argument list. */
function append(to: number[], from: readonly number[]): void {
  for (const value of from) to.push(value);
}

function answerAll(turn: StageTurn): void {
  for (const entry of turn.state.shardWorkerEntries.values()) replyWhereDue(turn, entry);
}

/** Replies to `notify` and `collect`, if a reply is due. The first reply takes the dispositions: that to `notify` goes before the other. */
function replyWhereDue({ options, effects }: StageTurn, entry: ShardWorkerEntry): void {
  const { openNotify } = entry;
  // All items of the batch were sent, or few records of this shard wait here.
  const wantsMore = openNotify?.batch.recordsQueued === 0 || entry.recordsQueued * 2 <= options.maxPending;
  if (openNotify !== undefined && isExtracted(openNotify.batch) && wantsMore) {
    entry.openNotify = undefined;
    effects.push(effect.reply(openNotify.replyTo, takeOutbox(entry)));
  }

  if (entry.openCollect !== undefined && hasDispositions(entry.outbox)) {
    const replyTo = entry.openCollect;
    entry.openCollect = undefined;
    effects.push(effect.reply(replyTo, takeOutbox(entry)));
  }
}

function takeOutbox(entry: ShardWorkerEntry): Dispositions {
  const { outbox } = entry;
  if (hasDispositions(outbox)) entry.outbox = emptyDispositions();
  return outbox;
}

function punctuate(turn: StageTurn, message: Message<'punctuate'>): void {
  const { state } = turn;
  const entry = state.shardWorkerEntries.get(message.shardWorker);
  if (entry !== undefined && !acceptQuestion(turn, entry, message.replyTo)) return;

  const id = state.nextPunctuationId;
  state.nextPunctuationId += 1;
  if (message.kind === 'drain') hurryFailedRecords(turn, message.shardWorker);
  state.punctuations.set(id, {
    kind: message.kind,
    shardWorkerNumber: message.shardWorker,
    replyTo: message.replyTo,
    waiting: [],
    missing: state.queues.length,
  });

  const punctuation = { punctuation: id, shardWorker: message.shardWorker, kind: message.kind };
  // The punctuation must stay behind all records handed over before it, and some of them are not extracted yet.
  if (entry !== undefined && waitsForExtraction(entry)) entry.deferredPunctuation.push(punctuation);
  else for (const queue of state.queues) enqueue(queue, punctuation, undefined);

  for (const queue of state.queues) dispatch(turn, queue);
}

function punctuated(turn: StageTurn, { reducer, number, id, waiting }: Message<'punctuated'>): void {
  const { state } = turn;
  if (!acceptNumber(turn, queueOf(state.queues, reducer), number)) return;

  const open = state.punctuations.get(id);
  if (open === undefined) return;
  append(open.waiting, waiting);
  open.missing -= 1;
  answerPunctuation(turn, id);
}

/** Answers a punctuation that every reducer has answered. A drain also waits for answers about records that have failed here. */
function answerPunctuation({ state, effects }: StageTurn, id: number): void {
  const open = state.punctuations.get(id);
  if (open === undefined || open.missing > 0) return;
  const { kind, shardWorkerNumber, replyTo, waiting } = open;
  if (kind === 'drain' && awaitsAnswer(state.pendingFailures, shardWorkerNumber)) return;
  state.punctuations.delete(id);
  effects.push(effect.reply(replyTo, [...waiting, ...failedOrdinals(state, shardWorkerNumber)]));
}

function locate({ state, now, effects }: StageTurn, { shardWorker, ordinal, replyTo }: Message<'locate'>): void {
  const sought = ordinal === undefined ? punctuationOf(state, shardWorker) : { shardWorker, ordinal };
  const answer = (found: Whereabouts['state'], forMs: number): void => {
    effects.push(effect.reply(replyTo, { actor: state.self.path, state: found, forMs }));
  };
  if (sought === undefined) return answer('unknown', 0);

  for (const queue of state.queues) {
    if (indexInQueue(queue, sought) === undefined) continue;
    const forMs = now - queue.settledAt;
    // The reducer answers, because it knows whether it makes progress: it may be settling items of another stage.
    if (queue.ref === undefined) answer('queued', forMs);
    else effects.push(effect.send(queue.ref, { type: 'locate', ...sought, replyTo, next: [], queued: true }));
    return;
  }

  const entry = state.shardWorkerEntries.get(shardWorker);
  const found = entry === undefined ? undefined : waitsForExtraction(entry, ordinal);
  if (entry !== undefined && found === true) return answer('queued', now - entry.extractedAt);
  const failed = ordinal === undefined ? undefined : failedRecordAt(state, { shardWorker, ordinal, now });
  if (failed !== undefined) {
    effects.push(effect.reply(replyTo, failed));
    return;
  }

  // Not in this stage. The reducers are asked in turn: the first that holds it answers, or else the last.
  const [first, ...rest] = state.queues.flatMap((queue) => (queue.ref === undefined ? [] : [queue.ref]));
  if (first === undefined) answer('unknown', 0);
  else effects.push(effect.send(first, { type: 'locate', ...sought, replyTo, next: rest, queued: false }));
}

/** Answers 0 if a record of the shard worker waits here, else asks the next stage, or the reducers one after the other. */
function reportAckWait({ state, effects }: StageTurn, question: Message<'waitsForAck'>): void {
  const { shardWorker, nextStages, replyTo } = question;
  const entry = state.shardWorkerEntries.get(shardWorker);
  const [stage, ...others] = nextStages;
  const [first, ...next] = state.queues.flatMap(({ ref }) => (ref === undefined ? [] : [ref]));

  if (entry !== undefined && (entry.recordsQueued > 0 || waitsForExtraction(entry)))
    effects.push(effect.reply(replyTo, 0));
  else if (stage !== undefined) effects.push(effect.send(stage, { ...question, nextStages: others }));
  else if (first === undefined) effects.push(effect.reply(replyTo, 0));
  else effects.push(effect.send(first, { type: 'waitsForAck', shardWorker, heldForMs: Infinity, next, replyTo }));
}

/** The last punctuation of this shard worker that some reducer has not answered. */
function punctuationOf({ punctuations, self }: StageState, shardWorkerNumber: number): LocateTarget | undefined {
  const [last] = [...punctuations].filter(([, open]) => open.shardWorkerNumber === shardWorkerNumber).slice(-1);
  return last === undefined ? undefined : { stage: self, punctuation: last[0] };
}

/** Handles a shard worker that has ended or died. Its items are dropped. Their records are delivered again under the shard's next fence. */
function retire(turn: StageTurn, { shardWorker }: Message<'retire' | 'shardWorkerDown'>): void {
  const { state, effects } = turn;
  const entry = state.shardWorkerEntries.get(shardWorker);
  if (entry === undefined) return;

  state.shardWorkerEntries.delete(shardWorker);
  // A shard worker that died has not ended its tenure itself. Reducers must not fold the items of this shard worker that they still hold.
  entry.tenure.ended = true;
  noteLeftRecords(turn.options, state, turn.now, shardWorker);
  dropFailedRecords(turn, shardWorker);

  const { source, shardId, fence } = entry.tenure;
  for (const queue of state.queues) {
    discard(queue, shardWorker);
    if (queue.ref !== undefined) {
      queue.lastSent += 1;
      const number = queue.lastSent;
      effects.push(
        effect.send(queue.ref, { type: 'revoked', stage: state.self, number, shardWorker, source, shardId, fence }),
      );
    }
    dispatch(turn, queue);
  }

  for (const [id, open] of state.punctuations)
    if (open.shardWorkerNumber === shardWorker) state.punctuations.delete(id);
  answerAll(turn);
}
