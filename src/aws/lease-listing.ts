// The lease table as people look at it: read once, changed never. For the command `leases`; a consumer opens the table by
// `openLeaseTable` instead.
import { backoffMs, type Backoff } from '../core/backoff.js';
import { isKinactError } from '../errors.js';
import type { Clock, LeaseScan, Random, Timers } from '../ports.js';
import { createDynamoDbClient, dynamoDbCaller, type DynamoDbClientLike } from './dynamodb-client.js';
import { checkLeaseTable } from './lease-table-setup.js';
import { openLeaseTable } from './lease-table.js';
import { pause } from './pause.js';

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

const again: Backoff = { baseMs: 200, capMs: 3_000 };

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
  const giveUpAt = clock.now() + retryForMs;
  try {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await checkLeaseTable(caller, tableName, signal);
        return await store.scan(signal);
      } catch (error) {
        const delayMs = backoffMs(again, attempt, random);
        if (!isKinactError(error) || !error.retryable || clock.now() + delayMs > giveUpAt) throw error;
        await pause(timers, delayMs, signal, 'reading the lease table');
      }
    }
  } finally {
    client.destroy();
  }
}
