// Reports that the reading of a shard has stopped because records wait for another attempt, and later that it goes on again. A ledger that
// is full for any other reason is ordinary back-pressure, and silent. So the shard worker asks where its oldest open record is, once
// nothing has been admitted for a second, and then once a second.
import { effect } from '../protocol/actor.js';
import { mayRead } from './may-read.js';
import { isHeldUp, reachedBound } from './pending-limit.js';
import { locate } from './stage-channel.js';
import type { ShardWorkerTurn } from './turn.js';
import type { Message } from './messages.js';
import { oldestOpen } from '../../src/core/ledger.js';

/** How long nothing must have been admitted before the shard worker asks, and how soon it asks again. */
const askAfterMs = 1_000;

/** Notes since when nothing could be admitted, and reports when a reported stop is over. Called after every message. */
export function watchStop(turn: ShardWorkerTurn): void {
  const { options, state, now, effects } = turn;
  const { readingStop, ledger } = state;
  if (!mayRead(turn)) {
    readingStop.since = undefined;
    return;
  }

  const isStopped = ledger.openRecords > 0 && isHeldUp(state);
  if (isStopped && readingStop.admitted === ledger.admitted) readingStop.since ??= now;
  else {
    readingStop.admitted = ledger.admitted;
    readingStop.since = isStopped ? now : undefined;
    if (readingStop.reportedSince !== undefined) {
      const { source, shardId } = options.lease;
      const forMs = Math.round(now - readingStop.reportedSince);
      readingStop.reportedSince = undefined;
      effects.push(effect.emit({ name: 'readingResumed', data: { source, shardId, forMs } }));
    }
  }
  if (readingStop.since !== undefined && readingStop.reportedSince === undefined && !readingStop.watching)
    watchAgain(turn, askAfterMs);
}

function watchAgain({ state, effects }: ShardWorkerTurn, ms: number): void {
  state.readingStop.watching = true;
  effects.push(effect.after('readingStop', Math.max(1, Math.ceil(ms)), { type: 'readingStopDue' }));
}

/** Asks where the oldest open record is, if nothing has been admitted for long enough. */
export function readingStopDue(turn: ShardWorkerTurn): void {
  const { state, now, effects } = turn;
  const { readingStop } = state;
  readingStop.watching = false;
  const oldest = oldestOpen(state.ledger);
  if (readingStop.since === undefined || readingStop.reportedSince !== undefined || oldest === undefined) return;
  const leftMs = askAfterMs - (now - readingStop.since);
  if (leftMs > 0) return watchAgain(turn, leftMs);

  readingStop.watching = true;
  const { ordinal } = oldest;
  effects.push(locate(turn, ordinal, (whereabouts) => ({ type: 'locatedForReadingStop', ordinal, whereabouts })));
}

/** Reports the stop if the oldest open record waits for another attempt. */
export function locatedForReadingStop(
  turn: ShardWorkerTurn,
  { ordinal, whereabouts }: Message<'locatedForReadingStop'>,
): void {
  const { options, state, effects } = turn;
  const { readingStop } = state;
  readingStop.watching = false;
  const oldest = oldestOpen(state.ledger);
  if (readingStop.since === undefined || readingStop.reportedSince !== undefined || oldest === undefined) return;
  if (oldest.ordinal !== ordinal || whereabouts.state !== 'waiting') return watchAgain(turn, askAfterMs);

  readingStop.reportedSince = readingStop.since;
  const { source, shardId } = options.lease;
  const { bound, reached } = reachedBound(state);
  const { key, error } = whereabouts;
  const message = `reading of ${shardId} has stopped (${reached}): its oldest open record waits for another attempt`;
  const known = { ...(key === undefined ? {} : { key }), ...(error === undefined ? {} : { error }) };
  effects.push(
    effect.emit({ name: 'readingStopped', data: { source, shardId, ...oldest.position, bound, message, ...known } }),
  );
}
