// The options of `kinesisStream`, as a table. This file only checks the options; src/aws uses them.
import type { DynamoDbClientLike, KinesisClientLike, KinesisStreamOptions } from '../api/options.js';
import type { InitialPosition } from '../core/position.js';
import {
  anything,
  defaulting,
  group,
  integer,
  milliseconds,
  oneOf,
  optional,
  refuse,
  resolveTable,
  shaped,
  text,
  type Kind,
  type Resolved,
} from './option-table.js';

/** Names that DynamoDB accepts for a table. */
const tablePattern = /^[\w.-]{3,255}$/;
export const tableName = text('table name of 3 to 255 letters, digits, `_`, `-` and `.`', tablePattern);
/** The name of an application whose lease table has the same name. */
export const applicationName = text(
  'name of 3 to 255 letters, digits, `_`, `-` and `.`, because it names the lease table in DynamoDB unless `leases.tableName` is given',
  tablePattern,
);

/** Names that Kinesis accepts for a consumer. */
const consumerPattern = /^[\w.-]{1,128}$/;

const initialPosition: Kind<InitialPosition> = {
  expected: "'TRIM_HORIZON', 'LATEST' or a valid Date",
  type: 'InitialPosition',
  parse(value, path) {
    if (value === 'TRIM_HORIZON' || value === 'LATEST') return value;
    if (value instanceof Date && !Number.isNaN(value.getTime())) return new Date(value);
    return refuse(path, this.expected, value);
  },
};

const prefetchTable = {
  batches: defaulting(integer(1), 4, 'Answers of GetRecords.', '8'),
  records: defaulting(integer(1), 30_000, 'Records as the service delivers them, an aggregate as one.', '100_000'),
  bytes: defaulting(integer(1), 8 * 1024 * 1024, 'Bytes of the records that were read ahead.', '32 * 1024 * 1024'),
};

export const prefetchText =
  'How far a shard is read ahead: until one of these limits is reached. The last answer may exceed it. `maxBytes` of the consumer bounds all shards together; see memory.md.';
export const prefetchExample = { example: '{ batches: 8, bytes: 32 * 1024 * 1024 }' };

const placeTable = {
  region: optional(
    text('AWS region', /^[a-z]{2}[a-z0-9-]+$/),
    'The region of the lease table. Either this or `client`, or neither.',
    { shown: "the stream's", example: "'eu-central-1'" },
  ),
  client: optional(
    shaped<DynamoDbClientLike>('a DynamoDB client with a `send` method', ['send'], 'DynamoDbClientLike'),
    'A DynamoDB client of your own for the lease table; kinact never closes it.',
    { shown: "the consumer's `leases.client`", example: "new DynamoDBClient({ region: 'eu-central-1' })" },
  ),
};

/** Rows that the tables of all sources have. */
export const sourceRows = {
  leases: group(
    placeTable,
    "Where this source's lease table is. If it does not exist there, but a table of this name exists in the stream's region, the start is refused: a take-over must not begin with an empty table.",
    { example: "{ region: 'eu-central-1' }" },
  ),
  opaque: optional(anything, 'Passed unchanged to `extract` and every item of this source.', {
    example: "{ tenant: 'acme' }",
  }),
  application: optional(tableName, "This source's lease table.", {
    shown: "the consumer's",
    example: "'refund-totals'",
  }),
};

export const kinesisStreamTable = {
  streamName: optional(
    text('stream name of 1 to 128 letters, digits, `_`, `-` and `.`', /^[\w.-]{1,128}$/),
    'The stream, by name. This or `streamArn`, or both if they name one stream.',
    { example: "'orders'" },
  ),
  streamArn: optional(
    text('ARN of a Kinesis stream', /^arn:[\w-]+:kinesis:[\w-]+:\d{12}:stream\/[\w.-]{1,128}$/),
    'The stream, by ARN, which also names its region.',
    { example: "'arn:aws:kinesis:eu-central-1:123456789012:stream/orders'" },
  ),
  region: optional(text('AWS region', /^[a-z]{2}[a-z0-9-]+$/), "The stream's region.", {
    shown: "the ARN's, else the AWS environment's",
    example: "'eu-central-1'",
  }),
  initialPosition: optional(
    initialPosition,
    'Where a shard without a checkpoint starts. `LATEST` means at the time its lease was created, without a gap; a few seconds of earlier records may come.',
    {
      shown: "`'TRIM_HORIZON'`",
      fallback: (): InitialPosition => 'TRIM_HORIZON',
      example: "new Date('2026-01-31T12:00:00Z')",
    },
  ),
  outOfRange: defaulting(
    oneOf('emit', 'dropRecord', 'dropAggregate'),
    'emit',
    'What happens to user records of an aggregate if their hash key lies outside their shard. `emit` delivers them, because only the KPL sends them again. `dropRecord` drops the record, `dropAggregate` its whole aggregate, as the KCL does. Dropped records are counted, settled as filtered, and reported once each time a worker starts on the shard. In on-demand mode nothing is dropped: see streams.md.',
    "'dropRecord'",
  ),
  maxRecords: defaulting(integer(1, 10_000), 10_000, 'Records per GetRecords call.', '1_000'),
  prefetch: group(prefetchTable, prefetchText, prefetchExample),
  idleMs: defaulting(
    milliseconds(0),
    1_000,
    'Time between two reads of a shard that is read to its tip. If more than 400 shards of a process are idle, it is up to five times as long for these, but not above 5 s.',
    '250',
  ),
  retrieval: defaulting(
    oneOf('polling', 'fan-out', 'auto'),
    'polling',
    'How records are fetched. `fan-out` is enhanced fan-out: each application has 2 MB/s of every shard to itself, and records come within a tenth of a second. AWS charges for it by shard hour and by gigabyte. It is worth it for latency, or if more than two applications read the stream. `auto` prefers it and polls while it cannot be had, where `fan-out` fails at the start. See streams.md.',
    "'auto'",
  ),
  consumerName: optional(
    text('consumer name of 1 to 128 letters, digits, `_`, `-` and `.`', consumerPattern),
    'The consumer of enhanced fan-out. kinact registers it if it is missing, and never deregisters it. Applications need different names.',
    { shown: "the lease table's name", example: "'invoicing'" },
  ),
  consumerArn: optional(
    text(
      'ARN of a consumer of a Kinesis stream',
      /^arn:[\w-]+:kinesis:[\w-]+:\d{12}:stream\/[\w.-]{1,128}\/consumer\/[\w.-]{1,128}:\d+$/,
    ),
    'A registered consumer, in place of `consumerName`. kinact then registers none.',
    { example: "'arn:aws:kinesis:eu-central-1:123456789012:stream/orders/consumer/invoicing:1700000000'" },
  ),
  subscriptionClient: optional(
    shaped<KinesisClientLike>('a Kinesis client with a `send` method', ['send'], 'KinesisClientLike'),
    'A Kinesis client of your own for SubscribeToShard only; AWS wants HTTP/2 there. kinact never closes it.',
    { shown: '`client`, else one that kinact makes', example: "new KinesisClient({ region: 'eu-central-1' })" },
  ),
  opaque: sourceRows.opaque,
  application: sourceRows.application,
  leases: sourceRows.leases,
  client: optional(
    shaped<KinesisClientLike>('a Kinesis client with a `send` method', ['send'], 'KinesisClientLike'),
    'A Kinesis client of your own; kinact never closes it.',
    { shown: 'one that kinact makes', example: "new KinesisClient({ region: 'eu-central-1' })" },
  ),
};

