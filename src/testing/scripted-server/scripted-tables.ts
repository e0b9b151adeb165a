// The small in-memory DynamoDB behind scriptedServer(): tables with change streams, for everything that no local server shows.
// It handles one operation at a time, from plain JSON to plain JSON, without HTTP. It has no Scan, no Query and no indexes: lease
// tables are upstream. Called by scripted-server.ts and by tests.
import { resolveTable, type Resolved } from '../../options/option-table.js';
import type { ScriptedTablesOptions } from '../generated/scripted-tables-options.js';
import { scriptedTablesTable } from '../option-tables.js';
import { notFound } from './answer-errors.js';
import { validation, type ScriptedItem } from './item-values.js';
import { isChange, keyOf, type ItemChange } from './scripted-items.js';
import {
  disable,
  isReadable,
  numberText,
  openFirstShards,
  openShardsOf,
  recordChange,
  rollOver,
  shardOf,
  trimFirst,
  trimOld,
  type ScriptedTableStream,
  type ScriptedView,
  type StreamSettings,
} from './scripted-table-streams.js';
import { createIteratorBook } from './table-stream-reads.js';
import { belongsToTables, callTables, type TableHost } from './table-operations.js';
import { newTable, type ScriptedTable, type ScriptedTableSettings } from './scripted-table.js';

const ttlIdentity = { PrincipalId: 'dynamodb.amazonaws.com', Type: 'Service' };

/** The model. Tests drive it directly; clients reach it through the scripted server. */
export class ScriptedTables {
  /** The tables by name. */
  readonly tables = new Map<string, ScriptedTable>();
  /** All streams by ARN, also those of tables that are deleted. */
  readonly streams = new Map<string, ScriptedTableStream>();
  /** The options, with defaults for what was not given. */
  readonly options: Resolved<typeof scriptedTablesTable>;
  readonly #iterators = createIteratorBook(() => this.now());
  readonly #settings: StreamSettings;
  #skewMs = 0;
  #number = 2_370n;

  /** @throws KinactError INVALID_OPTION. */
  constructor(options: ScriptedTablesOptions = {}) {
    this.options = resolveTable(scriptedTablesTable, options, 'tables');
    this.#settings = {
      ...this.options,
      now: () => this.now(),
      nextNumber: () => (this.#number += 3n),
    };
  }

  /** The server's wall clock, epoch milliseconds. */
  now(): number {
    return (this.options.now ?? Date.now)() + this.#skewMs;
  }

  /** Moves the server's clock: records are trimmed after 24 hours, iterators expire after 15 minutes. */
  advance(ms: number): void {
    this.#skewMs += ms;
  }

  /** Every iterator issued until now gets ExpiredIteratorException. */
  expireIterators(): void {
    this.#iterators.expireAll();
  }

  /** Creates a table, which is ACTIVE at once, with a stream unless `view` is `none`. An error is the one that DynamoDB answers with. */
  createTable(name: string, settings: ScriptedTableSettings = {}): ScriptedTable {
    const table = newTable(this.tables, name, settings, this.now());
    this.tables.set(name, table);
    if (table.view !== 'none') this.enableStream(name, table.view);
    return table;
  }

  /** The table of this name. Throws ResourceNotFoundException if there is none. */
  table(name: string): ScriptedTable {
    const table = this.tables.get(name);
    if (table === undefined) throw notFound(`Requested resource not found: Table: ${name} not found`);
    return table;
  }

  /** Deletes a table. Its streams can be read for another 24 hours, as DISABLED. */
  deleteTable(name: string): void {
    this.#disable(this.table(name));
    this.tables.delete(name);
  }

  /** The newest stream of a table, or the stream of an ARN. Throws ResourceNotFoundException if there is none, or it is too old. */
  stream(tableOrArn: string): ScriptedTableStream {
    const stream = this.streams.get(this.tables.get(tableOrArn)?.latestStream ?? tableOrArn);
    if (stream === undefined || !isReadable(stream, this.now()))
      throw notFound(`Requested resource not found: Stream: ${tableOrArn} not found`);
    return stream;
  }

