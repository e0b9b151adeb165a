// The options of `dynamodbStream`, as a table. This file only checks the options; src/aws uses them.
import type { DynamoDbClientLike, DynamodbStreamOptions, DynamodbStreamsClientLike } from '../api/options.js';
import { tableStreamArn } from '../core/stream-identity.js';
import { checkPlace, prefetchExample, prefetchText, regionOf, sourceRows } from './kinesis-stream-option-table.js';
import {
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
  type Resolved,
} from './option-table.js';

const prefetchTable = {
  batches: defaulting(integer(1), 4, 'Answers of GetRecords.', '8'),
  records: defaulting(integer(1), 4_000, 'Records as the service delivers them.', '10_000'),
  bytes: defaulting(integer(1), 8 * 1024 * 1024, 'Bytes of the records that were read ahead.', '32 * 1024 * 1024'),
};

export const dynamodbStreamTable = {
  tableName: optional(
    text('name of a table: 3 to 255 letters, digits, `_`, `-` and `.`', /^[\w.-]{3,255}$/),
    'The table whose changes are read, by name. Its newest stream is looked up. This or `streamArn`, or both if they name one table.',
    { example: "'orders'" },
  ),
  streamArn: optional(
    text('ARN of a DynamoDB stream', tableStreamArn),
    'The stream, by ARN, which also names its region. A stream that was disabled can be read by ARN for 24 hours.',
    { example: "'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-31T12:00:00.000'" },
  ),
  region: optional(text('AWS region', /^[a-z]{2}[a-z0-9-]+$/), "The table's region.", {
    shown: "the ARN's, else the AWS environment's",
    example: "'eu-central-1'",
  }),
  initialPosition: defaulting(
    oneOf('TRIM_HORIZON', 'LATEST'),
    'TRIM_HORIZON',
    'Where a shard without a checkpoint starts. `LATEST` means at the time its lease was created, without a gap; changes of up to four seconds before may come.',
    "'LATEST'",
  ),
  numbers: defaulting(
    oneOf('number', 'string', 'bigint'),
    'number',
    'What the numbers of an item become. DynamoDB has 38 digits, JavaScript about 16. `number`: a number that JavaScript cannot hold unchanged fails its record, and `onFailure` decides. By default the consumer then restarts its pipeline a few times, and ends. `bigint`: the same for a number that is no integer. `string`: the text as DynamoDB gives it, for any number.',
    "'string'",
  ),
  maxRecords: defaulting(integer(1, 1_000), 1_000, 'Records per GetRecords call.', '100'),
  prefetch: group(prefetchTable, prefetchText, prefetchExample),
  idleMs: defaulting(
    milliseconds(0),
    1_000,
    'Time between two reads of a shard that is read to its tip. If more than 400 shards of a process are idle, it is up to five times as long for these, but not above 5 s. A shard that is behind is read without a pause.',
    '250',
  ),
  opaque: sourceRows.opaque,
  application: sourceRows.application,
  leases: sourceRows.leases,
  client: optional(
    shaped<DynamodbStreamsClientLike>(
      'a DynamoDB Streams client with a `send` method',
      ['send'],
      'DynamodbStreamsClientLike',
    ),
    'A DynamoDB Streams client of your own; kinact never closes it.',
    { shown: 'one that kinact makes', example: "new DynamoDBStreamsClient({ region: 'eu-central-1' })" },
  ),
  tableClient: optional(
    shaped<DynamoDbClientLike>('a DynamoDB client with a `send` method', ['send'], 'DynamoDbClientLike'),
    'A DynamoDB client of your own, which looks up the stream of `tableName`; kinact never closes it.',
    { shown: 'one that kinact makes', example: "new DynamoDBClient({ region: 'eu-central-1' })" },
  ),
};

/** What applies to each option that is not given. */
export const dynamodbStreamDefaults: Resolved<typeof dynamodbStreamTable> = resolveTable(
  dynamodbStreamTable,
  {},
  'dynamodbStream',
);

export type ResolvedDynamodbStream = Resolved<typeof dynamodbStreamTable> & {
  /** The ARN of the stream if configured, otherwise the table's name: distinguishes sources in names and messages. */
  readonly name: string;
};

/**
 * Checks what `dynamodbStream` was given and fills in the defaults.
 *
 * @throws KinactError INVALID_OPTION naming path, expected and got.
 */
export function resolveDynamodbStream(options: DynamodbStreamOptions): ResolvedDynamodbStream {
  const resolved = resolveTable(dynamodbStreamTable, options, 'dynamodbStream');
  checkPlace(resolved.leases, 'dynamodbStream');
  const { tableName, streamArn, region } = resolved;
  const name = streamArn ?? tableName;
  if (name === undefined) return refuse('dynamodbStream.tableName', 'tableName or streamArn', undefined);

  if (tableName !== undefined && streamArn !== undefined && streamArn.split('/')[1] !== tableName) {
    refuse('dynamodbStream.tableName', 'one of tableName and streamArn, or both naming the same table', tableName);
  }
  return Object.freeze({ ...resolved, name, region: regionOf({ streamArn, region }, 'dynamodbStream') });
}
