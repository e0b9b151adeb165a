// Reads one shard by GetRecords, ahead of its worker within bounds, until the shard ends. Invariants: every turn of the loop
// waits for something; the position moves forward only with records that are handed on; failures that time cures are
// repeated without end and said, the others end the reader. Opened by the polling source, one per shard worker.
import { GetRecordsCommand, type GetRecordsOutput } from '@aws-sdk/client-kinesis';
import { backoffMs, type Backoff } from '../core/backoff.js';
import type { StartPosition } from '../core/position.js';
import { compareSequenceNumbers } from '../core/sequence-number.js';
import { createTokenBucket, take, waitMs, type TokenBucket } from '../core/token-bucket.js';
import { isKinactError } from '../errors.js';
import type { Clock, Random, RawRecord, ShardReader, SourceNotice, Timers } from '../ports.js';
import { classifyAwsError, type AwsFailure } from './aws-errors.js';
import { childrenOf, recordsOf } from './get-records.js';
import type { KinesisCaller, StreamNames } from './kinesis-client.js';
import { pause } from './pause.js';
import { createPrefetchBuffer, stopped, type PrefetchBounds } from './prefetch-buffer.js';
import { findIterator, type IteratorPosition } from './shard-iterator.js';

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
}

/**
 * AWS grants all readers of a shard together five reads and 2 MB a second. There is no burst, and a call counts from its
 * answer on, so that however calls are delayed on their way no six of them arrive within a second; a little is left for
 * clocks that count in whole milliseconds.
 */
const readsPerSecond = 4.9;
const bytesPerSecond = 2_000_000;

const throttled: Backoff = { baseMs: 1_000, capMs: 20_000 };
const failing: Backoff = { baseMs: 500, capMs: 20_000 };
/** Full jitter may come out as nothing; a loop that failed waits at least this long. */
const shortestRetryMs = 100;

/** Opens a reader. It asks for nothing before the first `read`. */
export function openPollingReader(
  deps: PollingReaderDeps,
  shardId: string,
  start: StartPosition,
  notice: (notice: SourceNotice) => void,
): ShardReader {
  const closing = new AbortController();
  const buffer = createPrefetchBuffer(deps.prefetch);
  let started = false;
  const begin = async (): Promise<void> => {
    try {
      await poll({ ...deps, shardId, start, notice, buffer, signal: closing.signal });
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
      buffer.finish(stopped());
    },
  };
}

interface Poll extends PollingReaderDeps {
  readonly shardId: string;
  readonly start: StartPosition;
  readonly notice: (notice: SourceNotice) => void;
  readonly buffer: ReturnType<typeof createPrefetchBuffer>;
  readonly signal: AbortSignal;
}

/** Where the loop stands. */
interface Progress {
  /** The next iterator of the chain; undefined when the chain has to be begun (anew). */
  iterator: string | undefined;
  position: IteratorPosition;
  /** Set while records that arrived before it are left out. */
  skipBefore: number | undefined;
  /** The start time may still be found by asking again. */
  askAgain: boolean;
  /** Nothing was read since the start: whether its record still exists shows with the first one that is. */
  unseen: boolean;
  /** After a fall back to TRIM_HORIZON: everything up to here has been handed on already. */
  doneUpTo: string | undefined;
  /** Failures in a row; and of those, how many were refusals of the iterator. */
  failures: number;
  refusals: number;
}

async function poll(on: Poll): Promise<void> {
  const { clock, signal } = on;
  const iterators = createTokenBucket({ capacity: 1, perSecond: readsPerSecond }, clock.now());
  const reads = createTokenBucket({ capacity: 1, perSecond: readsPerSecond }, clock.now());
  const traffic = createTokenBucket({ capacity: 1, perSecond: bytesPerSecond }, clock.now());
  const progress: Progress = {
    iterator: undefined,
    position: on.start,
    skipBefore: undefined,
    askAgain: false,
    unseen: on.start.type === 'after',
    doneUpTo: undefined,
    failures: 0,
    refusals: 0,
  };
  for (;;) {
    await on.buffer.room(signal);
    if (progress.iterator === undefined) {
      await pace(on, [iterators]);
      const gone = await beginChain(on, progress);
      take(iterators, 1, clock.now());
      if (gone) return;
      continue;
    }
    await pace(on, [reads, traffic]);
    if (await readOnce(on, progress, progress.iterator, reads, traffic)) return;
  }
}

