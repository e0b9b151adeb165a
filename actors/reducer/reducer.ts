// The actor that runs the application's code. Calls into one reducer never overlap, except with `concurrency` (process-steps.ts). While
// a call is under way, further items wait, but questions, lost leases and a stop are still handled. A flush acknowledges exactly the
// items folded before it began.
import { effect, hasFailed, type Behaviour, type Effect, type Ref } from '../protocol/actor.js';
import { handle, type Handlers } from '../protocol/handlers.js';
import {
  creditAllQueued,
  creditAtOnce,
  dropWaiting,
  holdIfItMustWait,
  makeDueOnceMore,
  proceedWaitingCall,
  setAttemptTimer,
  startAttempt,
} from './failures/attempts.js';
import { runFlush, sharedSlot, startFlush, startItems } from './calls/call-start.js';
import { createCallContexts } from './calls/call-contexts.js';
import { timeoutDue, watchCalls } from './calls/call-timeout.js';
import { createSlot } from './calls/user-calls.js';
import { decided } from './failures/failed-call.js';
import { createHeldKeys, dueKey, holdsAny } from './failures/held-keys.js';
import { acceptNews, forgetEmitted, pipeNews } from './emitting/news.js';
import { markPassed, passBy } from './emitting/passing.js';
import { createPipeBehind, hasRoom } from './emitting/pipe-behind.js';
import { sendEmitted } from './emitting/sending.js';
import { DeliveredItem } from '../protocol/item.js';
import { reportEndedOf } from '../protocol/open-records.js';
import { createPendingFailures } from '../protocol/pending-failures.js';
import { requestItems, dropUnneeded, leaveLimit, noteHandedOut, noteNotHandedOut } from './batches/item-tokens.js';
import { noteLeft } from './failures/still-waiting.js';
import { finishOrDefer, requeueDeferredDrains, handleMark } from './batches/marks.js';
import { parkingDue, parkingEnded, parkingOverdue } from './failures/parked-call.js';
import { dropGathered } from './calls/key-lanes.js';
import { createBatching, isolatesFailures, outageKeysOf } from './batches/batching.js';
import { measureCall } from './calls/call-meter.js';
import { processed } from './calls/process-outcome.js';
import { continueTask, proceedProcess } from './calls/process-steps.js';
import { createContextController } from './calls/reducer-context.js';
import { locate, reducerStatus, reportAckWait, type ReducerStatus } from './status.js';
import { afterBehaviour, afterFlush, afterFold, contextCalled, finishReduced } from './calls/call-outcome.js';
import { acceptNumber } from '../protocol/stage-numbers.js';
import { createStageReports, returnCredit, sendStageReports } from '../protocol/stage-reports.js';
import type { Mark, ReducerState, ReducerTurn } from './state.js';
import type { Message, ReducerActorMessage } from './messages.js';
import type { ReducerOptions } from './options.js';
import { createDeque } from '../../src/core/deque.js';

export { sharedSlot } from './calls/call-start.js';
export type { ReducerRequest } from '../protocol/pipeline-messages.js';
export type { ReducerActorMessage } from './messages.js';
export type { ReducerOptions } from './options.js';
export type { ReducerState } from './state.js';

export function reducer(options: ReducerOptions): Behaviour<ReducerState, ReducerActorMessage, ReducerStatus> {
  return {
    kind: 'reducer',
    initial: (self) => [initialState(options, self), joinStages(options, self)],
    receive: (state, message) => {
      const turn: ReducerTurn = { options, state, now: options.clock.now(), effects: [] };
      if (isCallRunning(state)) state.calledAt = turn.now;
      if (acceptNumber(state.lastReceived, message, turn.effects) && acceptNews(turn, message))
        handle(handlers, turn, message);
      // After a failure nothing new may start: the restart waits for every call that has started.
      if (!hasFailed(turn)) proceed(turn);
      sendEmitted(turn);
      watchCalls(turn);
      if (sendStageReports(state.reports, options.index, turn.effects)) state.settledAt = turn.now;
      return [state, turn.effects];
    },
    stopped: (state) => {
      noteLeft(options, state, options.clock.now());
      leaveLimit(options, state);
      state.controller.abort();
      return [];
    },
    status: (state) => reducerStatus(state, options.clock.now()),
  };
}

