// The coordinator's periodic work for each stream (docs/kcl-compatibility.md): shard sync (2.6), the audit of hash keys (2.10),
// and clean-up (2.9). The ends of shards are in question.ts.
import { answerStart } from '../sources/start-outcome.js';
import { effect } from '../../protocol/actor.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import type { CoordinatorSource } from '../options.js';
import { doubtStream, failSource, noteSourceFailure } from '../sources/source-failure.js';
import { reportPlacement } from './stream-placement.js';
import { contradict } from './contradictions.js';
import { awaitedDeletedRows, forgetHandledDeletedRows, overdueDeletedRows } from '../scan/deleted-rows.js';
import { holdersTimeMs } from '../failover-times.js';
import { identify, retryShape } from '../sources/start.js';
import {
  emit,
  jittered,
  retrying,
  rowsOf,
  scanWithin,
  signature,
  warn,
  clearFailure,
  hasFailed,
  isActive,
  syncBy,
  type CoordinatorTurn,
} from '../turn.js';
import type { Stream } from '../state.js';
import { cleanUp, describeRanges, stampRows } from './table-calls.js';
import { syncShards } from './shard-sync-calls.js';
import type { Misidentified, SyncResult } from '../effect-results.js';
import { backoffMs } from '../../../src/core/backoff.js';
import { gapsIn } from '../../../src/core/hash-range.js';
import { hasEnded } from '../../../src/core/shard-graph.js';
import { isFirstSync } from '../../../src/core/shard-sync-plan.js';
import { afterListed } from '../../../src/core/shard-proof.js';
import { visible } from '../../../src/core/visible.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { HashKeyRange, Shard } from '../../../src/api/ports.js';

/** This many audits in a row must see the same hole before it is reported. */
const confirmations = 3;
/** One sync stamps at most this many rows, because renewals need the table's writes first. */
const stampsPerSync = 100;
/** How soon the next scan follows if another sync was requested while a sync was under way. */
const againMs = 500;

const syncOperation = 'shard sync';
const describeOperation = 'back-filling hash ranges';
const cleanUpOperation = 'clean-up of ended leases';

export function syncWhereDue(turn: CoordinatorTurn): void {
  const { options, state, effects, now } = turn;
  if (state.phase !== 'syncing' && state.phase !== 'running') return;
  for (const stream of state.streams) {
    if (!stream.opened || hasFailed(stream) || stream.sync.running || stream.sync.dueAt > now) continue;
    stream.sync.running = true;
    // A request from now on needs another sync: this sync may look at the stream before the request arrives.
    stream.sync.dueAt = Infinity;
    const { index, sourceOptions } = stream;
    // A row that its holder may create again does not count as missing: a new row would begin long before the holder's checkpoint.
    const rows = rowsOf(state, stream, awaitedDeletedRows(state));
    const deletedRows = overdueDeletedRows(state, stream);
    // A stream without any row has no holder to wait for. If this sync creates only some of the rows, the next may continue at once.
    if (isFirstSync(rows.rows, rows.malformed) && deletedRows.size === 0) stream.sync.mayCreateRowsAt ??= now;
    const { progress } = stream.sync;
    const request = {
      stream: rows,
      writer: signature(turn, 0),
      progress,
      now: () => options.clock.now(),
      hasSynced: stream.sync.done,
      deletedRows,
      seenAt: state.table.seenAt,
      isTooEarly: now < (stream.sync.mayCreateRowsAt ?? Infinity),
    };
    effects.push(
      effect.run({
        name: `sync/${index}`,
        kind: 'io',
        start: (signal) => syncShards(options.store, sourceOptions, request, signal),
        done: (result): LeaseCoordinatorMessage => ({ type: 'synced', stream: index, result }),
        failed: (error): LeaseCoordinatorMessage => ({ type: 'syncFailed', stream: index, error }),
      }),
    );
  }
}

