// The change stream of a scripted table: its shards, its records, and how both are listed. A stream outlives its table, and a
// re-enabled stream is another one. Called by scripted-tables.ts; table-stream-reads.ts reads the records.
import { createHash } from 'node:crypto';
import { AwsAnswerError, notFound } from './answer-errors.js';
import { itemBytes, textOf, validation, type ScriptedItem } from './item-values.js';
import type { ItemChange, KeySchema, WriteInput } from './scripted-items.js';

/** `StreamViewType`: which images a record has. */
export type ScriptedView = 'KEYS_ONLY' | 'NEW_IMAGE' | 'OLD_IMAGE' | 'NEW_AND_OLD_IMAGES';

/** A record of a table's stream, as GetRecords writes it. */
export interface ScriptedChange {
  /** Rises with each write to any table of the server, or of the stream (see the option `numbering`). */
  readonly number: bigint;
  /** When it was written, milliseconds since the epoch. */
  readonly writtenAt: number;
  /** The record of the answer. */
  readonly record: Readonly<Record<string, unknown>>;
}

/** A shard of a table's stream. */
export interface ScriptedTableShard {
  /** `shardId-`, twenty digits of milliseconds, eight hexadecimal digits. */
  readonly shardId: string;
  /** The shard that it replaces, or half of which it replaces. */
  readonly parent: string | undefined;
  /** The shard has the items whose partition keys have a hash in this half-open range of 32-bit numbers. */
  readonly hashes: readonly [number, number];
  /** All its records have higher numbers. It does not move when records are trimmed. */
  readonly start: bigint;
  /** Present once the shard is closed: no record has a higher number. */
  end?: bigint;
  /** The records that are not trimmed, oldest first. */
  records: ScriptedChange[];
  /** The number of the last trimmed record. */
  trimmedTo?: bigint;
  /** Left out of listings, though it takes records. */
  hidden: boolean;
  /** Listed without its ending number, though it is closed. */
  shownOpen: boolean;
}

/** The changes of a table in the model, from the moment that they were enabled. `enableStream` makes it. */
export interface ScriptedTableStream {
  /** The stream's ARN, which ends with its label. */
  readonly arn: string;
  /** When the stream was enabled, which is what the label says. */
  readonly label: string;
  /** The table's name. */
  readonly table: string;
  /** The key attributes of the table. */
  readonly keys: KeySchema;
  /** Which images its records have. */
  readonly view: ScriptedView;
  /** When the stream was enabled, milliseconds since the epoch. */
  readonly createdAt: number;
  /** Tests may set it. `disableStream` and DeleteTable make it DISABLED. */
  status: 'ENABLING' | 'ENABLED' | 'DISABLING' | 'DISABLED';
  /** When it was disabled. A day later nobody can read it. */
  disabledAt?: number;
  /** The shards by id, closed ones included, in the order of their creation. */
  readonly shards: Map<string, ScriptedTableShard>;
  /** How many shards were opened. */
  opened: number;
  /** The last number of this stream, under `numbering: 'stream'`. */
  last: bigint;
}

const allHashes = 2 ** 32;
const numberDigits = 21;
/** Where a service that numbers each stream by itself begins, as moto does: all streams have the same shard ids. */
const sameShardsFrom = 1_415_575_208_348;

/** A sequence number as the service writes it. */
export const numberText = (number: bigint): string => String(number).padStart(numberDigits, '0');

/** What the streams of one server share. */
export interface StreamSettings {
  readonly numbering: 'server' | 'stream';
  readonly eventTimes: 'second' | 'minute';
  readonly region: string;
  readonly now: () => number;
  /** The next number of the whole server. */
  readonly nextNumber: () => bigint;
}

/** The next sequence number. Numbers skip, so that nobody counts on them. */
export function takeNumber(stream: ScriptedTableStream, settings: StreamSettings): bigint {
  if (settings.numbering === 'server') return settings.nextNumber();
  stream.last += 3n;
  return stream.last;
}

