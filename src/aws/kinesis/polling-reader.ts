// Reads one shard by GetRecords, ahead of its worker within bounds, until the shard ends. Invariants: every round of the loop
// waits for something. The position moves forward only past records that are handed on or deliberately skipped. Failures that may
// pass are reported and retried without end; the others end the reader. The polling source opens one reader per shard worker.
import { GetRecordsCommand, type GetRecordsOutput } from '@aws-sdk/client-kinesis';
import type { Backoff } from '../../core/backoff.js';
import type { StartPosition } from '../../core/position.js';
import { createTokenBucket, take, waitMs, type TokenBucket } from '../../core/token-bucket.js';
import { isKinactError, KinactError } from '../../api/errors.js';
import type {
  Clock,
  LeasedRead,
  Random,
  RawRecord,
  ShardReader,
  ShardListing,
  SourceNotice,
  StreamDescription,
  Timers,
} from '../../api/ports.js';
import { bytesOf } from '../../core/record-bytes.js';
import { classifyAwsError, type AwsFailure } from '../aws-errors.js';
import { childrenOf, recordsOf } from './get-records-answer.js';
import type { KinesisCaller, StreamNames } from './kinesis-client.js';
import { createPrefetchBuffer, stopped, type PrefetchBounds } from './prefetch-buffer.js';
import { createReadAllowance, type ReadAllowance, type RecordSizes } from './read-allowance.js';
import { hasNextIterator, noteAnswer, weighEnd, type BacklogMeaning } from './end-verdict.js';
import { failing, recover, readRetryDelayMs, sleep } from './reading-failure.js';
import { mayHaveBegunLate, progressFrom, recordIsGone, noteRecords, type Progress } from './reading-progress.js';
import type { Ask } from '../shared-request.js';
import { streamDoubt } from './stream-doubt.js';
import { failureOf, findIterator, type FoundIterator } from './shard-iterator.js';

export interface PollingReaderDeps {
  readonly caller: KinesisCaller;
  readonly names: StreamNames;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly maxRecords: number;
  readonly idleMs: number;
  readonly prefetch: PrefetchBounds;
  readonly timestampTimeoutMs: number;
  readonly describe: Ask<StreamDescription>;
  readonly list: Ask<ShardListing>;
  readonly sizes: RecordSizes;
  readonly told: BacklogMeaning;
}

/**
 * AWS grants all readers of a shard together five reads and 2 MB a second. The reader allows no burst, and counts a call from its
 * answer on. So no six calls arrive within a second, however they are delayed on their way. The margin below 5 is for clocks that
 * count in whole milliseconds.
 */
const readsPerSecond = 4.9;
const bytesPerSecond = 2_000_000;

const missingShape: Backoff = { baseMs: 500, capMs: 3_000 };
/** How long the service must not find a shard before the reader treats it as gone. */
const missingMs = 5_000;
/** How soon a second chain must end to prove the end of the first. Later, it proves nothing. */
const proofMs = 30_000;

/** Which shard is read, from where, and under which lease. */
export interface Opening {
  readonly shardId: string;
  readonly start: StartPosition;
  readonly notice: (notice: SourceNotice) => void;
  readonly lease: LeasedRead | undefined;
}

/** Opens a reader. It sends no request before the first `read`. */
export function openPollingReader(deps: PollingReaderDeps, opening: Opening): ShardReader {
  const { shardId, lease } = opening;
  const closing = new AbortController();
  const buffer = createPrefetchBuffer(deps.prefetch, lease?.bytes);
  const allowance = createReadAllowance(lease?.bytes, deps.sizes, deps.maxRecords);
  let started = false;
  const begin = async (): Promise<void> => {
    try {
      await poll({ ...deps, ...opening, buffer, allowance, signal: closing.signal });
    } catch (thrown) {
      if (closing.signal.aborted) return;
      buffer.finish(
        isKinactError(thrown)
          ? thrown
          : classifyAwsError(thrown, { service: 'kinesis', operation: 'GetRecords', shardId }).error,
      );
    }
  };
  return {
    read(signal) {
      if (!started && !closing.signal.aborted) {
        started = true;
        void begin();
      }
      return buffer.read(signal);
    },
    close() {
      closing.abort();
      buffer.clear();
      buffer.finish(stopped());
    },
  };
}

