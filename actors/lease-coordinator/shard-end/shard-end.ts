// What the coordinator does when a keeper asks whether it may write SHARD_END. It gathers evidence from the stream, one
// request at a time for all shards that end, judges the evidence and answers. Keepers write nothing before the answer. The
// end of a shard takes these steps through the code:
//   1. shard worker   `fetched`: reading found an end; `finish`, when all is settled: `workerEnded` with `shardEnd`
//   2. lease keeper   `workerEnded` notes it; `askShardEnd` sends the message of that name
//   3. here           `shardEndAsked`, `gather`; `gatherEvidence` (shard-end-work.ts) lists the shards, describes the stream
//   4. here           `gathered`, `startJudging`; `judgeEnd` (shard-end-work.ts): `obstacleOf`, then rows for the children
//   5. here           `shardEndJudged`: `ready`, `readOn` (the shard is read on) or `blocked` (the keeper asks again)
//   6. lease keeper   `shardEndPlanned`; `ready`: the write of SHARD_END, and `ended`
import { effect } from '../../protocol/actor.js';
import type { ShardEndPlan } from '../../protocol/leasing.js';
import type { CoordinatorSelf, AskShardEnd, Message } from '../messages.js';
import { gatherEvidence, judgeEnd } from './shard-end-work.js';
import type { Evidence, ShardEndResult } from '../results.js';
import { doubtStream } from '../sources/sources.js';
import { failedAgain, retryingEvent } from '../../protocol/repeated-failure.js';
import { retryShape } from '../sources/start.js';
import { emit, retrying, rowsOf, scanWithin, serviceNow, signature, warn, clearFailure } from '../turn.js';
import type { Lease, Stream } from '../state.js';
import type { CoordinatorTurn } from '../turn.js';
import { backoffMs, doubledMs } from '../../../src/core/backoff.js';
import { afterAbsent, afterListed, ancestorsIn } from '../../../src/core/shard-proof.js';
import { earliestLatest } from '../../../src/core/shard-sync.js';
import { KinactError } from '../../../src/api/errors.js';
import { streamChanged } from '../../../src/api/stream-changed.js';

/** After this many listings, about half a second apart, a closed shard without listed children is believed to have none. */
const childlessPatience = 5;
/** After this many listings that show a shard open, it is believed to be: fewer may lag behind its end. */
const openPatience = 3;
/** So many questions are answered at the shortest interval: the listings that `childlessPatience` waits for, twice over. */
const quickAsks = 2 * childlessPatience;
/** A question that failed is repeated as after this many attempts: by then a stream that throttles has been left alone for a while. */
const attemptsBefore = 2;
const retryMs = 500;
const longestRetryMs = 10_000;

export function shardEndAsked(turn: CoordinatorTurn, asked: AskShardEnd): void {
  const { state, effects } = turn;
  const lease = state.leases.get(asked.leaseKey);
  if (lease === undefined)
    return answer(turn, asked, { type: 'blocked', reason: 'the lease is not held any more', retryMs });
  const { failure } = lease.stream.history;
  if (failure !== undefined)
    return answer(turn, asked, {
      type: 'blocked',
      reason: `its source has failed: ${failure.code}`,
      retryMs: turn.settings.failoverMs,
    });
  // A repeated question would count twice towards the conclusion that the shard has no children.
  if (asked.replyTo.question <= lease.lastEndQuestion) return void effects.push(effect.count('repeatedMessages'));
  lease.lastEndQuestion = asked.replyTo.question;
  lease.stream.shardEnds.asked.push(asked);
  gather(turn, lease.stream);
}

/**
 * Asks the stream for evidence, unless a request is under way. A question that comes meanwhile waits for the next request,
 * because the answer to this one may be older than the question.
 */
function gather(turn: CoordinatorTurn, stream: Stream): void {
  const { effects, now } = turn;
  const { index, options } = stream;
  if (stream.shardEnds.gathering || stream.shardEnds.asked.length === 0) return;
  if (now < stream.shardEnds.gatherDueAt) {
    const ms = Math.max(1, Math.ceil(stream.shardEnds.gatherDueAt - now));
    effects.push(effect.after(`gather/${index}`, ms, { type: 'gatherDue', stream: index }));
    return;
  }
  stream.shardEnds.gathering = true;
  stream.shardEnds.gatherDueAt = now + retryMs;
  const asked = stream.shardEnds.asked.splice(0);
  effects.push(
    effect.run({
      name: `evidence/${index}`,
      kind: 'io',
      start: (signal) => gatherEvidence(options, now, signal),
      done: (evidence): CoordinatorSelf => ({ type: 'gathered', stream: index, asked, evidence }),
      failed: (error): CoordinatorSelf => ({ type: 'evidenceFailed', stream: index, asked, error }),
    }),
  );
}

