// The shard sync of each stream (KCL clause 2.6): when one begins, and what follows from its result. The calls of
// a sync are in shard-sync-calls.ts. Every scan calls `syncWhereDue`.
import { answerJoins } from '../sources/joins.js';
import { answerStart } from '../sources/start-outcome.js';
import { effect } from '../../protocol/actor.js';
import type { LeaseCoordinatorMessage, Message } from '../messages.js';
import { endsSource, failSource, noteLook } from '../sources/source-failure.js';
import { reportPlacement } from './stream-placement.js';
import { noteContradictions } from './contradictions.js';
import { isAuditedByLineage, planLookForLateChildren } from './lineage-audit.js';
import { awaitedDeletedRows, forgetHandledDeletedRows, overdueDeletedRows } from '../scan/deleted-rows.js';
import { recreationTimeMs } from '../failover-times.js';
import { noteIdentity, noteRetention, retryShape } from '../sources/start.js';
import {
  jittered,
  reportRetry,
  reportRetryAt,
  scanWithin,
  signature,
  warn,
  clearFailure,
  hasFailed,
  syncBy,
  type CoordinatorTurn,
} from '../turn.js';
import { streamAt, type Stream } from '../state.js';
import { stampRows } from './table-calls.js';
import { objectionTo, refuseTable } from './table-check.js';
import { callFor } from './stream-calls.js';
import { rowsOf } from './stream-rows.js';
import { syncShards } from './shard-sync-calls.js';
import type { Misidentified, SyncResult } from '../effect-results.js';
import { backoffMs } from '../../../src/core/backoff.js';
import { isFirstSync } from '../../../src/core/shard-sync-plan.js';
import { afterAbsent, afterListed } from '../../../src/core/shard-proof.js';
import { visible } from '../../../src/core/visible.js';
import type { LeaseRow } from '../../../src/core/lease.js';
import type { HashKeyRange, Shard } from '../../../src/api/ports.js';

/** One sync stamps at most this many rows, because renewals need the table's writes first. */
const stampsPerSync = 100;
/** How soon the next scan follows if another sync was requested while a sync was under way. */
const againMs = 500;

const syncOperation = 'shard sync';
const stampOperation = 'stamping lease rows with their stream';

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
    const streamRows = rowsOf(state, stream, awaitedDeletedRows(state));
    const deletedRows = overdueDeletedRows(state, stream);
    // A stream without any row has no holder to wait for. If this sync creates only some of the rows, the next may continue at once.
    if (isFirstSync(streamRows.rows, streamRows.malformed) && deletedRows.size === 0)
      stream.sync.mayCreateRowsAt ??= now;

    const { progress } = stream.sync;
    const request = {
      stream: streamRows,
      writer: signature(turn, 0),
      progress,
      now: () => options.clock.now(),
      hasSynced: stream.sync.done,
      deletedRows,
      seenAt: state.table.seenAt,
      absences: stream.shardEnds.absences,
      shardGoneAfterMs: options.shardSyncIntervalMs,
      isTooEarly: now < (stream.sync.mayCreateRowsAt ?? Infinity),
    };

    const objection = stream.history.worked ? undefined : objectionTo(state, stream, options.multiStream);
    effects.push(
      effect.run({
        name: `sync/${index}`,
        kind: 'io',
        start: callFor<SyncResult | Misidentified>(stream, async (signal) => {
          if (objection !== undefined) await refuseTable(options.store, sourceOptions.source.name, objection, signal);
          return syncShards(options.store, sourceOptions, request, signal);
        }),
        done: (result): LeaseCoordinatorMessage => ({ type: 'synced', stream: index, result }),
        failed: (error): LeaseCoordinatorMessage => ({ type: 'syncFailed', stream: index, error }),
      }),
    );
  }
}

export function synced(turn: CoordinatorTurn, { stream: index, result }: Message<'synced'>): void {
  const { state } = turn;
  const stream = streamAt(state, index);
  stream.sync.running = false;
  if (hasFailed(stream) || state.phase === 'failed') return;

  if ('another' in result) {
    correctIdentity(turn, stream, result);
    return;
  }

  reportPlacement(turn, stream, result.placement);
  noteRetention(stream, result);
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
  noteDoubtfulShards(turn, stream, result.doubtful);
  stream.ranges = rangesOf(result.shards);
  reportUnusualRows(turn, stream, result);
  if (result.isComplete) noteContradictions(turn, stream, result.shards);
  stamp(turn, stream, result.unstamped);
  if (!stream.sync.done) beginStream(turn, stream);
  else if (result.created.length > 0) scanWithin(turn, 0);
}

