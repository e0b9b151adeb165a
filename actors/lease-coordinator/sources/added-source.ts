// Adds a source to a running coordinator. The question is answered when the source is read for the first time, or has failed, or at its
// deadline. The deadline counts again from each lease row that is created. A source that a former coordinator has been told of is in the
// options of this one, so `addSource` may be asked again.
import { effect } from '../../protocol/actor.js';
import type { Message } from '../messages.js';
import { streamAt } from '../state.js';
import { answerJoin, answerJoins, endJoins, stoppedMeanwhile } from './joins.js';
import { hasFailed, type CoordinatorTurn } from '../turn.js';
import { newStream } from './new-stream.js';
import { openStream } from './start.js';
import { KinactError } from '../../../src/api/errors.js';

export function addSource(turn: CoordinatorTurn, { source: sourceOptions, replyTo }: Message<'addSource'>): void {
  const { options, state, effects } = turn;
  if (state.phase === 'releasing') return answerJoin(turn, [replyTo], stoppedMeanwhile());

  let stream = state.streams.find((each) => each.sourceOptions.source.name === sourceOptions.source.name);
  if (stream === undefined) {
    stream = newStream(sourceOptions, state.nextStream++);
    state.streams.push(stream);
    // Without a source that is read, the coordinator has stopped to scan.
    if (state.phase === 'failed') state.phase = 'opening';
    openStream(turn, stream);
  }

  stream.joining.push(replyTo);
  if (stream.joining.length === 1) {
    const { index } = stream;
    effects.push(effect.after(`join/${index}`, options.startDeadlineMs, { type: 'joinOverdue', stream: index }));
  }
  answerJoins(turn, stream);
}

export function joinOverdue(turn: CoordinatorTurn, { stream: index }: Message<'joinOverdue'>): void {
  const { options, state, now } = turn;
  const stream = streamAt(state, index);
  if (stream.joining.length === 0 || hasFailed(stream)) return;
  const { startDeadlineMs, store } = options;
  const leftMs = (stream.sync.progress.at ?? -Infinity) + startDeadlineMs - now;
  if (leftMs > 0) {
    turn.effects.push(effect.after(`join/${index}`, Math.ceil(leftMs), { type: 'joinOverdue', stream: index }));
    return;
  }
  const cause = stream.opening.error ?? state.table.lastError;
  const { name: source } = stream.sourceOptions.source;
  const message = `The source ${source} and the lease table ${store.tableName} could not be read within ${startDeadlineMs} ms.`;
  const data = { source, table: store.tableName };
  endJoins(turn, stream, {
    type: 'failed',
    error: new KinactError('START_TIMEOUT', message, { cause, retryable: true, data }),
  });
}