export function gatherDue(turn: CoordinatorTurn, { stream: index }: Message<'gatherDue'>): void {
  gather(turn, turn.state.streams[index]!);
}

export function gathered(turn: CoordinatorTurn, { stream: index, asked, evidence }: Message<'gathered'>): void {
  const stream = turn.state.streams[index]!;
  stream.shardEnds.gathering = false;
  stream.shardEnds.absences = afterListed(stream.shardEnds.absences, evidence.shards);
  for (const each of asked) startJudging(turn, stream, each, evidence);
  gather(turn, stream);
}

export function evidenceFailed(
  turn: CoordinatorTurn,
  { stream: index, asked, error }: Message<'evidenceFailed'>,
): void {
  const stream = turn.state.streams[index]!;
  stream.shardEnds.gathering = false;
  for (const each of asked) shardEndFailed(turn, { asked: each, error });
  gather(turn, stream);
}

function startJudging(turn: CoordinatorTurn, stream: Stream, asked: AskShardEnd, evidence: Evidence): void {
  const { settings, state, effects } = turn;
  const { leaseKey, children, notFound, position } = asked;
  const lease = state.leases.get(leaseKey);
  if (lease === undefined)
    return answer(turn, asked, { type: 'blocked', reason: 'the lease is not held any more', retryMs });
  const { shardId } = lease;
  const known = rowsOf(state, stream);
  const scanned = known.rows.get(shardId);
  // A scan may be older than the row that the keeper has taken.
  const row = scanned !== undefined && scanned.leaseCounter > lease.row.leaseCounter ? scanned : lease.row;
  const maker = {
    keyPrefix: stream.keyPrefix,
    entityType: state.table.entityType,
    writer: signature(turn, 0),
    serviceTimeMs: serviceNow(turn),
    stream: stream.rowStamp,
  };
  const end = {
    shardId,
    row,
    ancestors: ancestorsIn(known.rows, row),
    children,
    notFound,
    unread: position === undefined,
    latestAt: earliestLatest([row, lease.row]) ?? earliestLatest(known.rows.values()),
    acceptChildless: lease.endRefusals >= childlessPatience,
    absences: stream.shardEnds.absences,
    shardGoneAfterMs: settings.failoverMs,
  };
  effects.push(
    effect.run({
      name: `shardEnd/${leaseKey}/${++state.works}`,
      kind: 'io',
      start: (signal) => judgeEnd({ store: settings.store, maker, signal }, end, evidence),
      done: (result): CoordinatorSelf => ({ type: 'shardEndJudged', asked, result }),
      failed: (error): CoordinatorSelf => ({ type: 'shardEndFailed', asked, error }),
    }),
  );
}

const operation = 'end of the shard';

export function shardEndJudged(turn: CoordinatorTurn, { asked, result }: Message<'shardEndJudged'>): void {
  const lease = turn.state.leases.get(asked.leaseKey);
  if (lease === undefined)
    return answer(turn, asked, { type: 'blocked', reason: 'the lease is not held any more', retryMs });
  clearFailure(turn, operation, lease.stream);
  switch (result.type) {
    case 'ready':
      sayReady(turn, lease, asked, result);
      return answer(turn, asked, { type: 'ready', childShardIds: result.childShardIds });
    case 'readOn':
      if (!result.certain && ++lease.openListings < openPatience)
        return block(turn, lease, asked, { reason: result.reason });
      lease.falseEnd = true;
      lease.idleReason = `reading seems to end again and again: ${result.reason}`;
      lease.openListings = 0;
      lease.endRefusals = 0;
      sayRetrying(
        turn,
        lease,
        new KinactError('AWS_ERROR', `Shard ${lease.shardId} has not ended: ${result.reason}.`, { retryable: true }),
      );
      return answer(turn, asked, { type: 'readOn', reason: result.reason });
    case 'blocked':
      return stillBlocked(turn, lease, asked, result);
    case 'changed':
      return changed(turn, lease, asked, result);
  }
}