/** The outdated identity decided which rows belong to the stream. The next sync compares the rows with the new identity. */
function correctIdentity(turn: CoordinatorTurn, stream: Stream, { another }: Misidentified): void {
  noteIdentity(turn, stream, another);
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
  // Under `lineage` one worker of the application lists the shards at intervals, and its audit asks for the sync.
  if (isAuditedByLineage(stream)) return planLookForLateChildren(turn, stream);
  syncBy(stream, now + jittered(turn, options.shardSyncIntervalMs));
}

/** Notes whether missing rows exist now, or are left to their holders for a while. */
function noteMissingRows(turn: CoordinatorTurn, stream: Stream, result: SyncResult): void {
  const { postponed } = result;
  stream.sync.postponed = postponed;
  if (postponed) postponeCreation(turn, stream);
  else {
    stream.sync.mayCreateRowsAt ??= turn.now;
    forgetHandledDeletedRows(turn, stream, result);
  }
}

/** Lists again when the shards can be proven gone. */
function noteDoubtfulShards({ options, now }: CoordinatorTurn, stream: Stream, doubtful: readonly string[]): void {
  if (doubtful.length === 0) return;
  stream.shardEnds.absences = afterAbsent(stream.shardEnds.absences, doubtful, now);
  const { absences } = stream.shardEnds;
  const since = Math.max(...doubtful.map((shardId) => absences.get(shardId)!));
  syncBy(stream, Math.max(now, since + options.shardSyncIntervalMs));
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
  const auditInMs = isAuditedByLineage(stream) ? jittered(turn, options.shardSyncIntervalMs) : options.auditIntervalMs;
  stream.audit.dueAt = now + auditInMs;
  stream.cleanUp.dueAt = now + jittered(turn, options.cleanUpIntervalMs);
  stream.history.worked = true;
  if (state.phase === 'syncing') state.phase = 'running';
  answerStart(turn);
  answerJoins(turn, stream);
  scanWithin(turn, 0);
}

/**
 * Postpones the creation of missing rows. First a holder gets `recreationTimeMs` to create its row again, the same time as for a row
 * that vanishes while this coordinator runs (`noteDeletedRows`).
 */
function postponeCreation(turn: CoordinatorTurn, stream: Stream): void {
  const { now } = turn;
  stream.sync.mayCreateRowsAt ??= now + recreationTimeMs(turn);
  const at = Math.max(now, stream.sync.mayCreateRowsAt);
  syncBy(stream, at);
  scanWithin(turn, Math.max(50, at - now));
}

/** Stamps rows with their stream. If some are left, the next sync is due soon: unstamped rows could be taken for rows of a later stream. */
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
      start: callFor(stream, (signal) => stampRows(options.store, rows, rowStamp, signal)),
      done: (): LeaseCoordinatorMessage => ({ type: 'stamped', stream: index }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'stamped', stream: index, error }),
    }),
  );
}

export function stamped(turn: CoordinatorTurn, { stream: index, error }: Message<'stamped'>): void {
  const stream = streamAt(turn.state, index);
  stream.sync.stamping = false;
  if (error === undefined) clearFailure(turn, stampOperation, stream);
  else reportRetryAt(turn, stampOperation, { stream, error, at: stream.sync.dueAt });
}

/** Reports unusual results: rows that were created again, and start positions that are not known. */
function reportUnusualRows(
  turn: CoordinatorTurn,
  stream: Stream,
  { shardsWithDeletedRow, unanchored }: SyncResult,
): void {
  const source = stream.sourceOptions.source.name;
  for (const shardId of shardsWithDeletedRow) {
    const what = isAuditedByLineage(stream)
      ? 'it was listed late, or its row was deleted. Its row was created'
      : 'its row was created again';
    warn(
      turn,
      `Shard ${shardId} had no lease although its parents have ended: ${what} and it is read from its first record on.`,
      { source, shardId },
    );
  }
  for (const shardId of unanchored) {
    const message = `Shard ${shardId} has no lease and no row of its stream says when LATEST was: it is read from TRIM_HORIZON, so that nothing is left out.`;
    warn(turn, message, { error: new Error(visible(message)), source, shardId });
  }
}

export function syncFailed(turn: CoordinatorTurn, { stream: index, error }: Message<'syncFailed'>): void {
  const stream = streamAt(turn.state, index);
  stream.sync.running = false;
  if (hasFailed(stream)) return;
  noteLook(turn, stream, error);
  if (endsSource(turn, stream, error)) return failSource(turn, stream, error);
  syncAgain(turn, stream, error);
}

function syncAgain(turn: CoordinatorTurn, stream: Stream, error: unknown): void {
  const { options, now } = turn;
  stream.opening.error = error;
  const delayMs = Math.max(100, backoffMs(retryShape, stream.sync.attempt++, options.random));
  stream.sync.dueAt = now + delayMs;
  reportRetry(turn, syncOperation, { error, delayMs, stream });
  scanWithin(turn, delayMs);
}
