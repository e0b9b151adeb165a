// Answers a keeper that asks whether it may write SHARD_END. The coordinator gathers evidence from the stream, with one request at a time
// for all shards that end, and decides from it. No keeper writes SHARD_END before the answer. The end of a shard takes these steps through
// the code:
//   0. reader         a chain of iterators ends; unless `askWhetherClosed` (polling-step.ts) finds the shard open, a second begins.
//                     If that ends too, without records, and `weighEnd` (end-verdict.ts) agrees, `handleChainEnd` reports `shardEnd`
//   1. shard worker   `readDone` finds the end; when everything is settled, `finish` sends `shardWorkerEnded` with `shardEnd`
//   2. lease keeper   `shardWorkerEnded` notes the end; `askShardEnd` sends the message `askShardEnd`
//   3. here           `shardEndAsked`, `gather`; `gatherEvidence` (evidence.ts) takes what the source knows of the ends; otherwise it
//                     lists the shards and describes the stream
//   4. here           `gathered`, `startJudging`; `createRowsOfEnded` (evidence.ts) calls `proveEnd`, then creates the children's rows
//   5. here           `shardEndJudged` answers `ready`, `readOn` (a shard worker continues to read) or `blocked` (the keeper asks again)
//   6. lease keeper   `shardEndPlanned`: on `ready`, the keeper writes SHARD_END and reports `ended`
import { effect } from '../../protocol/actor.js';
import type { ShardEndPlan } from '../../protocol/lease-messages.js';
import type { LeaseCoordinatorMessage, AskShardEnd, Message } from '../messages.js';
import { createRowsOfEnded, gatherEvidence, type EndingShard } from './evidence.js';
import type { Evidence, ShardEndResult } from '../effect-results.js';
import { doubtStream } from '../sources/source-failure.js';
import { failedAgain, retryingEvent } from '../../protocol/repeated-failure.js';
import { retryShape } from '../sources/start.js';
import {
  emit,
  reportRetry,
  scanWithin,
  serviceNow,
  signature,
  warn,
  clearFailure,
  syncBy,
  type CoordinatorTurn,
} from '../turn.js';
import { streamAt, type Lease, type Stream } from '../state.js';
import { watchForLateChildren } from '../streams/lineage-audit.js';
import { noteEndProven } from '../unread/unread-since.js';
import { callFor } from '../streams/stream-calls.js';
import { rowsOf, type StreamRows } from '../streams/stream-rows.js';
import { backoffMs, exponentialMs } from '../../../src/core/backoff.js';
import { afterAbsent, afterListed, ancestorsIn } from '../../../src/core/shard-proof.js';
import { take, waitMs } from '../../../src/core/token-bucket.js';
import { earliestLatest } from '../../../src/core/shard-sync-plan.js';
import { KinactError } from '../../../src/api/errors.js';
import { streamChanged } from '../../../src/api/stream-changed.js';

/** After this many listings, about half a second apart, a closed shard without listed children counts as childless. */
const childlessPatience = 5;
/** A shard counts as open after this many listings that show it open: fewer listings may all be older than its end. */
const openPatience = 3;
/** After this many refusals the keeper's pauses begin to double: twice as many as `childlessPatience` needs. */
const quickAsks = 2 * childlessPatience;
/** The back-off after a failed call for evidence is always that of this many attempts: a stream that throttles needs a longer pause. */
const attemptsBefore = 2;
const retryMs = 500;
const maxRetryMs = 10_000;
/** How soon one request for evidence may follow another. It is short, because children are not read before the end is judged. */
const gatherEveryMs = 150;