interface Poll extends PollingReaderDeps, Opening {
  readonly buffer: ReturnType<typeof createPrefetchBuffer>;
  readonly allowance: ReadAllowance;
  readonly signal: AbortSignal;
}

/** The rate limits of the shard: iterators, reads and bytes. */
interface Quota {
  readonly iterators: TokenBucket;
  readonly reads: TokenBucket;
  readonly traffic: TokenBucket;
}

function fullQuota(now: number): Quota {
  return {
    iterators: createTokenBucket({ capacity: 1, perSecond: readsPerSecond }, now),
    reads: createTokenBucket({ capacity: 1, perSecond: readsPerSecond }, now),
    traffic: createTokenBucket({ capacity: 1, perSecond: bytesPerSecond }, now),
  };
}

async function poll(on: Poll): Promise<void> {
  const { clock, signal } = on;
  const quota = fullQuota(clock.now());
  const { iterators, reads, traffic } = quota;
  const progress = progressFrom(on.start);
  for (;;) {
    await on.buffer.whenRoom(signal);
    if (progress.iterator === undefined) {
      if (progress.ended && !(await askWhetherClosed(on, progress))) continue;
      await pace(on, [iterators]);
      const gone = await beginChain(on, progress);
      take(iterators, 1, clock.now());
      if (gone) return;
      continue;
    }
    await pace(on, [reads, traffic]);
    if (await readOnce(on, progress, progress.iterator, quota)) return;
  }
}

/**
 * Makes one GetRecords call and handles its answer; true at the end of the shard. It is a separate function so that `poll` keeps
 * no answer in memory while it waits for room.
 */
async function readOnce(on: Poll, progress: Progress, iterator: string, { reads, traffic }: Quota): Promise<boolean> {
  const { clock } = on;
  const limit = await on.allowance.ask(on.signal);
  const askedAt = clock.now();
  const answer = await getRecords(on, iterator, limit);
  take(reads, 1, clock.now());
  if ('failure' in answer) {
    on.allowance.answered([]);
    await recover(on, progress, answer.failure, 'GetRecords');
    return false;
  }
  take(traffic, answer.bytes, clock.now());
  const { output } = answer;
  const behind = (output.MillisBehindLatest ?? 0) > 0 || answer.records.length >= limit;
  noteAnswer(on.told, progress, output, answer.records.length);
  handOn(on, progress, answer, behind);
  on.allowance.answered(answer.records);
  if (!hasNextIterator(output)) return chainEnded(on, progress, answer);
  chainGoesOn(on, progress, output.NextShardIterator);
  if ((output.MillisBehindLatest ?? 0) > 0) await findLaterStart(on, progress);
  if (!behind) await sleep(on, on.idleMs - (clock.now() - askedAt));
  return false;
}

/** Waits until every bucket has a token. */
async function pace(on: Poll, buckets: readonly TokenBucket[]): Promise<void> {
  for (;;) {
    const ms = Math.max(...buckets.map((bucket) => waitMs(bucket, 1, on.clock.now())));
    if (ms === 0) return;
    await sleep(on, ms);
  }
}

