// What the coordinator does for each of its streams now and then: shard sync (kcl.md 2.6), the audit of hash keys (2.10),
// clean-up (2.9), and the child rows at a shard's end (2.7).
import { reply, run } from '../actor.js';
import type { ReplyTo } from '../actor.js';
import type { CoordinatorMessage, ShardEndPlan } from '../protocol/leasing.js';
import type { CoordinatorSelf } from './messages.js';
import { failSource, hasFailed, settleStart, takesPart } from './sources.js';
import { tellPlacement } from './placement.js';
import { retryShape } from './start.js';
import { emit, jittered, rowsOf, scanWithin, serviceNow, signature, warn } from './state.js';
import type { Stream, Turn } from './state.js';
import { cleanUp, describeRanges, prepareShardEnd, stampRows, syncShards } from './table-work.js';
import type { ShardEndResult, SyncResult } from './table-work.js';
import { backoffMs } from '../../src/core/backoff.js';
import { endsSource, isHopeless } from '../../src/failures.js';
import { holesIn } from '../../src/core/hash-range.js';
import { hasEnded } from '../../src/core/shard-graph.js';
import { earliestLatest } from '../../src/core/shard-sync.js';
import { visible } from '../../src/core/visible.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { HashKeyRange } from '../../src/ports.js';

/** Audits that must see the same hole before it is believed. */
const confirmations = 3;
/** Asks at the end of a shard, about half a second apart, before a closed shard without listed children is believed to have none. */
const childlessPatience = 5;
const shardEndRetryMs = 500;
/** Rows that one sync stamps at most: the table's writes are for renewals first. */
const stampsPerSync = 100;

export function syncWhereDue(turn: Turn): void {
  const { settings, state, effects, now } = turn;
  if (state.phase !== 'syncing' && state.phase !== 'running') return;
  for (const stream of state.streams) {
    if (!stream.opened || hasFailed(stream) || stream.syncing || stream.syncDueAt > now) continue;
    stream.syncing = true;
    const { index, options } = stream;
    // A row that its holder is about to make anew at its checkpoint is not missing: ours would begin long before.
    const vanished = new Map([...state.vanished].map(([leaseKey, { row }]) => [leaseKey, row]));
    const rows = rowsOf(state, stream, vanished);
    effects.push(
      run({
        name: `sync/${index}`,
        kind: 'io',
        start: (signal) => syncShards(settings.store, options, rows, signature(turn, 0), signal),
        done: (result): CoordinatorSelf => ({ type: 'synced', stream: index, result }),
        failed: (error): CoordinatorSelf => ({ type: 'syncFailed', stream: index, error }),
      }),
    );
  }
}

export function synced(turn: Turn, index: number, result: SyncResult): void {
  const { settings, state, now } = turn;
  const stream = state.streams[index]!;
  stream.syncing = false;
  if (hasFailed(stream) || state.phase === 'failed') return;
  tellPlacement(turn, stream, result.placement);
  if (result.inconsistent !== undefined) {
    const error = new Error(
      visible(`The listing of ${stream.options.source.name} contradicts itself: ${result.inconsistent}.`),
    );
    return syncAgain(turn, stream, error);
  }
  stream.syncAttempt = 0;
  stream.error = undefined;
  stream.syncDueAt = now + jittered(turn, settings.shardSyncIntervalMs);
  stream.ranges = new Map(
    result.shards.flatMap((shard) =>
      shard.hashKeyRange === undefined ? [] : [[shard.shardId, shard.hashKeyRange] as const],
    ),
  );
  explain(turn, stream, result);
  stamp(turn, stream, result.unstamped);
  if (!stream.syncedOnce) {
    stream.syncedOnce = true;
    stream.auditDueAt = now + settings.auditIntervalMs;
    stream.cleanUpDueAt = now + jittered(turn, settings.cleanUpIntervalMs);
    stream.record.worked = true;
    if (state.phase === 'syncing') state.phase = 'running';
    settleStart(turn);
    return scanWithin(turn, 0);
  }
  if (result.created.length > 0) scanWithin(turn, 0);
}

/** The rest, if there is one, is due soon: a row that nobody has stamped may be taken for a later stream's. */
function stamp(turn: Turn, stream: Stream, unstamped: readonly LeaseRow[]): void {
  const { settings, effects, now } = turn;
  if (unstamped.length === 0 || stream.stamping) return;
  stream.stamping = true;
  const { index, streamIdentity } = stream;
  const rows = unstamped.slice(0, stampsPerSync);
  if (rows.length < unstamped.length) stream.syncDueAt = now + jittered(turn, settings.shardSyncIntervalMs / 6);
  effects.push(
    run({
      name: `stamp/${index}`,
      kind: 'io',
      start: (signal) => stampRows(settings.store, rows, streamIdentity, signal),
      done: (): CoordinatorSelf => ({ type: 'stamped', stream: index }),
      failed: (error): CoordinatorSelf => ({ type: 'stamped', stream: index, error }),
    }),
  );
}

