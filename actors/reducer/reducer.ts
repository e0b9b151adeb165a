// The actor that runs the application's code. Calls into one reducer never overlap. While a call is under way, further items
// wait, but questions, lost leases and a stop are still handled. A flush acknowledges exactly the items folded before it began.
import { effect, type Behaviour, type Ref, type Step } from '../protocol/actor.js';
import { handle, type Handlers, type MessageOf } from '../protocol/handlers.js';
import {
  createFlushJob,
  createFoldJob,
  createSlot,
  flushGroups,
  fold,
  type StateSlot,
  type FlushJob,
  type FoldJob,
} from './user-calls.js';
import { DeliveredItem } from '../protocol/item.js';
import { behave, createRawJob, type RawJob } from './raw-behaviour.js';
import { createContextController } from './reducer-context.js';
import { locate, reducerStatus, waitsForAck, type ReducerStatus } from './status.js';
import { afterBehaviour, afterFlush, afterFold, contextCalled, noteReduced } from './call-outcome.js';
import { createStageReports, nextNumber, returnCredit, sendStageReports } from './stage-reports.js';
import type { Mark, ReducerActorMessage, ReducerOptions, ReducerState, ReducerTurn } from './state.js';
import { createDeque } from '../../src/core/deque.js';
import type { RawReducer, ReducerMessage as ToBehaviour } from '../../src/api/reducer.js';

export type { ReducerRequest } from '../protocol/pipeline-messages.js';
export type { ReducerActorMessage, ReducerOptions, ReducerState } from './state.js';

/** The key of the only slot if there is no state per shard. No worker has this number. */
export const sharedSlot = -1;

export function reducer(options: ReducerOptions): Behaviour<ReducerState, ReducerActorMessage, ReducerStatus> {
  return {
    kind: 'reducer',
    initial: (self) => initial(options, self),
    receive: (state, message) => {
      const turn: ReducerTurn = { options, state, now: options.clock.now(), effects: [] };
      if (isCallRunning(state)) state.calledAt = turn.now;
      if (acceptNumber(turn, message)) handle(handlers, turn, message);
      // After a failure nothing new may start: the restart waits for every call that has started.
      if (!hasFailed(turn)) proceed(turn);
      if (sendStageReports(state.reports, options.index, turn.effects)) state.settledAt = turn.now;
      return [state, turn.effects];
    },
    stopped: (state) => {
      state.controller.abort();
      return [];
    },
    status: (state) => reducerStatus(state, options.clock.now()),
  };
}

function initial(options: ReducerOptions, self: Ref<ReducerActorMessage>): Step<ReducerState, ReducerActorMessage> {
  const now = options.clock.now();
  const state: ReducerState = {
    self,
    queue: createDeque<DeliveredItem | Mark>(),
    carry: [],
    running: undefined,
    slots: new Map(),
    unflushed: 0,
    unflushedSince: now,
    flushDue: false,
    heartbeatWaits: false,
    unacknowledged: new Map(),
    lastReceived: new Map(),
    reports: createStageReports(),
    controller: createContextController(options.index, self, { type: 'contextCalled' }, options.sendFromOutside),
    settledAt: now,
    calledAt: now,
  };

  // Made now: an `init` that throws is then a failed start, and not a crash at the first record.
  if (options.definition.stateBy !== 'shard') state.slots.set(sharedSlot, createSlot(options.definition));

  const { index, credit } = options;
  return [state, options.stages.map((to) => effect.send(to, { type: 'join', reducer: index, ref: self, credit }))];
}

function isCallRunning({ running }: ReducerState): boolean {
  return running !== undefined && !(running.type === 'raw' && running.mark?.type === 'heartbeat');
}

function hasFailed({ effects }: ReducerTurn): boolean {
  return effects.some(({ type }) => type === 'fail');
}

type Message<Type extends ReducerActorMessage['type']> = MessageOf<ReducerActorMessage, Type>;

const handlers: Handlers<ReducerTurn, ReducerActorMessage> = {
  items,
  punctuation: ({ state }, message) => state.queue.push(message),
  heartbeat,
  revoked,
  locate,
  waitsForAck,
  flushDue,
  folded,
  flushed,
  behaved,
  contextCalled,
  broken,
};

function items({ state }: ReducerTurn, message: Message<'items'>): void {
  for (const item of message.items) state.queue.push(item);
}

function flushDue({ state }: ReducerTurn): void {
  state.flushDue = true;
}

function folded(turn: ReducerTurn, { job }: Message<'folded'>): void {
  turn.state.running = undefined;
  afterFold(turn, job);
}

