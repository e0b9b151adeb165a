// Answers those who wait for a source that was added (added-source.ts): it is read, it has failed, or the consumer is stopped.
import { effect, type ReplyTo } from '../../protocol/actor.js';
import type { CoordinatorStarted } from '../../protocol/lease-messages.js';
import type { Stream } from '../state.js';
import type { CoordinatorTurn } from '../turn.js';
import { KinactError } from '../../../src/api/errors.js';

/** Answers once the source is read, or has failed. */
export function answerJoins(turn: CoordinatorTurn, stream: Stream): void {
  const { failure } = stream.history;
  if (failure !== undefined) endJoins(turn, stream, { type: 'failed', error: failure });
  else if (stream.sync.done) endJoins(turn, stream, { type: 'started' });
}

/** Fails the sources that are being added when the coordinator is stopped. */
export function abandonJoins(turn: CoordinatorTurn): void {
  for (const stream of turn.state.streams) endJoins(turn, stream, stoppedMeanwhile());
}

export function endJoins(turn: CoordinatorTurn, stream: Stream, outcome: CoordinatorStarted): void {
  if (stream.joining.length === 0) return;
  turn.effects.push(effect.cancel(`join/${stream.index}`));
  answerJoin(turn, stream.joining.splice(0), outcome);
}

export function answerJoin(
  { effects }: CoordinatorTurn,
  waiters: readonly ReplyTo<CoordinatorStarted>[],
  outcome: CoordinatorStarted,
): void {
  for (const replyTo of waiters) effects.push(effect.reply(replyTo, outcome));
}

export const stoppedMeanwhile = (): CoordinatorStarted => ({
  type: 'failed',
  error: new KinactError('STOPPED', 'The consumer was stopped while the source was being added.'),
});
