// The lease table as the oracle and the faults see it: the rows as they stand, each read once.
import { readLeaseRow } from '../../src/aws/lease-row.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Item } from './dynamodb/expressions.js';
import type { MemoryDynamoDb } from './dynamodb/memory-dynamodb.js';

export interface LeaseView {
  row(leaseKey: string): LeaseRow | undefined;
  rows(): ReadonlyMap<string, LeaseRow>;
}

/** `unreadable` is told of a row that nobody can read: kinact has no business writing one. */
export function leaseView(
  dynamoDb: MemoryDynamoDb,
  tableName: string,
  unreadable: (leaseKey: string, reason: string) => void,
): LeaseView {
  const read = new WeakMap<Item, LeaseRow>();
  const rowOf = (leaseKey: string, item: Item | undefined): LeaseRow | undefined => {
    if (item === undefined) return undefined;
    const known = read.get(item);
    if (known !== undefined) return known;
    const result = readLeaseRow(item);
    if (result.type !== 'lease') {
      unreadable(leaseKey, result.type === 'malformed' ? result.malformed.reason : `it is a ${result.entityType}`);
      return undefined;
    }
    read.set(item, result.row);
    return result.row;
  };
  return {
    row: (leaseKey) => rowOf(leaseKey, dynamoDb.item(tableName, leaseKey)),
    rows: () => {
      const rows = new Map<string, LeaseRow>();
      for (const [leaseKey, item] of dynamoDb.items(tableName)) {
        const row = rowOf(leaseKey, item);
        if (row !== undefined) rows.set(leaseKey, row);
      }
      return rows;
    },
  };
}
