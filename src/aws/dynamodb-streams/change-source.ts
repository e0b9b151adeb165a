// A StreamSource that reads the changes of a DynamoDB table: finds the stream, describes it, lists its shards, opens readers, decodes.
// Made by `dynamodbStream` and by commands. The reader itself is that of ../kinesis.
import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import type { DynamoDbClientLike, DynamodbStreamsClientLike } from '../../api/options.js';
import type { ChangeRecord } from '../../api/change.js';
import type {
  ItemParts,
  RawRecord,
  ShardReader,
  StreamDescription,
  StreamSource,
  UserRecord,
} from '../../api/ports.js';
import type { Environment } from '../../api/source.js';
import { isStreamNotFound } from '../../api/final-errors.js';
import { recordKey } from '../../core/record-key.js';
import { dynamodbStreamDefaults as defaults } from '../../options/dynamodb-stream-option-table.js';
import { createDynamoDbClient, dynamoDbCaller, type DynamoDbCaller } from '../dynamodb/dynamodb-client.js';
import { checkRegion } from '../kinesis/kinesis-client.js';
import { looking } from '../kinesis/position-look.js';
import { openShardReader } from '../kinesis/shard-reader.js';
import type { PrefetchBounds } from '../kinesis/prefetch-buffer.js';
import { sharedRequest } from '../shared-request.js';
import { changeRecord } from './change-record.js';
import { changeService } from './change-service.js';
import type { NumberForm } from './number-text.js';
import { localRegion, streamArnParts } from './stream-arn.js';
import { endedShards } from './ended-shards.js';
import { childrenOf, describeStream, listShards, noPage } from './stream-pages.js';
import { streamsCaller, type StreamsCaller } from './streams-client.js';
import type { loadStreamsSdk } from './streams-sdk.js';
import { configuredStream, newestStream, type TableStream } from './table-stream.js';

/** The options of a source of changes, with the defaults of `dynamodbStream`. One of `tableName` and `streamArn` is required. */
export interface ChangeSourceOptions {
  readonly tableName?: string | undefined;
  readonly streamArn?: string | undefined;
  /** Default: the region in `streamArn`, else the usual AWS environment. */
  readonly region?: string | undefined;
  readonly numbers?: NumberForm;
  /** Records per GetRecords, 1–1,000. */
  readonly maxRecords?: number;
  /** Milliseconds between reads of a shard at its tip. */
  readonly idleMs?: number;
  /** How far a shard is read ahead of its shard worker: until the first of these bounds is reached. */
  readonly prefetch?: Partial<PrefetchBounds>;
  /** The user's own clients, which are neither changed nor closed. */
  readonly client?: DynamodbStreamsClientLike | undefined;
  readonly tableClient?: DynamoDbClientLike | undefined;
  /** Milliseconds one request may take, its body included. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Loads the SDK's package. */
  readonly load?: typeof loadStreamsSdk;
}

/** A source of changes. Opens no connection by itself. */
export function changeSource(options: ChangeSourceOptions, environment: Environment): StreamSource {
  const { numbers = defaults.numbers, maxRecords = defaults.maxRecords, idleMs = defaults.idleMs } = options;
  const streams = openStreams(options, environment);
  const { configured, caller } = streams;
  const pages = { caller, latest: noPage(), ...environment };

  let description: StreamDescription | undefined;

  const describe = async (signal: AbortSignal): Promise<StreamDescription> => {
    const { place } = streams;
    // A missing package is reported before a call of a service can fail for another reason.
    await caller.client();
    await streams.mustFitRegion(signal);
    try {
      description = await describeStream(pages, await place.arn(signal), signal);
    } catch (error) {
      // 24 hours after it was disabled, a stream is gone. The next description is that of the table's newest.
      if (streams.isGone(error)) place.forget();
      throw error;
    }
    return description;
  };

  const arnNow = async (signal: AbortSignal): Promise<string> =>
    streams.place.known ?? (await descriptions.ask(signal)).streamArn;
  const list: StreamSource['listShards'] = async (filter, signal) => {
    await streams.mustFitRegion(signal);
    const streamArn = await arnNow(signal);
    const at = environment.clock.now();
    const listing = await listShards(pages, streamArn, filter, signal);
    if (filter.type === 'all') ended.noteListing(listing, at);
    return listing;
  };

  const descriptions = sharedRequest(describe, environment);
  const ended = endedShards({
    ...environment,
    list: (signal) => list({ type: 'all' }, signal),
    childrenOf: async (shardId, signal) => childrenOf(pages, await arnNow(signal), shardId, signal),
  });
  const readerDeps = {
    ...environment,
    // A chain of iterators belongs to the ARN that it began with, so the last description shows whose it is.
    describe: async (signal: AbortSignal): Promise<StreamDescription> =>
      description?.streamArn === streams.place.known && description !== undefined
        ? description
        : descriptions.ask(signal),
    service: changeService({ caller, arn: arnNow, describe: descriptions.ask }),
    names: { StreamName: configured },
    maxRecords,
    idleMs,
    sizes: { recordBytes: undefined },
    backlogMeaning: { backlogs: false, isAbsent: true },
    prefetch: { ...defaults.prefetch, ...options.prefetch },
  };

  return {
    name: configured,
    region: options.streamArn === undefined ? options.region : undefined,
    listingProof: 'lineage',
    describe,
    listShards: list,
    knownEnds(shardIds) {
      const known = ended.known(shardIds);
      // The ARN is the identity of the stream, so an earlier description is as good as a new one.
      return known === undefined || description?.streamArn !== known.streamArn ? undefined : { ...known, description };
    },
    countsBytes: true,
    answersIdle: true,
    open(shardId, start, notice, lease) {
      const listFor = ended.listingFor(shardId);
      return streams.tracked(openShardReader({ ...readerDeps, list: listFor }, { shardId, start, notice, lease }));
    },
    // A change is one record, so it need not be decoded.
    look: looking({ ...readerDeps, unpack: (record) => ({ records: [record], isDivisible: true }) }),
    unpack: (record: RawRecord<Buffer>) => ({ records: [changeRecord(record, numbers)], isDivisible: true }),
    itemOf: (record: UserRecord): ItemParts => ({ key: recordKey(record), value: (record as ChangeRecord).change }),
    close() {
      descriptions.close();
      ended.close();
      streams.close();
    },
  };
}

