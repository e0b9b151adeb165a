// The options of `createConsumer` under `leases`, as a table. consumer-table.ts has it as a row.
import type { DynamoDbClientLike, LeaseOptions } from '../api/options.js';
import { LONGEST_FAILOVER_MS } from '../core/lease-failover.js';
import {
  defaulting,
  exceptNotBuilt,
  flag,
  integer,
  milliseconds,
  oneOf,
  optional,
  refuse,
  required,
  resolveTable,
  shaped,
} from './option-table.js';
import type { Kind } from './option-table.js';
import { tableName } from './source-options.js';

type Billing = NonNullable<LeaseOptions['billing']>;

const billing: Kind<Billing> = {
  expected: "'PAY_PER_REQUEST' or { readCapacityUnits, writeCapacityUnits }",
  parse(value, path) {
    if (value === 'PAY_PER_REQUEST') return value;
    if (typeof value !== 'object' || value === null) return refuse(path, this.expected, value);
    return resolveTable(units, value, path);
  },
};

const units = {
  readCapacityUnits: required(integer(1), 'Read capacity units.'),
  writeCapacityUnits: required(integer(1), 'Write capacity units.'),
};

export const leaseTable = {
  tableName: optional(tableName, 'Name of the lease table.', '`application`'),
  failoverMs: defaulting(
    milliseconds(100, LONGEST_FAILOVER_MS),
    10_000,
    'How long a lease may go without a renewal before others may take it. Renewals go out three times as often. Give every worker of an application the same value. Where they differ, as in a deploy that changes it, the larger of holder and taker counts, and a `warning` says so.',
  ),
  handOverMs: optional(
    milliseconds(1, LONGEST_FAILOVER_MS),
    'A shard drains when another worker asks for its lease. It stays here if nothing of it has been settled for this long, or if draining takes ten times that; the other worker asks again later.',
    '`failoverMs`',
  ),
  maxLeases: optional(
    integer(1),
    'Leases this worker takes at most. While some of them wait for parent shards that nobody reads, it takes such parents in their place.',
    'no limit',
    () => Number.POSITIVE_INFINITY,
  ),
  protocol: defaulting(
    exceptNotBuilt(oneOf('kcl2'), (value) => value === 'kcl3', "use 'kcl2'"),
    'kcl2',
    'How workers share the table: `kcl2` is stealing, as in the KCL up to 2.x. The protocol of KCL 3 is not built yet, and a table that uses it is refused.',
  ),
  billing: optional(
    billing,
    'How a table that has to be created is billed.',
    "`'PAY_PER_REQUEST'`",
    (): Billing => 'PAY_PER_REQUEST',
  ),
  startDeadlineMs: defaulting(
    milliseconds(0),
    60_000,
    'How long `start()` retries what may heal, counted from when the last lease row was made.',
  ),
  multiStream: defaulting(
    flag,
    false,
    "Several streams in one table, with the KCL's multi-stream keys. Without it a table serves one source.",
  ),
  client: optional(
    shaped<DynamoDbClientLike>('a DynamoDB client with a `send` method', ['send']),
    'A DynamoDB client of your own; kinact never closes it.',
    'one that kinact makes',
  ),
};
