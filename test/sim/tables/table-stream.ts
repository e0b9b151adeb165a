// A model of a DynamoDB table's stream, as its adapter shows it to the core: shards without hash ranges that roll over and split,
// listings that lag behind, omit new shards or are throttled, records that expire, and streams that are disabled and enabled again.
// A listing is normalised as the adapter does it: a shard with a listed child counts as closed.
import { KinactError } from '../../../src/api/errors.js';
import type {
  RawRecord,
  ReadResult,
  Shard,
  ShardListing,
  ShardReader,
  SourceNotice,
  StreamDescription,
  StreamSource,
} from '../../../src/api/ports.js';
import { compareSequenceNumbers } from '../../../src/core/sequence-number.js';
import type { StartPosition } from '../../../src/core/position.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';

/** The shards of a real stream live for hours, and its records for a day. Here both are sixty times shorter or more. */
export const retentionMs = 24 * 60_000;
const maxLagMs = 20_000;
const youngMs = 60_000;
/** As the adapter does, a source uses a listing of the last minute again for the ends that it shows. */
const knownForMs = 60_000;
const idleMs = 1_000;
const neverAborted = new AbortController().signal;
export const keys = 32;

export interface TableShard {
  readonly shardId: string;
  readonly parentShardId: string | undefined;
  readonly start: string;
  /** Its keys: from `low` up to `high`, which is excluded. */
  readonly low: number;
  readonly high: number;
  readonly records: RawRecord<Buffer>[];
  readonly createdAt: number;
  readonly listedAt: number;
  falseEndAt: number;
  closed: { readonly at: number; listedAt: number; readonly end: string } | undefined;
}

export interface TableStream {
  readonly shards: Map<string, TableShard>;
  /** How often the shards were listed. */
  listings: number;
  /** How often a source has known the end of shards from an earlier listing. */
  known: number;
  /** How many false ends readers have reported. */
  falseEnds: number;
  /**
   * The share of listings that fail, or that omit a young shard, and of reads at the tip of an older shard that report a false end. (The
   * adapter asks for a listing before it reports an end, so no such shard closes soon after.) `late`: every change is listed as late as
   * possible.
   */
  faults: { throttled: number; partial: number; falseEnds: number; late?: boolean };
  write(key: number, id: string): void;
  open(): TableShard[];
  rollOver(shard: TableShard): void;
  split(shard: TableShard): void;
  disable(): void;
  /** The table gets a new stream under a new ARN. */
  enableAgain(): void;
  /** The shards that the service lists once it has caught up. */
  settledListing(): readonly Shard[];
  isExpired(record: RawRecord): boolean;
  source(): StreamSource;
}

