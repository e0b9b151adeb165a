// One step of reading a shard by GetRecords. Invariants: every step waits for something. Failures that may pass are reported and
// retried without end; the others end the reader. A chain is a series of iterators, each from the answer to the one before. A new
// chain begins at the position if an iterator is refused, or to prove the end of the shard. Called by shard-reader.ts.
import type { Backoff } from '../../core/backoff.js';
import { hasFreeSlot, inSlot } from '../../core/call-slots.js';
import { take, waitMs, type TokenBucket } from '../../core/token-bucket.js';
import { KinactError } from '../../api/errors.js';
import type { AwsFailure } from '../aws-errors.js';
import { childrenOf } from './get-records-answer.js';
import { stoppedError } from './prefetch-buffer.js';
import { handOn, reportGap } from './hand-on.js';
import type { Answer, Next, ReaderContext } from './polled-service.js';
import { hasNextIterator, noteAnswer, weighEnd } from './end-verdict.js';
import type { Quota } from './read-quota.js';
import { failedReadBackoff, recover, readRetryDelayMs, sleep } from './reading-failure.js';
import { lagInMiddle, noteRecordGone, type Progress } from './reading-progress.js';
import { chainDoubt, streamDoubt } from './stream-doubt.js';
import { doubtStart, judgeStart } from './start-doubt.js';
import { idleWaitMs, leaveIdle } from './idle-reads.js';
import { failureOf, iteratorPosition, type FoundIterator, type ReadOperation } from './shard-iterator.js';

const missingShardBackoff: Backoff = { baseMs: 500, capMs: 3_000 };
/** How long the service must not find a shard before the reader treats it as gone. */
const missingMs = 5_000;
/** A second chain that goes on for longer does not prove the end of the first: the listing that called the shard closed was wrong. */
const proofMs = 30_000;

/**
 * Makes one step: asks whether the shard is closed, begins a chain, or reads once. `over`: the buffer has the end of the shard.
 */
export async function pollOnce(reader: ReaderContext, progress: Progress, quota: Quota): Promise<Next> {
  const { iterators, reads, bytes } = quota;
  if (progress.iterator === undefined) {
    if (progress.end.awaitsListing && (await askWhetherClosed(reader, progress)) !== 'notOpen') return 'readOn';
    await pace(reader, [iterators]);
    const next = await beginChain(reader, progress);
    take(iterators, 1, reader.clock.now());
    return next;
  }
  await pace(reader, [reads, bytes]);
  return readOnce(reader, progress, progress.iterator, quota);
}

/**
 * Makes one GetRecords call and handles its answer. It is a separate function so that the reader's loop keeps no answer in memory
 * while it waits for room.
 */
async function readOnce(
  reader: ReaderContext,
  progress: Progress,
  iterator: string,
  { reads, bytes }: Quota,
): Promise<Next> {
  const { clock } = reader;
  let limit = 0;
  let askedAt = clock.now();
  const asked = await callWithRoom(reader, async (room) => {
    // The application may have paused while this reader waited for its turn.
    if (reader.buffer.isHeld) return undefined;
    limit = room;
    askedAt = clock.now();
    return reader.service.getRecords(reader, iterator, room);
  });
  if (asked === undefined) {
    reader.allowance.answered([]);
    return 'readOn';
  }
  const answeredAt = clock.now();
  take(reads, 1, answeredAt);
  reader.lease?.noteRead?.(answeredAt - askedAt);

  if ('failure' in asked) {
    reader.allowance.answered([]);
    return handleFailure(reader, progress, asked.failure, 'GetRecords');
  }

  const middleMs = lagInMiddle(progress, asked);
  const answer: Answer = middleMs === undefined ? asked : { ...asked, lagMs: middleMs, isBehind: true };

  take(bytes, answer.bytes, clock.now());
  const { output } = answer;
  const isBehind = (output.MillisBehindLatest ?? 0) > 0 || answer.records.length >= limit || answer.isBehind === true;
  noteAnswer(reader.backlogMeaning, progress, output, answer.records.length);
  if (progress.end.proof !== undefined && answer.records.length > 0) progress.end.proof.sawRecords = true;
  handOn(reader, progress, {
    records: answer.records,
    lagMs: answer.lagMs ?? output.MillisBehindLatest,
    // The service may have made the answer as soon as it was asked. Records are as fresh as they came.
    ageMs: answer.records.length === 0 ? answeredAt - askedAt : 0,
    hasMore: (output.MillisBehindLatest ?? 0) > 0,
    isBehind,
    ends: !hasNextIterator(output),
  });
  reader.allowance.answered(answer.records);

  if (!hasNextIterator(output)) return handleChainEnd(reader, progress, answer);
  continueChain(reader, progress, output.NextShardIterator);
  if ((output.MillisBehindLatest ?? 0) > 0) await findLaterStart(reader, progress);
  const isIdle = !isBehind && answer.records.length === 0 && progress.end.proof === undefined;
  if (isIdle) await doubtStart(reader, progress);
  else leaveIdle(reader.idle);
  const waitMs = isIdle ? idleWaitMs(reader.idle, reader.idleMs, askedAt) : reader.idleMs;
  if (!isBehind) await sleep(reader, waitMs - (clock.now() - askedAt));
  return 'readOn';
}