/**
 * One GetRecords and what follows from it; true at the end of the shard. A function of its own so that no answer lives on
 * in the suspended loop while that waits for room.
 */
async function readOnce(
  on: Poll,
  progress: Progress,
  iterator: string,
  reads: TokenBucket,
  traffic: TokenBucket,
): Promise<boolean> {
  const { clock, shardId } = on;
  const askedAt = clock.now();
  const answer = await getRecords(on, iterator);
  take(reads, 1, clock.now());
  if ('failure' in answer) {
    await recover(on, progress, answer.failure, 'GetRecords');
    return false;
  }
  take(traffic, answer.bytes, clock.now());
  const { output } = answer;
  const behind = (output.MillisBehindLatest ?? 0) > 0 || answer.records.length >= on.maxRecords;
  handOn(on, progress, answer, behind);
  if (typeof output.NextShardIterator !== 'string' || output.NextShardIterator === '') {
    const children = childrenOf(output, shardId);
    on.buffer.finish({ type: 'shardEnd', ...(children === undefined ? {} : { children }) });
    return true;
  }
  progress.iterator = output.NextShardIterator;
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

/** True when the shard turned out to be gone. */
async function beginChain(on: Poll, progress: Progress): Promise<boolean> {
  const found = await findIterator(on, progress.position);
  switch (found.type) {
    case 'iterator':
      progress.iterator = found.iterator;
      if (found.skipBefore !== undefined) {
        progress.skipBefore = found.skipBefore;
        progress.askAgain = found.askAgain;
      }
      if (found.instead !== undefined) {
        on.notice({
          type: 'retrying',
          shardId: on.shardId,
          operation: 'GetShardIterator',
          error: found.instead,
          delayMs: 0,
        });
      }
      if (found.trimmed) noteTrimmed(on, progress);
      return false;
    case 'vanished':
      on.buffer.finish({ type: 'shardEnd', vanished: true });
      return true;
    case 'failed':
      await recover(on, progress, found.failure, found.operation);
      return false;
  }
}

/** The record that reading was to begin at or behind is gone, so everything that is left comes after it. */
function noteTrimmed(on: Poll, progress: Progress): void {
  const { position } = progress;
  progress.unseen = false;
  if (position.type === 'after') on.notice({ type: 'trimmed', shardId: on.shardId, position: position.position });
  if (position.type !== 'behind') return;
  const { sequenceNumber } = position;
  progress.doneUpTo = sequenceNumber;
  on.notice({ type: 'trimmed', shardId: on.shardId, position: { sequenceNumber, subSequenceNumber: 0 } });
}

type Answer =
  | {
      readonly output: Partial<GetRecordsOutput>;
      readonly records: readonly RawRecord[];
      readonly bytes: number;
    }
  | { readonly failure: AwsFailure };

async function getRecords(on: Poll, iterator: string): Promise<Answer> {
  const { shardId, names } = on;
  const arn = names.StreamARN === undefined ? {} : { StreamARN: names.StreamARN };
  const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: on.maxRecords, ...arn });
  const call = { operation: 'GetRecords', shardId };
  const answer = await on.caller.attempt(command, call, on.signal);
  if (answer.type === 'failed') return { failure: answer.failure };
  try {
    const records = recordsOf(answer.output);
    return { output: answer.output, records, bytes: sizeOf(records) };
  } catch (thrown) {
    return { failure: classifyAwsError(thrown, { ...call, service: 'kinesis' }) };
  }
}

