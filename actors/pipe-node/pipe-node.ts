// One node of a pipe: it handles messages one at a time, queues what it emits, and feeds the next node. While a call runs, further feeds,
// timers and the end wait; status, lost leases and an abort do not. docs/pipes.md draws its states.
import { effect, hasFailed, type Behaviour, type Ref } from '../protocol/actor.js';
import { handle, type Handlers } from '../protocol/handlers.js';
import { hurryParkings } from '../protocol/parking.js';
import { createPendingFailures } from '../protocol/pending-failures.js';
import { watchCall, callDue } from './call-timeout.js';
import { downstreamFailed, exitNode, proceedEnd, upstreamFailed } from './ending.js';
import { callFailed, decided, reportRecovery } from './failures.js';
import { noteLeft } from './left-items.js';
import { dropLost } from './lost.js';
import { dropLateParkings, parkingDue, parkingEnded, parkingOverdue } from './parked.js';
import { hasFailedToPark } from './refusal.js';
import { dropQueue, feedNext, isLimited, queueEmitted } from './queue.js';
import { sendReports } from './reports.js';
import { createSettled } from './settled.js';
import { setRouteTimer, routesDue } from './route-timers.js';
import { locateRecord, nodeStatus, type PipeNodeStatus } from './status.js';
import { terminateAll } from './termination.js';
import { emptyResult, runCalls } from './run.js';
import { feedTask, startTask } from './tasks.js';
import type { Message, NodeMessage } from './messages.js';
import type { PipeNodeOptions } from './options.js';
import type { NodeTurn, PipeNodeState, RunResult } from './state.js';
import { CallContext, type NodeTask } from './calls.js';
import { createDeque } from '../../src/core/deque.js';

export type { NodeMessage } from './messages.js';
export type { PipeNodeOptions } from './options.js';
export type { NodeFigures, PipeNodeStatus } from './status.js';

export function pipeNode(options: PipeNodeOptions): Behaviour<PipeNodeState, NodeMessage, PipeNodeStatus> {
  return {
    kind: 'pipe-node',
    // The node has started when `init` has returned, so nothing is fed before.
    deferStart: true,
    initial: (self) => {
      const state = initialState(options, self);
      const turn: NodeTurn = { options, state, now: options.clock.now(), effects: [] };
      state.task = startTask(turn.now);
      proceed(turn);
      watchCall(turn);
      return [state, turn.effects];
    },
    receive: (state, message) => {
      const turn: NodeTurn = { options, state, now: options.clock.now(), effects: [] };
      handle(handlers, turn, message);
      if (!hasFailed(turn)) proceed(turn);
      watchCall(turn);
      sendReports(turn);
      // Last, because no effect behind the end is carried out.
      if (!hasFailed(turn)) proceedEnd(turn);
      return [state, turn.effects];
    },
    stopped: (state) => {
      state.hasStopped = true;
      state.stoppedWith ??= new Error('the pipe has stopped');
      noteLeft(options, state);
      if (state.calling === undefined) terminateAll(options, state);
      else CallContext.abort(state.calling.context, state.stoppedWith);
      return [];
    },
    status: (state) => nodeStatus(options, state, options.clock.now()),
  };
}

function initialState({ clock }: PipeNodeOptions, self: Ref<NodeMessage>): PipeNodeState {
  return {
    self,
    phase: 'initial',
    isTerminated: false,
    routeStates: new Map(),
    routesByUse: new Set(),
    routesApart: new Set(),
    task: undefined,
    pending: createDeque(),
    run: 0,
    lastRun: 0,
    calling: undefined,
    calledAt: clock.now(),
    result: emptyResult(),
    settled: createSettled(),
    waiting: undefined,
    pendingFailures: createPendingFailures(),
    queue: createDeque(),
    queuedBytes: 0,
    flushedMarks: [],
    isFeeding: false,
    nextAsked: false,
    nextEnded: false,
    endAsked: [],
    attemptAsked: [],
    lastFeed: 0,
    reports: 0,
    reportedWaiting: false,
    routeTimerAt: Infinity,
    routeDueAt: Infinity,
    callTimerAt: Infinity,
    attemptTimerAt: Infinity,
    hasWarnedOfLeftOut: false,
    lossWaits: false,
    stoppedWith: undefined,
    hasStopped: false,
    uses: 0,
    activeAt: clock.now(),
  };
}

const handlers: Handlers<NodeTurn, NodeMessage> = {
  feed,
  upstreamFailed,
  downstreamFailed,
  revoked,
  attemptNow,
  locateRecord,
  ran,
  broken,
  fed,
  nextEnded,
  nextStopped,
  callDue,
  attemptDue,
  routesDue,
  decided,
  parkingEnded,
  parkingOverdue,
  parkingDue,
};

function feed({ options, state, effects }: NodeTurn, { entries, replyTo }: Message<'feed'>): void {
  if (replyTo.question <= state.lastFeed) {
    effects.push(effect.count('repeatedMessages'));
    return;
  }
  state.lastFeed = replyTo.question;
  // A node that ends takes nothing more: what it is fed stays open, and comes again after the restart.
  if (state.phase === 'running') state.pending.push(feedTask({ options, state }, entries, replyTo));
}

function revoked(turn: NodeTurn, { shardWorker }: Message<'revoked'>): void {
  noteLeft(turn.options, turn.state, shardWorker);
  if (turn.state.run !== 0) turn.state.lossWaits = true;
  else dropLost(turn);
  dropLateParkings(turn, shardWorker);
}