export function tableStream(clock: ManualClock, random: { next(): number }, partitions = 2): TableStream {
  let counter = 0;
  let label = 1;
  const now = (): number => clock.wallNow();
  const nextNumber = (): string => String((counter += 1 + Math.floor(random.next() * 5))).padStart(21, '0');
  const lag = (): number =>
    stream.faults.late === true ? maxLagMs : random.next() < 0.5 ? 0 : random.next() * maxLagMs;

  const add = (low: number, high: number, parentShardId?: string): void => {
    const at = now();
    const start = nextNumber();
    const shardId = `shardId-${String(at).padStart(20, '0')}-${counter.toString(16).padStart(8, '0')}`;
    const listedAt = parentShardId === undefined ? at : at + lag();
    const made = {
      shardId,
      parentShardId,
      start,
      low,
      high,
      records: [],
      createdAt: at,
      listedAt,
      falseEndAt: -youngMs,
      closed: undefined,
    };
    stream.shards.set(shardId, made);
  };
  const close = (shard: TableShard): void => {
    shard.closed = { at: now(), listedAt: now() + lag(), end: nextNumber() };
  };

  /** A closed shard is listed until its last record may have expired. */
  const exists = ({ closed }: TableShard): boolean => closed === undefined || now() - closed.at < retentionMs;
  const listed = (isShown: (shard: TableShard) => boolean, isClosed: (shard: TableShard) => boolean): Shard[] => {
    const shown = [...stream.shards.values()].filter((shard) => exists(shard) && isShown(shard));
    const parents = new Set(shown.map(({ parentShardId }) => parentShardId));
    return shown.map((shard): Shard => {
      const { shardId, parentShardId, start, closed } = shard;
      const end = isClosed(shard) ? closed?.end : parents.has(shardId) ? '9'.repeat(21) : undefined;
      return {
        shardId,
        startingSequenceNumber: start,
        ...(parentShardId === undefined ? {} : { parentShardId }),
        ...(end === undefined ? {} : { endingSequenceNumber: end }),
      };
    });
  };

  const stream: TableStream = {
    shards: new Map(),
    listings: 0,
    known: 0,
    falseEnds: 0,
    faults: { throttled: 0, partial: 0, falseEnds: 0 },
    write(key, id) {
      const shard = stream.open().find(({ low, high }) => key >= low && key < high)!;
      shard.records.push({
        sequenceNumber: nextNumber(),
        partitionKey: `k${key}`,
        data: Buffer.from(id),
        arrivedAt: now(),
      });
    },
    open: () => [...stream.shards.values()].filter(({ closed }) => closed === undefined),
    rollOver(shard) {
      if (now() - shard.falseEndAt < youngMs) return;
      close(shard);
      add(shard.low, shard.high, shard.shardId);
    },
    split(shard) {
      const middle = (shard.low + shard.high) >> 1;
      if (middle === shard.low || now() - shard.falseEndAt < youngMs) return;
      close(shard);
      add(shard.low, middle, shard.shardId);
      add(middle, shard.high, shard.shardId);
    },
    disable: () => stream.open().forEach(close),
    enableAgain() {
      label += 1;
      stream.shards.clear();
      add(0, keys);
    },
    settledListing: () =>
      listed(
        () => true,
        ({ closed }) => closed !== undefined,
      ),
    isExpired: ({ arrivedAt = 0 }) => now() - arrivedAt >= retentionMs,
    source: () => sourceOf(),
  };

  const describe = (): StreamDescription => ({
    streamName: `us-east-1$123456789012$orders$${label}`,
    streamArn: `arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/${label}`,
    accountId: '123456789012',
    creationEpochSeconds: 0,
    status: 'ACTIVE',
    describedAtMs: now(),
  });

  const sourceOf = (): StreamSource => {
    let last: (ShardListing & { readonly description: StreamDescription }) | undefined;
    const shown = (shardId: string): Shard | undefined => last?.shards.find((shard) => shard.shardId === shardId);
    const isListedOpen = async (shardId: string): Promise<boolean> => {
      if (shown(shardId)?.endingSequenceNumber === undefined) await source.listShards({ type: 'all' }, neverAborted);
      const shard = shown(shardId);
      return shard !== undefined && shard.endingSequenceNumber === undefined;
    };
    const source: StreamSource = {
      name: 'orders',
      listingProof: 'lineage',
      describe: async () => describe(),
      async listShards() {
        stream.listings += 1;
        const { throttled, partial } = stream.faults;
        if (random.next() < throttled)
          throw new KinactError('AWS_ERROR', 'LimitExceededException', { retryable: true });
        const omitted = new Set<TableShard>();
        for (const shard of stream.open())
          if (random.next() < partial && shard.parentShardId !== undefined && now() - shard.createdAt < youngMs)
            omitted.add(shard);
        const shards = listed(
          (shard) => shard.listedAt <= now() && !omitted.has(shard),
          ({ closed }) => closed !== undefined && closed.listedAt <= now(),
        );
        last = { shards, serviceTimeMs: now(), description: describe() };
        return last;
      },
      knownEnds(shardIds) {
        const isEnded = (shardId: string): boolean =>
          shown(shardId)?.endingSequenceNumber !== undefined &&
          last!.shards.some(({ parentShardId }) => parentShardId === shardId);
        if (last === undefined || now() - last.serviceTimeMs >= knownForMs || !shardIds.every(isEnded))
          return undefined;
        stream.known += 1;
        if (stream.known % 2 === 0) return { ...last, showsExpiry: true };
        const concerns = ({ shardId, parentShardId = '' }: Shard): boolean =>
          shardIds.includes(shardId) || shardIds.includes(parentShardId);
        return { ...last, shards: last.shards.filter(concerns), showsExpiry: false };
      },
      open: (shardId, start, notice) => readerOf(stream, clock, { shardId, start, notice, random, isListedOpen }),
      unpack: (record) => ({ records: [{ ...record }], isDivisible: true }),
      itemOf: ({ partitionKey = '', data }) => ({ key: partitionKey, value: data.toString() }),
      close: () => undefined,
    };
    return source;
  };
  for (let index = 0; index < partitions; index += 1)
    add(Math.floor((keys * index) / partitions), Math.floor((keys * (index + 1)) / partitions));
  return stream;
}