function handOn(on: Poll, progress: Progress, answer: Exclude<Answer, { failure: unknown }>, behind: boolean): void {
  const { records, output } = answer;
  progress.failures = 0;
  progress.refusals = 0;
  const last = records.at(-1);
  if (last === undefined) {
    on.buffer.push(records, 0, output.MillisBehindLatest);
    return;
  }
  if (progress.unseen && progress.position.type === 'after') {
    const { position } = progress.position;
    // A service that silently begins at the next record that exists.
    if (compareSequenceNumbers(records[0]!.sequenceNumber, position.sequenceNumber) > 0) noteTrimmed(on, progress);
  }
  progress.unseen = false;
  progress.position = { type: 'behind', sequenceNumber: last.sequenceNumber };
  const fresh = leaveOut(progress, records);
  // A page that is skipped whole on the way to the start is no news, except at the tip.
  if (fresh.length > 0 || !behind) on.buffer.push(fresh, sizeOf(fresh), output.MillisBehindLatest);
}

function sizeOf(records: readonly RawRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += record.data.length + (record.partitionKey?.length ?? 0);
  return bytes;
}

/** Leaves out what arrived before the start time, up to the first record that did not, and what was handed on before. */
function leaveOut(progress: Progress, records: readonly RawRecord[]): readonly RawRecord[] {
  let fresh = records;
  const { skipBefore, doneUpTo } = progress;
  if (skipBefore !== undefined) {
    const first = fresh.findIndex((record) => record.arrivedAt === undefined || record.arrivedAt >= skipBefore);
    fresh = first < 0 ? [] : fresh.slice(first);
    if (first >= 0) progress.skipBefore = undefined;
  }
  if (doneUpTo !== undefined) {
    fresh = fresh.filter((record) => compareSequenceNumbers(record.sequenceNumber, doneUpTo) > 0);
    if (fresh.length > 0) progress.doneUpTo = undefined;
  }
  return fresh;
}

/** While far-off records are being skipped because AT_TIMESTAMP was once not answered, ask for it again. */
async function findLaterStart(on: Poll, progress: Progress): Promise<void> {
  if (progress.skipBefore === undefined || !progress.askAgain) return;
  const found = await findIterator(on, on.start);
  if (found.type !== 'iterator' || found.skipBefore !== undefined) return;
  progress.iterator = found.iterator;
  progress.skipBefore = undefined;
}

/** Says what failed and waits before the next attempt; throws where another attempt is of no use. */
async function recover(on: Poll, progress: Progress, failure: AwsFailure, operation: string): Promise<void> {
  const { shardId, notice, random } = on;
  const { kind, error } = failure;
  if (on.signal.aborted) throw stopped();
  const attempt = progress.failures;
  progress.failures += 1;
  const wait = async (shape: Backoff, again: number, say: (delayMs: number) => SourceNotice): Promise<void> => {
    const delayMs = Math.max(shortestRetryMs, backoffMs(shape, again, random));
    notice(say(delayMs));
    await sleep(on, delayMs);
  };
  const retrying = (delayMs: number): SourceNotice => ({ type: 'retrying', shardId, operation, error, delayMs });
  if (kind === 'throttled') {
    return wait(throttled, attempt, (delayMs) => ({ type: 'throttled', shardId, delayMs }));
  }
  if (operation === 'GetRecords' && (kind === 'expiredIterator' || kind === 'invalidArgument' || kind === 'notFound')) {
    // The chain is begun anew from the position; where that does not help at once, slower and slower.
    progress.iterator = undefined;
    const refusals = progress.refusals;
    progress.refusals += 1;
    if (kind === 'expiredIterator') notice({ type: 'iteratorExpired', shardId });
    if (kind === 'invalidArgument' && refusals > 0) throw error;
    return refusals === 0 ? undefined : wait(failing, refusals - 1, retrying);
  }
  if (kind === 'aborted' || error.retryable) return wait(failing, attempt, retrying);
  throw error;
}

/** Waits, or throws when the reader is closed. */
async function sleep({ timers, signal }: Pick<Poll, 'timers' | 'signal'>, ms: number): Promise<void> {
  if (signal.aborted) throw stopped();
  if (ms > 0) await pause(timers, ms, signal, 'reading the shard');
}