export function synced(turn: CoordinatorTurn, { stream: index, result }: Message<'synced'>): void {
  const { state } = turn;
  const stream = state.streams[index]!;
  stream.sync.running = false;
  if (hasFailed(stream) || state.phase === 'failed') return;
  if ('another' in result) {
    correctIdentity(turn, stream, result);
    return;
  }
  reportPlacement(turn, stream, result.placement);
  // A listing that names a shard ends its absence: an earlier listing without the shard was wrong.
  stream.shardEnds.absences = afterListed(stream.shardEnds.absences, result.shards);
  if (result.inconsistent !== undefined) {
    const { name } = stream.sourceOptions.source;
    syncAgain(turn, stream, new Error(visible(`The listing of ${name} contradicts itself: ${result.inconsistent}.`)));
    return;
  }
  clearSyncFailures(turn, stream);
  planNextSync(turn, stream);
  noteMissingRows(turn, stream, result);
  stream.ranges = rangesOf(result.shards);
  reportUnusualRows(turn, stream, result);
  if (result.complete) contradict(turn, stream, result.shards);
  stamp(turn, stream, result.unstamped);
  if (!stream.sync.done) beginStream(turn, stream);
  else if (result.created.length > 0) scanWithin(turn, 0);
}

/** The outdated identity decided which rows belong to the stream. The next sync compares the rows with the new identity. */
function correctIdentity(turn: CoordinatorTurn, stream: Stream, { another }: Misidentified): void {
  identify(turn, stream, another);
  stream.sync.mayCreateRowsAt = undefined;
  syncBy(stream, turn.now);
  scanWithin(turn, 100);
}

function clearSyncFailures(turn: CoordinatorTurn, stream: Stream): void {
  stream.sync.attempt = 0;
  stream.opening.error = undefined;
  stream.opening.missing = undefined;
  clearFailure(turn, syncOperation, stream);
}

function planNextSync(turn: CoordinatorTurn, stream: Stream): void {
  const { options, now } = turn;
  if (stream.sync.dueAt <= now) scanWithin(turn, againMs);
  syncBy(stream, now + jittered(turn, options.shardSyncIntervalMs));
}

/** Notes whether missing rows exist now, or are left to their holders for a while. */
function noteMissingRows(turn: CoordinatorTurn, stream: Stream, result: SyncResult): void {
  const { postponed } = result;
  stream.sync.postponed = postponed;
  if (postponed) createLater(turn, stream);
  else {
    stream.sync.mayCreateRowsAt ??= turn.now;
    forgetHandledDeletedRows(turn, stream, result);
  }
}

function rangesOf(shards: readonly Shard[]): ReadonlyMap<string, HashKeyRange> {
  return new Map(
    shards.flatMap(({ shardId, hashKeyRange }) =>
      hashKeyRange === undefined ? [] : [[shardId, hashKeyRange] as const],
    ),
  );
}

/** Begins to read a stream after its first successful sync: from now on its leases may be taken. */
function beginStream(turn: CoordinatorTurn, stream: Stream): void {
  const { options, state, now } = turn;
  stream.sync.done = true;
  stream.audit.dueAt = now + options.auditIntervalMs;
  stream.cleanUp.dueAt = now + jittered(turn, options.cleanUpIntervalMs);
  stream.history.worked = true;
  if (state.phase === 'syncing') state.phase = 'running';
  answerStart(turn);
  scanWithin(turn, 0);
}

/**
 * Postpones the creation of missing rows. First a holder gets `holdersTimeMs` to create its row again, the same time as for a row
 * that vanishes while this coordinator runs (`noteDeletedRows`).
 */
function createLater(turn: CoordinatorTurn, stream: Stream): void {
  const { now } = turn;
  stream.sync.mayCreateRowsAt ??= now + holdersTimeMs(turn);
  const at = Math.max(now, stream.sync.mayCreateRowsAt);
  syncBy(stream, at);
  scanWithin(turn, Math.max(50, at - now));
}

/** Stamps rows with their stream. If some are left, the next sync is due soon: unstamped rows may pass for rows of a later stream. */
function stamp(turn: CoordinatorTurn, stream: Stream, unstamped: readonly LeaseRow[]): void {
  const { options, effects, now } = turn;
  if (unstamped.length === 0 || stream.sync.stamping) return;
  stream.sync.stamping = true;
  const { index, rowStamp } = stream;
  const rows = unstamped.slice(0, stampsPerSync);
  if (rows.length < unstamped.length) syncBy(stream, now + jittered(turn, options.shardSyncIntervalMs / 6));
  effects.push(
    effect.run({
      name: `stamp/${index}`,
      kind: 'io',
      start: (signal) => stampRows(options.store, rows, rowStamp, signal),
      done: (): LeaseCoordinatorMessage => ({ type: 'stamped', stream: index }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'stamped', stream: index, error }),
    }),
  );
}

