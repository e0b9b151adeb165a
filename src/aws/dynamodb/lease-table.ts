// The LeaseStore port on DynamoDB, exactly as in KCL clauses 1.1 to 1.5. Each call is one attempt, every write is conditional,
// and existing rows are changed attribute by attribute. The lease coordinator and its keepers call it; they retry and decide.
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  type AttributeValue,
  type DynamoDBClientConfig,
} from '@aws-sdk/client-dynamodb';
import type { LeaseRow } from '../../core/lease.js';
import { isKinactError, KinactError } from '../../api/errors.js';
import { leaseDefaults } from '../../options/lease-option-table.js';
import type {
  Clock,
  LeaseScan,
  LeaseStore,
  LeaseUpdate,
  MalformedRow,
  Timers,
  WishOutcome,
  WriteOutcome,
} from '../../api/ports.js';
import {
  createDynamoDbClient,
  dynamoDbCaller,
  itemIn,
  type Attempt,
  type DynamoDbCaller,
  type DynamoDbClientLike,
} from './dynamodb-client.js';
import { kcl3Evidence, kcl3Refusal, refuseKcl3Table, type Kcl3Tables } from './kcl3-detection.js';
import { readLeaseRow, writeLeaseRow, type Item } from './lease-row.js';
import { ensureLeaseTable, type LeaseTableBilling } from './lease-table-setup.js';
import { homeCheck, type HomeRegion } from './home-region.js';
import { leaseUpdate, metaUpdate, wishUpdate } from './lease-update.js';
import { tablePages } from './table-pages.js';

export interface LeaseTableOptions extends Pick<DynamoDBClientConfig, 'region' | 'endpoint' | 'credentials'> {
  readonly tableName: string;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A call is given up after a third of this time, so a renewal can be tried three times. Default: as `leases.failoverMs`. */
  readonly failoverMs?: number;
  /** The application's own client, which is never closed here. Default: a client of our own. */
  readonly client?: DynamoDbClientLike;
  /** The region of the stream, if the table may be in another one: a table of this name there forbids to create one here. */
  readonly homeRegion?: HomeRegion;
  /** How the table is billed if it has to be created. Default: that of `leases.billing`. */
  readonly billing?: LeaseTableBilling;
  /** Where a KCL 3 fleet keeps its state. Default `<tableName>-CoordinatorState`, as in the KCL. */
  readonly coordinatorTableName?: string;
  /** The first wait for a table that is being created. Milliseconds, default 200. */
  readonly tablePollMs?: number;
  /** Items per page of a scan; absent: as many as fit into 1 MB. */
  readonly scanPageItems?: number;
}

interface Context {
  readonly tableName: string;
  readonly caller: DynamoDbCaller;
  readonly scanPageItems: number | undefined;
  /** Whether new rows get an `entityType`, as in KCL 3.5 and later. They do once a scanned row has one. */
  writesEntityType: boolean;
  readonly kcl3: Kcl3Tables;
  /** When the side table was last read; monotonic milliseconds. */
  sideTableAskedAt: number;
  readonly now: () => number;
}

/** Opens a lease table. Nothing is sent before the first call. */
export function openLeaseTable(options: LeaseTableOptions): LeaseStore {
  const { tableName, clock, timers } = options;
  const requestTimeoutMs = Math.max(1, Math.floor((options.failoverMs ?? leaseDefaults.failoverMs) / 3));
  const own =
    options.client === undefined ? createDynamoDbClient({ ...connection(options), requestTimeoutMs }) : undefined;
  const client: DynamoDbClientLike = options.client ?? (own as DynamoDbClientLike);

  const context: Context = {
    tableName,
    caller: dynamoDbCaller({ client, clock, timers, requestTimeoutMs }),
    scanPageItems: options.scanPageItems,
    writesEntityType: false,
    kcl3: { tableName, coordinatorTableName: options.coordinatorTableName ?? `${tableName}-CoordinatorState` },
    sideTableAskedAt: -Infinity,
    now: () => clock.now(),
  };

  return {
    tableName,
    async ensureTable(signal) {
      const setup = {
        tableName,
        timers,
        billing: options.billing ?? leaseDefaults.billing,
        pollMs: options.tablePollMs ?? 200,
        ...(options.homeRegion === undefined ? {} : { refuseToCreate: homeCheck(options.homeRegion, client, options) }),
      };
      const ensured = await ensureLeaseTable(context.caller, setup, signal);
      await refuseKcl3Table(context.caller, context.kcl3, signal);
      context.sideTableAskedAt = clock.now();
      return ensured;
    },
    async scan(signal) {
      const found = await scan(context, signal);
      await askSideTable(context, signal);
      return found;
    },
    get: (leaseKey, signal) => get(context, leaseKey, signal),
    create: (row, signal) => create(context, row, signal),
    update: (leaseKey, made, signal) => update(context, leaseKey, made, signal),
    wish: (leaseKey, expected, said, signal) => wish(context, leaseKey, wishUpdate(expected, said), signal),
    updateMeta: (leaseKey, meta, signal) => updateMeta(context, leaseKey, meta, signal),
    delete: (leaseKey, counter, signal) => remove(context, leaseKey, counter, signal),
    close: () => own?.destroy(),
  };
}

