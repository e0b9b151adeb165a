// The lease table as people look at it: read once, changed never. For the command `leases`; a consumer opens the table by
// `openLeaseTable` instead.
import type { Clock, LeaseScan, Random, Timers } from '../ports.js';
import { createDynamoDbClient, dynamoDbCaller, type DynamoDbClientLike } from './dynamodb-client.js';
import { checkLeaseTable } from './lease-table-setup.js';
import { openLeaseTable } from './lease-table.js';
import { patiently } from './patience.js';

export interface LeaseListingOptions {
  readonly tableName: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Milliseconds one request may take. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /** How long what passes (throttling, a lost connection) is waited out, milliseconds. Default 20,000. */
  readonly retryForMs?: number;
}

/**
 * Every row of a lease table, from one scan that got through.
 * @throws KinactError TABLE_NOT_FOUND, TABLE_NOT_KCL, KCL3_TABLE, or what the service failed with.
 */
export async function listLeases(options: LeaseListingOptions, signal: AbortSignal): Promise<LeaseScan> {
  const { tableName, clock, timers, random, requestTimeoutMs = 10_000, retryForMs = 20_000 } = options;
  const client = createDynamoDbClient({ requestTimeoutMs });
  const like: DynamoDbClientLike = client;
  const caller = dynamoDbCaller({ client: like, clock, timers, requestTimeoutMs });
  const store = openLeaseTable({ tableName, clock, timers, client: like, failoverMs: 3 * requestTimeoutMs });
  const patience = { clock, timers, random, retryForMs, name: 'reading the lease table' };
  const read = async (): Promise<LeaseScan> => {
    await checkLeaseTable(caller, tableName, signal);
    return await store.scan(signal);
  };
  try {
    return await patiently(patience, read, signal);
  } finally {
    client.destroy();
  }
}
