// Decides how and when `start()` is answered: once every source is read or has failed, at the deadline, or at a stop before that.
// The deadline counts from the coordinator's start, and again from each lease row that is created.
import { effect } from '../../protocol/actor.js';
import type { CoordinatorStarted } from '../../protocol/lease-messages.js';
import type { Message } from '../messages.js';
import { hasFailed, isActive, type CoordinatorTurn } from '../turn.js';
import { KinactError } from '../../../src/api/errors.js';

export function beginDeadline({ options, effects }: CoordinatorTurn): void {
  effects.push(effect.after('startDeadline', options.startDeadlineMs, { type: 'startOverdue' }));
}

/** Answers `start()` once every source is read or has failed. */
export function answerStart(turn: CoordinatorTurn): void {
  const { streams } = turn.state;
  const failure = streams[0]?.history.failure;
  if (failure !== undefined && streams.every(hasFailed)) return answerWaiters(turn, { type: 'failed', error: failure });
  if (streams.every((stream) => hasFailed(stream) || stream.sync.done)) answerWaiters(turn, { type: 'started' });
}

/** Handles the deadline: the start has succeeded if any source is read. The coordinator keeps trying the others anyway. */
export function startOverdue(turn: CoordinatorTurn): void {
  const { options, state } = turn;
  if (state.start.outcome !== undefined) return;
  if (state.streams.some(isActive)) return answerWaiters(turn, { type: 'started' });

  const { startDeadlineMs } = options;
  // Slow progress is not a standstill: the deadline counts from the last row that was created.
  const movedAt = Math.max(...state.streams.map(({ sync }) => sync.progress.at ?? -Infinity));
  const leftMs = movedAt + startDeadlineMs - turn.now;
  if (leftMs > 0) {
    turn.effects.push(effect.after('startDeadline', Math.ceil(leftMs), { type: 'startOverdue' }));
    return;
  }

  const table = options.store.tableName;
  const message = overdueMessage(turn);
  const cause =
    state.table.lastError ?? state.streams.find(({ opening }) => opening.error !== undefined)?.opening.error;
  const error = new KinactError('START_TIMEOUT', message, { cause, retryable: true, data: { table } });
  answerWaiters(turn, { type: 'failed', error });
}

function overdueMessage({ options, state }: CoordinatorTurn): string {
  const { store, startDeadlineMs } = options;
  const unfinished = state.streams.filter(({ sync }) => sync.progress.created < sync.progress.toCreate);
  if (unfinished.length === 0)
    return `The lease table ${store.tableName} and its streams could not be read within ${startDeadlineMs} ms.`;
  const rows = unfinished.map(
    ({ sourceOptions, sync: { progress } }) =>
      `${progress.created} of ${progress.toCreate} rows of ${sourceOptions.source.name} are created`,
  );
  return `The lease rows in ${store.tableName} are incomplete: ${rows.join(', ')}; no new row within ${startDeadlineMs} ms.`;
}

/** Fails a start that is still under way when the consumer is stopped. */
export function abandonStart(turn: CoordinatorTurn): void {
  const error = new KinactError('STOPPED', 'The consumer was stopped while it was starting.');
  if (turn.state.start.outcome === undefined) answerWaiters(turn, { type: 'failed', error });
}

function answerWaiters({ state, effects }: CoordinatorTurn, outcome: CoordinatorStarted): void {
  // `started` is final. A start that failed at the deadline may still succeed later.
  if (state.start.outcome?.type === 'started') return;
  state.start.outcome = outcome;
  effects.push(effect.cancel('startDeadline'));
  for (const waiter of state.start.waiters.splice(0)) effects.push(effect.reply(waiter, outcome));
}

export function awaitStart({ state, effects }: CoordinatorTurn, { replyTo }: Message<'awaitStart'>): void {
  if (state.start.outcome === undefined) state.start.waiters.push(replyTo);
  else effects.push(effect.reply(replyTo, state.start.outcome));
}