export function openShard(
  stream: ScriptedTableStream,
  parent: ScriptedTableShard | undefined,
  hashes: readonly [number, number],
  settings: StreamSettings,
): ScriptedTableShard {
  const ordinal = stream.opened;
  stream.opened += 1;
  const shared = settings.numbering === 'stream';
  const at = shared ? sameShardsFrom + ordinal : settings.now();
  const unique = createHash('sha256')
    .update(`${shared ? '' : stream.arn} ${ordinal}`)
    .digest('hex')
    .slice(0, 8);
  const shard: ScriptedTableShard = {
    shardId: `shardId-${String(at).padStart(20, '0')}-${unique}`,
    parent: parent?.shardId,
    hashes,
    start: takeNumber(stream, settings),
    records: [],
    hidden: false,
    shownOpen: false,
  };
  stream.shards.set(shard.shardId, shard);
  return shard;
}

/** Opens the first shards of a stream. They divide the partition keys evenly. */
export function openFirstShards(stream: ScriptedTableStream, count: number, settings: StreamSettings): void {
  const edge = (index: number): number => Math.floor((allHashes / count) * index);
  for (let index = 0; index < count; index += 1) openShard(stream, undefined, [edge(index), edge(index + 1)], settings);
}

/** Closes a shard; `children` shards take its place. */
export function rollOver(
  stream: ScriptedTableStream,
  parent: ScriptedTableShard,
  children: 1 | 2,
  settings: StreamSettings,
): readonly ScriptedTableShard[] {
  if (parent.end !== undefined) throw validation(`shard ${parent.shardId} is closed`);
  parent.end = takeNumber(stream, settings);
  const [low, high] = parent.hashes;
  const middle = Math.floor((low + high) / 2);
  const ranges =
    children === 1
      ? [parent.hashes]
      : ([
          [low, middle],
          [middle, high],
        ] as const);
  return ranges.map((range) => openShard(stream, parent, range, settings));
}

export const openShardsOf = (stream: ScriptedTableStream): ScriptedTableShard[] =>
  [...stream.shards.values()].filter(({ end }) => end === undefined);

/** Adds the record of a change to the shard of its partition key. */
export function recordChange(
  stream: ScriptedTableStream,
  change: ItemChange,
  settings: StreamSettings,
  userIdentity?: object,
): void {
  const { keys, before, after } = change;
  const partition = textOf(keys[stream.keys[0]!.name]);
  const hash = createHash('md5').update(partition).digest().readUInt32BE(0);
  const shard = openShardsOf(stream).find(({ hashes: [low, high] }) => low <= hash && hash < high);
  if (shard === undefined) throw new AwsAnswerError('InternalServerError', 'no shard is open', 500);

  const number = takeNumber(stream, settings);
  const now = settings.now();
  const shown = imagesOf(stream.view, before, after);
  const granularityMs = settings.eventTimes === 'minute' ? 60_000 : 1_000;
  shard.records.push({
    number,
    writtenAt: now,
    record: {
      eventID: createHash('md5').update(`${stream.arn} ${number}`).digest('hex'),
      eventName: before === undefined ? 'INSERT' : after === undefined ? 'REMOVE' : 'MODIFY',
      eventVersion: '1.1',
      eventSource: 'aws:dynamodb',
      awsRegion: settings.region,
      dynamodb: {
        ApproximateCreationDateTime: (Math.floor(now / granularityMs) * granularityMs) / 1_000,
        Keys: keys,
        ...shown,
        SequenceNumber: numberText(number),
        SizeBytes: itemBytes(keys) + Object.values(shown).reduce((sum, image) => sum + itemBytes(image), 0),
        StreamViewType: stream.view,
      },
      ...(userIdentity === undefined ? {} : { userIdentity }),
    },
  });
}

function imagesOf(
  view: ScriptedView,
  before: ScriptedItem | undefined,
  after: ScriptedItem | undefined,
): Readonly<Record<string, ScriptedItem>> {
  const asksNew = view === 'NEW_IMAGE' || view === 'NEW_AND_OLD_IMAGES';
  const asksOld = view === 'OLD_IMAGE' || view === 'NEW_AND_OLD_IMAGES';
  return {
    ...(asksNew && after !== undefined ? { NewImage: after } : {}),
    ...(asksOld && before !== undefined ? { OldImage: before } : {}),
  };
}

