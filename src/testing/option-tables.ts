// The options of `kinact/testing`, as tables. src/testing/generated is made from these tables.
import type { RecordDistribution } from '../core/record-placement.js';
import type { Clock } from '../api/ports.js';
import { consumerTable } from '../options/consumer-option-table.js';
import {
  callback,
  defaulting,
  flag,
  group,
  integer,
  kind,
  members,
  milliseconds,
  oneOf,
  optional,
  required,
  shaped,
  text,
} from '../options/option-table.js';
import { kinesisStreamTable } from '../options/kinesis-stream-option-table.js';

/** The options of `drive`, the same as in a consumer. */
export const driveTable = {
  onFailure: consumerTable.onFailure,
  flushIntervalMs: consumerTable.flushIntervalMs,
};

/** The options of `drivePipe`, the same as in a consumer. */
export const drivePipeTable = {
  onFailure: consumerTable.onFailure,
  callDeadlineMs: consumerTable.callDeadlineMs,
};

export const distributions = oneOf<RecordDistribution>('AUTO', 'USER_PARTITION_KEY');

export const fakeStreamTable = {
  name: defaulting(text('a non-empty string', /./s), 'fake', 'Name of the stream.', "'orders'"),
  shards: defaulting(integer(1), 1, 'Shards at the beginning.', '4'),
  distribution: defaulting(
    distributions,
    'USER_PARTITION_KEY',
    "As the service's `RecordDistributionStrategy`: under `'AUTO'` the open shards take turns, and records may come without a partition key.",
    "'AUTO'",
  ),
  clock: optional(
    shaped<Pick<Clock, 'wallNow'>>('an object with the method wallNow', ['wallNow'], "Pick<Clock, 'wallNow'>"),
    "Where arrival times and the service's `Date` come from.",
    {
      shown: '2026-01-01T00:00:00Z, standing still',
      fallback: (): Pick<Clock, 'wallNow'> => ({ wallNow: () => Date.UTC(2026, 0, 1) }),
      example: 'new ManualClock()',
    },
  ),
  maxRecords: defaulting(integer(1), 1_000, 'Raw records per answer at most.', '10'),
  initialPosition: kinesisStreamTable.initialPosition,
  opaque: kinesisStreamTable.opaque,
  application: kinesisStreamTable.application,
};

export const localServersTable = {
  createMs: defaulting(
    milliseconds(0),
    0,
    'How long a stream or table stays CREATING, UPDATING or DELETING. With 500 the states AWS goes through become visible.',
    '500',
  ),
  shardLimit: defaulting(integer(1), 500, 'Shards that all streams together may have.', '10'),
};

const proxyTable = {
  upstream: required(
    kind<string>('a URL', (value) => typeof value === 'string' && URL.canParse(value), 'string'),
    'The URL of the server.',
    'local.dynamodb',
  ),
  services: optional(
    kind<readonly ('dynamodb' | 'kinesis')[]>(
      "a list of 'dynamodb' and 'kinesis'",
      (value) => Array.isArray(value) && value.every((each) => each === 'dynamodb' || each === 'kinesis'),
      "readonly ('dynamodb' | 'kinesis')[]",
    ),
    'Whose calls go there.',
    {
      shown: "`['dynamodb']`",
      fallback: (): readonly ('dynamodb' | 'kinesis')[] => ['dynamodb'],
    },
  ),
};

/** The clock of a model of the scripted server. */
const modelClock = optional(callback<() => number>('() => number'), 'Wall clock in epoch milliseconds.', {
  shown: "the host's, moved by `advance`",
  example: '() => Date.UTC(2026, 0, 1)',
});

const endOfShard = defaulting(
  oneOf('withRecords', 'emptyAnswer'),
  'withRecords',
  'Whether the end of a shard comes together with its last records, or in one empty answer later.',
  "'emptyAnswer'",
);

