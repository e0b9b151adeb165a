// A DynamoDB in memory, in virtual time: tables that are created and deleted, items, conditions and updates, scans in pages,
// reads that may show an older state. It handles one operation at a time, with the input and output of the SDK's commands.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import {
  checkItem,
  checkPlaceholders,
  conditionHolds,
  InvalidExpression,
  updatedItem,
  type Item,
  type Placeholders,
} from './expressions.js';

export interface MemoryDynamoDbOptions {
  /** World time. */
  readonly now: () => number;
  /** The most items per page of a scan, whatever its `Limit`. */
  readonly pageItems: number;
  /** How long a table is CREATING or DELETING. */
  readonly changeMs: number;
  /** A failed condition returns the item if the caller asks for it. dynalite does not do that. */
  readonly returnsOld: boolean;
}

/** Returns how old the state of an item is that an eventually consistent read shows, in milliseconds. */
export type AgeOf = () => number;

export interface MemoryDynamoDb {
  handle(operation: string, input: Record<string, unknown>, ageOf: AgeOf): object;
  /** The current item. Undefined also if the table does not exist. */
  item(tableName: string, key: string): Item | undefined;
  items(tableName: string): ReadonlyMap<string, Item>;
  /** Changes by hand. */
  putItem(tableName: string, key: string, item: Item): void;
  deleteItem(tableName: string, key: string): void;
  deleteTable(tableName: string): void;
}

/** A refusal. `errorOf` makes the error that the SDK's client would throw, by the name. */
export class DynamoDbRefusal extends Error {
  override readonly name: string;
  readonly item: Item | undefined;
  constructor(name: string, message: string, item?: Item) {
    super(message);
    this.name = name;
    this.item = item;
  }
}

interface Version {
  readonly since: number;
  readonly item: Item | undefined;
}

interface Table {
  readonly keyName: string;
  readonly activeAt: number;
  /** The table is gone from this time on. */
  goneAt: number;
  readonly items: Map<string, Item>;
  /** Recent states of the items. */
  readonly versions: Map<string, Version[]>;
  readonly created: { readonly KeySchema: unknown; readonly AttributeDefinitions: unknown };
}

interface Request extends Placeholders {
  readonly TableName: string;
  readonly Key?: Record<string, AttributeValue>;
  readonly Item?: Record<string, AttributeValue>;
  readonly ConsistentRead?: boolean;
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly ReturnValuesOnConditionCheckFailure?: string;
  readonly ReturnValues?: string;
  readonly Limit?: number;
  readonly ExclusiveStartKey?: Record<string, AttributeValue>;
  readonly KeySchema?: readonly { readonly AttributeName?: string; readonly KeyType?: string }[];
  readonly AttributeDefinitions?: unknown;
}

/** No read shows an older state than this. */
export const longestAgeMs = 1_000;

export function createMemoryDynamoDb(options: MemoryDynamoDbOptions): MemoryDynamoDb {
  const tables = new Map<string, Table>();
  const { now } = options;
  const found = (tableName: string): Table | undefined => {
    const table = tables.get(tableName);
    if (table !== undefined && table.goneAt <= now()) tables.delete(tableName);
    return tables.get(tableName);
  };
  const usable = (tableName: string): Table => {
    const table = found(tableName);
    if (table === undefined || table.activeAt > now())
      throw new DynamoDbRefusal('ResourceNotFoundException', 'Requested resource not found');
    return table;
  };
  const handlers: Record<string, (input: Request, ageOf: AgeOf) => object> = {
    CreateTable: (input) => {
      if (found(input.TableName) !== undefined)
        throw new DynamoDbRefusal('ResourceInUseException', `Table already exists: ${input.TableName}`);
      tables.set(input.TableName, newTable(input, now() + options.changeMs));
      return { TableDescription: description(input.TableName, usableOrNot(input.TableName), now()) };
    },
    DescribeTable: ({ TableName }) => ({ Table: description(TableName, usableOrNot(TableName), now()) }),
    DeleteTable: ({ TableName }) => {
      const table = usable(TableName);
      table.goneAt = now() + options.changeMs;
      return { TableDescription: description(TableName, table, now()) };
    },
    GetItem: ({ TableName, Key, ConsistentRead }, ageOf) => {
      const table = usable(TableName);
      const item = seenAt(table, keyIn(table, Key), now() - (ConsistentRead === true ? 0 : ageOf()));
      return item === undefined ? {} : { Item: item };
    },
    Scan: (input, ageOf) => scanned(usable(input.TableName), input, options, ageOf),
    PutItem: (input) => {
      const table = usable(input.TableName);
      const item = input.Item ?? {};
      const key = keyIn(table, item);
      checkPlaceholders(input, expressionsOf(input));
      checkItem(item);
      passes(table.items.get(key), input, options);
      write(table, key, item, now());
      return {};
    },
    UpdateItem: (input) => {
      const table = usable(input.TableName);
      const key = keyIn(table, input.Key);
      checkPlaceholders(input, expressionsOf(input));
      const before = table.items.get(key);
      passes(before, input, options);
      const whole = updatedItem(input.UpdateExpression ?? '', input, before ?? { ...input.Key });
      write(table, key, whole, now());
      return input.ReturnValues === 'ALL_NEW' ? { Attributes: whole } : {};
    },
    DeleteItem: (input) => {
      const table = usable(input.TableName);
      const key = keyIn(table, input.Key);
      checkPlaceholders(input, expressionsOf(input));
      passes(table.items.get(key), input, options);
      write(table, key, undefined, now());
      return {};
    },
  };
  function usableOrNot(tableName: string): Table {
    const table = found(tableName);
    if (table === undefined)
      throw new DynamoDbRefusal(
        'ResourceNotFoundException',
        `Requested resource not found: Table: ${tableName} not found`,
      );
    return table;
  }
  const none: ReadonlyMap<string, Item> = new Map();
  return {
    handle(operation, input, ageOf) {
      const handler = handlers[operation];
      if (handler === undefined)
        throw new DynamoDbRefusal('UnknownOperationException', `the model has no ${operation}`);
      try {
        return handler(input as unknown as Request, ageOf);
      } catch (error) {
        throw error instanceof InvalidExpression ? new DynamoDbRefusal('ValidationException', error.message) : error;
      }
    },
    item: (tableName, key) => found(tableName)?.items.get(key),
    items: (tableName) => found(tableName)?.items ?? none,
    putItem: (tableName, key, item) => write(usable(tableName), key, item, now()),
    deleteItem: (tableName, key) => write(usable(tableName), key, undefined, now()),
    deleteTable: (tableName) => {
      const table = found(tableName);
      if (table !== undefined) table.goneAt = now() + options.changeMs;
    },
  };
}