/** Reports what is unusual about the end of a shard. */
function sayReady(
  turn: CoordinatorTurn,
  { shardId, stream }: Lease,
  { position }: AskShardEnd,
  { childless, gone, mayHaveLost }: Extract<ShardEndResult, { readonly type: 'ready' }>,
): void {
  const about = { source: stream.options.source.name, shardId };
  if (gone)
    warn(
      turn,
      `Shard ${shardId} is not listed any more: it is marked as ended behind the last record that was read.`,
      about,
    );
  else if (childless)
    warn(turn, `Shard ${shardId} is closed and no child of it is listed: it ends without children.`, about);
  if (mayHaveLost) emit(turn, { name: 'trimmed', data: { ...about, ...position, certain: false } });
}

function stillBlocked(
  turn: CoordinatorTurn,
  lease: Lease,
  asked: AskShardEnd,
  { reason, sync, absent, waits }: Extract<ShardEndResult, { readonly type: 'blocked' }>,
): void {
  const { settings, now } = turn;
  const { stream } = lease;
  stream.shardEnds.absences = afterAbsent(stream.shardEnds.absences, absent, now);
  if (sync) {
    stream.sync.dueAt = Math.min(stream.sync.dueAt, now);
    scanWithin(turn, retryMs);
  }
  const provenAt = Math.max(
    0,
    ...absent.map((shardId) => (stream.shardEnds.absences.get(shardId) ?? now) + settings.failoverMs),
  );
  // While there is a reason to wait, the shard does not count as unread.
  if (waits || lease.endWaits) lease.idleSince = now;
  lease.endWaits = waits;
  block(turn, lease, asked, { reason, leastMs: provenAt - now, waits });
}

/**
 * Another stream seems to have the name, and its shards say nothing of this shard's children. So nothing is written, and the
 * shard sync decides what becomes of the source.
 */
function changed(
  turn: CoordinatorTurn,
  lease: Lease,
  asked: AskShardEnd,
  { rowStream, liveStream }: Extract<ShardEndResult, { readonly type: 'changed' }>,
): void {
  const { stream, shardId } = lease;
  const { name, region } = stream.options.source;
  const { store, multiStream } = turn.settings;
  const { tableName: table } = store;
  const evidence = `the lease of ${shardId} belongs to the earlier stream`;
  const error = streamChanged(
    { stream: name, region, table, multiStream, rowStream, liveStream, evidence },
    { shardId },
  );
  doubtStream(turn, stream);
  lease.idleReason = `the end of the shard is not proven: ${error.message}`;
  sayRetrying(turn, lease, error);
  answer(turn, asked, { type: 'blocked', reason: error.message, retryMs });
}

/** Has the keeper ask again: later each time, and not before `leastMs` have passed. */
function block(
  turn: CoordinatorTurn,
  lease: Lease,
  asked: AskShardEnd,
  {
    reason,
    leastMs = 0,
    waits = false,
  }: { readonly reason: string; readonly leastMs?: number; readonly waits?: boolean },
): void {
  const asks = ++lease.endRefusals;
  lease.idleReason = `the end of the shard is not proven: ${reason}`;
  const ms = doubledMs({ baseMs: retryMs, capMs: longestRetryMs }, Math.max(0, asks - quickAsks));
  const retryIn = Math.max(ms, Math.ceil(leastMs));
  answer(turn, asked, { type: 'blocked', reason, retryMs: retryIn, ...(waits ? { waits } : {}) });
}

/** Reports a `retrying` although no call has failed: the shard is read on. */
function sayRetrying(turn: CoordinatorTurn, { shardId, stream }: Lease, error: Error, delayMs = retryMs): void {
  const source = stream.options.source.name;
  emit(turn, retryingEvent(failedAgain(undefined, operation, error, turn.now), delayMs, { source, shardId }));
}

export function shardEndFailed(
  turn: CoordinatorTurn,
  { asked, error }: Pick<Message<'shardEndFailed'>, 'asked' | 'error'>,
): void {
  const { settings, state } = turn;
  const lease = state.leases.get(asked.leaseKey);
  const delayMs = retryMs + backoffMs(retryShape, attemptsBefore, settings.random);
  const about = lease === undefined ? {} : { stream: lease.stream, shardId: lease.shardId };
  retrying(turn, operation, { error, delayMs, ...about });
  answer(turn, asked, { type: 'blocked', reason: 'stream or table could not be asked', retryMs: delayMs });
}

function answer(turn: CoordinatorTurn, { replyTo }: AskShardEnd, plan: ShardEndPlan): void {
  turn.effects.push(effect.reply(replyTo, plan));
}
