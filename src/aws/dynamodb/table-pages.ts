// Reads a whole table, page by page, as DynamoDB returns its items. The caller interprets the items: the lease table reads
// leases, the commands read the KCL's other rows as well.
import { ScanCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { badAnswer, type DynamoDbCaller } from './dynamodb-client.js';
import type { Item } from './lease-row.js';

export interface TablePage {
  readonly items: readonly Item[];
  readonly serviceTimeMs: number;
}

export interface WholeTable {
  readonly tableName: string;
  /** Items per page; absent: as many as fit into 1 MB. */
  readonly pageItems?: number | undefined;
  /** A consistent scan sees every write that was answered before it, and costs twice as much. Default false. */
  readonly isConsistent?: boolean;
}

/** Throws the service's error, or an error for an answer that the service's model does not allow. */
export async function* tablePages(
  caller: DynamoDbCaller,
  { tableName, pageItems, isConsistent = false }: WholeTable,
  signal: AbortSignal,
): AsyncGenerator<TablePage> {
  let next: Record<string, AttributeValue> | undefined;
  do {
    const command = new ScanCommand({
      TableName: tableName,
      ...(isConsistent ? { ConsistentRead: true } : {}),
      ...(pageItems === undefined ? {} : { Limit: pageItems }),
      ...(next === undefined ? {} : { ExclusiveStartKey: next }),
    });
    const page = await caller.call(command, { operation: 'Scan', table: tableName }, signal);
    yield { items: itemsIn(page.output, tableName), serviceTimeMs: page.serviceTimeMs };

    const before = JSON.stringify(next);
    next = page.output.LastEvaluatedKey;
    if (next !== undefined && Object.keys(next).length === 0)
      throw badAnswer('Scan', 'an empty key to continue from', tableName);
    // Otherwise the loop would never end, and report nothing.
    if (next !== undefined && JSON.stringify(next) === before)
      throw badAnswer('Scan', 'the same key to continue from', tableName);
  } while (next !== undefined);
}

/** Throws if a page lacks its items, because it would look like a table that has lost its rows. */
function itemsIn(
  { Items, Count }: { readonly Items?: Item[] | undefined; readonly Count?: number | undefined },
  tableName: string,
): Item[] {
  if (Array.isArray(Items) && (Items.length > 0 || (Count ?? 0) === 0)) return Items;
  throw badAnswer('Scan', 'a page without its items', tableName);
}