/** Makes a call when the source has a slot for it. A source that hangs has at most its share of the slots. */
function calling<Result>({ slots, signal }: ReaderContext, call: () => Promise<Result>): Promise<Result> {
  return inSlot(slots, call, { signal, stopped: stoppedError });
}

/**
 * Makes the call with a slot and with room for its answer. A reader that waits for room has no slot: otherwise it would hold up
 * other shards of its source. One that waits for a slot has no room: hundreds of them would reserve all of `maxBytes`.
 */
async function callWithRoom<Result>(
  reader: ReaderContext,
  call: (limit: number) => Promise<Result>,
): Promise<Result | undefined> {
  const { allowance, slots, signal } = reader;
  let limit = 0;
  for (;;) {
    if (signal.aborted) throw stoppedError();
    const result = await calling(reader, async () => {
      if (limit === 0) limit = allowance.askNow();
      return limit === 0 ? undefined : call(limit);
    });
    if (limit > 0) return result;
    limit = await allowance.ask(signal);
    if (hasFreeSlot(slots)) continue;
    allowance.answered([]);
    limit = 0;
  }
}

/** Handles a failed call: records that have expired need another start, everything else another attempt. */
async function handleFailure(
  reader: ReaderContext,
  progress: Progress,
  failure: AwsFailure,
  operation: ReadOperation,
): Promise<Next> {
  const { service } = reader;
  if (failure.kind === 'trimmed' && service.onTrimmed !== undefined) return service.onTrimmed(reader, progress);
  await recover(reader, progress, failure, operation);
  return 'readOn';
}

/** Waits until every bucket has a token. */
async function pace(reader: ReaderContext, buckets: readonly TokenBucket[]): Promise<void> {
  for (;;) {
    const ms = Math.max(...buckets.map((bucket) => waitMs(bucket, 1, reader.clock.now())));
    if (ms === 0) return;
    await sleep(reader, ms);
  }
}

/** Begins a chain. `over`: the service has not found the shard for long enough. */
async function beginChain(reader: ReaderContext, progress: Progress): Promise<Next> {
  const found = await calling(reader, () => reader.service.findIterator(reader, progress.position));
  switch (found.type) {
    case 'iterator': {
      // Asked after the iterator: if the stream has this identity now, it had it when the iterator was made.
      const doubt = await chainDoubt(reader, progress);
      if (doubt !== undefined) {
        await recover(reader, progress, doubt, reader.service.operations.describe);
        return 'readOn';
      }

      progress.iterator = found.iterator;
      progress.beganAt = reader.clock.now();
      if (found.skipBefore !== undefined) {
        progress.skip.arrivedBefore = found.skipBefore;
        progress.skip.askAgain = found.askAgain;
      }
      if (found.instead !== undefined) {
        const { shardId } = reader;
        reader.notice({ type: 'retrying', shardId, operation: 'GetShardIterator', error: found.instead, delayMs: 0 });
      }
      if (found.trimmed) noteRecordGone(progress);
      return 'readOn';
    }
    case 'missing':
      return handleMissingShard(reader, progress, found);
    case 'failed':
      return handleFailure(reader, progress, found.failure, found.operation);
  }
}

/**
 * Handles a missing shard of an existing stream. That may be temporary, for instance while a stream is being recreated. So the shard counts
 * as gone only after a while.
 */
async function handleMissingShard(
  reader: ReaderContext,
  progress: Progress,
  { failure, description }: Extract<FoundIterator, { type: 'missing' }>,
): Promise<Next> {
  const doubt = await streamDoubt(reader, description);
  if (doubt !== undefined) {
    progress.failures.missingSince = undefined;
    await recover(reader, progress, doubt, reader.service.operations.describe);
    return 'readOn';
  }

  const now = reader.clock.now();
  progress.failures.missingSince ??= now;
  if (now - progress.failures.missingSince >= missingMs) {
    reportGap(reader, progress, false);
    reader.buffer.finish({ type: 'shardEnd', notFound: true });
    return 'over';
  }

  const attempt = progress.failures.inARow++;
  const delayMs = readRetryDelayMs(missingShardBackoff, attempt, reader.random);
  const { shardId } = reader;
  reader.notice({ type: 'retrying', shardId, operation: 'GetShardIterator', error: failure.error, delayMs });
  await sleep(reader, delayMs);
  return 'readOn';
}

