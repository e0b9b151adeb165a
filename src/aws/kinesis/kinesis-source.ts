// A StreamSource that reads a Kinesis stream: describe, list, open readers, unpack. Made by `kinesisStream` and by commands. Our own
// client uses keep-alive HTTP/1.1 with a deadline per call, never the SDK's default transport; only subscriptions use HTTP/2.
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type {
  Clock,
  HashKeyRange,
  Random,
  RawRecord,
  ShardListing,
  ShardReader,
  StreamDescription,
  StreamSource,
  Timers,
  Unpacked,
} from '../../api/ports.js';
import { KinactError } from '../../api/errors.js';
import type { SourceSlots } from '../../core/call-slots.js';
import type { OutOfRangePolicy } from '../../core/record-placement.js';
import { kinesisStreamDefaults as defaults } from '../../options/kinesis-stream-option-table.js';
import { unpackRecord } from '../aggregation/aggregate.js';
import { unknownBacklogMeaning } from './end-verdict.js';
import { createFanOut, type FanOutOptions } from './fan-out/fan-out.js';
import { subscribingHandler } from './fan-out/http2-handler.js';
import { hashKeyVetting, type HashKeyVetting } from '../aggregation/hash-key-vetting.js';
import {
  checkRegion,
  createKinesisClient,
  kinesisCaller,
  streamNames,
  type KinesisClientLike,
} from './kinesis-client.js';
import { looking } from './position-look.js';
import { openShardReader } from './shard-reader.js';
import { kinesisService } from './kinesis-service.js';
import { listingUnlessClosed } from '../closed-shards.js';
import { sharedRequest } from '../shared-request.js';
import type { PrefetchBounds } from './prefetch-buffer.js';
import { describeStream, listShards } from './stream-listing.js';

/** The options of a stream to read, with the defaults of `kinesisStream`. Exactly one of `streamName` and `streamArn` is required. */
export interface KinesisSourceOptions {
  readonly streamName?: string | undefined;
  readonly streamArn?: string | undefined;
  /** Default: the region in `streamArn`, else the usual AWS environment. */
  readonly region?: string;
  readonly outOfRange?: OutOfRangePolicy;
  /** Records per GetRecords, 1–10,000. */
  readonly maxRecords?: number;
  /** Milliseconds between reads of a shard at its tip; never faster than 5 reads a second. */
  readonly idleMs?: number;
  /** The user's own client, which is neither changed nor closed. */
  readonly client?: KinesisClientLike;
  /** How far a shard is read ahead of its shard worker: until the first of these bounds is reached. */
  readonly prefetch?: Partial<PrefetchBounds>;
  /** Milliseconds one request may take, its body included. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Enhanced fan-out. Default: shards are only polled. */
  readonly fanOut?: FanOutOptions | undefined;
}

export interface KinesisSourceDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly slots?: SourceSlots | undefined;
}

/** AWS answers an iterator request in milliseconds; kinesalite never answers some of them. */
const maxTimestampWaitMs = 2_000;

/**
 * A Kinesis stream as a source. Opens no connection by itself.
 *
 * @throws KinactError INVALID_OPTION when the stream is not named, or named twice.
 */
