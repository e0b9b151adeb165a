// Reads the lease table once, for people to look at, and changes nothing. Malformed rows and KCL 3 state are shown, not refused.
// Used by the command `leases` and the demo; a consumer opens the table with `openLeaseTable`.
import type { LeaseRow } from '../../core/lease.js';
import { isKinactError } from '../../api/errors.js';
import type { Clock, MalformedRow, Random, Timers } from '../../api/ports.js';
import {
  createDynamoDbClient,
  dynamoDbCaller,
  type DynamoDbCaller,
  type DynamoDbClientLike,
} from './dynamodb-client.js';
import { kcl3Evidence, refuseKcl3Table } from './kcl3-detection.js';
import { readLeaseRow } from './lease-row.js';
import { checkLeaseTable } from './lease-table-setup.js';
import { withRetry, type OnRetry } from '../retry.js';
import { tablePages } from './table-pages.js';

export interface LeaseListingOptions {
  readonly tableName: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Milliseconds one request may take. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /** How long reading is repeated while its failure is temporary (throttling, a lost connection), milliseconds. Default 20,000. */
  readonly retryForMs?: number;
  readonly onRetry?: OnRetry | undefined;
}

export interface LeaseListing {
  readonly rows: readonly LeaseRow[];
  readonly malformed: readonly MalformedRow[];
  /** The evidence that a KCL 3 fleet governs the table; absent if there is none. */
  readonly kcl3?: string;
}

/**
 * Returns every row of a lease table, from one complete scan.
 * @throws KinactError TABLE_NOT_FOUND, TABLE_NOT_KCL, or what the service failed with.
 */
export async function listLeases(options: LeaseListingOptions, signal: AbortSignal): Promise<LeaseListing> {
  const { tableName, clock, timers, random, requestTimeoutMs = 10_000, retryForMs = 20_000 } = options;
  const client = createDynamoDbClient({ requestTimeoutMs });
  const like: DynamoDbClientLike = client;
  const caller = dynamoDbCaller({ client: like, clock, timers, requestTimeoutMs });
  const retry = { clock, timers, random, retryForMs, name: 'reading the lease table', onRetry: options.onRetry };
  try {
    return await withRetry(retry, () => read(caller, tableName, signal), signal);
  } finally {
    client.destroy();
  }
}

async function read(caller: DynamoDbCaller, tableName: string, signal: AbortSignal): Promise<LeaseListing> {
  await checkLeaseTable(caller, tableName, signal);
  const rows: LeaseRow[] = [];
  const malformed: MalformedRow[] = [];
  let kcl3: string | undefined;

  for await (const { items } of tablePages(caller, { tableName }, signal)) {
    for (const item of items) {
      kcl3 ??= kcl3Evidence(item);
      const found = readLeaseRow(item);
      if (found.type === 'lease') rows.push(found.row);
      else if (found.type === 'malformed') malformed.push(found.malformed);
    }
  }

  kcl3 ??= await inSideTable(caller, tableName, signal);
  return { rows, malformed, ...(kcl3 === undefined ? {} : { kcl3 }) };
}

/** The evidence in the side table. People who may not read that table still see the leases. */
async function inSideTable(
  caller: DynamoDbCaller,
  tableName: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const tables = { tableName, coordinatorTableName: `${tableName}-CoordinatorState` };
  try {
    await refuseKcl3Table(caller, tables, signal, 'side table');
    return undefined;
  } catch (error) {
    return isKinactError(error) && error.code === 'KCL3_TABLE' ? error.data.evidence : undefined;
  }
}