/** The clients, the place of the stream, and the open readers. */
interface Streams {
  readonly configured: string;
  readonly caller: StreamsCaller;
  readonly place: TableStream;
  mustFitRegion(signal: AbortSignal): Promise<void>;
  isGone(error: unknown): boolean;
  tracked(reader: ShardReader): ShardReader;
  close(): void;
}

function openStreams(options: ChangeSourceOptions, environment: Environment): Streams {
  const { tableName, streamArn, client, requestTimeoutMs = 30_000, load } = options;
  const { clock, timers } = environment;
  const configured = streamArn ?? tableName ?? '';
  const arnRegion = regionOf(streamArn);
  const region = options.region ?? arnRegion;
  const caller = streamsCaller({
    stream: configured,
    region,
    client,
    clock,
    timers,
    requestTimeoutMs,
    ...(load === undefined ? {} : { load }),
  });

  const readers = new Set<ShardReader>();
  let lastReadAt = -Infinity;
  const tables = tableLookup({ ...options, region, requestTimeoutMs }, caller, environment);
  const place =
    streamArn === undefined
      ? newestStream({
          table: configured,
          caller: tables.caller,
          clock,
          reading: () => ({ shards: readers.size, lastAt: lastReadAt }),
        })
      : configuredStream(streamArn);

  return {
    configured,
    caller,
    place,
    async mustFitRegion(signal) {
      if (arnRegion === undefined) return;
      const limits = { signal, timers, timeoutMs: requestTimeoutMs };
      await checkRegion(await caller.client(), { arnRegion, stream: configured }, limits);
    },
    isGone: isStreamNotFound,
    tracked(reader) {
      const tracked: ShardReader = {
        read: (signal) => reader.read(signal),
        hold: (isHeld) => reader.hold?.(isHeld),
        close() {
          if (readers.delete(tracked)) lastReadAt = clock.now();
          reader.close();
        },
      };
      readers.add(tracked);
      return tracked;
    },
    close() {
      for (const reader of [...readers]) reader.close();
      caller.close();
      tables.close();
    },
  };
}

/** DynamoDB Local's ARNs name a region that no client is configured for. */
function regionOf(streamArn: string | undefined): string | undefined {
  const region = streamArn === undefined ? undefined : streamArnParts(streamArn)?.region;
  return region === localRegion ? undefined : region;
}

interface TableLookup {
  readonly caller: () => Promise<DynamoDbCaller>;
  close(): void;
}

/** The caller for DescribeTable. Beside a user's streams client, our own table client has the same region and credentials. */
function tableLookup(
  {
    tableClient,
    client,
    region,
    requestTimeoutMs,
  }: Pick<ChangeSourceOptions, 'tableClient' | 'client' | 'region'> & { readonly requestTimeoutMs: number },
  streams: StreamsCaller,
  { clock, timers }: Environment,
): TableLookup {
  let own: ReturnType<typeof createDynamoDbClient> | undefined;
  let caller: DynamoDbCaller | undefined;

  const ownClient = async (): Promise<DynamoDbClientLike> => {
    const { config } = client === undefined ? {} : await streams.client();
    const given = config as Pick<DynamoDBClientConfig, 'region' | 'credentials'> | undefined;
    const place = region ?? given?.region;
    own ??= createDynamoDbClient({
      requestTimeoutMs,
      ...(place === undefined ? {} : { region: place }),
      ...(given?.credentials === undefined ? {} : { credentials: given.credentials }),
    });
    return own;
  };
  return {
    caller: async () =>
      (caller ??= dynamoDbCaller({ client: tableClient ?? (await ownClient()), clock, timers, requestTimeoutMs })),
    close: () => own?.destroy(),
  };
}
