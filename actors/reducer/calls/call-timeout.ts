// Watches calls that have a `timeoutMs`. After that time the signal of the call aborts. The reducer still waits for the call, and its
// outcome counts. If the call has not ended `answerDeadlineMs` later, the reducer fails, so that the pipeline restarts.
// (`answerDeadlineMs` is the option `callDeadlineMs`, or 30 s if that is 0.) One timer serves all calls.
import { effect } from '../../protocol/actor.js';
import type { TimedCall } from './call-contexts.js';
import type { ReducerTurn } from '../state.js';
import { KinactError } from '../../../src/api/errors.js';

/** Sets the timer if a call is under way. Called at the end of each turn. */
export function watchCalls({ options, state, effects }: ReducerTurn): void {
  const { contexts, running, batching } = state;
  const { timeoutMs } = options.definition;
  if (timeoutMs === undefined || contexts.timerIsSet || (running === undefined && batching.calls.size === 0)) return;
  contexts.timerIsSet = true;
  effects.push(effect.after('timeout', timeoutMs, { type: 'timeoutDue' }));
}

/** The timer has fired: aborts the calls that have taken too long, and fails if an aborted one has not ended. */
export function timeoutDue(turn: ReducerTurn): void {
  const { options, state, now, effects } = turn;
  const { contexts } = state;
  // Without it `watchCalls` sets no timer.
  const timeoutMs = options.definition.timeoutMs as number;
  contexts.timerIsSet = false;
  let next = Infinity;
  for (const call of contexts.timed) {
    if (call.abortedAt === undefined && now - call.since >= timeoutMs) {
      call.abortedAt = now;
      call.own.abort(timeoutError(call, timeoutMs));
    }
    const dueAt = call.abortedAt === undefined ? call.since + timeoutMs : call.abortedAt + options.answerDeadlineMs;
    if (call.abortedAt !== undefined && now >= dueAt) {
      effects.push(effect.fail(overdueError(call, timeoutMs, options.answerDeadlineMs)));
      return;
    }
    next = Math.min(next, dueAt);
  }
  if (next === Infinity) return;
  // Another call may begin before the timer fires, without a turn that could set an earlier one.
  next = Math.min(next, now + timeoutMs);
  contexts.timerIsSet = true;
  effects.push(effect.after('timeout', Math.max(1, Math.ceil(next - now)), { type: 'timeoutDue' }));
}

function placeOf({ name, item }: TimedCall): string {
  if (item === undefined) return name;
  return `${name} for record ${item.sequenceNumber} of ${item.shardId} (key ${JSON.stringify(item.key)})`;
}

function timeoutError(call: TimedCall, timeoutMs: number): Error {
  return new DOMException(`${placeOf(call)} has taken longer than timeoutMs (${timeoutMs})`, 'TimeoutError');
}

function overdueError(call: TimedCall, timeoutMs: number, answerDeadlineMs: number): KinactError {
  const { item } = call;
  const text = `${placeOf(call)} has not ended within ${answerDeadlineMs} ms after its signal was aborted`;
  const cause = timeoutError(call, timeoutMs);
  if (item === undefined) return new KinactError('PROCESSING_FAILED', text, { cause });
  const { source, shardId, sequenceNumber, subSequenceNumber, key } = item;
  const optional = subSequenceNumber === undefined ? {} : { subSequenceNumber };
  return new KinactError('PROCESSING_FAILED', text, {
    cause,
    data: { source, shardId, sequenceNumber, ...optional, key },
  });
}