function connection(options: LeaseTableOptions): Pick<DynamoDBClientConfig, 'region' | 'endpoint' | 'credentials'> {
  return {
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  };
}

/** How often the KCL looks for a leader. A worker that shares a table with a leader must look as often. */
const sideTableIntervalMs = 60_000;

/** Looks for a leader of KCL 3.0 to 3.4: it shows only in its side table, and may appear at any time. */
async function askSideTable(context: Context, signal: AbortSignal): Promise<void> {
  if (context.now() - context.sideTableAskedAt < sideTableIntervalMs) return;
  try {
    await refuseKcl3Table(context.caller, context.kcl3, signal, 'side table');
    context.sideTableAskedAt = context.now();
  } catch (error) {
    // Any other failure does not concern the lease table, which has been read. The next scan asks again.
    if (isKinactError(error) && error.code === 'KCL3_TABLE') throw error;
  }
}

async function scan(context: Context, signal: AbortSignal): Promise<LeaseScan> {
  const { tableName, caller, scanPageItems: pageItems } = context;
  const rows: LeaseRow[] = [];
  const malformed: MalformedRow[] = [];
  let serviceTimeMs = 0;

  for await (const page of tablePages(caller, { tableName, pageItems }, signal)) {
    serviceTimeMs = Math.max(serviceTimeMs, page.serviceTimeMs);
    for (const item of page.items) {
      const evidence = kcl3Evidence(item);
      if (evidence !== undefined) throw kcl3Refusal(tableName, evidence);
      const read = readLeaseRow(item);
      if (read.type === 'lease') {
        rows.push(read.row);
        if (read.row.entityType !== undefined) context.writesEntityType = true;
      } else if (read.type === 'malformed') {
        malformed.push(read.malformed);
      }
    }
  }

  return { rows, malformed, serviceTimeMs };
}

async function get(context: Context, leaseKey: string, signal: AbortSignal): Promise<LeaseRow | undefined> {
  const { tableName, caller } = context;
  const command = new GetItemCommand({ TableName: tableName, Key: keyOf(leaseKey), ConsistentRead: true });
  const { output } = await caller.call(command, { operation: 'GetItem', table: tableName, leaseKey }, signal);
  const item = itemIn(output, tableName);
  return item === undefined ? undefined : rowOf(context, leaseKey, item);
}

async function create(context: Context, row: LeaseRow, signal: AbortSignal): Promise<'created' | 'exists'> {
  const { tableName, caller } = context;
  const whole = context.writesEntityType && row.entityType === undefined ? { ...row, entityType: 'LEASE' } : row;
  const command = new PutItemCommand({
    TableName: tableName,
    Item: writeLeaseRow(whole),
    ConditionExpression: 'attribute_not_exists(leaseKey)',
  });
  const call = { operation: 'PutItem', table: tableName, leaseKey: row.leaseKey, write: true };
  return conditionHeld(await caller.attempt(command, call, signal)) ? 'created' : 'exists';
}

async function update(
  context: Context,
  leaseKey: string,
  { expected, change, writer }: LeaseUpdate,
  signal: AbortSignal,
): Promise<WriteOutcome> {
  const { tableName, caller } = context;
  const command = new UpdateItemCommand({
    TableName: tableName,
    Key: keyOf(leaseKey),
    ...leaseUpdate(expected, change, writer),
    // The returned row shows the holder whether another worker has left a wish.
    ReturnValues: 'ALL_NEW',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  });
  const result = await caller.attempt(
    command,
    { operation: 'UpdateItem', table: tableName, leaseKey, write: true },
    signal,
  );
  if (conditionHeld(result)) return { type: 'written', counter: expected.counter + 1, ...wishIn(result) };
  return { type: 'refused', current: await currentOf(context, leaseKey, result, signal) };
}