export function stamped(turn: Turn, index: number, error: unknown): void {
  const stream = turn.state.streams[index]!;
  stream.stamping = false;
  if (error !== undefined) laterAgain(turn, 'stamping lease rows with their stream', stream, error, stream.syncDueAt);
}

/** Says what was done that nobody expects: rows re-created, positions that had to be guessed. */
function explain(turn: Turn, stream: Stream, { orphans, unanchored }: SyncResult): void {
  const source = stream.options.source.name;
  for (const shardId of orphans) {
    warn(
      turn,
      `Shard ${shardId} had no lease although its parents have ended: its row was created anew and it is read from its first record on.`,
      { source, shardId },
    );
  }
  for (const shardId of unanchored) {
    const message = `Shard ${shardId} has no lease and no row of its stream says when LATEST was: it is read from TRIM_HORIZON, so that nothing is left out.`;
    warn(turn, message, { error: new Error(visible(message)), source, shardId });
  }
}

export function syncFailed(turn: Turn, index: number, error: unknown): void {
  const stream = turn.state.streams[index]!;
  stream.syncing = false;
  if (hasFailed(stream)) return;
  if (endsSource(error) || (isHopeless(error) && !stream.record.worked)) return failSource(turn, stream, error);
  syncAgain(turn, stream, error);
}

function syncAgain(turn: Turn, stream: Stream, error: unknown): void {
  const { settings, now } = turn;
  stream.error = error;
  const delayMs = Math.max(100, backoffMs(retryShape, stream.syncAttempt++, settings.random));
  stream.syncDueAt = now + delayMs;
  emit(turn, {
    name: 'retrying',
    data: { operation: 'shard sync', error, delayMs, source: stream.options.source.name },
  });
  scanWithin(turn, delayMs);
}

/** Looks for hash keys that no live row covers; the same hole seen three times means a shard without a lease. */
export function auditWhereDue(turn: Turn): void {
  const { settings, state, now } = turn;
  for (const stream of state.streams) {
    if (!takesPart(stream) || stream.auditDueAt > now || stream.ranges.size === 0) continue;
    stream.auditDueAt = now + settings.auditIntervalMs;
    const { rows, malformed } = rowsOf(state, stream);
    const ranges: HashKeyRange[] = [];
    const undescribed = new Map<string, HashKeyRange>();
    for (const [shardId, row] of rows) {
      const { startingHashKey, endingHashKey } = row;
      const described = startingHashKey !== undefined && endingHashKey !== undefined;
      const range = described ? { startingHashKey, endingHashKey } : stream.ranges.get(shardId);
      if (range === undefined) continue;
      if (!described) undescribed.set(row.leaseKey, range);
      if (!hasEnded(row)) ranges.push(range);
    }
    for (const shardId of malformed) {
      const range = stream.ranges.get(shardId);
      if (range !== undefined) ranges.push(range);
    }
    describe(turn, stream, undescribed);
    judge(turn, stream, holesIn(ranges));
  }
}

function judge(turn: Turn, stream: Stream, holes: readonly HashKeyRange[]): void {
  const { settings, now } = turn;
  const seen = new Map<string, number>();
  for (const hole of holes) {
    const key = `${hole.startingHashKey}-${hole.endingHashKey}`;
    const times = (stream.holes.get(key) ?? 0) + 1;
    if (times < confirmations) seen.set(key, times);
    else {
      emit(turn, {
        name: 'leaseHole',
        data: {
          table: settings.store.tableName,
          startingHashKey: hole.startingHashKey,
          endingHashKey: hole.endingHashKey,
        },
      });
      stream.syncDueAt = now;
    }
  }
  stream.holes = seen;
  syncWhereDue(turn);
}

function describe(turn: Turn, stream: Stream, ranges: ReadonlyMap<string, HashKeyRange>): void {
  if (ranges.size === 0 || stream.describing) return;
  stream.describing = true;
  const { index } = stream;
  turn.effects.push(
    run({
      name: `describe/${index}`,
      kind: 'io',
      start: (signal) => describeRanges(turn.settings.store, ranges, signal),
      done: (): CoordinatorSelf => ({ type: 'described', stream: index }),
      failed: (error): CoordinatorSelf => ({ type: 'described', stream: index, error }),
    }),
  );
}

export function cleanUpWhereDue(turn: Turn): void {
  const { settings, state, effects, now } = turn;
  for (const stream of state.streams) {
    if (!takesPart(stream) || stream.cleaning || stream.cleanUpDueAt > now) continue;
    stream.cleanUpDueAt = now + jittered(turn, settings.cleanUpIntervalMs);
    const rows = rowsOf(state, stream);
    if (![...rows.rows.values()].some(hasEnded)) continue;
    stream.cleaning = true;
    const { index, options } = stream;
    effects.push(
      run({
        name: `cleanUp/${index}`,
        kind: 'io',
        start: (signal) => cleanUp(settings.store, options, rows, signal),
        done: (result): CoordinatorSelf => ({ type: 'cleaned', stream: index, result }),
        failed: (error): CoordinatorSelf => ({ type: 'cleanUpFailed', stream: index, error }),
      }),
    );
  }
}