/** Ends a stream: its shards close without children. */
export function disable(stream: ScriptedTableStream, settings: StreamSettings): void {
  for (const shard of openShardsOf(stream)) shard.end = takeNumber(stream, settings);
  stream.status = 'DISABLED';
  stream.disabledAt = settings.now();
}

const dayMs = 86_400_000;

/** A stream that was disabled a day ago does not exist. */
export const isReadable = ({ disabledAt }: ScriptedTableStream, now: number): boolean =>
  disabledAt === undefined || now - disabledAt < dayMs;

/** Removes the records that are more than a day old. */
export function trimOld(shard: ScriptedTableShard, now: number): void {
  const fresh = shard.records.findIndex(({ writtenAt }) => now - writtenAt < dayMs);
  trimFirst(shard, fresh < 0 ? shard.records.length : fresh);
}

/** Removes the first `count` records. */
export function trimFirst(shard: ScriptedTableShard, count: number): void {
  const last = shard.records.slice(0, count).at(-1);
  if (last === undefined) return;
  shard.trimmedTo = last.number;
  shard.records = shard.records.slice(count);
}

/** DescribeStream: one page of shards, by their ids. */
export function describeStream(stream: ScriptedTableStream, input: WriteInput, honoursFilter: boolean): object {
  const limit = limitIn(input, 100);
  const after = input['ExclusiveStartShardId'];
  const listed = [...stream.shards.values()]
    .filter(({ hidden }) => !hidden)
    .filter(filterOf(honoursFilter ? (input['ShardFilter'] as ShardFilter | undefined) : undefined))
    .toSorted((a, b) => (a.shardId < b.shardId ? -1 : 1))
    .filter(({ shardId }) => typeof after !== 'string' || shardId > after);

  const page = listed.slice(0, limit);
  return {
    StreamDescription: {
      StreamArn: stream.arn,
      StreamLabel: stream.label,
      StreamStatus: stream.status,
      StreamViewType: stream.view,
      CreationRequestDateTime: stream.createdAt / 1_000,
      TableName: stream.table,
      KeySchema: keySchemaOf(stream.keys),
      Shards: page.map(describeShard),
      ...(listed.length > limit ? { LastEvaluatedShardId: page.at(-1)!.shardId } : {}),
    },
  };
}

interface ShardFilter {
  readonly Type?: string;
  readonly ShardId?: string;
}

function filterOf(filter: ShardFilter | undefined): (shard: ScriptedTableShard) => boolean {
  if (filter === undefined) return () => true;
  if (filter.Type !== 'CHILD_SHARDS' || filter.ShardId === undefined)
    throw validation('ShardFilter must have the type CHILD_SHARDS and a ShardId');
  return ({ parent }) => parent === filter.ShardId;
}

function describeShard(shard: ScriptedTableShard): object {
  const ending = shard.shownOpen ? undefined : shard.end;
  return {
    ShardId: shard.shardId,
    SequenceNumberRange: {
      StartingSequenceNumber: numberText(shard.start),
      ...(ending === undefined ? {} : { EndingSequenceNumber: numberText(ending) }),
    },
    ...(shard.parent === undefined ? {} : { ParentShardId: shard.parent }),
  };
}

/** KeySchema as requests and answers write it. */
export const keySchemaOf = (keys: KeySchema): object[] =>
  keys.map(({ name }, index) => ({ AttributeName: name, KeyType: index === 0 ? 'HASH' : 'RANGE' }));

/** The `Limit` of a request, from 1 to `max`, which is the default. */
export function limitIn(input: WriteInput, max: number): number {
  const limit = Number(input['Limit'] ?? max);
  if (Number.isInteger(limit) && limit >= 1 && limit <= max) return limit;
  throw validation(`Limit must be between 1 and ${max}`);
}

/** The shard of this id, hidden or not. */
export function shardOf(stream: ScriptedTableStream, shardId: string): ScriptedTableShard {
  const shard = stream.shards.get(shardId);
  if (shard === undefined)
    throw notFound(`Requested resource not found: Shard ${shardId} in Stream ${stream.arn} not found`);
  return shard;
}