/** A wish makes no new row: a row that is gone fails the condition. */
async function wish(
  context: Context,
  leaseKey: string,
  parts: ReturnType<typeof wishUpdate>,
  signal: AbortSignal,
): Promise<WishOutcome> {
  const { tableName, caller } = context;
  const command = new UpdateItemCommand({
    TableName: tableName,
    Key: keyOf(leaseKey),
    ...parts,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  });
  const call = { operation: 'UpdateItem', table: tableName, leaseKey, write: true };
  const result = await caller.attempt(command, call, signal);
  if (conditionHeld(result)) return { type: 'written' };
  return { type: 'refused', current: await currentOf(context, leaseKey, result, signal) };
}

/** The row at the time of a refusal. */
async function currentOf(
  context: Context,
  leaseKey: string,
  result: Attempt<unknown>,
  signal: AbortSignal,
): Promise<LeaseRow | undefined> {
  const old = oldItemOf(result);
  // Without an item, either the row is gone or the store returns none (dynalite). One read finds out.
  return old === undefined ? await get(context, leaseKey, signal) : rowOf(context, leaseKey, old);
}

async function updateMeta(
  context: Context,
  leaseKey: string,
  meta: Parameters<LeaseStore['updateMeta']>[1],
  signal: AbortSignal,
): Promise<boolean> {
  const { tableName, caller } = context;
  const parts = metaUpdate(meta);
  if (parts === undefined) return (await get(context, leaseKey, signal)) !== undefined;
  const command = new UpdateItemCommand({ TableName: tableName, Key: keyOf(leaseKey), ...parts });
  return conditionHeld(
    await caller.attempt(command, { operation: 'UpdateItem', table: tableName, leaseKey, write: true }, signal),
  );
}

async function remove(context: Context, leaseKey: string, counter: number, signal: AbortSignal): Promise<boolean> {
  const { tableName, caller } = context;
  const command = new DeleteItemCommand({
    TableName: tableName,
    Key: keyOf(leaseKey),
    ConditionExpression: 'leaseCounter = :counter',
    ExpressionAttributeValues: { ':counter': { N: String(counter) } },
  });
  return conditionHeld(
    await caller.attempt(command, { operation: 'DeleteItem', table: tableName, leaseKey, write: true }, signal),
  );
}

/** Whether the condition of a write held; any other failure is thrown. */
function conditionHeld(result: Attempt<unknown>): boolean {
  if (result.type === 'answered') return true;
  if (result.failure.kind === 'conditionFailed') return false;
  throw result.failure.error;
}

/** The wish in the row after a write, if the store returns the row. */
function wishIn(result: Attempt<unknown>): { readonly wish?: string } {
  const { Attributes } = (result.type === 'answered' ? result.output : {}) as { readonly Attributes?: Item | null };
  const text: unknown = Attributes?.['kinactWish']?.S;
  return typeof text === 'string' ? { wish: text } : {};
}

/** The row that the failed condition saw, if the store returns it. */
function oldItemOf(result: Attempt<unknown>): Item | undefined {
  if (result.type === 'answered') return undefined;
  const item = (result.cause as { readonly Item?: Item | null }).Item;
  return item === undefined || item === null || Object.keys(item).length === 0 ? undefined : item;
}

function rowOf(context: Context, leaseKey: string, item: Item): LeaseRow {
  const read = readLeaseRow(item);
  if (read.type === 'lease') return read.row;
  const { reason, leaseOwner } =
    read.type === 'malformed' ? read.malformed : { reason: `it is a row of type ${read.entityType}` };
  throw new KinactError(
    'MALFORMED_LEASE',
    `Lease '${leaseKey}' in table '${context.tableName}' cannot be read: ${reason}.`,
    {
      data: { table: context.tableName, leaseKey, ...(leaseOwner === undefined ? {} : { leaseOwner }) },
    },
  );
}

function keyOf(leaseKey: string): Record<string, AttributeValue> {
  return { leaseKey: { S: leaseKey } };
}