/** A failed back-fill or clean-up is repeated with its next turn: nobody waits for it. */
export function described(turn: Turn, index: number, error: unknown): void {
  const stream = turn.state.streams[index]!;
  stream.describing = false;
  if (error !== undefined) laterAgain(turn, 'back-filling hash ranges', stream, error, stream.auditDueAt);
}

export function cleaned(turn: Turn, index: number, removed: number, error: unknown): void {
  const stream = turn.state.streams[index]!;
  stream.cleaning = false;
  if (removed > 0) turn.effects.push({ type: 'count', what: 'leaseRowsRemoved', by: removed });
  if (error !== undefined) laterAgain(turn, 'clean-up of ended leases', stream, error, stream.cleanUpDueAt);
}

function laterAgain(turn: Turn, operation: string, stream: Stream, error: unknown, at: number): void {
  const { name } = stream.options.source;
  emit(turn, { name: 'retrying', data: { operation, error, delayMs: Math.max(0, at - turn.now), source: name } });
}

type PrepareShardEnd = Extract<CoordinatorMessage, { readonly type: 'prepareShardEnd' }>;

/** Creates the child rows before the keeper writes SHARD_END. */
export function shardEndAsked(turn: Turn, { leaseKey, children, vanished, replyTo }: PrepareShardEnd): void {
  const { settings, state, effects } = turn;
  const lease = state.leases.get(leaseKey);
  if (lease === undefined) {
    return void effects.push(
      reply(replyTo, { type: 'blocked', reason: 'the lease is not held any more', retryMs: shardEndRetryMs }),
    );
  }
  const { failure } = lease.stream.record;
  if (failure !== undefined) {
    const reason = `its source has failed: ${failure.code}`;
    return void effects.push(reply(replyTo, { type: 'blocked', reason, retryMs: settings.failoverMs }));
  }
  // It would count twice towards taking the shard for one without children.
  if (replyTo.question <= lease.endAsked) return void effects.push({ type: 'count', what: 'repeatedMessages' });
  lease.endAsked = replyTo.question;
  const { stream, shardId } = lease;
  const known = rowsOf(state, stream);
  const row = known.rows.get(shardId) ?? lease.row;
  const maker = {
    identifier: stream.identifier,
    entityType: state.entityType,
    writer: signature(turn, 0),
    serviceTimeMs: serviceNow(turn),
    stream: stream.streamIdentity,
  };
  const latestAt = earliestLatest([row, lease.row]) ?? earliestLatest(known.rows.values());
  const end = { shardId, children, vanished, latestAt, acceptChildless: lease.childlessAsks >= childlessPatience };
  effects.push(
    run({
      name: `shardEnd/${leaseKey}/${++state.works}`,
      kind: 'io',
      start: (signal) => prepareShardEnd(settings.store, stream.options, known, maker, end, signal),
      done: (result): CoordinatorSelf => ({ type: 'shardEndPrepared', leaseKey, result, replyTo }),
      failed: (error): CoordinatorSelf => ({ type: 'shardEndFailed', leaseKey, error, replyTo }),
    }),
  );
}

export function shardEndPrepared(
  turn: Turn,
  leaseKey: string,
  result: ShardEndResult,
  replyTo: ReplyTo<ShardEndPlan>,
): void {
  const { state, effects, now } = turn;
  const lease = state.leases.get(leaseKey);
  if (result.type === 'ready') {
    if (result.childless && lease !== undefined) {
      warn(turn, `Shard ${lease.shardId} is closed and no child of it is listed: it ends without children.`, {
        source: lease.stream.options.source.name,
        shardId: lease.shardId,
      });
    }
    return void effects.push(reply(replyTo, { type: 'ready', childShardIds: result.childShardIds }));
  }
  if (lease !== undefined) {
    lease.childlessAsks++;
    if (result.sync) {
      lease.stream.syncDueAt = Math.min(lease.stream.syncDueAt, now);
      scanWithin(turn, shardEndRetryMs);
    }
  }
  effects.push(reply(replyTo, { type: 'blocked', reason: result.reason, retryMs: shardEndRetryMs }));
}

export function shardEndFailed(turn: Turn, leaseKey: string, error: unknown, replyTo: ReplyTo<ShardEndPlan>): void {
  const { settings, state, effects } = turn;
  const lease = state.leases.get(leaseKey);
  const delayMs = shardEndRetryMs + backoffMs(retryShape, 2, settings.random);
  const about = lease === undefined ? {} : { source: lease.stream.options.source.name, shardId: lease.shardId };
  emit(turn, { name: 'retrying', data: { operation: 'creating child leases', error, delayMs, ...about } });
  effects.push(reply(replyTo, { type: 'blocked', reason: 'the child leases could not be created', retryMs: delayMs }));
}
