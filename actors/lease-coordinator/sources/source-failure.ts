// Ends a source of the table for good: its leases are released, and nothing of it is read again. Other sources continue. A reader or keeper
// that finds another stream under the name, or none, *doubts* the stream: it reads and writes nothing until the shard sync has decided.
import { effect } from '../../protocol/actor.js';
import { answerJoins } from './joins.js';
import { answerStart } from './start-outcome.js';
import { emit, hasFailed, scanWithin, syncBy, type CoordinatorTurn } from '../turn.js';
import type { Lease, Stream } from '../state.js';
import type { KinactError } from '../../../src/api/errors.js';
import { isFinalForSource, isFinalBeforeFirstRead, isStreamNotFound } from '../../../src/api/final-errors.js';

/**
 * Ends one source for good. Its stream is no longer listed or synced, and its leases are no longer taken. The leases held here
 * drain, checkpoint and are released. Call this only if waiting cannot help. A second call changes nothing.
 */
export function failSource(turn: CoordinatorTurn, stream: Stream, error: KinactError): void {
  const { state } = turn;
  if (hasFailed(stream)) return;
  stream.history.failure = error;
  emit(turn, { name: 'sourceFailed', data: { source: stream.sourceOptions.source.name, error } });

  for (const lease of state.leases.values()) if (lease.stream === stream) orderRelease(turn, lease);
  restIfAllFailed(turn);
  answerJoins(turn, stream);
  answerStart(turn);
}

/** Without a source that may be read, the table is no longer scanned. */
export function restIfAllFailed({ state, effects }: CoordinatorTurn): void {
  if (state.phase === 'releasing' || !state.streams.every(hasFailed)) return;
  state.phase = 'failed';
  for (const key of ['openTable', 'scan']) effects.push(effect.cancel(key));
}

/** How soon the table is scanned, and the stream synced, after a doubt about the stream. */
const doubtMs = 500;

/**
 * Handles a description that shows another stream, or none, under this name. One answer may be outdated, so only the shard sync,
 * which is due now, can fail the source. The sync asks twice and reads the rows consistently. From that sync on, every look must
 * miss the stream for 60 s before the stream counts as gone. Until then a reader or keeper in doubt reads and writes nothing.
 */
export function doubtStream(turn: CoordinatorTurn, stream: Stream): void {
  // If the last look did not find the stream, the coordinator repeats the look anyway.
  if (hasFailed(stream) || stream.opening.missing !== undefined) return;
  syncBy(stream, turn.now);
  scanWithin(turn, doubtMs);
}

/** A stream counts as gone when every look has missed it, for at least this long and this many times. */
const goneAfterMs = 60_000;
const goneAfterTimes = 5;

/** Notes a failed describe or shard sync: how often in a row, and since when, the stream was missed. */
export function noteLook({ now }: CoordinatorTurn, { history, opening }: Stream, error: unknown): void {
  if (!history.worked || isFinalForSource(error)) return;
  const { since = now, times = 0 } = opening.missing ?? {};
  opening.missing = isStreamNotFound(error) ? { since, times: times + 1 } : undefined;
}

/**
 * Whether a failure that was noted ends the source. A source that has worked ends only if another stream has its name, or if the
 * stream is gone. One answer does not prove that a stream is gone.
 */
export function endsSource(
  { now }: CoordinatorTurn,
  { history, opening }: Stream,
  error: unknown,
): error is KinactError {
  if (isFinalForSource(error)) return true;
  if (!history.worked) return isFinalBeforeFirstRead(error);
  const { missing } = opening;
  return missing !== undefined && now - missing.since >= goneAfterMs && missing.times >= goneAfterTimes;
}

/** Ends every source of this table. */
export function failTable(turn: CoordinatorTurn, error: KinactError): void {
  for (const stream of turn.state.streams) failSource(turn, stream, error);
}

/** Tells the keeper of a lease whose source has failed, or is being removed, to drain and release the lease. */
export function orderRelease({ options, effects, now }: CoordinatorTurn, { keeper, stream }: Lease): void {
  if (keeper === undefined) return;
  const { leaving, history } = stream;
  const { code = 'unknown' } = history.failure ?? {};
  const reason = leaving === undefined ? `its source has failed: ${code}` : 'its source is being removed';
  const deadlineMs = leaving === undefined ? options.callDeadlineMs : Math.max(0, leaving.deadlineAt - now);
  effects.push(effect.send(keeper, { type: 'release', reason, deadlineMs }));
}