export function shardEndAsked(turn: CoordinatorTurn, question: AskShardEnd): void {
  const { state, effects } = turn;
  const lease = state.leases.get(question.leaseKey);
  if (lease === undefined)
    return answer(turn, question, { type: 'blocked', reason: 'the lease is no longer held', retryMs });

  const { failure } = lease.stream.history;
  if (failure !== undefined && lease.stream.leaving === undefined)
    return answer(turn, question, {
      type: 'blocked',
      reason: `its source has failed: ${failure.code}`,
      retryMs: turn.options.failoverMs,
    });

  // A repeated question would count twice towards the conclusion that the shard has no children.
  if (question.replyTo.question <= lease.lastEndQuestion) {
    effects.push(effect.count('repeatedMessages'));
    return;
  }

  lease.lastEndQuestion = question.replyTo.question;
  lease.stream.shardEnds.questions.push(question);
  gather(turn, lease.stream);
}

/**
 * Asks the stream for evidence, unless a request is under way. A question that arrives during a request waits for the next request, because
 * the evidence under way may be older than the question.
 */
function gather(turn: CoordinatorTurn, stream: Stream): void {
  const { effects, now } = turn;
  const { index, sourceOptions } = stream;
  if (stream.shardEnds.gathering || stream.shardEnds.questions.length === 0) return;
  const { gatherings } = stream.shardEnds;
  const waitsMs = Math.max(stream.shardEnds.gatherDueAt - now, waitMs(gatherings, 1, now));
  if (waitsMs > 0) {
    const ms = Math.max(1, Math.ceil(waitsMs));
    effects.push(effect.after(`gather/${index}`, ms, { type: 'gatherDue', stream: index }));
    return;
  }

  stream.shardEnds.gathering = true;
  stream.shardEnds.gatherDueAt = now + gatherEveryMs;
  take(gatherings, 1, now);
  const questions = stream.shardEnds.questions.splice(0);
  const ends = questions.flatMap((question) => endingShard(turn, question));
  effects.push(
    effect.run({
      name: `evidence/${index}`,
      kind: 'io',
      start: callFor<Evidence>(stream, (signal) => gatherEvidence(sourceOptions, ends, now, signal)),
      done: (evidence): LeaseCoordinatorMessage => ({ type: 'gathered', stream: index, questions, evidence }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'evidenceFailed', stream: index, questions, error }),
    }),
  );
}

/** A question that was refused before waits for a change, which only a new listing shows. */
function endingShard({ state }: CoordinatorTurn, { leaseKey, notFound, position }: AskShardEnd): EndingShard[] {
  const lease = state.leases.get(leaseKey);
  if (lease === undefined) return [];
  const needsListing = notFound || lease.endRefusals > 0;
  return [{ shardId: lease.shardId, unread: position === undefined, needsListing }];
}

export function gatherDue(turn: CoordinatorTurn, { stream: index }: Message<'gatherDue'>): void {
  gather(turn, streamAt(turn.state, index));
}

export function gathered(turn: CoordinatorTurn, { stream: index, questions, evidence }: Message<'gathered'>): void {
  const stream = streamAt(turn.state, index);
  stream.shardEnds.gathering = false;
  if (evidence.isNew) stream.shardEnds.absences = afterListed(stream.shardEnds.absences, evidence.shards);
  // Hundreds of shards may end at once, so the rows are looked up once for all of them.
  const streamRows = rowsOf(turn.state, stream);
  const latestOfStream = earliestLatest(streamRows.rows.values());
  for (const question of questions) startJudging(turn, question, evidence, { streamRows, latestOfStream });
  gather(turn, stream);
}

export function evidenceFailed(
  turn: CoordinatorTurn,
  { stream: index, questions, error }: Message<'evidenceFailed'>,
): void {
  const stream = streamAt(turn.state, index);
  stream.shardEnds.gathering = false;
  for (const question of questions) shardEndFailed(turn, { question, error });
  gather(turn, stream);
}

/** What the questions about one stream have in common. */
interface KnownRows {
  readonly streamRows: StreamRows;
  readonly latestOfStream: number | undefined;
}

