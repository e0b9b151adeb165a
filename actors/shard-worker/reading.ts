// How a shard worker reads: it opens its reader, asks it for records while the ledger has room, and handles the answers. While the
// application has paused the intake, nothing is asked for. An answer that comes then is kept: records wait unadmitted, and the end
// of a shard waits, too. docs/code-map.md lists all reasons for which nothing is read.
import { effect } from '../protocol/actor.js';
import { noteReadOver, openReader } from './byte-account.js';
import { noteDropped } from './lag.js';
import { bufferRecords, isEmpty } from './record-admission.js';
import { mayRead } from './may-read.js';
import { noteReadFailure, noteReadSuccess } from './read-report.js';
import { emitNotice } from './reader-notice.js';
import { isStartRefuted, noteAnswer } from './start-check.js';
import { isStartHookOver, proceedStartHook } from './start-hook.js';
import type { ShardWorkerTurn } from './turn.js';
import type { Message, ShardWorkerMessage } from './messages.js';
import { isIntakePaused } from './options.js';
import type { Tenure } from '../protocol/tenure.js';
import { hasRoom } from '../../src/core/ledger.js';
import { isFinalForSource, isStreamNotFound } from '../../src/api/final-errors.js';
import type { ReadResult } from '../../src/api/ports.js';

/** Opens the reader of a tenure that reads, unless the intake is paused, or `onShardStarted` has not succeeded. */
export function beginReading(turn: ShardWorkerTurn, tenure: Tenure): void {
  const { state, effects } = turn;
  if (state.reader !== undefined || tenure.onlyAwaitsCalls === true || !mayRead(turn)) return;
  proceedStartHook(turn, tenure);
  if (!isStartHookOver(turn)) return;
  const { start, stream, table, shardId, source, fence, leaseKey } = tenure;
  const renewalBegunAt = (): number => tenure.renewalBegunAt ?? -Infinity;
  state.reader = openReader(turn, start, { stream, table, multiStream: leaseKey !== shardId, renewalBegunAt });
  state.retrieval = { by: 'polling', since: turn.now };
  effects.push(effect.emit({ name: 'shardStarted', data: { source, shardId, fence } }));
}

/** The application has paused or resumed the intake. `proceed` does the rest. */
export function intakeChanged({ options, state }: ShardWorkerTurn): void {
  state.reader?.hold?.(isIntakePaused(options));
}

export function startRead(turn: ShardWorkerTurn): void {
  const { state, effects } = turn;
  const { reader } = state;
  if (reader === undefined || state.reading || !mayRead(turn)) return;
  if (isStartRefuted(state.startCheck) || !isEmpty(state.admission) || !hasRoom(state.ledger)) return;

  state.reading = true;
  state.failing = undefined;
  effects.push(
    effect.run({
      name: 'read',
      kind: 'io',
      start: (signal) => reader.read(signal),
      done: (result: ReadResult): ShardWorkerMessage => ({ type: 'readDone', result }),
      failed: (error): ShardWorkerMessage => ({ type: 'readFailed', error }),
    }),
  );
}

export function readDone(turn: ShardWorkerTurn, { result }: Message<'readDone'>): void {
  const { options, state } = turn;
  state.reading = false;
  state.failing = undefined;
  if (state.tenure !== undefined && state.ending === undefined) noteAnswer(turn, state.tenure, result);

  if (result.type === 'records') {
    const { records, millisBehindLatest, fetchedAt } = result;
    const wallNow = options.clock.wallNow();
    const waitedMs = fetchedAt === undefined ? 0 : Math.max(0, wallNow - fetchedAt);
    state.readAt = turn.now - waitedMs;
    state.readAtWall = wallNow - waitedMs;
    state.millisBehindLatest = millisBehindLatest;
    if (records.length > 0) state.fetch = { fetchedAt: wallNow - waitedMs, millisBehindLatest };
    if (state.ending === undefined) bufferRecords(state.admission, records);
    else noteDropped(state, records.at(0));
  } else {
    const { children, notFound } = result;
    state.foundEnd = { type: 'shardEnd', notFound: notFound === true, ...(children === undefined ? {} : { children }) };
  }

  if (result.type === 'records') noteReadSuccess(turn);
  noteReadOver(state);
}

/**
 * Acts on the end of the shard that a read has found, unless the intake is paused or the shard worker ends for another reason. If the
 * checkpoint is not of this shard, no record of it was delivered, and SHARD_END would hide that.
 */
export function noteFoundEnd({ options, state }: ShardWorkerTurn): void {
  if (state.foundEnd === undefined || isIntakePaused(options) || isStartRefuted(state.startCheck)) return;
  state.ending ??= state.foundEnd;
}

export function readFailed(turn: ShardWorkerTurn, { error }: Message<'readFailed'>): void {
  const { state, effects } = turn;
  noteReadOver(state);

  // A read that the shard worker gave up on purpose has not failed.
  if (state.ending !== undefined) {
    state.reading = false;
    return;
  }

  if (isDoubt(error)) doubtStream(turn);
  effects.push(effect.fail(error));
}

export function notice(turn: ShardWorkerTurn, { notice: readerNotice }: Message<'notice'>): void {
  emitNotice(turn, readerNotice);
  noteReadFailure(turn, readerNotice);
  if (readerNotice.type === 'retrying' && isDoubt(readerNotice.error)) doubtStream(turn);
}

function isDoubt(error: unknown): boolean {
  return isFinalForSource(error) || isStreamNotFound(error);
}

/** Tells the keeper that the stream is in doubt. The coordinator finds out whether it is another stream, or gone. */
function doubtStream({ state, effects }: ShardWorkerTurn): void {
  effects.push(effect.send(state.keeper, { type: 'streamDoubted' }));
}
