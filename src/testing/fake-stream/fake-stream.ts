// A stream in memory: real shard lineage, sequence numbers, splits, merges and trimming, no network and no clock of its own. A
// record can be read as soon as a test has put it. A reader at the tip waits for more.
import {
  createShards,
  forget,
  merge,
  put,
  shardOf,
  split,
  trim,
  wakeReaders,
  type FakeRecord,
  type FakeShard,
} from './fake-shards.js';
import { createPlacement, type RecordDistribution } from '../../core/record-placement.js';
import { compareSequenceNumbers } from '../../core/sequence-number.js';
import type { StartPosition } from '../../core/position.js';
import { KinactError } from '../../api/errors.js';
import type {
  RawRecord,
  ReadResult,
  ShardFilter,
  ShardListing,
  ShardReader,
  SourceNotice,
  StreamDescription,
  StreamStatus,
  StreamSource,
} from '../../api/ports.js';
import { unpackRecord } from '../../aws/aggregation/aggregate.js';
import { isExplicitHashKey } from '../../aws/aggregation/hash-key.js';
import {
  checkMembers,
  kind,
  oneOf,
  refuse,
  resolveTable,
  text,
  times as howOften,
  type Kind,
  type Resolved,
} from '../../options/option-table.js';
import type { SourceSpec } from '../../api/source.js';
import type { FakeStreamOptions } from '../generated/fake-stream-options.js';
import { distributions, fakeStreamTable } from '../option-tables.js';
import { memoryLeaseStore, type MemoryLeaseStore } from '../memory-lease-store.js';

/** The stream, as a test uses it. */
export interface FakeStream {
  /** For `createConsumer`. All consumers of this stream share its leases, which are in memory too. */
  readonly source: SourceSpec;
  /** The stream as actors read it. */
  readonly port: StreamSource;
  /** The lease tables of the stream's consumers, by name. */
  readonly leases: ReadonlyMap<string, MemoryLeaseStore>;
  /** Puts each record into the open shard of its hash key, or under AUTO into the open shards in turn. Returns their places. */
  put(...records: readonly FakeRecord[]): {
    /** The shard that has it. */
    readonly shardId: string;
    /** The record's sequence number. */
    readonly sequenceNumber: string;
  }[];
  /** Splits an open shard in the middle; returns the ids of its children. */
  split(shardId: string): readonly [string, string];
  /** Merges two adjacent open shards; returns the id of the child. */
  merge(shardId: string, adjacentShardId: string): string;
  /** Forgets the first `count` records of a shard. */
  trim(shardId: string, count: number): void;
  /**
   * Removes a shard, as the service does when the retention of a closed shard has passed. The shard is then neither listed nor
   * found.
   */
  forget(shardId: string): void;
  /** Makes the next `times` reads of a shard report its end, or that it is not found, although it exists and is listed. */
  misreport(shardId: string, what: 'end' | 'missing', times?: number): void;
  /** Sets the status that the stream reports. */
  setStatus(status: StreamStatus): void;
  /** Makes the next `times` reads of a shard fail with this error. */
  failReads(shardId: string, error: Error, times?: number): void;
  /** Changes how records are placed from now on. */
  setDistribution(distribution: RecordDistribution): void;
  /** Ids of all shards, oldest first. */
  shardIds(): readonly string[];
  /** The records of a shard that are not trimmed. */
  recordsOf(shardId: string): readonly RawRecord<Buffer>[];
}

/** The default of a stream on AWS. Nothing is trimmed by time here. */
const retentionHours = 24;

const lieKinds = oneOf('end', 'missing');
const statuses = oneOf('CREATING', 'ACTIVE', 'UPDATING', 'DELETING', 'UNKNOWN');
const recordKinds: Readonly<Record<keyof FakeRecord, Kind<unknown>>> = {
  partitionKey: text('a non-empty string', /./s),
  data: kind('bytes or a text', (value) => typeof value === 'string' || value instanceof Uint8Array),
  explicitHashKey: kind(
    'a decimal number below 2^128',
    (value) => typeof value === 'string' && isExplicitHashKey(value),
  ),
};

/**
 * Makes a stream in memory. Nothing in it takes time: delays come from the consumer's own timers.
 *
 * @example
 * ```ts
 * const stream = fakeStream({ shards: 2 });
 * stream.put({ partitionKey: 'customer 1', data: 'an order' });
 * const reader = createConsumer({ application: 'orders', source: stream.source, reducer: totals });
 * stream.split('shardId-000000000000');
 * ```
 *
 * @throws KinactError INVALID_OPTION. The stream's methods throw it too, also for a shard that does not exist or is closed.
 */
