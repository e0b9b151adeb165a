// Detects whether a KCL 3 fleet governs a lease table (KCL clause 1.9). In such a fleet a leader assigns the leases, and a worker
// that steals leases would work against it. kinact refuses the table, with the action to take, until it supports that protocol.
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { KinactError } from '../../api/errors.js';
import { itemIn, type DynamoDbCaller } from './dynamodb-client.js';
import type { Item } from './lease-row.js';

/**
 * Client versions under which a KCL 3 library still behaves as KCL 2.x. With any other text, also an unknown one, the table is
 * refused.
 */
const stealingVersions: ReadonlySet<string> = new Set([
  'CLIENT_VERSION_INIT',
  'CLIENT_VERSION_UPGRADE_FROM_2X',
  'CLIENT_VERSION_2X',
]);

const leaderKey = 'Leader';
const migrationKey = 'Migration3.0';

/**
 * The evidence in this item of the lease table that a KCL 3 fleet governs it; undefined if there is none. The rows `Leader` and
 * `Migration3.0` are recognized by their entity type, because every row that is not a lease has one (KCL clause 1.1).
 */
export function kcl3Evidence(item: Item): string | undefined {
  switch (textOf(item, 'entityType')) {
    case 'LEADER':
      return leaderEvidence(item);
    case 'CLIENT_VERSION_MIGRATION':
      return migrationEvidence(item);
    case undefined:
    case 'LEASE':
      return item['checkpointOwner'] === undefined
        ? undefined
        : `the lease ${textOf(item, 'leaseKey') ?? ''} is being handed over by a leader (checkpointOwner is set)`;
    default:
      return undefined;
  }
}

/** Makes KCL3_TABLE, with the action to take. */
export function kcl3Refusal(tableName: string, evidence: string): KinactError {
  return new KinactError(
    'KCL3_TABLE',
    `Table '${tableName}' is governed by KCL 3: ${evidence}. kinact speaks the KCL 2.x protocol only. Use another ` +
      `application name; or roll the fleet back to the 2.x protocol with the KCL's migration tool; or, when no KCL 3 ` +
      `worker runs any more, run: kinact adopt --application ${tableName}. By hand that is: delete from the table every row that has an entityType other than LEASE (a row without ` +
      `entityType is a lease: keep it) and every checkpointOwner attribute, and delete the tables ` +
      `'${tableName}-CoordinatorState' and '${tableName}-WorkerMetricStats' if they are there.`,
    { data: { table: tableName, evidence } },
  );
}

export interface Kcl3Tables {
  readonly tableName: string;
  readonly coordinatorTableName: string;
}

/**
 * Reads the four places where KCL 3 leaves its state: in its side table, and in the lease table itself since 3.5.
 *
 * @throws KinactError KCL3_TABLE, or the error of a read. A side table that is missing or not the KCL's is no evidence.
 */
export async function refuseKcl3Table(
  caller: DynamoDbCaller,
  tables: Kcl3Tables,
  signal: AbortSignal,
  where: 'everywhere' | 'side table' = 'everywhere',
): Promise<void> {
  const { tableName, coordinatorTableName } = tables;
  const places = [
    { table: coordinatorTableName, keyName: 'key', key: migrationKey, judge: migrationEvidence },
    { table: coordinatorTableName, keyName: 'key', key: leaderKey, judge: leaderEvidence },
    { table: tableName, keyName: 'leaseKey', key: migrationKey, judge: migrationEvidence },
    { table: tableName, keyName: 'leaseKey', key: leaderKey, judge: leaderEvidence },
  ] as const;

  for (const { table, keyName, key, judge } of places) {
    // A scan has already shown the rows of the lease table itself.
    if (where === 'side table' && table !== coordinatorTableName) continue;
    const command = new GetItemCommand({ TableName: table, Key: { [keyName]: { S: key } }, ConsistentRead: true });
    const result = await caller.attempt(command, { operation: 'GetItem', table }, signal);
    if (result.type === 'failed') {
      const { kind, error } = result.failure;
      // A table of that name with another key is not the KCL's.
      if (table === coordinatorTableName && (kind === 'notFound' || kind === 'invalidArgument')) continue;
      throw error;
    }

    const item = itemIn(result.output, table);
    const evidence = item === undefined ? undefined : judge(item);
    if (evidence !== undefined) throw kcl3Refusal(tableName, `${evidence}, in table '${table}'`);
  }
}

/** A leader row that is not released counts, even without a heartbeat, because its holder may be in a long pause. */
function leaderEvidence(item: Item): string | undefined {
  return textOf(item, 'isReleased') === '1'
    ? undefined
    : `worker '${textOf(item, 'ownerName') ?? 'unknown'}' holds the row '${leaderKey}'`;
}

function migrationEvidence(item: Item): string | undefined {
  const version = textOf(item, 'cv') ?? 'missing';
  return stealingVersions.has(version) ? undefined : `the row '${migrationKey}' says cv = ${version}`;
}

function textOf(item: Item, name: string): string | undefined {
  const value: unknown = item[name]?.S;
  return typeof value === 'string' ? value : undefined;
}