/** What applies to each option that is not given. */
export const kinesisStreamDefaults: Resolved<typeof kinesisStreamTable> = resolveTable(
  kinesisStreamTable,
  {},
  'kinesisStream',
);

export type ResolvedKinesisStream = Resolved<typeof kinesisStreamTable> & {
  /** The ARN of the stream if configured, otherwise its name: distinguishes sources in names and messages. */
  readonly name: string;
};

/**
 * Checks what `kinesisStream` was given and fills in the defaults.
 *
 * @throws KinactError INVALID_OPTION naming path, expected and got.
 */
export function resolveKinesisStream(options: KinesisStreamOptions): ResolvedKinesisStream {
  const resolved = resolveTable(kinesisStreamTable, options, 'kinesisStream');
  checkFanOut(resolved);
  checkPlace(resolved.leases, 'kinesisStream');
  return Object.freeze({ ...resolved, ...placedStream(resolved, 'kinesisStream') });
}

/** The options of enhanced fan-out go together. A consumer belongs to one stream. */
function checkFanOut(resolved: Resolved<typeof kinesisStreamTable>): void {
  const { retrieval, consumerName, consumerArn, streamName, streamArn } = resolved;
  for (const option of ['consumerName', 'consumerArn', 'subscriptionClient'] as const) {
    if (retrieval !== 'polling' || resolved[option] === undefined) continue;
    refuse(`kinesisStream.${option}`, "nothing unless retrieval is 'fan-out' or 'auto'", resolved[option]);
  }
  if (consumerArn === undefined) return;
  if (consumerName !== undefined)
    refuse('kinesisStream.consumerName', 'one of consumerName and consumerArn', consumerName);
  const stream = consumerArn.slice(0, consumerArn.indexOf('/consumer/'));
  if (streamArn === undefined ? !stream.endsWith(`/${streamName}`) : stream !== streamArn)
    refuse('kinesisStream.consumerArn', 'a consumer of this stream', consumerArn);
}

/** The consumer's name if none is configured: that of the lease table, as with the KCL. */
export function consumerNameOf(leaseTable: string | undefined): string {
  if (leaseTable !== undefined && consumerPattern.test(leaseTable)) return leaseTable;
  const expected = 'a name, because the lease table has none that a consumer may have (128 letters at most)';
  return refuse('kinesisStream.consumerName', expected, leaseTable);
}

/** The name and region of the stream that these options name. Throws INVALID_OPTION if they contradict each other. */
export function placedStream(
  { streamName, streamArn, region }: StreamPlace,
  path: string,
): { readonly name: string; readonly region: string | undefined } {
  const name = streamArn ?? streamName;
  if (name === undefined) return refuse(`${path}.streamName`, 'streamName or streamArn', undefined);

  if (streamName !== undefined && streamArn !== undefined && !streamArn.endsWith(`/${streamName}`)) {
    refuse(`${path}.streamName`, 'one of streamName and streamArn, or both naming the same stream', streamName);
  }
  return { name, region: regionOf({ streamArn, region }, path) };
}

/** Throws INVALID_OPTION if the place of the lease table is given twice. */
export function checkPlace({ region, client }: ResolvedKinesisStream['leases'], path: string): void {
  if (region !== undefined && client !== undefined)
    refuse(`${path}.leases.region`, 'region or client, not both', region);
}

/** The region that the options name. Throws INVALID_OPTION if the ARN names another one. */
export function regionOf({ streamArn, region }: Omit<StreamPlace, 'streamName'>, path: string): string | undefined {
  const arnRegion = streamArn?.split(':')[3];
  if (region !== undefined && arnRegion !== undefined && region !== arnRegion) {
    refuse(`${path}.region`, `'${arnRegion}', as in streamArn`, region);
  }
  return region ?? arnRegion;
}

interface StreamPlace {
  readonly streamName: string | undefined;
  readonly streamArn: string | undefined;
  readonly region: string | undefined;
}
