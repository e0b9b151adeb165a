// Starts a coordinator. It asks for the identity of each stream separately, and opens and scans the table after the first answer.
// It repeats calls that fail for a temporary reason without end: a source that comes late joins the others. `start()` waits only
// until its deadline.
import { answerStart } from './start-outcome.js';
import { effect } from '../../protocol/actor.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import { endsSource, failSource, failTable, noteLook } from './source-failure.js';
import { reportRetry, scanWithin, clearFailure, hasFailed, type CoordinatorTurn } from '../turn.js';
import { callFor } from '../streams/stream-calls.js';
import { streamAt, type Stream } from '../state.js';
import { backoffMs } from '../../../src/core/backoff.js';
import { streamIdentifier } from '../../../src/core/lease-key.js';
import { streamIdentityOf } from '../../../src/core/stream-identity.js';
import { isFinalForTable, isFinalBeforeFirstRead } from '../../../src/api/final-errors.js';
import type { StreamDescription } from '../../../src/api/ports.js';

const operation = 'start';
export const retryShape = { baseMs: 500, capMs: 5_000 };

/** Opens every source, except those that failed under an earlier coordinator. */
export function openSources(turn: CoordinatorTurn): void {
  const { state } = turn;
  for (const stream of state.streams) openStream(turn, stream);
  if (!state.streams.every(hasFailed)) return;
  state.phase = 'failed';
  answerStart(turn);
}

export function openStream({ state, effects }: CoordinatorTurn, stream: Stream): void {
  if (stream.opened || hasFailed(stream) || state.phase === 'releasing') return;
  const { index, sourceOptions } = stream;
  effects.push(
    effect.run({
      name: `openStream/${index}`,
      kind: 'io',
      start: callFor<StreamDescription>(stream, (signal) => sourceOptions.source.describe(signal)),
      done: (description): LeaseCoordinatorMessage => ({ type: 'streamOpened', stream: index, description }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'openStreamFailed', stream: index, error }),
    }),
  );
}

export function streamOpened(turn: CoordinatorTurn, { stream: index, description }: Message<'streamOpened'>): void {
  const { state } = turn;
  const stream = streamAt(state, index);
  if (stream.opened || hasFailed(stream)) return;
  stream.opened = true;
  stream.opening.error = undefined;
  stream.opening.missing = undefined;

  clearFailure(turn, operation, stream);
  noteIdentity(turn, stream, description);
  noteRetention(stream, description);
  if (state.phase === 'opening') openTable(turn);
  else scanWithin(turn, 0);
}

/** Shard workers compare the age of records with the retention. It may be changed at any time, so every shard sync notes it. */
export function noteRetention(
  { history }: Stream,
  { retentionHours }: { readonly retentionHours?: number | undefined },
): void {
  if (retentionHours !== undefined) history.retentionMs = retentionHours * 3_600_000;
}

/**
 * Notes the identity of the stream. A single description may be outdated. The shard sync then corrects the identity, but only
 * before a lease of the stream is held.
 */
export function noteIdentity({ options }: CoordinatorTurn, stream: Stream, description: StreamDescription): void {
  const identifier = streamIdentifier(description);
  stream.idempotencyPrefix = identifier;
  stream.rowStamp = streamIdentityOf(description);
  if (options.multiStream) stream.keyPrefix = identifier;
}

export function openStreamFailed(turn: CoordinatorTurn, { stream: index, error }: Message<'openStreamFailed'>): void {
  const { options, state, effects } = turn;
  const stream = streamAt(state, index);
  if (stream.opened || hasFailed(stream) || state.phase === 'releasing') return;
  noteLook(turn, stream, error);
  if (endsSource(turn, stream, error)) return failSource(turn, stream, error);

  stream.opening.error = error;
  const delayMs = backoffMs(retryShape, stream.opening.attempt++, options.random);
  reportRetry(turn, operation, { error, delayMs, stream });
  effects.push(effect.after(`openStream/${index}`, delayMs, { type: 'openStreamAgain', stream: index }));
}

export function openStreamAgain(turn: CoordinatorTurn, { stream: index }: Message<'openStreamAgain'>): void {
  openStream(turn, streamAt(turn.state, index));
}

export function openTable({ options, state, effects }: CoordinatorTurn): void {
  if (state.phase !== 'opening' || state.start.openingTable) return;
  state.start.openingTable = true;
  effects.push(
    effect.run({
      name: 'openTable',
      kind: 'io',
      start: (signal) => options.store.ensureTable(signal),
      done: (): LeaseCoordinatorMessage => ({ type: 'tableOpened' }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'openTableFailed', error }),
    }),
  );
}

export function tableOpened(turn: CoordinatorTurn): void {
  const { state } = turn;
  clearFailure(turn, operation);
  state.start.openingTable = false;
  state.table.lastError = undefined;
  if (state.phase === 'opening') state.phase = 'syncing';
}

export function openTableFailed(turn: CoordinatorTurn, { error }: Message<'openTableFailed'>): void {
  const { options, state, effects } = turn;
  state.start.openingTable = false;
  if (state.phase !== 'opening') return;
  state.table.lastError = error;
  if (isTableFailure(turn, error)) return failTable(turn, error);

  const delayMs = backoffMs(retryShape, state.start.openAttempt++, options.random);
  reportRetry(turn, operation, { error, delayMs });
  effects.push(effect.after('openTable', delayMs, { type: 'openTableAgain' }));
}

/** Whether this error ends every source: KCL3_TABLE does at any time, other final errors only before a source has worked. */
export function isTableFailure({ state }: CoordinatorTurn, error: unknown): error is Parameters<typeof failTable>[1] {
  return (
    isFinalForTable(error) || (isFinalBeforeFirstRead(error) && !state.streams.some(({ history }) => history.worked))
  );
}