/** Handles an answer without another iterator. `over`: a second chain has ended there too, which proves the end of the shard. */
async function handleChainEnd(reader: ReaderContext, progress: Progress, answer: Answer): Promise<Next> {
  const { proof } = progress.end;
  const now = reader.clock.now();
  const children = childrenOf(answer.output, reader.shardId) ?? proof?.children;
  const weight = weighEnd(reader.backlogMeaning, progress, answer.output, now);

  if (proof?.sawRecords === false && weight === 'end') {
    const verdict = await judgeStart(reader, progress);
    if (verdict !== 'certain') {
      progress.iterator = undefined;
      progress.end.proof =
        verdict === 'again' ? undefined : { since: now, children, sawRecords: false, upToDate: false };
      if (verdict !== 'again') {
        await recover(reader, progress, verdict.failure, verdict.operation);
        // Each chain in between is answered, which makes `recover` begin with its shortest wait.
        await sleep(reader, countFalseEnd(reader, progress));
      }
      return 'readOn';
    }

    // The record to resume after was never read, so records after it may have expired with it.
    if (progress.start.unseen) noteRecordGone(progress, progress.start.doubted);
    reportGap(reader, progress, false);
    reader.buffer.finish({ type: 'shardEnd', ...(children === undefined ? {} : { children }) });
    return 'over';
  }

  progress.iterator = undefined;
  progress.end.awaitsListing = true;
  progress.end.proof = { since: now, children, sawRecords: false, upToDate: false };
  if (proof?.sawRecords === true || weight === 'more') await reportFalseEnd(reader, progress);
  // kinesalite ends every shard in this way, so nothing is reported.
  else if (weight === 'unclear') await sleep(reader, countFalseEnd(reader, progress));
  return 'readOn';
}

/**
 * Asks a listing whether the shard is closed, after its chain has ended, and notes the answer. Only a chain that begins after the
 * listing can prove the end, because records may lie between a false end and the true one. If the shard is not listed, the
 * coordinator decides.
 */
async function askWhetherClosed(reader: ReaderContext, progress: Progress): Promise<'open' | 'notOpen' | 'unknown'> {
  try {
    const { shards } = await reader.list(reader.signal);
    progress.end.awaitsListing = false;

    const shard = shards.find(({ shardId }) => shardId === reader.shardId);
    const isOpen = shard !== undefined && shard.endingSequenceNumber === undefined;
    const children = progress.end.proof?.children;
    progress.end.proof = { since: reader.clock.now(), children, sawRecords: false, upToDate: false };

    if (!isOpen) return 'notOpen';
    progress.end.proof = undefined;
    progress.end.doubts = undefined;
    await reportFalseEnd(reader, progress);
    return 'open';
  } catch (thrown) {
    const { list } = reader.service.operations;
    await recover(reader, progress, failureOf(thrown, list), list);
    return 'unknown';
  }
}

/** Reports an end of a chain that was not the end of the shard. */
async function reportFalseEnd(reader: ReaderContext, progress: Progress): Promise<void> {
  const { shardId } = reader;
  const operation = `${reader.service.name}:GetRecords`;
  const error = new KinactError('AWS_ERROR', `${operation} was answered without NextShardIterator before the end`, {
    retryable: true,
    data: { shardId, operation },
  });
  const delayMs = countFalseEnd(reader, progress);
  reader.notice({ type: 'retrying', shardId, operation: 'GetRecords', error, delayMs });
  await sleep(reader, delayMs);
}

/** Counts a false or unclear end. Returns the wait before the next chain: only the first one needs none. */
function countFalseEnd(reader: ReaderContext, progress: Progress): number {
  const times = progress.end.falseEnds++;
  return times === 0 ? 0 : readRetryDelayMs(failedReadBackoff, times - 1, reader.random);
}

/** Continues the chain. A chain that still continues after `proofMs` no longer proves the end of the shard. */
function continueChain(reader: ReaderContext, progress: Progress, iterator: string): void {
  const { proof } = progress.end;
  progress.iterator = iterator;
  if (proof === undefined) {
    progress.end.falseEnds = 0;
    return;
  }
  // A closed shard, too, may give empty answers with an iterator for a while.
  if (reader.clock.now() - proof.since > proofMs) progress.end.proof = undefined;
}

/** While old records are skipped because AT_TIMESTAMP was once not answered, asks for the start time again. */
async function findLaterStart(reader: ReaderContext, progress: Progress): Promise<void> {
  if (progress.skip.arrivedBefore === undefined || !progress.skip.askAgain) return;
  const found = await calling(reader, () => reader.service.findIterator(reader, iteratorPosition(reader.start)));
  if (found.type !== 'iterator' || found.skipBefore !== undefined) return;
  const doubt = await streamDoubt(reader);
  if (doubt !== undefined) {
    progress.iterator = undefined;
    return recover(reader, progress, doubt, reader.service.operations.describe);
  }
  progress.iterator = found.iterator;
  // `skip.arrivedBefore` stays set: the next chain may begin after a skipped record, and must skip later ones too.
  progress.skip.askAgain = false;
}
