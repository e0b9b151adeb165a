// The lease table for `kinact reset`, which changes it while no worker runs. Calls that fail for a passing reason (throttling,
// lost connections) are repeated. Each step is one write, on condition that its row has not changed since it was read.
import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type { LeaseRow } from '../../core/lease.js';
import type { ResetStep } from '../../core/reset-plan.js';
import type { Clock, LeaseScan, LeaseStore, Random, Timers } from '../../api/ports.js';
import {
  createDynamoDbClient,
  dynamoDbCaller,
  type DynamoDbCaller,
  type DynamoDbClientLike,
} from './dynamodb-client.js';
import { refuseKcl3Table } from './kcl3-detection.js';
import { checkLeaseTable } from './lease-table-setup.js';
import { openLeaseTable } from './lease-table.js';
import { resetUpdate } from './lease-update.js';
import { withRetry, type OnRetry } from '../retry.js';

export interface LeaseRewriterOptions {
  readonly tableName: string;
  /** Default: the region of the AWS environment. */
  readonly region?: string | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Milliseconds one request may take. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /** How long one call is repeated, milliseconds. Default 60,000. */
  readonly retryForMs?: number;
  readonly onRetry?: OnRetry | undefined;
  /** The caller's own client, which is not closed here. Default: a client for the AWS environment. */
  readonly client?: DynamoDbClientLike | undefined;
}

export interface LeaseRewriter {
  /** Rejects with TABLE_NOT_FOUND, TABLE_NOT_KCL, KCL3_TABLE, or what the service failed with. */
  scan(signal: AbortSignal): Promise<LeaseScan>;
  /** `refused`: the row has changed since it was read. A step that is already written counts as `written`. */
  write(step: ResetStep, signal: AbortSignal): Promise<'written' | 'refused'>;
  close(): void;
}

export function openLeaseRewriter(options: LeaseRewriterOptions): LeaseRewriter {
  const { tableName, clock, timers, random, requestTimeoutMs = 10_000, retryForMs = 60_000 } = options;
  const { region } = options;
  const ownClient =
    options.client === undefined
      ? createDynamoDbClient({ requestTimeoutMs, ...(region === undefined ? {} : { region }) })
      : undefined;
  const client: DynamoDbClientLike = options.client ?? ownClient!;
  const caller = dynamoDbCaller({ client, clock, timers, requestTimeoutMs });
  const store = openLeaseTable({ tableName, clock, timers, client, failoverMs: 3 * requestTimeoutMs });

  const retry = { clock, timers, random, retryForMs, name: `table ${tableName}`, onRetry: options.onRetry };
  return {
    scan: (signal) =>
      withRetry(
        retry,
        async () => {
          await checkLeaseTable(caller, tableName, signal);
          const tables = { tableName, coordinatorTableName: `${tableName}-CoordinatorState` };
          await refuseKcl3Table(caller, tables, signal);
          return await store.scan(signal);
        },
        signal,
      ),
    write: (step, signal) => withRetry(retry, () => write({ tableName, caller, store }, step, signal), signal),
    close: () => ownClient?.destroy(),
  };
}

interface Table {
  readonly tableName: string;
  readonly caller: DynamoDbCaller;
  readonly store: LeaseStore;
}

/** If the reply of an earlier attempt was lost, its write makes the condition fail. The row shows whether that is the case. */
async function write(table: Table, step: ResetStep, signal: AbortSignal): Promise<'written' | 'refused'> {
  const { store } = table;
  switch (step.type) {
    case 'create': {
      if ((await store.create(step.row, signal)) === 'created') return 'written';
      return outcomeIn(await store.get(step.row.leaseKey, signal), step.row);
    }
    case 'rewrite': {
      if (await rewrite(table, step.seen, step.row, signal)) return 'written';
      return outcomeIn(await store.get(step.row.leaseKey, signal), step.row);
    }
    case 'remove': {
      const { leaseKey, leaseCounter } = step.seen;
      if (await store.delete(leaseKey, leaseCounter, signal)) return 'written';
      return (await store.get(leaseKey, signal)) === undefined ? 'written' : 'refused';
    }
  }
}

/** `written` if the row is the one that this step writes. */
function outcomeIn(found: LeaseRow | undefined, { leaseCounter, kinactWriter }: LeaseRow): 'written' | 'refused' {
  return found?.leaseCounter === leaseCounter && found.kinactWriter === kinactWriter ? 'written' : 'refused';
}

async function rewrite(
  { tableName, caller }: Table,
  seen: LeaseRow,
  row: LeaseRow,
  signal: AbortSignal,
): Promise<boolean> {
  const { leaseKey } = seen;
  const command = new UpdateItemCommand({
    TableName: tableName,
    Key: { leaseKey: { S: leaseKey } },
    ...resetUpdate(seen, row),
  });
  const call = { operation: 'UpdateItem', table: tableName, leaseKey, write: true };
  const result = await caller.attempt(command, call, signal);
  if (result.type === 'answered') return true;
  if (result.failure.kind === 'conditionFailed') return false;
  throw result.failure.error;
}