export function stamped(turn: CoordinatorTurn, { stream: index, error }: Message<'stamped'>): void {
  const stream = turn.state.streams[index]!;
  stream.sync.stamping = false;
  if (error === undefined) clearFailure(turn, 'stamping lease rows with their stream', stream);
  else laterAgain(turn, 'stamping lease rows with their stream', { stream, error, at: stream.sync.dueAt });
}

/** Reports unusual results: rows that were created again, and start positions that are not known. */
function reportUnusualRows(
  turn: CoordinatorTurn,
  stream: Stream,
  { shardsWithDeletedRow, unanchored }: SyncResult,
): void {
  const source = stream.sourceOptions.source.name;
  for (const shardId of shardsWithDeletedRow) {
    warn(
      turn,
      `Shard ${shardId} had no lease although its parents have ended: its row was created again and it is read from its first record on.`,
      { source, shardId },
    );
  }
  for (const shardId of unanchored) {
    const message = `Shard ${shardId} has no lease and no row of its stream says when LATEST was: it is read from TRIM_HORIZON, so that nothing is left out.`;
    warn(turn, message, { error: new Error(visible(message)), source, shardId });
  }
}

export function syncFailed(turn: CoordinatorTurn, { stream: index, error }: Message<'syncFailed'>): void {
  const stream = turn.state.streams[index]!;
  stream.sync.running = false;
  if (hasFailed(stream)) return;
  if (noteSourceFailure(turn, stream, error)) return failSource(turn, stream, error);
  syncAgain(turn, stream, error);
}

function syncAgain(turn: CoordinatorTurn, stream: Stream, error: unknown): void {
  const { options, now } = turn;
  stream.opening.error = error;
  const delayMs = Math.max(100, backoffMs(retryShape, stream.sync.attempt++, options.random));
  stream.sync.dueAt = now + delayMs;
  retrying(turn, syncOperation, { error, delayMs, stream });
  scanWithin(turn, delayMs);
}

/** Looks for hash keys that no row of an unended shard covers. A hole that `confirmations` audits see is a shard without a lease. */
export function auditWhereDue(turn: CoordinatorTurn): void {
  const { options, state, now } = turn;
  for (const stream of state.streams) {
    if (!isActive(stream) || stream.audit.dueAt > now || stream.ranges.size === 0) continue;
    stream.audit.dueAt = now + options.auditIntervalMs;
    const { rows, malformed } = rowsOf(state, stream);
    const ranges: HashKeyRange[] = [];
    const undescribed = new Map<string, HashKeyRange>();
    for (const [shardId, row] of rows) {
      const { startingHashKey, endingHashKey } = row;
      const hasRange = startingHashKey !== undefined && endingHashKey !== undefined;
      const range = hasRange ? { startingHashKey, endingHashKey } : stream.ranges.get(shardId);
      if (range === undefined) continue;
      if (!hasRange) undescribed.set(row.leaseKey, range);
      if (!hasEnded(row)) ranges.push(range);
    }
    for (const shardId of malformed) {
      const range = stream.ranges.get(shardId);
      if (range !== undefined) ranges.push(range);
    }
    describe(turn, stream, undescribed);
    judgeHoles(turn, stream, gapsIn(ranges));
  }
}

function judgeHoles(turn: CoordinatorTurn, stream: Stream, holes: readonly HashKeyRange[]): void {
  const { options, now } = turn;
  const seen = new Map<string, number>();
  for (const hole of holes) {
    const key = `${hole.startingHashKey}-${hole.endingHashKey}`;
    const times = (stream.audit.holes.get(key) ?? 0) + 1;
    if (times < confirmations) seen.set(key, times);
    else {
      emit(turn, {
        name: 'leaseHole',
        data: {
          table: options.store.tableName,
          startingHashKey: hole.startingHashKey,
          endingHashKey: hole.endingHashKey,
        },
      });
      syncBy(stream, now);
    }
  }
  stream.audit.holes = seen;
  syncWhereDue(turn);
}