function initialState(options: ReducerOptions, self: Ref<ReducerActorMessage>): ReducerState {
  const { clock, definition } = options;
  const now = clock.now();
  const controller = createContextController(options.index, self, { type: 'contextCalled' }, options.sendFromOutside);
  const contextOutlivesCall = definition.behaviour !== undefined || definition.acknowledge === 'manual';
  const isTimed = definition.timeoutMs !== undefined;
  const takesFailures = !contextOutlivesCall;
  const behind = options.pipe === undefined ? undefined : createPipeBehind(options.pipe, now);
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
    failedInCall: new Map(),
    lastReceived: new Map(),
    reports: createStageReports(),
    controller,
    contexts: createCallContexts(controller, { isTimed, contextOutlivesCall, takesFailures, behind }, clock),
    settledAt: now,
    calledAt: now,
    keys: createHeldKeys(outageKeysOf(definition)),
    waitingCall: undefined,
    pendingFailures: createPendingFailures(),
    attemptTimerAt: Infinity,
    reservation: undefined,
    unwatchLimit: undefined,
    punctuationInQueue: 0,
    drainsTriedFor: new WeakSet(),
    toldMarks: new WeakSet(),
    deferredDrains: [],
    strayKinds: new Set(),
    batching: createBatching(definition, now),
    behind,
  };

  // Made now: an `init` that throws is then a failed start, and not a crash at the first record.
  if (definition.stateBy !== 'shard' && definition.process === undefined)
    state.slots.set(sharedSlot, createSlot(options.definition));
  return state;
}

/** Offers each stage the credit to send items. */
function joinStages(
  { index, credit, stages }: ReducerOptions,
  self: Ref<ReducerActorMessage>,
): readonly Effect<ReducerActorMessage>[] {
  return stages.map((to) => effect.send(to, { type: 'join', reducer: index, ref: self, credit }));
}

function isCallRunning({ running, batching }: ReducerState): boolean {
  if (batching.calls.size > 0) return true;
  return running !== undefined && !(running.type === 'raw' && running.mark?.type === 'heartbeat');
}

const handlers: Handlers<ReducerTurn, ReducerActorMessage> = {
  items: queueItems,
  punctuation: queuePunctuation,
  heartbeat,
  revoked,
  locate,
  waitsForAck: reportAckWait,
  pipeNews,
  markPassed,
  flushDue,
  folded,
  flushed,
  behaved,
  processed,
  contextCalled,
  timeoutDue,
  attemptDue,
  // Nothing to do here: `proceed` asks the limit again.
  limitChanged: () => undefined,
  decided,
  parkingEnded,
  parkingOverdue,
  parkingDue,
  broken,
};

function queueItems({ state, now }: ReducerTurn, message: Message<'items'>): void {
  if (state.queue.length === 0) state.batching.queuedSince = now;
  for (const item of message.items) {
    state.queue.push(item);
    if (state.waitingCall !== undefined || state.behind?.isWaiting === true) creditAtOnce(state, item);
  }
}

function queuePunctuation({ state }: ReducerTurn, message: Message<'punctuation'>): void {
  state.queue.push(message);
  state.punctuationInQueue += 1;
}

function attemptDue({ state }: ReducerTurn): void {
  state.attemptTimerAt = Infinity;
}

function flushDue({ state }: ReducerTurn): void {
  state.flushDue = true;
}

function folded(turn: ReducerTurn, { job }: Message<'folded'>): void {
  turn.state.running = undefined;
  // A cast, because a run that has ended has a start.
  measureCall(turn, 'reduce', job.startedAt as number);
  noteNotHandedOut(turn, job.items.length - job.next + job.dropped.length);
  afterFold(turn, job);
}