/** Begins a chain. True when there is nothing more to read: the service has not found the shard for long enough. */
async function beginChain(on: Poll, progress: Progress): Promise<boolean> {
  const found = await findIterator(on, progress.position);
  switch (found.type) {
    case 'iterator': {
      // Asked after the iterator: if the stream has this identity now, it had it when the iterator was made.
      const described = (description: StreamDescription): void => {
        if (!mayHaveBegunLate(progress, on.start, description)) return;
        on.notice({ type: 'trimmed', shardId: on.shardId, certain: false });
      };
      const doubt = await streamDoubt({ ...on, described });
      if (doubt !== undefined) {
        await recover(on, progress, doubt, 'DescribeStreamSummary');
        return false;
      }
      progress.iterator = found.iterator;
      if (found.skipBefore !== undefined) {
        progress.skipBefore = found.skipBefore;
        progress.askAgain = found.askAgain;
      }
      if (found.instead !== undefined) {
        const { shardId } = on;
        on.notice({ type: 'retrying', shardId, operation: 'GetShardIterator', error: found.instead, delayMs: 0 });
      }
      if (found.trimmed) recordIsGone(progress);
      return false;
    }
    case 'missing':
      return missing(on, progress, found);
    case 'failed':
      await recover(on, progress, found.failure, found.operation);
      return false;
  }
}

/**
 * Handles a missing shard of an existing stream. That may pass, for instance while a stream is being recreated. So the result is
 * true, and the shard counts as gone, only after a while.
 */
async function missing(
  on: Poll,
  progress: Progress,
  { failure, description }: Extract<FoundIterator, { type: 'missing' }>,
): Promise<boolean> {
  const doubt = await streamDoubt(on, description);
  if (doubt !== undefined) {
    progress.missingSince = undefined;
    await recover(on, progress, doubt, 'DescribeStreamSummary');
    return false;
  }
  const now = on.clock.now();
  progress.missingSince ??= now;
  if (now - progress.missingSince >= missingMs) {
    reportGap(on, progress, false);
    on.buffer.finish({ type: 'shardEnd', notFound: true });
    return true;
  }
  const attempt = progress.failures++;
  const delayMs = readRetryDelayMs(missingShape, attempt, on.random);
  const { shardId } = on;
  on.notice({ type: 'retrying', shardId, operation: 'GetShardIterator', error: failure.error, delayMs });
  await sleep(on, delayMs);
  return false;
}

type Answer =
  | {
      readonly output: Partial<GetRecordsOutput>;
      readonly records: readonly RawRecord[];
      readonly bytes: number;
    }
  | { readonly failure: AwsFailure };

async function getRecords(on: Poll, iterator: string, limit: number): Promise<Answer> {
  const { shardId, names } = on;
  const arn = names.StreamARN === undefined ? {} : { StreamARN: names.StreamARN };
  const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: limit, ...arn });
  const call = { operation: 'GetRecords', shardId };
  const answer = await on.caller.attempt(command, call, on.signal);
  if (answer.type === 'failed') return { failure: answer.failure };
  try {
    const records = recordsOf(answer.output);
    return { output: answer.output, records, bytes: bytesOf(records) };
  } catch (thrown) {
    return { failure: classifyAwsError(thrown, { ...call, service: 'kinesis' }) };
  }
}

function handOn(on: Poll, progress: Progress, answer: Exclude<Answer, { failure: unknown }>, behind: boolean): void {
  const { records, output } = answer;
  progress.failures = 0;
  progress.refusals = 0;
  progress.missingSince = undefined;
  if (progress.endProof !== undefined && records.length > 0) progress.endProof.records = true;
  const knewMore = progress.moreKnown;
  const fresh = noteRecords(progress, records, (output.MillisBehindLatest ?? 0) > 0);
  reportGap(on, progress, knewMore && records.length === 0 && !behind);
  // A page of skipped records only is not pushed, except at the tip. Nor is an empty page that ends the chain: `chainEnded`
  // decides what it means.
  if (fresh.length > 0 || (hasNextIterator(output) && (records.length === 0 || !behind)))
    on.buffer.push(fresh, bytesOf(fresh), output.MillisBehindLatest);
}

/** `certain`: there were more records after the position, and none is left. */
function reportGap(on: Poll, progress: Progress, certain: boolean): void {
  const { gap } = progress;
  if (gap === undefined) return;
  progress.gap = undefined;
  on.notice({ type: 'trimmed', shardId: on.shardId, position: gap, certain });
}

