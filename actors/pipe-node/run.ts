// A run makes the calls of one piece of work (`Work`). It gives way after an asynchronous call, after a failure, when its time is over, or
// when the queue for the next node is full. The actor then takes what the run has done, and starts another.
import { CallContext, invoke, type Call, type Work } from './calls.js';
import { isLimited } from './queue.js';
import { noteRouteUse } from './route-uses.js';
import { applyResult, isSoleDrop, soleOutput } from './result.js';
import { SentMessage } from '../protocol/pipe-message.js';
import { settle } from './settled.js';
import { endLateKept, slotId, type Slot } from './slots.js';
import type { NodeParts, RunResult } from './state.js';
import { terminateAll } from './termination.js';
import { dueAt, isLive } from './work.js';
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
export function runCalls(parts: NodeParts, work: Work): void | Promise<void> {
  const slice = startSlice(parts.options.clock);
  let made = 0;
  for (;;) {
    if (parts.state.hasStopped || (made > 0 && slice.isOver())) return;
    const call = nextCall(parts, work);
    if (call === undefined) return;
    made += 1;
    const pending = makeCall(parts, call);
    if (pending !== undefined) return pending;
    if (parts.state.result.failure !== undefined || parts.state.result.exit !== undefined) return;
  }
}

/** The next call; undefined if there is none, or none may be made now. */
function nextCall(parts: NodeParts, work: Work): Call | undefined {
  const call = dueCall(parts, work);
  if (call === undefined || call.callback === 'terminate' || !endLateKept(call.slot, parts.options.clock)) return call;
  // The state still has values of a lease that has ended. They are taken out first, and then the call is made.
  parts.state.lossWaits = true;
  work.again = call;
  return undefined;
}

function dueCall(parts: NodeParts, work: Work): Call | undefined {
  const hasRoom = !isLimited(parts.options, parts.state);
  const known = work.again ?? work.held;
  if (known !== undefined) {
    if (!hasRoom) return undefined;
    work.again = undefined;
    work.held = undefined;
    if (known.message === undefined || isLive(parts, known.message)) return known;
    work.wasMade = false;
  }
  const { done, value } = work.calls.next(work.wasMade);
  work.wasMade = true;
  if (done === true) {
    work.isOver = true;
  } else if (hasRoom || value.callback === 'terminate') {
    // The end of a state sends nothing on, so it needs no room.
    return value;
  } else {
    // Without room the next call waits in `held`. It is asked for all the same: a work without another call is over, and its feed is
    // answered.
    work.held = value;
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
  const { callback, slot, message } = call;
  const { result } = state;
  state.calling = undefined;
  state.uses += 1;
  slot.lastUse = state.uses;
  if (callback === 'init') {
    slot.state = returned;
    // At once: the node may stop before the work goes on, and then this state must be ended, too.
    state.slots.set(slotId(slot.route), slot);
  }
  noteRouteUse(state, slot);
  if (state.hasStopped) {
    terminateAll(options, state);
    return;
  }
  if (callback !== 'init' && callback !== 'terminate') {
    try {
      if (callback === 'handleMessage' && takeUsual(parts, call, returned)) return;
      if (callback === 'handleTimer') slot.timerAt = Infinity;
      const outcome = applyResult({ slot, message, now: options.clock.now(), node: options.name }, returned ?? {});
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
  noteTimer(parts, slot);
  if (call.failures > 0) result.recovered.push(call);
}

/** Carries out the two results that most messages have. Returns false for any other. */
function takeUsual({ state }: NodeParts, { slot, message, failures }: Call, returned: unknown): boolean {
  if (message === undefined || failures > 0) return false;
  const output = soleOutput(message, returned);
  if (output === undefined && !isSoleDrop(message, returned)) return false;
  // Read before anything is taken: a getter may throw.
  const value = output?.value;
  const sizeBytes = SentMessage.sizeOf(message);
  const references = SentMessage.referencesOf(message);
  SentMessage.setReferences(message, undefined);
  slot.usedAt = state.calledAt;
  if (output === undefined) settle(state.settled, references);
  else {
    state.result.emitted.push(new SentMessage(value, references, slot.route, sizeBytes));
    state.result.emittedBytes += sizeBytes;
  }
  return true;
}

function failed({ options, state }: NodeParts, call: Call, cause: unknown): void {
  state.calling = undefined;
  if (state.hasStopped) terminateAll(options, state);
  state.result.failure = { call, cause };
}

/** Notes when the timer of the state is due, or the route idle. */
function noteTimer(parts: NodeParts, slot: Slot): void {
  parts.state.slotDueAt = Math.min(parts.state.slotDueAt, dueAt(parts, slot));
}
