// The deadline of a call: after `timeoutMs` its signal aborts, and it is still waited for. If it has not ended `answerDeadlineMs` later,
// the node fails, and the restart treats the call like any that runs then. (`answerDeadlineMs` is the option `callDeadlineMs`, or 30 s if
// that is 0.)
import { effect } from '../protocol/actor.js';
import { CallContext, type Calling } from './calls.js';
import { SentMessage } from '../protocol/pipe-message.js';
import { failedItemOf } from './failures.js';
import type { NodeTurn } from './state.js';
import { KinactError } from '../../src/api/errors.js';

function timeoutOf({ options }: NodeTurn): number {
  return options.definition.timeoutMs ?? options.timeoutMs;
}

/** Sets the timer while a run is under way, if it would come too late. Called at the end of each turn. */
export function watchCall(turn: NodeTurn): void {
  const { state, now, effects } = turn;
  if (state.run === 0) return;
  // A run that was just started has made no call yet, and its first call gets the whole time.
  const dueAt = state.calling === undefined ? now + timeoutOf(turn) : dueAtOf(turn, state.calling);
  if (state.callTimerAt <= dueAt) return;
  state.callTimerAt = dueAt;
  effects.push(effect.after('call', Math.max(1, Math.ceil(dueAt - now)), { type: 'callDue' }));
}

function dueAtOf(turn: NodeTurn, { since, abortedAt }: Calling): number {
  return abortedAt === undefined ? since + timeoutOf(turn) : abortedAt + turn.options.answerDeadlineMs;
}

export function callDue(turn: NodeTurn): void {
  const { state, now, effects } = turn;
  state.callTimerAt = Infinity;
  const { calling } = state;
  if (calling === undefined) return;
  const timeoutMs = timeoutOf(turn);
  if (calling.abortedAt === undefined && now - calling.since >= timeoutMs) {
    calling.abortedAt = now;
    CallContext.abort(calling.context, timeoutError(turn, calling));
  }
  if (calling.abortedAt !== undefined && now >= dueAtOf(turn, calling))
    effects.push(effect.fail(overdueError(turn, calling)));
}

function timeoutError(turn: NodeTurn, calling: Calling): Error {
  return new DOMException(`${placeOf(turn, calling)} has taken longer than ${timeoutOf(turn)} ms`, 'TimeoutError');
}

/** It names the record, because three failures of one record in a row may end the consumer. */
function overdueError(turn: NodeTurn, calling: Calling): KinactError {
  const { answerDeadlineMs } = turn.options;
  const text = `${placeOf(turn, calling)} has not ended within ${answerDeadlineMs} ms after its signal was aborted`;
  const cause = timeoutError(turn, calling);
  const { source, shardId, sequenceNumber, subSequenceNumber, key, node } = failedItemOf(turn, calling.call);
  if (sequenceNumber === '') return new KinactError('PROCESSING_FAILED', text, { cause });
  const sub = subSequenceNumber === undefined ? {} : { subSequenceNumber };
  // Casts: a sequence number names an item of a node, and an item has a key.
  const data = { source, shardId, sequenceNumber, ...sub, key: key as string, node: node as string };
  return new KinactError('PROCESSING_FAILED', text, { cause, data });
}

function placeOf({ options }: NodeTurn, { call }: Calling): string {
  const { message, callback } = call;
  const item = message === undefined ? undefined : SentMessage.itemOf(message);
  const about = item === undefined ? '' : ` for record ${item.sequenceNumber} of ${item.shardId}`;
  return `${callback} of ${options.name}${about}`;
}
