// The API calls of the scripted tables: which calls are for them, and what each does. A member of a request that the model does not
// know is refused, so that no test relies on something that is not there. Called by scripted-tables.ts.
import { AwsAnswerError } from './answer-errors.js';
import { textOf, validation, type ScriptedItem } from './item-values.js';
import {
  deleteItem,
  keyOf,
  putItem,
  returned,
  updateItem,
  type ItemChange,
  type WriteInput,
} from './scripted-items.js';
import {
  describeTable,
  tableSettingsIn,
  viewIn,
  type ScriptedTable,
  type ScriptedTableSettings,
} from './scripted-table.js';
import {
  describeStream,
  isReadable,
  limitIn,
  shardOf,
  takeNumber,
  trimOld,
  type ScriptedTableStream,
  type ScriptedView,
  type StreamSettings,
} from './scripted-table-streams.js';
import { readPage, startOf, type IteratorBook } from './table-stream-reads.js';

/** The part of the model that its operations use. */
interface Model {
  readonly tables: ReadonlyMap<string, ScriptedTable>;
  readonly streams: ReadonlyMap<string, ScriptedTableStream>;
  readonly options: {
    readonly region: string;
    readonly accountId: string;
    readonly pageSize: number;
    readonly childFilter: boolean;
    readonly maxAnswerBytes: number;
    readonly endOfShard: 'withRecords' | 'emptyAnswer';
  };
  now(): number;
  createTable(name: string, settings: ScriptedTableSettings): ScriptedTable;
  deleteTable(name: string): void;
  table(name: string): ScriptedTable;
  stream(tableOrArn: string): ScriptedTableStream;
  enableStream(tableName: string, view: ScriptedView): void;
  disableStream(tableName: string): void;
}

/** The tables, and what only they may do. */
export interface TableHost {
  readonly tables: Model;
  readonly settings: StreamSettings;
  readonly iterators: IteratorBook;
  /** Adds the record of a change to the table's stream. */
  readonly write: (table: ScriptedTable, change: ItemChange) => void;
}

type Operation = (host: TableHost, input: WriteInput) => object;

/** Whether a DynamoDB call is for the model: it names a table of the model, or creates one with a stream. */
export function belongsToTables(tables: ReadonlyMap<string, unknown>, operation: string, input: WriteInput): boolean {
  if (operation === 'BatchWriteItem')
    return Object.keys((input['RequestItems'] ?? {}) as object).some((name) => tables.has(name));
  if (tables.has(nameIn(input))) return true;
  const specification = input['StreamSpecification'] as { StreamEnabled?: boolean } | undefined;
  return operation === 'CreateTable' && specification?.StreamEnabled === true;
}

/** The table's name, which may also be given as an ARN. */
function nameIn(input: WriteInput): string {
  const name = String(input['TableName'] ?? '');
  return name.startsWith('arn:') ? (name.split('/')[1] ?? '') : name;
}

export function callTables(host: TableHost, operation: string, input: WriteInput): object {
  const carryOut = operations[operation];
  if (carryOut === undefined)
    throw new AwsAnswerError(
      'UnknownOperationException',
      `No script answers ${operation}, and the scripted tables have none.`,
    );
  return carryOut(host, input);
}

const conditions = [
  ...['ConditionExpression', 'ExpressionAttributeNames', 'ExpressionAttributeValues'],
  ...['ReturnValues', 'ReturnValuesOnConditionCheckFailure', 'ReturnConsumedCapacity', 'ReturnItemCollectionMetrics'],
];

function onlyMembers(input: WriteInput, known: readonly string[]): void {
  const unknown = Object.keys(input).find((name) => name !== 'TableName' && !known.includes(name));
  if (unknown !== undefined) throw validation(`the scripted tables do not know the member ${unknown}`);
}

