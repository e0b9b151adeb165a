// The state of each source of the table: it is starting, takes part, or has failed for good. A source that fails gives its
// leases back and is left alone, while the others go on. The answer to `start()` follows from that.
import { effect } from '../../protocol/actor.js';
import type { CoordinatorSelf, Message } from '../messages.js';
import type { CoordinatorStarted } from '../../protocol/leasing.js';
import { emit, scanWithin } from '../turn.js';
import type { Lease, Stream } from '../state.js';
import type { CoordinatorTurn } from '../turn.js';
import { KinactError } from '../../../src/api/errors.js';
import { endsSource, isHopeless, isStreamNotFound } from '../../../src/api/failures.js';

/** Whether its shards are listed and its leases may be taken. */
export function takesPart({ syncedOnce, history }: Stream): boolean {
  return syncedOnce && history.failure === undefined;
}

export function hasFailed({ history }: Stream): boolean {
  return history.failure !== undefined;
}

/**
 * Ends one source for good: nothing of it is listed, synced or taken any more; what is held drains, checkpoints and is
 * released. The caller has decided that waiting is of no use. A second call changes nothing.
 */
export function failSource(turn: CoordinatorTurn, stream: Stream, error: KinactError): void {
  const { state } = turn;
  if (hasFailed(stream)) return;
  stream.history.failure = error;
  emit(turn, { name: 'sourceFailed', data: { source: stream.options.source.name, error } });
  for (const lease of state.leases.values()) if (lease.stream === stream) giveBack(turn, lease, error);
  if (state.phase !== 'releasing' && state.streams.every(hasFailed)) {
    state.phase = 'failed';
    for (const key of ['openTable', 'scan']) turn.effects.push(effect.cancel(key));
  }
  answerStart(turn);
}

/** How soon the table is scanned and the stream synced after a different stream was seen under its name. */
const doubtMs = 500;

/**
 * A reader or keeper has seen a description of another stream under this name, or none. One answer may be old. Only the
 * shard sync, due now, can fail the source: it asks twice and reads the rows consistently. From
 * that sync on, every look must miss the stream for 60 s before it counts as gone. The actor in doubt reads and writes nothing meanwhile.
 */
export function doubtStream(turn: CoordinatorTurn, stream: Stream): void {
  // Once a sync has not found it, the stream is looked for again and again anyway.
  if (hasFailed(stream) || stream.missing !== undefined) return;
  stream.syncDueAt = Math.min(stream.syncDueAt, turn.now);
  scanWithin(turn, doubtMs);
}

/** A stream counts as gone when every look has found none of this name, for this long and this often. */
const goneAfterMs = 60_000;
const goneAfterTimes = 5;

/**
 * Notes a failure of a describe or listing. True when it ends its source. A source that has worked ends only when its stream
 * is another one now, or is gone, which one answer does not prove.
 */
export function noteSourceFailure(turn: CoordinatorTurn, stream: Stream, error: unknown): error is KinactError {
  if (endsSource(error)) return true;
  if (!stream.history.worked) return isHopeless(error);
  if (!isStreamNotFound(error)) {
    stream.missing = undefined;
    return false;
  }
  const { now } = turn;
  const { since = now, times = 0 } = stream.missing ?? {};
  stream.missing = { since, times: times + 1 };
  return now - since >= goneAfterMs && times + 1 >= goneAfterTimes;
}

/** Ends every source of this table. */
export function failTable(turn: CoordinatorTurn, error: KinactError): void {
  for (const stream of turn.state.streams) failSource(turn, stream, error);
}

/** Has the lease of a source that has failed drained and released. */
export function giveBack({ settings, effects }: CoordinatorTurn, { keeper }: Lease, error: KinactError): void {
  if (keeper === undefined) return;
  const reason = `its source has failed: ${error.code}`;
  effects.push(effect.send(keeper, { type: 'release', reason, deadlineMs: settings.stopDeadlineMs }));
}

/** Answers `start()` once every source is read or has failed. */
export function answerStart(turn: CoordinatorTurn): void {
  const { streams } = turn.state;
  const failure = streams[0]?.history.failure;
  if (failure !== undefined && streams.every(hasFailed)) return answerWaiters(turn, { type: 'failed', error: failure });
  if (streams.every((stream) => hasFailed(stream) || stream.syncedOnce)) answerWaiters(turn, { type: 'started' });
}

/** The deadline: if some sources are read it has started; the others are tried further in either case. */
export function startOverdue(turn: CoordinatorTurn): void {
  const { settings, state } = turn;
  if (state.start.outcome !== undefined) return;
  if (state.streams.some(takesPart)) return answerWaiters(turn, { type: 'started' });
  const { startDeadlineMs } = settings;
  // Slow progress is no standstill: the deadline counts from the last row that was made.
  const movedAt = Math.max(...state.streams.map(({ progress }) => progress.at ?? -Infinity));
  const leftMs = movedAt + startDeadlineMs - turn.now;
  if (leftMs > 0) {
    const message: CoordinatorSelf = { type: 'startOverdue' };
    return void turn.effects.push(effect.after('startDeadline', Math.ceil(leftMs), message));
  }
  const table = settings.store.tableName;
  const message = overdue(turn);
  const cause = state.table.lastError ?? state.streams.find(({ error }) => error !== undefined)?.error;
  const error = new KinactError('START_TIMEOUT', message, { cause, retryable: true, data: { table } });
  answerWaiters(turn, { type: 'failed', error });
}

function overdue({ settings, state }: CoordinatorTurn): string {
  const { store, startDeadlineMs } = settings;
  const unfinished = state.streams.filter(({ progress }) => progress.made < progress.toMake);
  if (unfinished.length === 0)
    return `The lease table ${store.tableName} and its streams could not be read within ${startDeadlineMs} ms.`;
  const rows = unfinished.map(
    ({ options, progress }) => `${progress.made} of ${progress.toMake} rows of ${options.source.name} are made`,
  );
  return `The lease rows in ${store.tableName} could not be made: ${rows.join(', ')}, and none within ${startDeadlineMs} ms.`;
}

/** Stopped before it was done. */
export function abandonStart(turn: CoordinatorTurn): void {
  const error = new KinactError('STOPPED', 'The consumer was stopped while it was starting.');
  if (turn.state.start.outcome === undefined) answerWaiters(turn, { type: 'failed', error });
}

function answerWaiters({ state, effects }: CoordinatorTurn, outcome: CoordinatorStarted): void {
  // A source that failed only for lack of time may have started since.
  if (state.start.outcome?.type === 'started') return;
  state.start.outcome = outcome;
  effects.push(effect.cancel('startDeadline'));
  for (const waiter of state.start.waiters.splice(0)) effects.push(effect.reply(waiter, outcome));
}

export function awaitStart({ state, effects }: CoordinatorTurn, { replyTo }: Message<'awaitStart'>): void {
  if (state.start.outcome === undefined) state.start.waiters.push(replyTo);
  else effects.push(effect.reply(replyTo, state.start.outcome));
}