function startJudging(
  turn: CoordinatorTurn,
  question: AskShardEnd,
  evidence: Evidence,
  { streamRows, latestOfStream }: KnownRows,
): void {
  const { options, state, effects } = turn;
  const { leaseKey, children, notFound, position } = question;
  const lease = state.leases.get(leaseKey);
  if (lease === undefined)
    return answer(turn, question, { type: 'blocked', reason: 'the lease is no longer held', retryMs });

  const { shardId, stream } = lease;
  const scanned = streamRows.rows.get(shardId);
  // The scanned row may be older than the row that the keeper took.
  const row = scanned !== undefined && scanned.leaseCounter > lease.row.leaseCounter ? scanned : lease.row;

  const rowContext = {
    keyPrefix: stream.keyPrefix,
    entityType: state.table.entityType,
    writer: signature(turn, 0),
    serviceTimeMs: serviceNow(turn),
    stream: stream.rowStamp,
  };

  const end = {
    shardId,
    row,
    ancestors: ancestorsIn(streamRows.rows, row),
    children,
    notFound,
    unread: position === undefined,
    latestAt: earliestLatest([row, lease.row]) ?? latestOfStream,
    acceptChildless: lease.endRefusals >= childlessPatience,
    absences: stream.shardEnds.absences,
    listingProof: stream.sourceOptions.source.listingProof,
    shardGoneAfterMs: options.failoverMs,
  };

  effects.push(
    effect.run({
      name: `shardEnd/${leaseKey}/${++state.works}`,
      kind: 'io',
      start: callFor<ShardEndResult>(stream, (signal) =>
        createRowsOfEnded({ store: options.store, rowContext, signal }, end, evidence),
      ),
      done: (result): LeaseCoordinatorMessage => ({ type: 'shardEndJudged', question, result }),
      failed: (error): LeaseCoordinatorMessage => ({ type: 'shardEndFailed', question, error }),
    }),
  );
}

const operation = 'end of the shard';

export function shardEndJudged(turn: CoordinatorTurn, { question, result }: Message<'shardEndJudged'>): void {
  const lease = turn.state.leases.get(question.leaseKey);
  if (lease === undefined)
    return answer(turn, question, { type: 'blocked', reason: 'the lease is no longer held', retryMs });
  clearFailure(turn, operation, lease.stream);
  switch (result.type) {
    case 'ready':
      reportUnusualEnd(turn, lease, question, result);
      if (result.childless) watchForLateChildren(turn, lease.stream);
      // Nothing is left to read here: the keeper may still wait for calls of the application, or for the table. The children wait, too.
      lease.idleSince = undefined;
      noteEndProven(turn, lease.leaseKey, result.childShardIds.length > 0);
      return answer(turn, question, { type: 'ready', childShardIds: result.childShardIds });
    case 'readOn':
      if (!result.certain && ++lease.openListings < openPatience)
        return askAgainLater(turn, lease, question, { reason: result.reason });
      lease.falseEnd = true;
      lease.idleReason = `reads repeatedly reach a false end: ${result.reason}`;
      lease.openListings = 0;
      lease.endRefusals = 0;
      emitRetrying(
        turn,
        lease,
        new KinactError('AWS_ERROR', `Shard ${lease.shardId} has not ended: ${result.reason}.`, { retryable: true }),
      );
      return answer(turn, question, { type: 'readOn', reason: result.reason });
    case 'blocked':
      return answerBlocked(turn, lease, question, result);
    case 'changed':
      return answerChangedStream(turn, lease, question, result);
  }
}

/** Reports an unusual end: the shard is gone or childless, or unread records may have expired. */
function reportUnusualEnd(
  turn: CoordinatorTurn,
  { shardId, stream }: Lease,
  { position }: AskShardEnd,
  { childless, disabled = false, gone, mayHaveLost }: Extract<ShardEndResult, { readonly type: 'ready' }>,
): void {
  const about = { source: stream.sourceOptions.source.name, shardId };
  if (gone)
    warn(
      turn,
      `Shard ${shardId} is no longer listed: it is marked as ended after the last record that was read.`,
      about,
    );
  else if (childless && !disabled)
    warn(turn, `Shard ${shardId} is closed and no child of it is listed: it ends without children.`, about);
  if (mayHaveLost) emit(turn, { name: 'trimmed', data: { ...about, ...position, certain: false } });
}

