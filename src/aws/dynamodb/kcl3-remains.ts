// Finds and removes what a KCL 3 fleet has left in an application's tables, for `kinact adopt`. Invariants: a lease is never
// removed, and a row only if it is unchanged. Rows that make a table a KCL 3 table go last. So a run that breaks off leaves a
// table that is still refused.
import {
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  UpdateItemCommand,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { failoverOf } from '../../core/lease-failover.js';
import type { Clock, Random, Timers } from '../../api/ports.js';
import {
  createDynamoDbClient,
  dynamoDbCaller,
  type DynamoDbCaller,
  type DynamoDbClientLike,
} from './dynamodb-client.js';
import { readLeaseRow, type Item } from './lease-row.js';
import { checkLeaseTable } from './lease-table-setup.js';
import { withRetry, type OnRetry } from '../retry.js';
import { tablePages } from './table-pages.js';

/** One thing to remove. */
export type Remains =
  /** A row of the lease table that is not a lease. */
  | { readonly type: 'row'; readonly key: string; readonly entityType: string; readonly item: Item }
  /** The attribute `checkpointOwner` of a lease that a leader was handing over. */
  | { readonly type: 'handover'; readonly key: string; readonly checkpointOwner: string; readonly item: Item }
  /** A side table of KCL 3.0 to 3.4. */
  | { readonly type: 'table'; readonly tableName: string; readonly rows: number };

export interface RemainsFound {
  /** In the order of their removal. */
  readonly remains: readonly Remains[];
  /** The content of every row, by table and key. It shows whether workers run: each of them keeps changing a row. */
  readonly picture: ReadonlyMap<string, string>;
  /** The longest failover time that kinact's workers have written into the rows, milliseconds; 0 if there is none. */
  readonly failoverMs: number;
  /** Tables with the name of a side table that are not the KCL's. They are left alone. */
  readonly strangers: readonly string[];
}

export interface Kcl3Remains {
  /** Rejects with TABLE_NOT_FOUND, TABLE_NOT_KCL, or what the service failed with. */
  find(signal: AbortSignal): Promise<RemainsFound>;
  /** `refused`: the row has changed since it was found. Remains that are already gone count as `removed`. */
  remove(remains: Remains, signal: AbortSignal): Promise<'removed' | 'refused'>;
  close(): void;
}

export interface Kcl3RemainsOptions {
  readonly tableName: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** The caller's own client, which is never closed here. Default: a client of our own. */
  readonly client?: DynamoDbClientLike;
  /** Milliseconds one request may take. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /** How long one call is repeated, milliseconds. Default 60,000. */
  readonly retryForMs?: number;
  readonly onRetry?: OnRetry | undefined;
}

/** The side tables with their keys (KCL clauses 1.5, 1.6). The one that shows a leader comes last. */
const sideTables = [
  { suffix: '-WorkerMetricStats', keyName: 'wid' },
  { suffix: '-CoordinatorState', keyName: 'key' },
] as const;

/** Rows that make a table a KCL 3 table. */
const governing: ReadonlySet<string> = new Set(['LEADER', 'CLIENT_VERSION_MIGRATION', 'TABLE_MIGRATION']);

export function openKcl3Remains(options: Kcl3RemainsOptions): Kcl3Remains {
  const { tableName, clock, timers, random, requestTimeoutMs = 10_000, retryForMs = 60_000 } = options;
  const own = options.client === undefined ? createDynamoDbClient({ requestTimeoutMs }) : undefined;
  const client: DynamoDbClientLike = options.client ?? (own as DynamoDbClientLike);
  const caller = dynamoDbCaller({ client, clock, timers, requestTimeoutMs });
  const retry = { clock, timers, random, retryForMs, name: `table ${tableName}`, onRetry: options.onRetry };
  return {
    find: (signal) => withRetry(retry, () => find(caller, tableName, signal), signal),
    remove: (remains, signal) => withRetry(retry, () => remove(caller, tableName, remains, signal), signal),
    close: () => own?.destroy(),
  };
}

async function find(caller: DynamoDbCaller, tableName: string, signal: AbortSignal): Promise<RemainsFound> {
  await checkLeaseTable(caller, tableName, signal);
  const picture = new Map<string, string>();
  const note = (table: string, key: string, item: Item): void => {
    picture.set(`${table}/${key}`, JSON.stringify(Object.entries(item).toSorted(byName)));
  };

  const rows: Remains[] = [];
  const handovers: Remains[] = [];
  let failoverMs = 0;
  for (const item of await itemsOf(caller, tableName, signal)) {
    const key = item['leaseKey']?.S ?? '';
    note(tableName, key, item);
    const entityType = item['entityType']?.S;
    const checkpointOwner = item['checkpointOwner']?.S;
    const lease = readLeaseRow(item);
    if (lease.type === 'lease') failoverMs = Math.max(failoverMs, failoverOf(lease.row) ?? 0);
    if (entityType !== undefined && entityType !== 'LEASE') rows.push({ type: 'row', key, entityType, item });
    else if (checkpointOwner !== undefined) handovers.push({ type: 'handover', key, checkpointOwner, item });
  }

  const tables: Remains[] = [];
  const strangers: string[] = [];
  for (const { suffix, keyName } of sideTables) {
    const side = `${tableName}${suffix}`;
    const key = await keyOfTable(caller, side, signal);
    if (key === undefined) continue;
    if (key !== keyName) {
      strangers.push(side);
      continue;
    }
    const items = await itemsOf(caller, side, signal);
    for (const item of items) note(side, item[keyName]?.S ?? '', item);
    tables.push({ type: 'table', tableName: side, rows: items.length });
  }

  const governs = (each: Remains): boolean => each.type === 'row' && governing.has(each.entityType);
  const harmless = rows.filter((row) => !governs(row));
  return { remains: [...harmless, ...handovers, ...tables, ...rows.filter(governs)], picture, failoverMs, strangers };
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

async function itemsOf(caller: DynamoDbCaller, tableName: string, signal: AbortSignal): Promise<readonly Item[]> {
  const items: Item[] = [];
  for await (const page of tablePages(caller, { tableName, isConsistent: true }, signal)) {
    for (const item of page.items) items.push(item);
  }
  return items;
}

/** The name of a table's key, '' if the key has two parts; undefined if there is no such table. */
async function keyOfTable(caller: DynamoDbCaller, table: string, signal: AbortSignal): Promise<string | undefined> {
  const command = new DescribeTableCommand({ TableName: table });
  const result = await caller.attempt(command, { operation: 'DescribeTable', table }, signal);
  if (result.type === 'failed') {
    if (result.failure.kind === 'notFound') return undefined;
    throw result.failure.error;
  }
  const { KeySchema: schema = [], TableStatus: status } = result.output.Table ?? {};
  if (status === 'DELETING') return undefined;
  return schema.length === 1 ? (schema[0]?.AttributeName ?? '') : '';
}

async function remove(
  caller: DynamoDbCaller,
  tableName: string,
  remains: Remains,
  signal: AbortSignal,
): Promise<'removed' | 'refused'> {
  if (remains.type === 'table') {
    const table = remains.tableName;
    const command = new DeleteTableCommand({ TableName: table });
    const result = await caller.attempt(command, { operation: 'DeleteTable', table, write: true }, signal);
    // The table is gone or being deleted already, perhaps by an earlier attempt with a lost reply.
    if (result.type === 'answered' || result.failure.kind === 'notFound' || result.failure.kind === 'inUse')
      return 'removed';
    throw result.failure.error;
  }

  const { key, item } = remains;
  const named = { TableName: tableName, Key: { leaseKey: { S: key } }, ...asSeen(item) };
  const command =
    remains.type === 'row'
      ? new DeleteItemCommand(named)
      : new UpdateItemCommand({ ...named, UpdateExpression: 'REMOVE checkpointOwner' });

  const operation = remains.type === 'row' ? 'DeleteItem' : 'UpdateItem';
  const call = { operation, table: tableName, leaseKey: key, write: true };
  const result = await caller.attempt(command as DeleteItemCommand, call, signal);

  if (result.type === 'answered') return 'removed';
  if (result.failure.kind !== 'conditionFailed') throw result.failure.error;
  return (await isGone(caller, tableName, remains, signal)) ? 'removed' : 'refused';
}

/** The condition that a row is unchanged. It compares all texts and numbers, because a heartbeat changes one of them. */
function asSeen(item: Item): {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Record<string, AttributeValue>;
} {
  const names: Record<string, string> = {};
  const values: Record<string, AttributeValue> = {};
  const clauses: string[] = [];
  for (const [name, value] of Object.entries(item)) {
    if (name === 'leaseKey' || (value.S === undefined && value.N === undefined)) continue;
    const index = clauses.length;
    names[`#n${index}`] = name;
    values[`:v${index}`] = value;
    clauses.push(`#n${index} = :v${index}`);
  }
  return {
    ConditionExpression: clauses.join(' AND '),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
}

/** Whether the remains are gone already. If a reply was lost, the earlier removal makes the condition fail. */
async function isGone(
  caller: DynamoDbCaller,
  tableName: string,
  { type, key }: Exclude<Remains, { readonly type: 'table' }>,
  signal: AbortSignal,
): Promise<boolean> {
  const found = (await itemsOf(caller, tableName, signal)).find((item) => item['leaseKey']?.S === key);
  return found === undefined || (type === 'handover' && found['checkpointOwner'] === undefined);
}
