// `kinact tail` without an application: this process alone reads every shard of a stream, and stores no position. Invariants: a
// child shard is opened after all its parents that are read here are written to their end. So the lines of a key are in order.
// A shard is not read further while records from its last read are being written.
import { sleep } from '../aws/sleep.js';
import { withRetry } from '../aws/retry.js';
import { buffered } from '../core/buffer-view.js';
import type { Backoff } from '../core/backoff.js';
import type { InitialPosition, StartPosition } from '../core/position.js';
import { compareSequenceNumbers } from '../core/sequence-number.js';
import { parentsOf } from '../core/shard-graph.js';
import { KinactError } from '../api/errors.js';
import type {
  ChildShard,
  ReadResult,
  Shard,
  ShardFilter,
  ShardListing,
  SourceNotice,
  StreamSource,
} from '../api/ports.js';
import type { Environment } from '../api/source.js';
import type { ReportRetry } from './retry-report.js';
import type { LineWriter } from './record-lines.js';
import type { TailOrigin } from './tail-origin.js';

export interface TailJob extends Environment {
  readonly source: StreamSource;
  readonly origin: Pick<TailOrigin, 'listing' | 'lineOf'>;
  readonly from: InitialPosition;
  readonly writer: LineWriter;
  readonly signal: AbortSignal;
  /** Prints a message for the user. */
  readonly say: (text: string) => void;
  readonly reportRetry: ReportRetry;
}

/** A `Date` header has whole seconds, and two machines' clocks differ a little. */
const latestSlackMs = 2_000;
/** How long the first listing is repeated before the command fails. */
const startDeadlineMs = 20_000;
/** Lines go to stdout in texts of about this many characters. */
const textChunk = 64 * 1024;
/**
 * How many listings may lack the children of an ended shard. Kinesis names them within a moment. DynamoDB Streams was seen to need 40 s;
 * a shard of a stream that was disabled never has any.
 */
const childListings = { hashRanges: 5, lineage: 60 };
const backoff: Backoff = { baseMs: 500, capMs: 5_000 };

/** The time between the two listings that must lack a shard. */
const goneAfterMs = 5_000;

type ShardEnd = Extract<ReadResult, { readonly type: 'shardEnd' }>;

/** A shard to read once its parents that are read here are done. */
interface PlannedShard {
  readonly shardId: string;
  readonly parents: readonly string[];
  readonly start: StartPosition;
  range: Shard['hashKeyRange'];
}

/** Reads until `signal` aborts, or every shard has ended and has no children. Rejects with the first failure. */
export async function tailStream(job: TailJob): Promise<void> {
  const { from } = job;
  const listing = await listWithRetry(job, filterOf(from), startDeadlineMs);

  const start = startOf(from, listing.serviceTimeMs);
  const planned = new Map<string, PlannedShard>();
  const done = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const plan = (shardId: string, parents: readonly string[], first: StartPosition, range: Shard['hashKeyRange']) => {
    if (!planned.has(shardId)) planned.set(shardId, { shardId, parents, start: first, range });
  };

  for (const shard of listing.shards) plan(shard.shardId, parentsOf(shard), start, shard.hashKeyRange);

  const launch = (failed: (error: unknown) => void): void => {
    for (const shard of planned.values()) {
      const waiting = shard.parents.some((parent) => planned.has(parent) && !done.has(parent));
      if (waiting || done.has(shard.shardId) || running.has(shard.shardId)) continue;
      running.set(
        shard.shardId,
        readShard(job, shard)
          .then((children) => {
            done.add(shard.shardId);
            running.delete(shard.shardId);
            // All records of a child came after the end of its parent, so none is left out.
            for (const { shardId, parentShards, hashKeyRange } of children)
              plan(shardId, parentShards, { type: 'trimHorizon' }, hashKeyRange);
            launch(failed);
            if (running.size === 0) failed(undefined);
          })
          .catch(failed),
      );
    }
  };
  await new Promise<void>((resolve, reject) => {
    const ended = (error: unknown): void => {
      // If every shard has ended without children, the stream was deleted, as a listing has shown.
      if (error === undefined || job.signal.aborted) resolve();
      else reject(error as Error);
    };
    job.signal.addEventListener('abort', () => resolve(), { once: true });
    if (listing.shards.length === 0) resolve();
    launch(ended);
  });
}

/** How far the records of a shard are written. */
interface Written {
  /** The sequence number of the last record. */
  upTo: string | undefined;
  complained: boolean;
}

/** Reads a shard to its end, or until `signal` aborts. Resolves to its children when all is written. */
async function readShard(job: TailJob, shard: PlannedShard): Promise<readonly ChildShard[]> {
  const { shardId } = shard;
  const written: Written = { upTo: undefined, complained: false };
  for (;;) {
    const end = await readToAnEnd(job, shard, written);
    if (end.notFound !== true) return await childrenOf(job, shardId, end);
    if (await isGone(job, shardId)) {
      job.say(`${shardId} is no longer listed: it ends after the last record read`);
      return await childrenOf(job, shardId, end);
    }
  }
}