function newTable({ KeySchema, AttributeDefinitions }: Request, activeAt: number): Table {
  const keyName = KeySchema?.find(({ KeyType }) => KeyType === 'HASH')?.AttributeName;
  if (keyName === undefined) throw new DynamoDbRefusal('ValidationException', 'No hash key was given');
  const created = { KeySchema, AttributeDefinitions };
  return { keyName, activeAt, goneAt: Infinity, items: new Map(), versions: new Map(), created };
}

function description(TableName: string, table: Table, now: number): object {
  const TableStatus = table.goneAt < Infinity ? 'DELETING' : table.activeAt > now ? 'CREATING' : 'ACTIVE';
  return { TableName, TableStatus, ItemCount: table.items.size, ...table.created };
}

function keyIn(table: Table, key: Record<string, AttributeValue> | undefined): string {
  const value = key?.[table.keyName]?.S;
  if (value === undefined || value === '')
    throw new DynamoDbRefusal('ValidationException', 'The provided key element does not match the schema');
  return value;
}

function expressionsOf(input: Request): { readonly condition?: string; readonly update?: string } {
  const { ConditionExpression: condition, UpdateExpression: update } = input;
  return { ...(condition === undefined ? {} : { condition }), ...(update === undefined ? {} : { update }) };
}

function passes(before: Item | undefined, input: Request, { returnsOld }: MemoryDynamoDbOptions): void {
  const { ConditionExpression, ReturnValuesOnConditionCheckFailure } = input;
  if (ConditionExpression === undefined || conditionHolds(ConditionExpression, input, before)) return;
  const old = returnsOld && ReturnValuesOnConditionCheckFailure === 'ALL_OLD' ? before : undefined;
  throw new DynamoDbRefusal('ConditionalCheckFailedException', 'The conditional request failed', old);
}

function write(table: Table, key: string, item: Item | undefined, now: number): void {
  const before = table.items.get(key);
  if (item === undefined) table.items.delete(key);
  else table.items.set(key, item);
  const versions = table.versions.get(key) ?? [];
  if (versions.length === 0 && before !== undefined) versions.push({ since: -Infinity, item: before });
  versions.push({ since: now, item });
  while ((versions[1]?.since ?? Infinity) < now - longestAgeMs) versions.shift();
  table.versions.set(key, versions);
}

function seenAt(table: Table, key: string, at: number): Item | undefined {
  const versions = table.versions.get(key);
  // Most reads see what was written last.
  const last = versions?.at(-1);
  if (last === undefined || last.since <= at) return table.items.get(key);
  return versions?.findLast(({ since }) => since <= at)?.item;
}

function scanned(table: Table, input: Request, { now, pageItems }: MemoryDynamoDbOptions, ageOf: AgeOf): object {
  const after = input.ExclusiveStartKey === undefined ? '' : keyIn(table, input.ExclusiveStartKey);
  const limit = Math.min(input.Limit ?? Infinity, pageItems);
  const keys = [...table.versions.keys()].filter((key) => key > after).toSorted();
  const page = keys.slice(0, limit);
  const Items: Item[] = [];
  for (const key of page) {
    const item = seenAt(table, key, now() - (input.ConsistentRead === true ? 0 : ageOf()));
    if (item !== undefined) Items.push(item);
  }
  const last = page.at(-1);
  // As in DynamoDB, a full page has a successor even if nothing follows.
  const more = last !== undefined && page.length === limit;
  return { Items, Count: Items.length, ...(more ? { LastEvaluatedKey: { [table.keyName]: { S: last } } } : {}) };
}