function broken({ effects }: ReducerTurn, { error }: Message<'broken'>): void {
  effects.push(effect.fail(error));
}

function heartbeat(turn: ReducerTurn, message: Message<'heartbeat'>): void {
  const { options, state } = turn;
  // What a long fold has done so far is reported now, and not at its end.
  if (state.running?.type === 'fold') finishReduced(turn, state.running.job);
  if (state.behind !== undefined) reportEndedOf(state.behind.open, state.reports);

  // Only a raw behaviour gets heartbeats. Any other reducer flushes by its own timer, idle or not.
  if (options.definition.behaviour === undefined || state.heartbeatWaits) return;
  state.heartbeatWaits = true;
  state.queue.push(message);
}

/** Drops the queued items of the ended tenure before a raw behaviour gets the message. Folded items stay folded. */
function revoked(turn: ReducerTurn, message: Message<'revoked'>): void {
  const { state } = turn;
  const isLost = (queued: DeliveredItem | Mark): queued is DeliveredItem =>
    queued instanceof DeliveredItem && queued.tenure.shardWorkerNumber === message.shardWorker;

  noteLeft(turn.options, state, turn.now, message.shardWorker);
  for (const item of state.carry) if (isLost(item)) returnCredit(state.reports, item);
  state.carry = state.carry.filter((item) => !isLost(item));
  dropGathered(turn, message.shardWorker);

  for (let left = state.queue.length; left > 0; left -= 1) {
    const queued = state.queue.shift() as DeliveredItem | Mark;
    if (isLost(queued)) returnCredit(state.reports, queued);
    else state.queue.push(queued);
  }

  dropWaiting(turn, message.shardWorker);
  forgetEmitted(turn, message.shardWorker);
  state.queue.push(message);
}

/**
 * Starts the next call if none is under way, or with `concurrency` as many as may run. Only `flushed` also starts user code, to
 * continue a flush.
 */
function proceed(turn: ReducerTurn): void {
  const { state } = turn;
  requeueDeferredDrains(turn);
  if (!hasRoom(state.behind)) {
    // Without room in the pipe, no new call is made. When the pipe has taken something, its news leads here again.
    passBy(turn);
    dropUnneeded(turn);
    return;
  }
  continueHeldFlush(turn);
  if (turn.options.definition.process !== undefined) proceedProcess(turn);
  else while (state.running === undefined && startNext(turn));
  dropUnneeded(turn);
  setAttemptTimer(turn);
}

/** Continues a batch that has been divided, or takes the next step. Returns false if there is nothing to do. */
function startNext(turn: ReducerTurn): boolean {
  return continueTask(turn) || (turn.state.batching.tasks.size === 0 && takeStep(turn));
}

/** Takes the next step: starts a call, or handles what is at the head of the queue. Returns false if there is nothing to do. */
function takeStep(turn: ReducerTurn): boolean {
  const { options, state } = turn;
  if (state.waitingCall !== undefined) return proceedWaitingCall(turn, state.waitingCall);

  const head = state.carry[0] ?? state.queue.peek();
  const canFlush = options.definition.flush !== undefined && state.unflushed > 0;
  if (canFlush && (state.flushDue || state.unflushed >= options.batchSize || isBeforeAttempt(turn))) {
    startFlush(turn);
    return true;
  }
  if (startAttempt(turn, head instanceof DeliveredItem)) return true;

  if (head === undefined) {
    state.flushDue = false;
    return false;
  }
  if (head instanceof DeliveredItem) {
    const count = requestItems(turn, roomForItems(turn));
    if (count === 0) return startHeartbeat(turn);
    const items = takeItems(turn, count);
    if (items.length > 0) {
      noteHandedOut(turn, items.length);
      state.keys.lastCallWasAttempt = false;
      startItems(turn, items);
    }
    return true;
  }
  if (makeDueOnceMore(turn, head)) return true;
  if (canFlush && head.type === 'punctuation') startFlush(turn);
  else {
    state.queue.shift();
    if (head.type === 'punctuation') state.punctuationInQueue -= 1;
    handleMark(turn, head);
  }
  return true;
}

