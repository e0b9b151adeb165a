// The lease table as people look at it: read once, changed never. For the command `leases`; a consumer opens the table by
// `openLeaseTable` instead.
import type { Clock, LeaseScan, Timers } from '../ports.js';
import { createDynamoDbClient, dynamoDbCaller, type DynamoDbClientLike } from './dynamodb-client.js';
import { checkLeaseTable } from './lease-table-setup.js';
import { openLeaseTable } from './lease-table.js';

export interface LeaseListingOptions {
  readonly tableName: string;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Milliseconds one request may take. Default 10,000. */
  readonly requestTimeoutMs?: number;
}

/**
 * Every row of a lease table.
 * @throws KinactError TABLE_NOT_FOUND, TABLE_NOT_KCL, KCL3_TABLE, or what the service failed with.
 */
export async function listLeases(options: LeaseListingOptions, signal: AbortSignal): Promise<LeaseScan> {
  const { tableName, clock, timers, requestTimeoutMs = 10_000 } = options;
  const client = createDynamoDbClient({ requestTimeoutMs });
  try {
    const like: DynamoDbClientLike = client;
    const caller = dynamoDbCaller({ client: like, clock, timers, requestTimeoutMs });
    await checkLeaseTable(caller, tableName, signal);
    const store = openLeaseTable({ tableName, clock, timers, client: like, failoverMs: 3 * requestTimeoutMs });
    return await store.scan(signal);
  } finally {
    client.destroy();
  }
}
