// A run makes the calls of one task (`NodeTask`). It gives way after an asynchronous call, after a failure, when its time is over, or when
// the queue for the next node is full. The actor then takes what the run has done, and starts another.
import { CallContext, invoke, type Call, type NodeTask } from './calls.js';
import { isLimited } from './queue.js';
import { noteRouteUse } from './route-uses.js';
import { applyResult, isSoleDrop, soleOutput } from './result.js';
import { SentMessage } from '../protocol/pipe-message.js';
import { settle } from './settled.js';
import { endLateKept, routeIdOf } from './route-states.js';
import type { NodeParts, RunResult } from './state.js';
import { terminateAll } from './termination.js';
import { isLive, noteDue } from './tasks.js';
import { isThenable } from '../../src/core/callback.js';
import { startSlice } from '../../src/core/time-slice.js';

export function emptyResult(): RunResult {
  return {
    emitted: [],
    emittedBytes: 0,
    foldedAfterLoss: 0,
    leftOut: 0,
    partial: 0,
    recovered: [],
    failure: undefined,
    exit: undefined,
  };
}

/** Makes calls until the run must give way. */
export function runCalls(parts: NodeParts, task: NodeTask): void | Promise<void> {
  const slice = startSlice(parts.options.clock);
  let made = 0;
  for (;;) {
    if (parts.state.hasStopped || (made > 0 && slice.isOver())) return;
    const call = nextCall(parts, task);
    if (call === undefined) return;
    made += 1;
    const pending = makeCall(parts, call);
    if (pending !== undefined) return pending;
    if (parts.state.result.failure !== undefined || parts.state.result.exit !== undefined) return;
  }
}

/** The next call; undefined if there is none, or none may be made now. */
function nextCall(parts: NodeParts, task: NodeTask): Call | undefined {
  const call = dueCall(parts, task);
  if (call === undefined || call.callback === 'terminate' || !endLateKept(call.routeState, parts.options.clock))
    return call;
  // The state still has values of a lease that has ended. They are taken out first, and then the call is made.
  parts.state.lossWaits = true;
  task.again = call;
  return undefined;
}

function dueCall(parts: NodeParts, task: NodeTask): Call | undefined {
  const hasRoom = !isLimited(parts.options, parts.state);
  const known = task.again ?? task.held;
  if (known !== undefined) {
    if (!hasRoom) return undefined;
    task.again = undefined;
    task.held = undefined;
    if (known.message === undefined || isLive(parts, known.message)) return known;
    task.wasMade = false;
  }
  const { done, value } = task.calls.next(task.wasMade);
  task.wasMade = true;
  if (done === true) {
    task.isOver = true;
  } else if (hasRoom || value.callback === 'terminate') {
    // The end of a state sends nothing on, so it needs no room.
    return value;
  } else {
    // Without room the next call waits in `held`. It is asked for all the same: a task without another call is over, and its feed is
    // answered.
    task.held = value;
  }
  return undefined;
}

function makeCall(parts: NodeParts, call: Call): Promise<void> | undefined {
  const { options, state } = parts;
  const context = new CallContext(options, call);
  if (state.stoppedWith !== undefined) CallContext.abort(context, state.stoppedWith);
  state.calledAt = options.clock.now();
  state.calling = { call, since: state.calledAt, context, abortedAt: undefined };
  try {
    const returned = invoke(options, call, context);
    if (isThenable(returned)) {
      return Promise.resolve(returned).then(
        (result) => ended(parts, call, result),
        (cause: unknown) => failed(parts, call, cause),
      );
    }
    ended(parts, call, returned);
  } catch (cause) {
    failed(parts, call, cause);
  }
  return undefined;
}

/** A call has returned. What it has returned may be refused. */
function ended(parts: NodeParts, call: Call, returned: unknown): void {
  const { options, state } = parts;
  const { callback, routeState, message } = call;
  const { result } = state;
  state.calling = undefined;
  state.uses += 1;
  routeState.lastUse = state.uses;
  if (callback === 'init') {
    routeState.state = returned;
    // At once: the node may stop before the task goes on, and then this state must be ended, too.
    state.routeStates.set(routeIdOf(routeState.route), routeState);
  }
  noteRouteUse(state, routeState);
  if (state.hasStopped) {
    terminateAll(options, state);
    return;
  }
  if (callback !== 'init' && callback !== 'terminate') {
    try {
      if (callback === 'handleMessage' && takeUsual(parts, call, returned)) return;
      if (callback === 'handleTimer') routeState.timerAt = Infinity;
      const outcome = applyResult(
        { routeState, message, now: options.clock.now(), node: options.name },
        returned ?? {},
      );
      for (const output of outcome.outputs) {
        result.emitted.push(output);
        result.emittedBytes += SentMessage.sizeOf(output);
      }
      for (const references of outcome.settled) settle(state.settled, references);
      result.foldedAfterLoss += outcome.foldedAfterLoss;
      if (outcome.leftOut) result.leftOut += 1;
      if (callback === 'handleFlush' && outcome.outputs.length > 0) result.partial += 1;
      if (outcome.exits) result.exit = call;
    } catch (cause) {
      failed(parts, call, cause);
      return;
    }
  }
  noteDue(parts, routeState);
  if (call.failures > 0) result.recovered.push(call);
}

/** Carries out the two results that most messages have. Returns false for any other. */
function takeUsual({ state }: NodeParts, { routeState, message, failures }: Call, returned: unknown): boolean {
  if (message === undefined || failures > 0) return false;
  const output = soleOutput(message, returned);
  if (output === undefined && !isSoleDrop(message, returned)) return false;
  // Read before anything is taken: a getter may throw.
  const value = output?.value;
  const sizeBytes = SentMessage.sizeOf(message);
  const references = SentMessage.referencesOf(message);
  SentMessage.setReferences(message, undefined);
  routeState.usedAt = state.calledAt;
  if (output === undefined) settle(state.settled, references);
  else {
    state.result.emitted.push(new SentMessage(value, references, routeState.route, sizeBytes));
    state.result.emittedBytes += sizeBytes;
  }
  return true;
}

function failed({ options, state }: NodeParts, call: Call, cause: unknown): void {
  state.calling = undefined;
  if (state.hasStopped) terminateAll(options, state);
  state.result.failure = { call, cause };
}