/**
 * Whether a `collectsOnly` reducer must flush before the attempt that is due. The attempt has a state and a flush of its own, so earlier
 * items of its key that are folded already must be flushed first.
 */
function isBeforeAttempt({ options, state, now }: ReducerTurn): boolean {
  if (!isolatesFailures(options.definition) || !holdsAny(state.keys)) return false;
  const key = dueKey(state.keys, now)?.key;
  if (key === undefined) return false;
  return [...state.slots.values()].some(({ folded }) => folded.some((item) => item.key === key));
}

/** A heartbeat does not wait behind items that the rate limit holds back: a behaviour may acknowledge by it. */
function startHeartbeat(turn: ReducerTurn): boolean {
  const { state } = turn;
  if (!state.heartbeatWaits) return false;
  state.queue.retain((queued) => queued instanceof DeliveredItem || queued.type !== 'heartbeat');
  handleMark(turn, { type: 'heartbeat' });
  return true;
}

/** How many items may be folded before the next flush. */
function roomForItems({ options, state }: ReducerTurn): number {
  return options.definition.flush === undefined ? options.batchSize : options.batchSize - state.unflushed;
}

/** The next items to fold, at most `limit`. Items that have to wait are held. */
function takeItems(turn: ReducerTurn, limit: number): readonly DeliveredItem[] {
  const { state } = turn;
  const holds = holdsAny(state.keys);

  const carried = state.carry.slice(0, limit);
  state.carry = state.carry.slice(carried.length);
  const items: DeliveredItem[] = [];
  for (const item of carried) if (!holds || !holdIfItMustWait(turn, item)) items.push(item);

  while (items.length < limit && state.carry.length === 0) {
    const head = state.queue.peek();
    if (!(head instanceof DeliveredItem)) break;
    state.queue.shift();
    if (!holds || !holdIfItMustWait(turn, head)) items.push(head);
  }

  return items;
}

/** Continues a flush that gave way, or ends it. The many calls of a flush per shard must not starve the lease keepers. */
function flushed(turn: ReducerTurn, { job }: Message<'flushed'>): void {
  const { state, effects } = turn;
  afterFlush(turn, job);

  if (job.next < job.groups.length && !state.controller.context.signal.aborted) {
    if (hasFailed(turn)) return;
    if (state.behind === undefined || hasRoom(state.behind)) runFlush(turn, job);
    else state.behind.isFlushHeld = true;
    return;
  }

  measureCall(turn, 'flush', job.startedAt);
  state.running = undefined;
  if (state.waitingCall !== undefined) creditAllQueued(state);
  state.flushDue = false;
  effects.push(effect.cancel('flush'));
}

/** A flush has given way to the pipe, and there is room now. */
function continueHeldFlush(turn: ReducerTurn): void {
  const { behind, running } = turn.state;
  if (behind?.isFlushHeld !== true || running?.type !== 'flush') return;
  behind.isFlushHeld = false;
  runFlush(turn, running.job);
}

function behaved(turn: ReducerTurn, { job }: Message<'behaved'>): void {
  const { state } = turn;
  const mark = state.running?.type === 'raw' ? state.running.mark : undefined;
  // Acknowledgements made during this call count, even if the call has failed. They must be sent before a punctuation is
  // answered.
  contextCalled(turn);
  if (job.message.type !== 'heartbeat') measureCall(turn, 'behaviour', job.startedAt);
  state.running = undefined;
  noteNotHandedOut(turn, job.dropped.length);
  afterBehaviour(turn, job);
  if (state.waitingCall !== undefined) creditAllQueued(state);

  if (mark !== undefined) finishOrDefer(turn, mark);
}
