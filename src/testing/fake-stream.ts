// A stream in memory: real shard lineage, sequence numbers, splits, merges and trimming, no network and no clock of its
// own. What a test puts in can be read at once; a reader that is at the tip waits until there is more.
import { createHash } from 'node:crypto';
import { compareSequenceNumbers } from '../core/sequence-number.js';
import type { StartPosition } from '../core/position.js';
import { KinactError } from '../errors.js';
import type {
  ChildShard,
  Clock,
  HashKeyRange,
  RawRecord,
  ReadResult,
  Shard,
  ShardFilter,
  ShardListing,
  ShardReader,
  SourceNotice,
  StreamDescription,
  StreamSource,
} from '../ports.js';
import { unpackRecord } from '../aws/aggregate.js';

export interface FakeStreamOptions {
  /** Default `fake`. */
  readonly name?: string | undefined;
  /** Shards at the beginning. Default 1. */
  readonly shards?: number | undefined;
  /** Where arrival times and the service's `Date` come from. Default: 2026-01-01T00:00:00Z, standing still. */
  readonly clock?: Pick<Clock, 'wallNow'> | undefined;
  /** Raw records per answer at most. Default 1,000. */
  readonly maxRecords?: number | undefined;
}

/** A record to put. */
export interface FakeRecord {
  readonly partitionKey: string;
  readonly data: Uint8Array | string;
  readonly explicitHashKey?: string | undefined;
}

interface FakeShard {
  readonly shard: Shard;
  readonly low: bigint;
  readonly high: bigint;
  readonly records: RawRecord[];
  /** Records before this index are trimmed. */
  trimmed: number;
  closed: boolean;
  children: ChildShard[];
  /** Readers at the tip, waiting. */
  readonly waiting: Set<() => void>;
}

/** The stream, seen from the test. */
export interface FakeStream {
  /** What a consumer reads: one port per process is enough, they may share it. */
  readonly port: StreamSource;
  /** Puts records, each into the open shard its hash key belongs to; returns where they went. */
  put(...records: readonly FakeRecord[]): { readonly shardId: string; readonly sequenceNumber: string }[];
  /** Splits an open shard in the middle; returns the ids of its children. */
  split(shardId: string): readonly [string, string];
  /** Merges two adjacent open shards; returns the id of the child. */
  merge(shardId: string, adjacentShardId: string): string;
  /** Forgets the first `count` records of a shard. */
  trim(shardId: string, count: number): void;
  /** The next reads of a shard fail with this error, `times` times. */
  failReads(shardId: string, error: Error, times?: number): void;
  /** Ids of all shards, oldest first. */
  shardIds(): readonly string[];
  /** Everything that was put and is not trimmed, per shard. */
  recordsOf(shardId: string): readonly RawRecord[];
}

const keys = 2n ** 128n;

/** Makes a stream in memory. Nothing in it takes time: delays come from the consumer's own timers. */
export function fakeStream(options: FakeStreamOptions = {}): FakeStream {
  const name = options.name ?? 'fake';
  const clock = options.clock ?? { wallNow: () => Date.UTC(2026, 0, 1) };
  const shards = new Map<string, FakeShard>();
  const failures = new Map<string, { error: Error; times: number }>();
  let lastNumber = 49_600_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000n;
  const nextNumber = (): string => String((lastNumber += 1n));

  const open = (low: bigint, high: bigint, parents: readonly string[]): FakeShard => {
    const shardId = `shardId-${String(shards.size).padStart(12, '0')}`;
    const [parentShardId, adjacentParentShardId] = parents;
    const shard: FakeShard = {
      shard: {
        shardId,
        hashKeyRange: { startingHashKey: String(low), endingHashKey: String(high) },
        startingSequenceNumber: nextNumber(),
        ...(parentShardId === undefined ? {} : { parentShardId }),
        ...(adjacentParentShardId === undefined ? {} : { adjacentParentShardId }),
      },
      low,
      high,
      records: [],
      trimmed: 0,
      closed: false,
      children: [],
      waiting: new Set(),
    };
    shards.set(shardId, shard);
    return shard;
  };

  const count = BigInt(options.shards ?? 1);
  for (let index = 0n; index < count; index += 1n) open((keys * index) / count, (keys * (index + 1n)) / count - 1n, []);

  const shardOf = (shardId: string): FakeShard => {
    const shard = shards.get(shardId);
    if (shard === undefined) throw new RangeError(`no shard ${shardId}`);
    return shard;
  };
  const wake = (shard: FakeShard): void => {
    const waiting = [...shard.waiting];
    shard.waiting.clear();
    for (const resume of waiting) resume();
  };
  const close = (shard: FakeShard, children: readonly FakeShard[]): void => {
    shard.closed = true;
    Object.assign(shard.shard, { endingSequenceNumber: nextNumber() });
    for (const child of children) shard.children.push(childOf(child.shard));
    wake(shard);
  };
  const openShardOf = (shardId: string): FakeShard => {
    const shard = shardOf(shardId);
    if (shard.closed) throw new RangeError(`${shardId} is closed`);
    return shard;
  };

  const put = (record: FakeRecord): { shardId: string; sequenceNumber: string } => {
    const hash = record.explicitHashKey === undefined ? hashKey(record.partitionKey) : BigInt(record.explicitHashKey);
    const shard = [...shards.values()].find(({ closed, low, high }) => !closed && hash >= low && hash <= high);
    if (shard === undefined) throw new RangeError('no open shard for that hash key');
    const sequenceNumber = nextNumber();
    const data = typeof record.data === 'string' ? Buffer.from(record.data) : record.data;
    shard.records.push({ sequenceNumber, partitionKey: record.partitionKey, data, arrivedAt: clock.wallNow() });
    wake(shard);
    return { shardId: shard.shard.shardId, sequenceNumber };
  };

  return {
    port: {
      name,
      describe: () => Promise.resolve(describe(name)),
      listShards: (filter) => Promise.resolve(listing([...shards.values()], filter, clock.wallNow())),
      open: (shardId, start, notice) =>
        createReader(shards.get(shardId), start, notice, options.maxRecords ?? 1_000, () => {
          const failure = failures.get(shardId);
          if (failure === undefined || failure.times === 0) return undefined;
          failure.times -= 1;
          return failure.error;
        }),
      unpack: (record, range) => unpackRecord(record, range, 'emit'),
      close: () => {},
    },
    put: (...records) => records.map(put),
    split: (shardId) => {
      const shard = openShardOf(shardId);
      const middle = (shard.low + shard.high) / 2n;
      const children = [open(shard.low, middle, [shardId]), open(middle + 1n, shard.high, [shardId])] as const;
      close(shard, children);
      return [children[0].shard.shardId, children[1].shard.shardId];
    },
    merge: (shardId, adjacentShardId) => {
      const [one, other] = [openShardOf(shardId), openShardOf(adjacentShardId)];
      if (one.high + 1n !== other.low) throw new RangeError('not adjacent: give the lower hash range first');
      const child = open(one.low, other.high, [shardId, adjacentShardId]);
      close(one, [child]);
      close(other, [child]);
      return child.shard.shardId;
    },
    trim: (shardId, trimmed) => {
      const shard = shardOf(shardId);
      shard.trimmed = Math.min(shard.records.length, shard.trimmed + trimmed);
    },
    failReads: (shardId, error, times = 1) => failures.set(shardId, { error, times }),
    shardIds: () => [...shards.keys()],
    recordsOf: (shardId) => shardOf(shardId).records.slice(shardOf(shardId).trimmed),
  };
}