export function fakeStream(options: FakeStreamOptions = {}): FakeStream {
  const settings = resolveTable(fakeStreamTable, options, '');
  const { clock, name } = settings;
  const shards = createShards(settings.shards, () => clock.wallNow(), settings.distribution);
  const placement = createPlacement('emit');

  const failures = new Map<string, { error: Error; times: number }>();
  const lies = new Map<string, { what: 'end' | 'missing'; times: number }>();
  let status: StreamStatus = 'ACTIVE';

  const lieOf = (shardId: string): ReadResult | undefined => {
    const lie = lies.get(shardId);
    if (lie === undefined || lie.times === 0) return undefined;
    lie.times -= 1;
    return lie.what === 'end' ? { type: 'shardEnd' } : { type: 'shardEnd', notFound: true };
  };

  const failureOf = (shardId: string): Error | undefined => {
    const failure = failures.get(shardId);
    if (failure === undefined || failure.times === 0) return undefined;
    failure.times -= 1;
    return failure.error;
  };

  const port: StreamSource = {
    name,
    placement: { seenAuto: (atMs) => placement.seenAuto(atMs), state: () => placement.state(clock.wallNow()) },
    describe: () => {
      const { distribution } = shards;
      placement.described({ distribution, retentionHours, atMs: clock.wallNow() });
      return Promise.resolve({
        ...describe(name),
        distribution,
        retentionHours,
        describedAtMs: clock.wallNow(),
        status,
      });
    },
    listShards: (filter) => Promise.resolve(listing([...shards.all.values()], filter, clock.wallNow())),
    open: (shardId, start, notice) =>
      createReader(
        () => shards.all.get(shardId),
        { start, notice, maxRecords: settings.maxRecords },
        { failure: () => failureOf(shardId), lie: () => lieOf(shardId) },
      ),
    unpack: (record, range) => unpackRecord(record, range, 'emit'),
    close: () => {},
  };

  const leases = new Map<string, MemoryLeaseStore>();

  return {
    source: specOf(settings, port, leases),
    port,
    leases,
    put: (...records) => {
      for (const [at, record] of records.entries()) {
        checkMembers(recordKinds, record, ['data'], `records[${at}]`);
        if (record.partitionKey !== undefined || shards.distribution === 'AUTO') continue;
        const expected = "a text; only a stream whose distribution is 'AUTO' takes records without a partition key";
        refuse(`records[${at}].partitionKey`, expected, undefined);
      }
      return records.map((record) => put(shards, record));
    },
    split: (shardId) => split(shards, shardId),
    merge: (shardId, adjacentShardId) => merge(shards, shardId, adjacentShardId),
    trim: (shardId, count) => trim(shards, shardId, howOften.parse(count, 'count')),
    forget: (shardId) => forget(shards, shardId),
    misreport: (shardId, what, times = 1) => {
      lies.set(shardId, { what: lieKinds.parse(what, 'what'), times: howOften.parse(times, 'times') });
      wakeReaders(shardOf(shards, shardId));
    },
    setStatus: (now) => void (status = statuses.parse(now, 'status')),
    failReads: (shardId, error, times = 1) => {
      shardOf(shards, shardId);
      failures.set(shardId, { error, times: howOften.parse(times, 'times') });
    },
    setDistribution: (distribution) => void (shards.distribution = distributions.parse(distribution, 'distribution')),
    shardIds: () => [...shards.all.keys()],
    recordsOf: (shardId) => {
      const { records, trimmed } = shardOf(shards, shardId);
      return records.slice(trimmed);
    },
  };
}

function specOf(
  { name, application, initialPosition, opaque }: Resolved<typeof fakeStreamTable>,
  port: StreamSource,
  leases: Map<string, MemoryLeaseStore>,
): SourceSpec {
  return {
    name,
    application,
    initialPosition,
    opaque,
    open: () => port,
    openLeases: (_, { tableName }) => {
      const store = leases.get(tableName) ?? memoryLeaseStore([], tableName);
      leases.set(tableName, store);
      return store;
    },
  };
}

function describe(streamName: string): StreamDescription {
  const accountId = '000000000000';
  const streamArn = `arn:aws:kinesis:us-east-1:${accountId}:stream/${streamName}`;
  return { streamName, streamArn, accountId, creationEpochSeconds: 1_767_225_600, status: 'ACTIVE' };
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

/** A scripted result of a read, in place of the real one. */
interface ReadFaults {
  readonly failure: () => Error | undefined;
  readonly lie: () => ReadResult | undefined;
}

/** Where a reader begins, where it reports gaps, and how much it reads at once. */
interface ReaderSettings {
  readonly start: StartPosition;
  readonly notice: (notice: SourceNotice) => void;
  readonly maxRecords: number;
}

function createReader(
  find: () => FakeShard | undefined,
  { start, notice, maxRecords }: ReaderSettings,
  { failure, lie }: ReadFaults,
): ShardReader {
  const shard = find();

  let next = shard === undefined ? 0 : indexOf(shard, start, notice);
  let closed = false;
  let resume: (() => void) | undefined;

  return {
    read: async (signal): Promise<ReadResult> => {
      for (;;) {
        if (closed || signal.aborted) throw signal.reason ?? new KinactError('STOPPED', 'the reader is closed');
        const error = failure();
        if (error !== undefined) throw error;
        const untrue = lie();
        if (untrue !== undefined) return untrue;
        if (shard === undefined || find() === undefined) return { type: 'shardEnd', notFound: true };

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

  notice({ type: 'trimmed', shardId: shard.shard.shardId, position: start.position, certain: false });
  return shard.trimmed;
}