const operations: Readonly<Record<string, Operation>> = {
  CreateTable: ({ tables }, input) => {
    const table = tables.createTable(nameIn(input), tableSettingsIn(input));
    return { TableDescription: description(tables, table) };
  },
  DescribeTable: ({ tables }, input) => ({ Table: description(tables, tables.table(nameIn(input))) }),
  UpdateTable: ({ tables }, input) => {
    const table = tables.table(nameIn(input));
    onlyMembers(input, ['StreamSpecification', 'BillingMode', 'ProvisionedThroughput', 'DeletionProtectionEnabled']);
    if (input['StreamSpecification'] !== undefined) {
      const view = viewIn(input);
      if (view === undefined) tables.disableStream(table.name);
      else tables.enableStream(table.name, view);
    }
    return { TableDescription: description(tables, table) };
  },
  DeleteTable: ({ tables }, input) => {
    const table = tables.table(nameIn(input));
    const before = description(tables, table);
    tables.deleteTable(table.name);
    return { TableDescription: { ...before, TableStatus: 'DELETING' } };
  },
  ListTables: ({ tables }) => ({ TableNames: [...tables.tables.keys()].toSorted() }),
  PutItem: (host, input) => {
    onlyMembers(input, ['Item', ...conditions]);
    const table = host.tables.table(nameIn(input));
    const change = putItem(table.keys, table.items, input);
    host.write(table, change);
    return oldAttributes(change, input);
  },
  DeleteItem: (host, input) => {
    onlyMembers(input, ['Key', ...conditions]);
    const table = host.tables.table(nameIn(input));
    const change = deleteItem(table.keys, table.items, input);
    host.write(table, change);
    return oldAttributes(change, input);
  },
  UpdateItem: (host, input) => {
    onlyMembers(input, ['Key', 'UpdateExpression', ...conditions]);
    const table = host.tables.table(nameIn(input));
    const update = updateItem(table.keys, table.items, input);
    host.write(table, update);
    return returned(update, input['ReturnValues']);
  },
  GetItem: ({ tables }, input) => {
    onlyMembers(input, ['Key', 'ConsistentRead', 'ReturnConsumedCapacity']);
    const table = tables.table(nameIn(input));
    const found = table.items.get(textOf(keyOf(table.keys, (input['Key'] ?? {}) as ScriptedItem, true)));
    return found === undefined ? {} : { Item: found };
  },
  BatchWriteItem: batchWrite,
  ListStreams: listStreams,
  DescribeStream: ({ tables }, input) => {
    const { childFilter, pageSize } = tables.options;
    return describeStream(tables.stream(String(input['StreamArn'])), { Limit: pageSize, ...input }, childFilter);
  },
  GetShardIterator: ({ tables, settings, iterators }, input) => {
    const stream = tables.stream(String(input['StreamArn']));
    const shard = shardOf(stream, String(input['ShardId']));
    trimOld(shard, tables.now());
    const from = startOf(shard, input, () => takeNumber(stream, settings));
    return { ShardIterator: iterators.issue({ stream: stream.arn, shard: shard.shardId, from }) };
  },
  GetRecords: getRecords,
};

function description(tables: Model, table: ScriptedTable): object {
  return describeTable(table, tables.streams.get(table.latestStream ?? ''), tables.options);
}

/** PutItem and DeleteItem return nothing, or the old item. */
function oldAttributes({ before }: ItemChange, input: WriteInput): object {
  const wanted = input['ReturnValues'] ?? 'NONE';
  if (wanted !== 'NONE' && wanted !== 'ALL_OLD') throw validation('ReturnValues can only be ALL_OLD or NONE');
  return wanted === 'ALL_OLD' && before !== undefined ? { Attributes: before } : {};
}

interface WriteRequest {
  readonly PutRequest?: { readonly Item: ScriptedItem };
  readonly DeleteRequest?: { readonly Key: ScriptedItem };
}

/** Makes one record for each item, in the order of the request. Nothing is unprocessed. */
function batchWrite(host: TableHost, input: WriteInput): object {
  const requests = Object.entries((input['RequestItems'] ?? {}) as Record<string, readonly WriteRequest[]>);
  const count = requests.reduce((sum, [, list]) => sum + list.length, 0);
  if (count < 1 || count > 25) throw validation('Too many items requested for the BatchWriteItem call: 1 to 25');

  for (const [name, list] of requests) {
    const table = host.tables.table(name);
    const keys = list.map(({ PutRequest: put, DeleteRequest: remove }) =>
      textOf(put === undefined ? keyOf(table.keys, remove!.Key, true) : keyOf(table.keys, put.Item, false)),
    );
    if (new Set(keys).size < keys.length) throw validation('Provided list of item keys contains duplicates');
  }
  for (const [name, list] of requests) {
    const table = host.tables.table(name);
    for (const { PutRequest: put, DeleteRequest: remove } of list)
      host.write(table, put === undefined ? table.remove(remove!.Key) : putItem(table.keys, table.items, { ...put }));
  }
  return { UnprocessedItems: {} };
}

/** Lists the streams that can be read, disabled ones included. */
function listStreams({ tables }: TableHost, input: WriteInput): object {
  const limit = limitIn(input, 100);
  const { TableName: table, ExclusiveStartStreamArn: after } = input;
  const listed = [...tables.streams.values()]
    .filter((stream) => isReadable(stream, tables.now()) && (table === undefined || stream.table === table))
    .toSorted((a, b) => (a.arn < b.arn ? -1 : 1))
    .filter(({ arn }) => typeof after !== 'string' || arn > after);
  const page = listed.slice(0, limit);
  return {
    Streams: page.map(({ arn, table: name, label }) => ({ StreamArn: arn, TableName: name, StreamLabel: label })),
    ...(listed.length > limit ? { LastEvaluatedStreamArn: page.at(-1)!.arn } : {}),
  };
}

function getRecords({ tables, iterators }: TableHost, input: WriteInput): object {
  const place = iterators.open(input['ShardIterator']);
  const stream = tables.streams.get(place.stream);
  // As DynamoDB Local: a stream that does not exist gives empty pages for ever.
  if (stream === undefined || !isReadable(stream, tables.now()))
    return { Records: [], NextShardIterator: iterators.issue(place) };

  const settings = { ...tables.options, now: tables.now() };
  const { records, next } = readPage(shardOf(stream, place.shard), place.from, input, settings);
  return {
    Records: records.map(({ record }) => record),
    ...(next === undefined ? {} : { NextShardIterator: iterators.issue({ ...place, from: next }) }),
  };
}