function answerBlocked(
  turn: CoordinatorTurn,
  lease: Lease,
  question: AskShardEnd,
  { reason, needsSync, absent, waits }: Extract<ShardEndResult, { readonly type: 'blocked' }>,
): void {
  const { options, now } = turn;
  const { stream } = lease;
  stream.shardEnds.absences = afterAbsent(stream.shardEnds.absences, absent, now);
  if (needsSync) {
    syncBy(stream, now);
    scanWithin(turn, retryMs);
  }

  const provenAt = Math.max(
    0,
    ...absent.map((shardId) => (stream.shardEnds.absences.get(shardId) ?? now) + options.failoverMs),
  );

  // The time that the end waits for another shard's row does not count as unread.
  if (waits || lease.waitsForOtherShard) lease.idleSince = now;
  lease.waitsForOtherShard = waits;
  askAgainLater(turn, lease, question, { reason, minMs: provenAt - now, waits });
}

/**
 * Handles a stream that seems to be another one under the same name. Its shards prove nothing about this shard's children. So SHARD_END is
 * not written, and the shard sync decides whether the source fails.
 */
function answerChangedStream(
  turn: CoordinatorTurn,
  lease: Lease,
  question: AskShardEnd,
  { rowStream, liveStream }: Extract<ShardEndResult, { readonly type: 'changed' }>,
): void {
  const { stream, shardId } = lease;
  const { name, region } = stream.sourceOptions.source;
  const { store, multiStream } = turn.options;
  const { tableName: table } = store;
  const evidence = `the lease of ${shardId} belongs to the earlier stream`;
  const error = streamChanged(
    { stream: name, region, table, multiStream, rowStream, liveStream, evidence },
    { shardId },
  );

  doubtStream(turn, stream);
  lease.idleReason = `the end of the shard is not proven: ${error.message}`;
  emitRetrying(turn, lease, error);
  answer(turn, question, { type: 'blocked', reason: error.message, retryMs });
}

/** Tells the keeper to ask again, after growing pauses and not before `minMs` have passed. */
function askAgainLater(
  turn: CoordinatorTurn,
  lease: Lease,
  question: AskShardEnd,
  { reason, minMs = 0, waits = false }: { readonly reason: string; readonly minMs?: number; readonly waits?: boolean },
): void {
  const asks = ++lease.endRefusals;
  lease.idleReason = `the end of the shard is not proven: ${reason}`;
  const ms = exponentialMs({ baseMs: retryMs, capMs: maxRetryMs }, Math.max(0, asks - quickAsks));
  const retryIn = Math.max(ms, Math.ceil(minMs));
  answer(turn, question, { type: 'blocked', reason, retryMs: retryIn, ...(waits ? { waits } : {}) });
}

/** Emits `retrying` although no call has failed: the end of the shard is not proven. */
function emitRetrying(turn: CoordinatorTurn, { shardId, stream }: Lease, error: Error, delayMs = retryMs): void {
  const source = stream.sourceOptions.source.name;
  emit(turn, retryingEvent(failedAgain(undefined, operation, error, turn.now), delayMs, { source, shardId }));
}

export function shardEndFailed(
  turn: CoordinatorTurn,
  { question, error }: Pick<Message<'shardEndFailed'>, 'question' | 'error'>,
): void {
  const { options, state } = turn;
  const lease = state.leases.get(question.leaseKey);
  const delayMs = retryMs + backoffMs(retryShape, attemptsBefore, options.random);
  const about = lease === undefined ? {} : { stream: lease.stream, shardId: lease.shardId };
  reportRetry(turn, operation, { error, delayMs, ...about });
  answer(turn, question, { type: 'blocked', reason: 'stream or table could not be asked', retryMs: delayMs });
}

function answer(turn: CoordinatorTurn, { replyTo }: AskShardEnd, plan: ShardEndPlan): void {
  turn.effects.push(effect.reply(replyTo, plan));
}