function broken({ effects }: ReducerTurn, { error }: Message<'broken'>): void {
  effects.push(effect.fail(error));
}

/** Returns false for a repeated message. Otherwise items would be folded twice, or punctuation answered twice. */
function acceptNumber({ state, effects }: ReducerTurn, message: ReducerActorMessage): boolean {
  if (message.type !== 'items' && message.type !== 'punctuation' && message.type !== 'revoked') return true;
  if (message.number <= (state.lastReceived.get(message.stage) ?? 0)) {
    effects.push(effect.count('repeatedMessages'));
    return false;
  }
  state.lastReceived.set(message.stage, message.number);
  return true;
}

function heartbeat(turn: ReducerTurn, message: Message<'heartbeat'>): void {
  const { options, state } = turn;
  if (state.running?.type === 'fold') noteReduced(turn, state.running.job);

  // Only a raw behaviour gets heartbeats. Any other reducer flushes by its own timer, idle or not.
  if (options.definition.behaviour === undefined || state.heartbeatWaits) return;
  state.heartbeatWaits = true;
  state.queue.push(message);
}

/** Drops the queued items of the ended tenure before a raw behaviour gets the message. Folded items stay folded. */
function revoked({ state }: ReducerTurn, message: Message<'revoked'>): void {
  const isLost = (queued: DeliveredItem | Mark): queued is DeliveredItem =>
    queued instanceof DeliveredItem && queued.tenure.worker === message.worker;

  for (const item of state.carry) if (isLost(item)) returnCredit(state.reports, item);
  state.carry = state.carry.filter((item) => !isLost(item));

  for (let left = state.queue.length; left > 0; left -= 1) {
    const queued = state.queue.shift() as DeliveredItem | Mark;
    if (isLost(queued)) returnCredit(state.reports, queued);
    else state.queue.push(queued);
  }

  state.queue.push(message);
}

/** Starts the next call if none is under way. Only `flushed` also starts user code, to continue a flush. */
function proceed(turn: ReducerTurn): void {
  const { options, state } = turn;
  while (state.running === undefined) {
    const canFlush = options.definition.flush !== undefined && state.unflushed > 0;
    const head = state.carry[0] ?? state.queue.peek();
    const isFull = state.unflushed >= options.batchSize;
    const isAskedToFlush = head !== undefined && !(head instanceof DeliveredItem) && head.type === 'punctuation';

    if (canFlush && (state.flushDue || isFull || isAskedToFlush)) {
      startFlush(turn);
    } else if (head === undefined) {
      state.flushDue = false;
      return;
    } else if (head instanceof DeliveredItem) {
      startItems(turn);
    } else {
      state.queue.shift();
      startMark(turn, head);
    }
  }
}

function startMark(turn: ReducerTurn, mark: Mark): void {
  const { options, state, now } = turn;
  if (mark.type === 'heartbeat') state.heartbeatWaits = false;

  if (options.definition.behaviour === undefined) {
    finishMark(turn, mark);
    return;
  }

  const message: ToBehaviour<unknown> =
    mark.type === 'revoked'
      ? { type: 'revoked', source: mark.source, shardId: mark.shardId, fence: mark.fence }
      : { type: mark.type === 'punctuation' ? mark.kind : 'heartbeat' };
  startRaw(turn, createRawJob([], message, now), mark);
}

function finishMark({ options, state, effects }: ReducerTurn, mark: Mark): void {
  if (mark.type === 'punctuation') {
    // Send the dispositions of the flush before this answer, which means that the flush is over.
    sendStageReports(state.reports, options.index, effects);
    const number = nextNumber(state.reports, mark.stage);
    effects.push(effect.send(mark.stage, { type: 'punctuated', reducer: options.index, number, id: mark.id }));
  } else if (mark.type === 'revoked') {
    const slot = state.slots.get(mark.worker);
    if (slot !== undefined) state.unflushed -= slot.folded.length;
    state.slots.delete(mark.worker);

    let handedOut = 0;
    for (const item of state.unacknowledged.keys()) {
      if (item.tenure.worker !== mark.worker) continue;
      state.unacknowledged.delete(item);
      handedOut += 1;
    }
    if (handedOut > 0) effects.push(effect.count('foldedAfterLoss', handedOut));
  }
}

