// Creates a lease table, or checks that the existing one is a KCL lease table. Any number of workers may do this at once: those
// that lose the race to create wait for the winner's table.
import {
  CreateTableCommand,
  DescribeTableCommand,
  type CreateTableCommandInput,
  type TableDescription,
} from '@aws-sdk/client-dynamodb';
import { KinactError } from '../../api/errors.js';
import type { Timers } from '../../api/ports.js';
import { badAnswer, type DynamoDbCaller } from './dynamodb-client.js';
import { sleep } from '../sleep.js';
import { presentMembers } from '../present-members.js';

/** How a table that kinact creates is billed. */
export type LeaseTableBilling =
  | 'PAY_PER_REQUEST'
  | { readonly readCapacityUnits: number; readonly writeCapacityUnits: number };

export interface LeaseTableSetup {
  readonly tableName: string;
  readonly billing: LeaseTableBilling;
  readonly timers: Timers;
  /** The first wait between two checks of a table that is not ready; later ones double up to 5 s. Milliseconds. */
  readonly pollMs: number;
  /** Called before the table is created; rejects if that must not be done. */
  readonly refuseToCreate?: (signal: AbortSignal) => Promise<void>;
}

const maxPollMs = 5_000;

/**
 * Creates the table if it is missing, and waits until it can be used.
 * @throws KinactError TABLE_NOT_KCL for a table with another key; the service's error; STOPPED on abort.
 */
export async function ensureLeaseTable(
  caller: DynamoDbCaller,
  setup: LeaseTableSetup,
  signal: AbortSignal,
): Promise<{ readonly created: boolean }> {
  const { tableName } = setup;
  let created = false;

  for (let pollMs = setup.pollMs; ; pollMs = Math.min(2 * pollMs, maxPollMs)) {
    const table = await describe(caller, tableName, signal);
    if (table === undefined) {
      await setup.refuseToCreate?.(signal);
      created = (await create(caller, setup, signal)) || created;
    } else {
      const complaint = keyComplaint(table);
      if (complaint !== undefined) {
        throw new KinactError('TABLE_NOT_KCL', `Table '${tableName}' ${complaint}.`, { data: { table: tableName } });
      }
      // UPDATING (a capacity or index change) serves reads and writes.
      if (table.TableStatus === 'ACTIVE' || table.TableStatus === 'UPDATING') return { created };
      if (table.TableStatus !== 'CREATING' && table.TableStatus !== 'DELETING') {
        throw new KinactError('AWS_ERROR', `Table '${tableName}' is ${String(table.TableStatus)} and cannot be used.`, {
          data: { table: tableName, operation: 'dynamodb:DescribeTable' },
        });
      }
    }
    await sleep(setup.timers, pollMs, signal, 'waiting for the lease table');
  }
}

/** Whether a table of this name exists, whatever its key is. */
export async function tableExists(caller: DynamoDbCaller, tableName: string, signal: AbortSignal): Promise<boolean> {
  return (await describe(caller, tableName, signal)) !== undefined;
}

/**
 * Checks a table that must already exist, without changing it.
 *
 * @throws KinactError TABLE_NOT_FOUND, TABLE_NOT_KCL, or what the service failed with.
 */
export async function checkLeaseTable(caller: DynamoDbCaller, tableName: string, signal: AbortSignal): Promise<void> {
  const table = await describe(caller, tableName, signal);
  const data = { data: { table: tableName } };
  if (table === undefined) {
    const message = `Table '${tableName}' does not exist in this region and account. Check application name, region and credentials.`;
    throw new KinactError('TABLE_NOT_FOUND', message, data);
  }

  const complaint = keyComplaint(table);
  if (complaint !== undefined) throw new KinactError('TABLE_NOT_KCL', `Table '${tableName}' ${complaint}.`, data);
}

async function describe(
  caller: DynamoDbCaller,
  tableName: string,
  signal: AbortSignal,
): Promise<TableDescription | undefined> {
  const command = new DescribeTableCommand({ TableName: tableName });
  const result = await caller.attempt(command, { operation: 'DescribeTable', table: tableName }, signal);
  if (result.type === 'answered') {
    const table = presentMembers(result.output.Table ?? {});
    // An answer without the key does not mean that the table belongs to another application.
    const { hash, hashType } = keyOf(table);
    if (hash !== undefined && hashType !== undefined) return table;
    throw badAnswer('DescribeTable', 'a table without its key', tableName);
  }
  if (result.failure.kind === 'notFound') return undefined;
  throw result.failure.error;
}

/** True if this call created the table; false if another process is creating or changing it now. */
async function create(caller: DynamoDbCaller, setup: LeaseTableSetup, signal: AbortSignal): Promise<boolean> {
  const { tableName, billing } = setup;
  const input: CreateTableCommandInput = {
    TableName: tableName,
    AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
    ...(billing === 'PAY_PER_REQUEST'
      ? { BillingMode: 'PAY_PER_REQUEST' }
      : {
          BillingMode: 'PROVISIONED',
          ProvisionedThroughput: {
            ReadCapacityUnits: billing.readCapacityUnits,
            WriteCapacityUnits: billing.writeCapacityUnits,
          },
        }),
  };

  const call = { operation: 'CreateTable', table: tableName, write: true };
  const result = await caller.attempt(new CreateTableCommand(input), call, signal);
  if (result.type === 'answered') return true;
  if (result.failure.kind === 'inUse') return false;
  throw result.failure.error;
}

interface TableKey {
  readonly hash: string | undefined;
  readonly hashType: string | undefined;
  readonly range: string | undefined;
}

function keyOf(table: Partial<TableDescription>): TableKey {
  const named = (type: string): string | undefined =>
    table.KeySchema?.find((key) => key?.KeyType === type)?.AttributeName;
  const hash = named('HASH');
  const definition = table.AttributeDefinitions?.find((each) => each?.AttributeName === hash);
  return { hash, hashType: definition?.AttributeType, range: named('RANGE') };
}

/** Describes what is wrong with the table's key, and which consumer the table may belong to; undefined for the KCL's key. */
function keyComplaint(table: TableDescription): string | undefined {
  const { hash, hashType, range } = keyOf(table);
  if (hash === 'leaseKey' && range === undefined && hashType === 'S') return undefined;
  const found = `${hash ?? '?'} (${hashType ?? '?'})${range === undefined ? '' : ` with range key ${range}`}`;
  const whose = ownerByKey(hash, range);
  return (
    `is not a KCL lease table: its key is ${found}, where a lease table has the string leaseKey alone` +
    `${whose === undefined ? '' : `; it looks like ${whose}`}. Choose another application name, or leases.tableName: ` +
    'the lease table has the name of the application unless leases.tableName names it'
  );
}

/** Tables of other consumers, by their keys (KCL clauses 1.5 to 1.7). */
function ownerByKey(hash: string | undefined, range: string | undefined): string | undefined {
  if (hash === 'ShardID' && range === undefined)
    return 'a vmware-go-kcl table, which has checkpoints but no KCL leases';
  if (hash === 'consumerGroup' && range === 'streamName') return "lifion-kinesis's state table";
  if (hash === 'type' && range === 'id') return 'a table of the npm package kinesis-client-library';
  if (hash === 'key' && range === undefined)
    return "a KCL 3 coordinator table; the application's name is the part before -CoordinatorState";
  if (hash === 'wid' && range === undefined)
    return "a KCL 3 worker-metric table; the application's name is the part before -WorkerMetricStats";
  return undefined;
}