  /** Enables the stream of a table: a new ARN, with new shards. */
  enableStream(tableName: string, view: ScriptedView = 'NEW_AND_OLD_IMAGES'): ScriptedTableStream {
    const table = this.table(tableName);
    if (this.#enabled(table) !== undefined)
      throw validation(`Table already has an enabled stream: TableName: ${tableName}`);

    const { region, accountId } = this.options;
    const arnOf = (at: number): string =>
      `arn:aws:dynamodb:${region}:${accountId}:table/${tableName}/stream/${labelOf(at)}`;
    let at = this.now();
    while (this.streams.has(arnOf(at))) at += 1;

    const stream: ScriptedTableStream = {
      arn: arnOf(at),
      label: labelOf(at),
      table: tableName,
      keys: table.keys,
      view,
      createdAt: at,
      status: 'ENABLED',
      shards: new Map(),
      opened: 0,
      last: 0n,
    };
    this.streams.set(stream.arn, stream);
    table.latestStream = stream.arn;
    openFirstShards(stream, table.shards, this.#settings);
    return stream;
  }

  /** Disables the stream of a table: its shards close without children, and it can be read for another 24 hours. */
  disableStream(tableName: string): void {
    const table = this.table(tableName);
    if (this.#enabled(table) === undefined) throw validation(`Table has no enabled stream: TableName: ${tableName}`);
    this.#disable(table);
  }

  /** Puts an item, given in DynamoDB's JSON: `put('orders', { id: { S: 'order 1' } })`. */
  put(tableName: string, item: ScriptedItem): void {
    this.handle('PutItem', { TableName: tableName, Item: item });
  }

  /** Deletes an item by its key. */
  delete(tableName: string, key: ScriptedItem): void {
    this.handle('DeleteItem', { TableName: tableName, Key: key });
  }

  /** Deletes an item as time to live does: the record names the service as who did it. */
  expire(tableName: string, key: ScriptedItem): void {
    const table = this.table(tableName);
    keyOf(table.keys, key, true);
    this.#write(table, table.remove(key), ttlIdentity);
  }

  /** Closes a shard and opens one or two in its place; without a shard, all that are open. Returns the ids of the new shards. */
  rollShard(tableName: string, shardId?: string, children: 1 | 2 = 1): readonly string[] {
    const stream = this.stream(tableName);
    const parents = shardId === undefined ? openShardsOf(stream) : [shardOf(stream, shardId)];
    return parents.flatMap((parent) =>
      rollOver(stream, parent, children, this.#settings).map((child) => child.shardId),
    );
  }

  /** Leaves a shard out of all listings, though it takes records, until the returned function is called. */
  listLate(tableOrArn: string, shardId: string): () => void {
    const shard = shardOf(this.stream(tableOrArn), shardId);
    shard.hidden = true;
    return () => (shard.hidden = false);
  }

  /** Lists a closed shard without its ending number, although it may have children, until the returned function is called. */
  listOpen(tableOrArn: string, shardId: string): () => void {
    const shard = shardOf(this.stream(tableOrArn), shardId);
    shard.shownOpen = true;
    return () => (shard.shownOpen = false);
  }

  /** Removes the first `count` records of a shard, as happens after 24 hours. */
  trim(tableOrArn: string, shardId: string, count = Infinity): void {
    trimFirst(shardOf(this.stream(tableOrArn), shardId), count);
  }

  /** Removes a shard: every later call for it fails with ResourceNotFoundException. Closed shards stay listed until then. */
  dropShard(tableOrArn: string, shardId: string): void {
    this.stream(tableOrArn).shards.delete(shardId);
  }

  /** The shards of a stream that have records to come, in the order of their creation. */
  openShards(tableOrArn: string): readonly string[] {
    return openShardsOf(this.stream(tableOrArn)).map(({ shardId }) => shardId);
  }

  /** The sequence numbers that a shard has records for. */
  sequenceNumbers(tableOrArn: string, shardId: string): readonly string[] {
    const shard = shardOf(this.stream(tableOrArn), shardId);
    trimOld(shard, this.now());
    return shard.records.map(({ number }) => numberText(number));
  }

  /**
   * Whether a DynamoDB call is for these tables: it names one of them, or creates a table with a stream. All other calls go to
   * the server behind `proxy`, if there is one.
   */
  owns(operation: string, input: Readonly<Record<string, unknown>>): boolean {
    return belongsToTables(this.tables, operation, input);
  }

  /** Carries out one API call of DynamoDB or DynamoDB Streams. Throws AwsAnswerError if the service would answer with an error. */
  handle(operation: string, input: Readonly<Record<string, unknown>>): object {
    const host: TableHost = {
      tables: this,
      settings: this.#settings,
      iterators: this.#iterators,
      write: (table, change) => this.#write(table, change),
    };
    return callTables(host, operation, input);
  }

  #write(table: ScriptedTable, change: ItemChange, userIdentity?: object): void {
    const stream = this.#enabled(table);
    if (stream !== undefined && isChange(change)) recordChange(stream, change, this.#settings, userIdentity);
  }

  #enabled(table: ScriptedTable): ScriptedTableStream | undefined {
    const stream = this.streams.get(table.latestStream ?? '');
    return stream === undefined || stream.disabledAt !== undefined ? undefined : stream;
  }

  #disable(table: ScriptedTable): void {
    const stream = this.#enabled(table);
    if (stream !== undefined) disable(stream, this.#settings);
  }
}

/** The label of a stream: its time without the zone. */
const labelOf = (at: number): string => new Date(at).toISOString().slice(0, -1);
