// The options of `createConsumer` under `leases`, as a table. consumer-option-table.ts has it as a row.
import type { DynamoDbClientLike } from '../api/options.js';
import { maxFailoverMs } from '../core/lease-failover.js';
import {
  defaulting,
  flag,
  integer,
  milliseconds,
  optional,
  refuse,
  required,
  resolveTable,
  shaped,
  type Kind,
  type OptionsOf,
  type Resolved,
} from './option-table.js';
import { tableName } from './kinesis-stream-option-table.js';

const units = {
  readCapacityUnits: required(integer(1), 'Read capacity units.'),
  writeCapacityUnits: required(integer(1), 'Write capacity units.'),
};

type Billing = 'PAY_PER_REQUEST' | OptionsOf<typeof units>;

const billing: Kind<Billing> = {
  expected: "'PAY_PER_REQUEST' or { readCapacityUnits, writeCapacityUnits }",
  type: ["'PAY_PER_REQUEST'", { rows: units }],
  parse(value, path) {
    if (value === 'PAY_PER_REQUEST') return value;
    if (typeof value !== 'object' || value === null) return refuse(path, this.expected, value);
    return resolveTable(units, value, path);
  },
};

export const leaseOptionTable = {
  tableName: optional(tableName, 'Name of the lease table.', { shown: '`application`', example: "'order-leases'" }),
  failoverMs: defaulting(
    milliseconds(100, maxFailoverMs),
    10_000,
    'How long a lease may go without a renewal before others may take it. A lease is renewed three times in this time. A shorter time means quicker take-over, but more writes, and a paused process loses leases sooner. Give every worker of an application the same value. If values differ, as in a deploy that changes them, the larger value of holder and taker applies, and a `warning` says so.',
    '30_000',
  ),
  handOverMs: optional(
    milliseconds(1, maxFailoverMs),
    'A shard drains when another worker asks for its lease. The lease stays here if the frontier does not move for this long, or draining takes ten times as long (at most 10 minutes). The other worker asks again later. Raise it if calls or batches take longer.',
    { shown: '`failoverMs`, but at least 10,000', example: '20_000' },
  ),
  maxLeases: optional(
    integer(1),
    'This worker takes at most this many leases. While some of these wait for parent shards that no worker reads, it takes the parents as well. Set it to bound the load of one process. If all workers together take too few, some shards stay unread.',
    { shown: 'no limit', fallback: () => Number.POSITIVE_INFINITY, example: '8' },
  ),
  billing: optional(billing, 'How a table that kinact creates is billed.', {
    shown: "`'PAY_PER_REQUEST'`",
    fallback: (): Billing => 'PAY_PER_REQUEST',
    example: '{ readCapacityUnits: 10, writeCapacityUnits: 10 }',
  }),
  startDeadlineMs: defaulting(
    milliseconds(0),
    60_000,
    'How long `start()` retries temporary errors. Each lease row created restarts this time.',
    '300_000',
  ),
  multiStream: defaulting(
    flag,
    false,
    "Several streams in one table, with the KCL's multi-stream keys. Without it a table serves one source.",
    'true',
  ),
  client: optional(
    shaped<DynamoDbClientLike>('a DynamoDB client with a `send` method', ['send'], 'DynamoDbClientLike'),
    'A DynamoDB client of your own; kinact never closes it.',
    { shown: 'one that kinact makes', example: "new DynamoDBClient({ region: 'eu-central-1' })" },
  ),
};

/** What applies to each option that is not given. */
export const leaseDefaults: Resolved<typeof leaseOptionTable> = resolveTable(leaseOptionTable, {}, 'leases');