function describe(streamName: string): StreamDescription {
  const accountId = '000000000000';
  const streamArn = `arn:aws:kinesis:us-east-1:${accountId}:stream/${streamName}`;
  return { streamName, streamArn, accountId, creationEpochSeconds: 1_767_225_600 };
}

function childOf(shard: Shard): ChildShard {
  const parentShards = [shard.parentShardId, shard.adjacentParentShardId].filter((id) => id !== undefined);
  return { shardId: shard.shardId, parentShards, hashKeyRange: shard.hashKeyRange as HashKeyRange };
}

function listing(all: readonly FakeShard[], filter: ShardFilter, serviceTimeMs: number): ShardListing {
  const shown = all.filter(({ closed, records, trimmed }) => {
    if (filter.type === 'all' || !closed) return true;
    if (filter.type === 'atLatest') return false;
    if (filter.type === 'atTrimHorizon') return trimmed < records.length || trimmed === 0;
    return records.some(({ arrivedAt = 0 }) => arrivedAt >= filter.timestampMs);
  });
  return { shards: shown.map(({ shard }) => ({ ...shard })), serviceTimeMs };
}

function createReader(
  shard: FakeShard | undefined,
  start: StartPosition,
  notice: (notice: SourceNotice) => void,
  maxRecords: number,
  failure: () => Error | undefined,
): ShardReader {
  let next = shard === undefined ? 0 : indexOf(shard, start, notice);
  let closed = false;
  let resume: (() => void) | undefined;
  return {
    read: async (signal): Promise<ReadResult> => {
      for (;;) {
        if (closed || signal.aborted) throw signal.reason ?? new KinactError('STOPPED', 'the reader is closed');
        const error = failure();
        if (error !== undefined) throw error;
        if (shard === undefined) return { type: 'shardEnd', vanished: true };
        next = Math.max(next, shard.trimmed);
        if (next < shard.records.length) {
          const records = shard.records.slice(next, next + maxRecords);
          next += records.length;
          return { type: 'records', records, millisBehindLatest: next < shard.records.length ? 1 : 0 };
        }
        if (shard.closed) return { type: 'shardEnd', children: shard.children };
        const { waiting } = shard;
        await new Promise<void>((resolve) => {
          resume = resolve;
          waiting.add(resolve);
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        waiting.delete(resume as () => void);
      }
    },
    close: () => {
      closed = true;
      resume?.();
    },
  };
}

function indexOf(shard: FakeShard, start: StartPosition, notice: (notice: SourceNotice) => void): number {
  if (start.type === 'trimHorizon') return shard.trimmed;
  if (start.type === 'atTimestamp') {
    const index = shard.records.findIndex(({ arrivedAt = 0 }) => arrivedAt >= start.timestampMs);
    return index === -1 ? shard.records.length : index;
  }
  const { sequenceNumber } = start.position;
  const index = shard.records.findIndex((record) => compareSequenceNumbers(record.sequenceNumber, sequenceNumber) >= 0);
  if (index === -1 || index >= shard.trimmed) return index === -1 ? shard.records.length : index;
  notice({ type: 'trimmed', shardId: shard.shard.shardId, position: start.position });
  return shard.trimmed;
}

function hashKey(partitionKey: string): bigint {
  return BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);
}
