// The deadline of a call: after `timeoutMs` its signal aborts, and it is still waited for. If it has not ended `answerDeadlineMs` later,
// the node fails, and the restart treats the call like any that runs then.
import { effect } from '../protocol/actor.js';
import { CallContext, type Calling } from './calls.js';
import type { NodeTurn } from './state.js';
import { KinactError } from '../../src/api/errors.js';

function timeoutOf({ options }: NodeTurn): number {
  return options.definition.timeoutMs ?? options.timeoutMs;
}

/** Sets the timer while a run is under way. Called at the end of each turn. */
export function watchCall(turn: NodeTurn): void {
  const { state, effects } = turn;
  if (state.run === 0 || state.callTimerIsSet) return;
  state.callTimerIsSet = true;
  effects.push(effect.after('call', timeoutOf(turn), { type: 'callDue' }));
}

export function callDue(turn: NodeTurn): void {
  const { options, state, now, effects } = turn;
  state.callTimerIsSet = false;
  const { calling } = state;
  if (calling === undefined) return;
  const timeoutMs = timeoutOf(turn);
  if (calling.abortedAt === undefined && now - calling.since >= timeoutMs) {
    calling.abortedAt = now;
    const text = `${placeOf(turn, calling)} has taken longer than ${timeoutMs} ms`;
    CallContext.abort(calling.context, new DOMException(text, 'TimeoutError'));
  }
  const dueAt =
    calling.abortedAt === undefined ? calling.since + timeoutMs : calling.abortedAt + options.answerDeadlineMs;
  if (calling.abortedAt !== undefined && now >= dueAt) {
    const text = `${placeOf(turn, calling)} has not ended within ${options.answerDeadlineMs} ms after its signal was aborted`;
    effects.push(effect.fail(new KinactError('PROCESSING_FAILED', text)));
    return;
  }
  state.callTimerIsSet = true;
  effects.push(effect.after('call', Math.max(1, Math.ceil(dueAt - now)), { type: 'callDue' }));
}

function placeOf({ options }: NodeTurn, { call }: Calling): string {
  const { message, callback } = call;
  const item = message?.item;
  const about = item === undefined ? '' : ` for record ${item.sequenceNumber} of ${item.shardId}`;
  return `${callback} of ${options.name}${about}`;
}
