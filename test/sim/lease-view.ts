// The lease tables as the oracle and the faults see them: the current rows, under the oracle's names.
import { readLeaseRow } from '../../src/aws/dynamodb/lease-row.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { Item } from './dynamodb/expressions.js';
import type { MemoryDynamoDb } from './dynamodb/memory-dynamodb.js';
import type { Layout } from './layout.js';

export interface LeaseView {
  /** `leaseKey` and `parentShardIds` of the rows are the oracle's names. */
  row(name: string): LeaseRow | undefined;
  rows(): ReadonlyMap<string, LeaseRow>;
  at(tableName: string, leaseKey: string): LeaseRow | undefined;
  /** Changes the row by hand, if there is one. */
  change(name: string, changed: (item: Item) => Item): void;
  /** Deletes the row by hand. */
  delete(name: string): void;
}

/** `unreadable` is called for a row that cannot be read: kinact must not write one. */
export function leaseView(
  dynamoDb: MemoryDynamoDb,
  layout: Layout,
  unreadable: (leaseKey: string, reason: string) => void,
): LeaseView {
  const read = new WeakMap<Item, LeaseRow>();
  const places = new Map<string, { readonly tableName: string; readonly leaseKey: string }>();
  const rowOf = (tableName: string, leaseKey: string, item: Item | undefined): LeaseRow | undefined => {
    if (item === undefined) return undefined;
    const known = read.get(item);
    if (known !== undefined) return known;
    const result = readLeaseRow(item);
    if (result.type !== 'lease') {
      unreadable(leaseKey, result.type === 'malformed' ? result.malformed.reason : `it is a ${result.entityType}`);
      return undefined;
    }
    const name = layout.nameOfRow(tableName, leaseKey, item);
    const sibling = (shardId: string): string => `${name.slice(0, name.indexOf('/'))}/${shardId}`;
    const row = { ...result.row, leaseKey: name, parentShardIds: result.row.parentShardIds.map(sibling) };
    read.set(item, row);
    places.set(name, { tableName, leaseKey });
    return row;
  };
  const at: LeaseView['at'] = (tableName, leaseKey) => rowOf(tableName, leaseKey, dynamoDb.item(tableName, leaseKey));
  return {
    at,
    row: (name) => {
      const place = places.get(name);
      const row = place && at(place.tableName, place.leaseKey);
      return row?.leaseKey === name ? row : undefined;
    },
    rows: () => {
      const rows = new Map<string, LeaseRow>();
      for (const tableName of layout.tables) {
        for (const [leaseKey, item] of dynamoDb.items(tableName)) {
          const row = rowOf(tableName, leaseKey, item);
          if (row !== undefined) rows.set(row.leaseKey, row);
        }
      }
      return rows;
    },
    change: (name, changed) => {
      const place = places.get(name);
      const item = place && dynamoDb.item(place.tableName, place.leaseKey);
      if (place !== undefined && item !== undefined) dynamoDb.putItem(place.tableName, place.leaseKey, changed(item));
    },
    delete: (name) => {
      const place = places.get(name);
      if (place !== undefined) dynamoDb.deleteItem(place.tableName, place.leaseKey);
    },
  };
}
