// How a source of the table fails for good. It gives its leases back and is left alone, while the others go on.
import { effect } from '../../protocol/actor.js';
import { answerStart } from './start-outcome.js';
import { emit, hasFailed, scanWithin } from '../turn.js';
import type { Lease, Stream } from '../state.js';
import type { CoordinatorTurn } from '../turn.js';
import type { KinactError } from '../../../src/api/errors.js';
import { endsSource, isHopeless, isStreamNotFound } from '../../../src/api/failures.js';

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
  if (hasFailed(stream) || stream.opening.missing !== undefined) return;
  stream.sync.dueAt = Math.min(stream.sync.dueAt, turn.now);
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
    stream.opening.missing = undefined;
    return false;
  }
  const { now } = turn;
  const { since = now, times = 0 } = stream.opening.missing ?? {};
  stream.opening.missing = { since, times: times + 1 };
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