/** Handles an answer without another iterator. True if a second chain has ended there too, which proves the end of the shard. */
async function chainEnded(
  on: Poll,
  progress: Progress,
  answer: Exclude<Answer, { failure: unknown }>,
): Promise<boolean> {
  const { endProof } = progress;
  const now = on.clock.now();
  const children = childrenOf(answer.output, on.shardId) ?? endProof?.children;
  const weight = weighEnd(on.told, progress, answer.output, now);
  if (endProof?.records === false && now - endProof.since <= proofMs && weight === 'end') {
    // The record to resume after was never read, so records after it may have expired with it.
    if (progress.unseen) recordIsGone(progress);
    reportGap(on, progress, false);
    on.buffer.finish({ type: 'shardEnd', ...(children === undefined ? {} : { children }) });
    return true;
  }
  progress.iterator = undefined;
  progress.ended = true;
  progress.endProof = { since: now, children, records: false, upToDate: false };
  if (endProof?.records === true || weight === 'more') await falseEnd(on, progress);
  // kinesalite ends every shard in this way, so nothing is reported.
  else if (weight === 'unclear') await sleep(on, delayOfFalseEnd(on, progress));
  return false;
}

/**
 * Asks a listing whether the shard is closed, after its chain has ended, and notes the answer. Only a chain that begins after the
 * listing can prove the end, because records may lie between a false end and the true one. If the shard is not listed, the
 * coordinator decides.
 */
async function askWhetherClosed(on: Poll, progress: Progress): Promise<boolean> {
  try {
    const { shards } = await on.list(on.signal);
    progress.ended = false;
    const shard = shards.find(({ shardId }) => shardId === on.shardId);
    const isOpen = shard !== undefined && shard.endingSequenceNumber === undefined;
    const children = progress.endProof?.children;
    progress.endProof = { since: on.clock.now(), children, records: false, upToDate: false };
    if (!isOpen) return true;
    progress.endProof = undefined;
    progress.unclear = undefined;
    await falseEnd(on, progress);
  } catch (thrown) {
    await recover(on, progress, failureOf(thrown, 'ListShards'), 'ListShards');
  }
  return false;
}

/** Reports an end of a chain that was not the end of the shard. Only the first one is retried without a wait. */
async function falseEnd(on: Poll, progress: Progress): Promise<void> {
  const { shardId } = on;
  const error = new KinactError(
    'AWS_ERROR',
    'kinesis:GetRecords was answered without NextShardIterator before the end',
    {
      retryable: true,
      data: { shardId, operation: 'kinesis:GetRecords' },
    },
  );
  const delayMs = delayOfFalseEnd(on, progress);
  on.notice({ type: 'retrying', shardId, operation: 'GetRecords', error, delayMs });
  await sleep(on, delayMs);
}

function delayOfFalseEnd(on: Poll, progress: Progress): number {
  const times = progress.falseEnds++;
  return times === 0 ? 0 : readRetryDelayMs(failing, times - 1, on.random);
}

/** Continues the chain. A chain that still continues after `proofMs` no longer proves the end of the shard. */
function chainGoesOn(on: Poll, progress: Progress, iterator: string): void {
  const { endProof } = progress;
  progress.iterator = iterator;
  if (endProof === undefined) {
    progress.falseEnds = 0;
    return;
  }
  // A closed shard, too, may give empty answers with an iterator for a while.
  if (on.clock.now() - endProof.since > proofMs) progress.endProof = undefined;
}

/** While old records are skipped because AT_TIMESTAMP was once not answered, asks for the start time again. */
async function findLaterStart(on: Poll, progress: Progress): Promise<void> {
  if (progress.skipBefore === undefined || !progress.askAgain) return;
  const found = await findIterator(on, on.start);
  if (found.type !== 'iterator' || found.skipBefore !== undefined) return;
  const doubt = await streamDoubt(on);
  if (doubt !== undefined) {
    progress.iterator = undefined;
    return recover(on, progress, doubt, 'DescribeStreamSummary');
  }
  progress.iterator = found.iterator;
  // `skipBefore` stays set: the next chain may begin after a skipped record, and must skip later ones too.
  progress.askAgain = false;
}