export function kinesisSource(options: KinesisSourceOptions, deps: KinesisSourceDeps): StreamSource {
  const { configured, names, arnRegion } = streamNames(options);
  const { outOfRange = defaults.outOfRange, maxRecords = defaults.maxRecords, idleMs = defaults.idleMs } = options;
  const { requestTimeoutMs = 30_000 } = options;

  const region = options.region ?? arnRegion;
  const ownClient = options.client === undefined ? clientOf(options.fanOut, requestTimeoutMs, region, deps) : undefined;
  const client: KinesisClientLike = ownClient ?? options.client!;
  const caller = kinesisCaller({ client, stream: configured, requestTimeoutMs, ...deps });

  const readers = new Set<ShardReader>();
  const ranges = new Map<string, HashKeyRange>();

  const mustFitRegion = (signal: AbortSignal): Promise<void> =>
    checkRegion(
      client,
      { arnRegion, stream: configured },
      { signal, timers: deps.timers, timeoutMs: requestTimeoutMs },
    );

  const describe = async (signal: AbortSignal): Promise<StreamDescription> => {
    await mustFitRegion(signal);
    const description = await describeStream(caller, names, signal);
    refuseDropping(description, outOfRange, isDescribed, configured);
    isDescribed = true;
    vetting.note(description);
    return description;
  };

  let lastListing: ShardListing | undefined;
  const vetting: HashKeyVetting = hashKeyVetting(outOfRange, deps.clock, describe);
  let isDescribed = false;

  const descriptions = sharedRequest(describe, deps);
  const listAll = async (signal: AbortSignal): Promise<ShardListing> =>
    (lastListing = await listShards(caller, names, { type: 'all' }, signal));
  // A stream takes a thousand calls of ListShards a second.
  const listings = sharedRequest(listAll, { ...deps, quickMs: 100 });
  const shared = { ...deps, describe: descriptions.ask };
  const fanOut = createFanOut(options.fanOut, { ...shared, caller, client, stream: configured, requestTimeoutMs });
  const readerDeps = {
    ...shared,
    subscriptions: fanOut?.subscriptions,
    service: kinesisService({
      caller,
      names,
      describe: descriptions.ask,
      timestampTimeoutMs: Math.min(requestTimeoutMs, maxTimestampWaitMs),
    }),
    names,
    maxRecords,
    idleMs,
    sizes: { recordBytes: undefined },
    backlogMeaning: unknownBacklogMeaning(),
    prefetch: { ...defaults.prefetch, ...options.prefetch },
  };

  return {
    name: configured,
    region: arnRegion === undefined ? options.region : undefined,
    placement: vetting.placement,
    async describe(signal) {
      const description = await describe(signal);
      await fanOut?.open(signal);
      return description;
    },
    async listShards(filter, signal) {
      await mustFitRegion(signal);
      const listing = await listShards(caller, names, filter, signal);
      if (filter.type === 'all') ranges.clear();
      for (const { shardId, hashKeyRange } of listing.shards) {
        if (hashKeyRange !== undefined) ranges.set(shardId, hashKeyRange);
      }
      return listing;
    },
    countsBytes: true,
    answersIdle: true,
    open(shardId, start, notice, lease) {
      const list = listingUnlessClosed(shardId, () => lastListing, listings.ask);
      const reader = openShardReader({ ...readerDeps, list }, { shardId, start, notice, lease });
      const tracked: ShardReader = {
        async read(signal) {
          const result = await reader.read(signal);
          if (result.type === 'records') await vetting.vet(result.records, ranges.get(shardId), signal);
          return result;
        },
        hold: (isHeld) => reader.hold?.(isHeld),
        close: () => {
          readers.delete(tracked);
          reader.close();
        },
      };
      readers.add(tracked);
      return tracked;
    },
    look: looking({ ...readerDeps, unpack: (record) => unpackRecord(record, undefined, 'emit') }),
    unpack: (record: RawRecord<Buffer>, range: HashKeyRange | undefined): Unpacked =>
      unpackRecord(record, range, vetting.policyFor(record)),
    close() {
      for (const reader of [...readers]) reader.close();
      fanOut?.close();
      descriptions.close();
      listings.close();
      ownClient?.destroy();
    },
  };
}

/** Our own client, which subscribes over HTTP/2 if it is to subscribe. */
function clientOf(
  fanOut: FanOutOptions | undefined,
  requestTimeoutMs: number,
  region: string | undefined,
  { timers }: KinesisSourceDeps,
): KinesisClient {
  return createKinesisClient({
    requestTimeoutMs,
    ...(region === undefined ? {} : { region }),
    ...(fanOut === undefined ? {} : { requestHandler: subscribingHandler(requestTimeoutMs, timers) }),
  });
}

/** Refuses to drop records of an AUTO stream, but only at the first description: a later switch must not stop a consumer. */
function refuseDropping(
  { distribution }: StreamDescription,
  outOfRange: OutOfRangePolicy,
  isDescribed: boolean,
  stream: string,
): void {
  if (isDescribed || distribution !== 'AUTO' || outOfRange === 'emit') return;
  const message = `kinesisStream.outOfRange: expected 'emit', got '${outOfRange}': the RecordDistributionStrategy of '${stream}' is AUTO: a record's hash key does not determine its shard, and good records would be dropped`;
  throw new KinactError('INVALID_OPTION', message, { data: { option: 'kinesisStream.outOfRange', stream } });
}