function startItems(turn: ReducerTurn): void {
  const { options, state, now, effects } = turn;
  const { definition, clock } = options;
  const items = takeItems(options, state);

  if (definition.behaviour !== undefined || definition.acknowledge === 'manual') {
    for (const item of items) state.unacknowledged.set(item, now);
  }
  if (definition.behaviour !== undefined) {
    startRaw(turn, createRawJob(items, { type: 'items', items }, now), undefined);
    return;
  }

  const { reduce } = definition;
  const job = createFoldJob(items, (item) => slotOf(options, state, item));
  state.running = { type: 'fold', job };

  effects.push(
    effect.run({
      name: 'reduce',
      kind: 'user',
      start: () => fold(job, reduce, state.controller.context, clock),
      done: (ended: FoldJob): ReducerActorMessage => ({ type: 'folded', job: ended }),
      failed: (error): ReducerActorMessage => ({ type: 'broken', error }),
    }),
  );
}

/** The next items to fold: at most as many as may be folded before the next flush. */
function takeItems(options: ReducerOptions, state: ReducerState): readonly DeliveredItem[] {
  const limit = options.definition.flush === undefined ? options.batchSize : options.batchSize - state.unflushed;
  const items = state.carry.slice(0, limit);
  state.carry = state.carry.slice(items.length);

  while (items.length < limit) {
    const head = state.queue.peek();
    if (!(head instanceof DeliveredItem)) break;
    state.queue.shift();
    items.push(head);
  }

  return items;
}

function slotOf(options: ReducerOptions, state: ReducerState, item: DeliveredItem): StateSlot {
  const key = options.definition.stateBy === 'shard' ? item.tenure.worker : sharedSlot;
  let slot = state.slots.get(key);
  if (slot === undefined) {
    slot = createSlot(options.definition);
    state.slots.set(key, slot);
  }
  return slot;
}

function startFlush(turn: ReducerTurn): void {
  const { state } = turn;
  const job = createFlushJob(state.slots.values(), turn.now);
  state.unflushed = 0;
  state.running = { type: 'flush', job };
  runFlush(turn, job);
}

function runFlush({ options, state, effects }: ReducerTurn, job: FlushJob): void {
  const { definition, clock } = options;
  const flush = definition.flush as (state: unknown, context: unknown) => unknown;

  effects.push(
    effect.run({
      name: 'flush',
      kind: 'user',
      start: () => flushGroups(job, flush, (items) => state.controller.flushContext(fencesOf(items)), clock),
      done: (ended: FlushJob): ReducerActorMessage => ({ type: 'flushed', job: ended }),
      failed: (error): ReducerActorMessage => ({ type: 'broken', error }),
    }),
  );
}

/** Continues a flush that gave way, or ends it. The many calls of a flush per shard must not starve the lease keepers. */
function flushed(turn: ReducerTurn, { job }: Message<'flushed'>): void {
  const { state, effects } = turn;
  afterFlush(turn, job);

  if (job.next < job.groups.length && !state.controller.context.signal.aborted) {
    if (!hasFailed(turn)) runFlush(turn, job);
    return;
  }

  state.running = undefined;
  state.flushDue = false;
  effects.push(effect.cancel('flush'));
}

/** The highest fence per shard: the state may hold items of the old and of the new tenure of a shard. */
function fencesOf(items: readonly DeliveredItem[]): ReadonlyMap<string, number> {
  const fences = new Map<string, number>();
  for (const { tenure } of items) {
    const name = `${tenure.source}/${tenure.shardId}`;
    fences.set(name, Math.max(tenure.fence, fences.get(name) ?? 0));
  }
  return fences;
}

function startRaw({ options, state, effects }: ReducerTurn, job: RawJob, mark: Mark | undefined): void {
  const definition = options.definition as RawReducer<unknown, unknown>;
  state.running = { type: 'raw', job, mark };

  effects.push(
    effect.run({
      name: job.message.type,
      kind: 'user',
      start: () =>
        behave(job, state.slots.get(sharedSlot) as StateSlot, {
          definition,
          context: state.controller.context,
          clock: options.clock,
        }),
      done: (ended: RawJob): ReducerActorMessage => ({ type: 'behaved', job: ended }),
      failed: (error): ReducerActorMessage => ({ type: 'broken', error }),
    }),
  );
}

function behaved(turn: ReducerTurn, { job }: Message<'behaved'>): void {
  const { state } = turn;
  const mark = state.running?.type === 'raw' ? state.running.mark : undefined;
  state.running = undefined;

  // Acknowledgements made during this call count, even if the call has failed. They must be sent before a punctuation is
  // answered.
  contextCalled(turn);
  afterBehaviour(turn, job);

  if (mark !== undefined) finishMark(turn, mark);
}