export const scriptedKinesisTable = {
  now: modelClock,
  childShards: defaulting(
    flag,
    true,
    'Whether the last answer of a shard names its children. AWS does, kinesalite never does.',
    'false',
  ),
  endOfShard,
  missingRecord: defaulting(
    oneOf('invalidArgument', 'resourceNotFound', 'nextRecord'),
    'invalidArgument',
    'How GetShardIterator answers for a sequence number that no record has: with one of two errors, or with an iterator at the next record that exists.',
    "'nextRecord'",
  ),
  enforceReadLimits: defaulting(
    flag,
    false,
    'Refuses the sixth read of a shard within a second, and reads beyond 2 MB a second, as AWS does.',
    'true',
  ),
  pageSize: defaulting(integer(1), 1_000, 'Shards per ListShards page when the caller names no number.', '2'),
  updateMs: defaulting(
    milliseconds(0),
    0,
    'How long a stream stays UPDATING after its shards have changed. Meanwhile the API refuses further changes.',
    '2_000',
  ),
  consumerMs: defaulting(
    milliseconds(0),
    0,
    'How long a consumer of enhanced fan-out stays CREATING, and DELETING. On AWS it takes seconds.',
    '2_000',
  ),
  consumerLimit: defaulting(
    integer(1),
    20,
    'Consumers per stream. AWS allows 20, and 50 with On-demand Advantage.',
    '50',
  ),
  heartbeatMs: defaulting(
    milliseconds(1),
    5_000,
    'A subscription sends an event at least this often, without records if there are none.',
    '100',
  ),
  subscriptionMs: defaulting(milliseconds(1), 300_000, 'How long a subscription lasts.', '1_000'),
  takeOverAfterMs: defaulting(
    milliseconds(0),
    5_000,
    'After this long, a second subscription takes over from the first. Before, the call fails with ResourceInUseException.',
    '500',
  ),
  region: defaulting(text('a non-empty string', /./s), 'us-east-1', 'Region in ARNs.', "'eu-central-1'"),
  accountId: defaulting(text('12 digits', /^\d{12}$/), '123456789012', 'Account in ARNs.', "'210987654321'"),
};

export const scriptedTablesTable = {
  now: modelClock,
  childFilter: defaulting(
    flag,
    true,
    'Whether DescribeStream honours `ShardFilter`. AWS does; DynamoDB Local lists all shards, whatever the filter says.',
    'false',
  ),
  endOfShard,
  eventTimes: defaulting(
    oneOf('second', 'minute'),
    'second',
    'To what the time of a record is rounded down: a second as on AWS, or a minute as by DynamoDB Local.',
    "'minute'",
  ),
  numbering: defaulting(
    oneOf('server', 'stream'),
    'server',
    'Where sequence numbers rise: over all tables as in DynamoDB Local, or in each stream by itself as in moto. In the second case all streams have the same shard ids, too.',
    "'stream'",
  ),
  pageSize: defaulting(integer(1, 100), 100, 'Shards per DescribeStream page when the caller names no number.', '2'),
  maxAnswerBytes: defaulting(
    integer(1),
    1_048_576,
    'Bytes of records per GetRecords answer at most; one record always fits. DynamoDB Local has no such limit.',
    '1_000',
  ),
  region: defaulting(text('a non-empty string', /./s), 'us-east-1', 'Region in ARNs.', "'ddblocal'"),
  accountId: defaulting(text('12 digits', /^\d{12}$/), '123456789012', 'Account in ARNs.', "'000000000000'"),
};

export const scriptedServerTable = {
  kinesis: group(
    scriptedKinesisTable,
    'How the in-memory Kinesis behaves: where it deviates on purpose, to be like the local servers, and its limits.',
    { name: 'ScriptedKinesisOptions', example: "{ endOfShard: 'emptyAnswer' }" },
  ),
  tables: group(
    scriptedTablesTable,
    'How the in-memory DynamoDB tables and their change streams behave: where they deviate on purpose, to be like the local servers, and their limits.',
    { name: 'ScriptedTablesOptions', example: "{ eventTimes: 'minute' }" },
  ),
  proxy: optional(
    members(proxyTable),
    'Calls that no script answers go to a server of your own, such as `startLocalServers().dynamodb`; faults can be laid over them. Calls for the tables of the model stay here.',
    { example: '{ upstream: local.dynamodb }' },
  ),
  hangLimitMs: defaulting(
    milliseconds(0),
    60_000,
    'After this long a `hang` ends with a reset, so that a forgotten one cannot hold a test run.',
    '1_000',
  ),
  requestTimeoutMs: defaulting(milliseconds(1), 5_000, 'Deadline of the clients in `clientConfig`.', '500'),
  maxConcurrentStreams: defaulting(
    integer(1),
    100,
    'Requests at a time on one HTTP/2 connection. A client of Node keeps further ones back, without an answer or an error, until there is room.',
    '2',
  ),
};