interface Reading {
  readonly random: { next(): number };
  readonly shardId: string;
  readonly start: StartPosition;
  readonly notice: (notice: SourceNotice) => void;
  /** Asks a listing, as the adapter does before it believes the end of a closed shard. */
  readonly isListedOpen: (shardId: string) => Promise<boolean>;
}

/** Reads as the adapter does: LATEST leaves out what is older than its time, to the second, up to the first record that is not. */
function readerOf(stream: TableStream, clock: ManualClock, reading: Reading): ShardReader {
  const { shardId, start, notice, random, isListedOpen } = reading;
  let position = start.type === 'after' ? start.position.sequenceNumber : undefined;
  let leaveOutBefore = start.type === 'atTimestamp' ? Math.floor(start.timestampMs / 1_000) * 1_000 : 0;
  let isClosed = false;

  const isEnd = (shard: TableShard): boolean => {
    if (shard.closed !== undefined) return true;
    const now = clock.wallNow();
    const isFalse = now - shard.createdAt > youngMs && random.next() < stream.faults.falseEnds;
    if (isFalse) [shard.falseEndAt, stream.falseEnds] = [now, stream.falseEnds + 1];
    return isFalse;
  };

  const read = (): ReadResult | undefined => {
    const shard = stream.shards.get(shardId);
    if (shard === undefined || (shard.closed !== undefined && clock.wallNow() - shard.closed.at >= retentionMs))
      return { type: 'shardEnd', notFound: true };
    const unread = shard.records.filter(
      ({ sequenceNumber }) => position === undefined || compareSequenceNumbers(sequenceNumber, position) > 0,
    );
    const kept = unread.filter((record) => !stream.isExpired(record));
    if (kept.length < unread.length) notice({ type: 'trimmed', shardId, certain: true });

    const batch = kept.slice(0, 20);
    const last = batch.at(-1);
    if (last === undefined) return isEnd(shard) ? { type: 'shardEnd' } : undefined;
    position = last.sequenceNumber;
    const first = batch.findIndex(({ arrivedAt = 0 }) => arrivedAt >= leaveOutBefore);
    if (first >= 0) leaveOutBefore = 0;
    return { type: 'records', records: first < 0 ? [] : batch.slice(first), millisBehindLatest: 0 };
  };

  return {
    async read(signal) {
      if (isClosed || signal.aborted) throw signal.reason ?? new Error('the reader is closed');
      let found = read();
      const isTrueEnd = found?.type === 'shardEnd' && stream.shards.get(shardId)?.closed !== undefined;
      if (isTrueEnd && (await isListedOpen(shardId).catch(() => true))) found = undefined;
      if (found !== undefined && (found.type !== 'records' || found.records.length > 0)) return found;
      await new Promise<void>((resolve) => {
        clock.after(idleMs, resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      if (signal.aborted) throw signal.reason;
      return found ?? { type: 'records', records: [], millisBehindLatest: 0 };
    },
    close: () => void (isClosed = true),
  };
}