function describe(turn: CoordinatorTurn, stream: Stream, ranges: ReadonlyMap<string, HashKeyRange>): void {
  if (ranges.size === 0 || stream.audit.describing) return;
  stream.audit.describing = true;
  const { index } = stream;
  turn.effects.push(
    effect.run({
      name: `describe/${index}`,
      kind: 'io',
      start: (signal) => describeRanges(turn.options.store, ranges, signal),
      done: (): LeaseCoordinatorMessage => ({ type: 'described', stream: index }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'described', stream: index, error }),
    }),
  );
}

export function cleanUpWhereDue(turn: CoordinatorTurn): void {
  const { options, state, effects, now } = turn;
  for (const stream of state.streams) {
    if (!isActive(stream) || stream.cleanUp.running || stream.cleanUp.dueAt > now) continue;
    stream.cleanUp.dueAt = now + jittered(turn, options.cleanUpIntervalMs);
    const rows = rowsOf(state, stream);
    if (![...rows.rows.values()].some(hasEnded)) continue;
    stream.cleanUp.running = true;
    const { index, sourceOptions } = stream;
    effects.push(
      effect.run({
        name: `cleanUp/${index}`,
        kind: 'io',
        start: (signal) => cleanUp(options.store, sourceOptions, rows, signal),
        done: (result): LeaseCoordinatorMessage => ({ type: 'cleaned', stream: index, result }),
        failed: (error): LeaseCoordinatorMessage => ({ type: 'cleanUpFailed', stream: index, error }),
      }),
    );
  }
}

/** Reports a failed back-fill of hash ranges. The next audit repeats it, because nothing waits for it. */
export function rangesDescribed(turn: CoordinatorTurn, { stream: index, error }: Message<'described'>): void {
  const stream = turn.state.streams[index]!;
  stream.audit.describing = false;
  if (error === undefined) clearFailure(turn, describeOperation, stream);
  else laterAgain(turn, describeOperation, { stream, error, at: stream.audit.dueAt });
}

export function cleaned(turn: CoordinatorTurn, { stream: index, result }: Message<'cleaned'>): void {
  const {
    removed: { length: removed },
    isAnother,
  } = result;
  const stream = turn.state.streams[index]!;
  stream.cleanUp.running = false;
  if (removed > 0) turn.effects.push(effect.count('leaseRowsRemoved', removed));
  clearFailure(turn, cleanUpOperation, stream);
  if (isAnother) doubtStream(turn, stream);
}

export function cleanUpFailed(turn: CoordinatorTurn, { stream: index, error }: Message<'cleanUpFailed'>): void {
  const stream = turn.state.streams[index]!;
  stream.cleanUp.running = false;
  laterAgain(turn, cleanUpOperation, { stream, error, at: stream.cleanUp.dueAt });
}

/** Reports that an operation has failed and is repeated at its next regular time, `at`. */
function laterAgain(
  turn: CoordinatorTurn,
  operation: string,
  { stream, error, at }: { readonly stream: Stream; readonly error: unknown; readonly at: number },
): void {
  retrying(turn, operation, { error, delayMs: Math.max(0, at - turn.now), stream });
}

/** The initial state of a stream. */
export function newStream(sourceOptions: CoordinatorSource, index: number): Stream {
  return {
    index,
    sourceOptions,
    history: sourceOptions.history ?? { worked: false, failure: undefined },
    opened: false,
    opening: { attempt: 0, error: undefined, missing: undefined },
    keyPrefix: undefined,
    idempotencyName: '',
    rowStamp: '',
    placement: undefined,
    ranges: new Map(),
    sync: {
      running: false,
      dueAt: 0,
      attempt: 0,
      done: false,
      mayCreateRowsAt: undefined,
      postponed: false,
      progress: { created: 0, toCreate: 0, at: undefined },
      stamping: false,
    },
    audit: { dueAt: 0, holes: new Map(), describing: false },
    cleanUp: { running: false, dueAt: 0 },
    shardEnds: { questions: [], gathering: false, gatherDueAt: 0, absences: new Map() },
    contradictions: new Map(),
    reads: { failures: 0, againAt: 0 },
  };
}