function attemptNow(turn: NodeTurn, { replyTo }: Message<'attemptNow'>): void {
  const { state } = turn;
  hurryParkings(turn, () => true);
  state.attemptAsked.push({ replyTo, failures: state.waiting?.call.failures ?? 0 });
}

function attemptDue({ state }: NodeTurn): void {
  state.attemptTimerAt = Infinity;
}

function fed({ state }: NodeTurn): void {
  state.isFeeding = false;
}

function nextEnded({ state }: NodeTurn): void {
  state.nextEnded = true;
}

/** The next node has crashed, and the pipe is about to fail. What waits for it stays open, and a node that drains must not wait for it. */
function nextStopped({ state }: NodeTurn): void {
  state.isFeeding = false;
  state.nextEnded = true;
  dropQueue(state);
}

function broken({ effects }: NodeTurn, { error }: Message<'broken'>): void {
  effects.push(effect.fail(error));
}

/** A run has ended, or gives way. */
function ran(turn: NodeTurn, message: Message<'ran'>): void {
  const { state, now } = turn;
  if (message.run !== state.run) return;
  state.run = 0;
  state.activeAt = now;
  const { result, task } = state;
  state.result = emptyResult();
  noteResult(turn, result);
  // The node may have been stopped while the run was under way.
  if (task !== undefined) followRun(turn, task, result);
  // After the verdict: a call that has failed with its leases is no failure, and a verdict is about the state as the call left it.
  if (state.lossWaits) dropLost(turn);
}

function followRun(turn: NodeTurn, task: NodeTask, result: RunResult): void {
  const { state } = turn;
  const isDone = result.failure === undefined && task.again === undefined;
  if (state.waiting?.isTrying === true && isDone) state.waiting = undefined;
  if (result.failure !== undefined) callFailed(turn, task, result.failure.call, result.failure.cause);
  else if (result.exit !== undefined) exitNode(turn, task, result.exit);
  else if (task.isOver) finishTask(turn, task);
}

function noteResult(turn: NodeTurn, result: RunResult): void {
  const { options, state, effects } = turn;
  // What can be sent to no next node stays open.
  if (state.phase !== 'stopped' && !state.nextEnded) queueEmitted(turn, result.emitted);
  for (const call of result.recovered) reportRecovery(turn, call);
  const { foldedAfterLoss, leftOut, partial } = result;
  if (foldedAfterLoss > 0) effects.push(effect.count('foldedAfterLoss', foldedAfterLoss));
  if (partial > 0) effects.push(effect.count('partialAggregates', partial));
  if (leftOut === 0 || state.hasWarnedOfLeftOut) return;
  state.hasWarnedOfLeftOut = true;
  const message =
    `${options.name}: a result names its message neither in outputs, nor in keep or drop; the message stays open, ` +
    'and holds the checkpoint of its shard back';
  effects.push(effect.emit({ name: 'warning', data: { message } }));
}

function finishTask({ state, effects }: NodeTurn, { kind, replyTo }: NodeTask): void {
  state.task = undefined;
  if (replyTo !== undefined) effects.push(effect.reply(replyTo, undefined));
  if (kind === 'start') {
    state.phase = 'running';
    effects.push(effect.started());
  }
  if (kind === 'end') state.isTerminated = true;
}

/** Takes every step that is possible now, but the last. */
function proceed(turn: NodeTurn): void {
  const { state } = turn;
  feedNext(turn);
  proceedAttempts(turn);
  if (state.run === 0) startRun(turn);
  setRouteTimer(turn);
}

/** Starts a run for the task under way, or for the next task, if one may be made. */
function startRun(turn: NodeTurn): void {
  const { options, state, now, effects } = turn;
  const { waiting } = state;
  if (waiting !== undefined && !waiting.isTrying) {
    if (waiting.dueAt > now) {
      setAttemptTimer(turn, waiting.dueAt);
      return;
    }
    waiting.isTrying = true;
  }
  state.task ??= state.pending.shift();
  const { task } = state;
  if (task === undefined || state.hasStopped) return;
  if ((task.again !== undefined || task.held !== undefined) && isLimited(options, state)) return;
  state.lastRun += 1;
  const run = state.lastRun;
  state.run = run;
  effects.push(
    effect.run({
      name: `calls#${run}`,
      kind: 'user',
      start: () => runCalls({ options, state }, task),
      done: () => ({ type: 'ran', run }),
      failed: (error) => ({ type: 'broken', error }),
    }),
  );
}

function setAttemptTimer({ state, now, effects }: NodeTurn, dueAt: number): void {
  if (dueAt === Infinity || dueAt === state.attemptTimerAt) return;
  state.attemptTimerAt = dueAt;
  effects.push(effect.after('attempt', Math.max(1, Math.ceil(dueAt - now)), { type: 'attemptDue' }));
}

/**
 * Answers who has asked for an attempt, or makes it due. A drain that is answered while a call runs would let a hand-over pass that call.
 */
function proceedAttempts({ state, now, effects }: NodeTurn): void {
  const { waiting } = state;
  if (state.attemptAsked.length === 0 || state.run !== 0) return;
  state.attemptAsked = state.attemptAsked.filter(({ replyTo, failures }) => {
    const isUndecided = waiting?.dueAt === Infinity;
    if (waiting?.isTrying === true || (isUndecided && !hasFailedToPark(state, waiting.call))) return true;
    if (waiting !== undefined && !isUndecided && waiting.call.failures <= failures) {
      waiting.dueAt = now;
      return true;
    }
    effects.push(effect.reply(replyTo, { isWaiting: waiting !== undefined }));
    return false;
  });
}