/** Reads from after the last written record to an end. */
async function readToAnEnd(job: TailJob, { shardId, start, range }: PlannedShard, written: Written): Promise<ShardEnd> {
  const { source, signal, writer } = job;
  const { upTo } = written;
  const from: StartPosition =
    upTo === undefined ? start : { type: 'after', position: { sequenceNumber: upTo, subSequenceNumber: 0 } };
  const reader = source.open(shardId, from, (notice) => sayNotice(job, notice));

  try {
    for (;;) {
      const result: ReadResult = await reader.read(signal);
      if (result.type === 'shardEnd') return result;
      let text = '';
      for (const raw of result.records) {
        // A reader that resumes after a record begins with that record.
        if (upTo !== undefined && compareSequenceNumbers(raw.sequenceNumber, upTo) <= 0) continue;
        const { records, complaint } = source.unpack(buffered(raw), range);
        if (complaint !== undefined && !written.complained) {
          written.complained = true;
          job.say(`${shardId}: malformed aggregate ${raw.sequenceNumber}: ${complaint}`);
        }
        for (const record of records) {
          text += job.origin.lineOf(record, shardId);
          if (text.length < textChunk) continue;
          await writer.write(text);
          text = '';
        }
      }
      if (text !== '') await writer.write(text);
      written.upTo = result.records.at(-1)?.sequenceNumber ?? written.upTo;
    }
  } finally {
    reader.close();
  }
}

/** A read has not found the shard. It is gone when two listings, some seconds apart, lack it. */
async function isGone(job: TailJob, shardId: string): Promise<boolean> {
  for (let listing = 1; ; listing += 1) {
    const { shards } = await listWithRetry(job, { type: 'all' }, Infinity);
    if (shards.some((shard) => shard.shardId === shardId)) return false;
    if (listing === 2) return true;
    await sleep(job.timers, goneAfterMs, job.signal, activity(job));
  }
}

/** The children that the end names, or else those in a listing, which may lack them at first. */
async function childrenOf(job: TailJob, shardId: string, end: ShardEnd): Promise<readonly ChildShard[]> {
  if (end.children !== undefined) return end.children;
  const most = childListings[job.source.listingProof ?? 'hashRanges'];
  for (let listing = 1; ; listing += 1) {
    const { shards } = await listWithRetry(job, { type: 'all' }, Infinity);
    const children = shards.filter((shard) => parentsOf(shard).includes(shardId));
    if (children.length > 0 || listing === most)
      return children.map((shard) => ({ ...shard, parentShards: parentsOf(shard) }));
    await sleep(job.timers, 1_000, job.signal, activity(job));
  }
}

function filterOf(from: InitialPosition): ShardFilter {
  if (from === 'LATEST') return { type: 'atLatest' };
  // `atTimestamp` lists the shards open then, and later ones. TRIM_HORIZON lists all: a server that ignores filters lists the
  // children too, and they have to wait for their parents.
  return from === 'TRIM_HORIZON' ? { type: 'all' } : { type: 'atTimestamp', timestampMs: from.getTime() };
}

function startOf(from: InitialPosition, serviceTimeMs: number): StartPosition {
  if (from === 'TRIM_HORIZON') return { type: 'trimHorizon' };
  // LATEST is the tip at the time of the listing: a record that is put before the first read must not be missed.
  return { type: 'atTimestamp', timestampMs: from === 'LATEST' ? serviceTimeMs - latestSlackMs : from.getTime() };
}

/** Lists the shards, and repeats the call while its error is `retryable`. */
function listWithRetry(job: TailJob, filter: ShardFilter, retryForMs: number): Promise<ShardListing> {
  const { source, signal } = job;
  const onRetry = (operation: string, error: unknown): void => {
    if (signal.aborted) throw error;
    job.reportRetry(operation, error);
  };
  const retry = { ...job, retryForMs, name: activity(job), onRetry, backoff, minDelayMs: 100, mayOverrun: true };
  return withRetry(retry, () => source.listShards(filter, signal), signal);
}

/** The name of the calls, as in the errors of the source. */
function activity({ origin, source }: TailJob): string {
  return `${origin.listing} on '${source.name}'`;
}

function sayNotice({ say, reportRetry }: TailJob, notice: SourceNotice): void {
  switch (notice.type) {
    case 'throttled':
      return reportRetry('GetRecords', new KinactError('AWS_ERROR', `${notice.shardId} is throttled`));
    case 'iteratorExpired':
      return say(`${notice.shardId}: the iterator expired, reading goes on where it was`);
    case 'trimmed':
      return say(
        `${notice.shardId}: records${notice.position === undefined ? '' : ` after ${notice.position.sequenceNumber}`} are trimmed`,
      );
    // Commands only poll.
    case 'retrieval':
    case 'subscription':
    case 'takenOver':
      return;
    case 'retrying':
      return reportRetry(notice.operation, notice.error);
  }
}
