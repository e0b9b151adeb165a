// Writes aggregated records in the KPL's format (KCL clause 3.3), for users and for our producers: the command `put`, demo,
// bench. Sizes are computed to the byte before anything is written, so no record ever exceeds the limit.
import { hash } from 'node:crypto';
import { types } from 'node:util';
import protobuf from 'protobufjs/minimal.js';
import { KinactError } from '../../api/errors.js';
import { refuse } from '../../api/refusal.js';
import { DIGEST_BYTES, MAGIC_BYTES, openAggregate } from './aggregate-wire.js';
import type { PackedRecord } from './aggregate.js';
import { hashKeyOf, isExplicitHashKey, readExplicitHashKey, type HashKey } from './hash-key.js';
import { shardMap, type TargetShard } from '../kinesis/shard-map.js';

export type { TargetShard } from '../kinesis/shard-map.js';

/** The service's limit on one record, data and partition key together. A stream may have a lower limit, 1 MiB by default. */
export const MAX_RECORD_BYTES = 10 * 1024 * 1024;
/** The default limit of a stream. */
export const USUAL_RECORD_BYTES = 1024 * 1024;
/** The KPL's default for AggregationMaxCount. */
const MAX_RECORDS = 0xffff_ffff;
export const MAX_PARTITION_KEY_CHARACTERS = 256;
const MAGIC = Buffer.of(0xf3, 0x89, 0x9a, 0xc2);

export interface AggregationLimits {
  /**
   * The most bytes in one aggregate, outer partition key included. A larger user record goes alone, as in the KPL. At most 10
   * MiB. Default: 1 MiB, which every stream takes.
   */
  readonly maxBytes?: number;
  /** The most user records in one aggregate. Default: 4,294,967,295, the KPL's own. */
  readonly maxRecords?: number;
}

/** One record to put: an aggregate, or a single user record, which needs none. */
export interface RecordToPut {
  /** The first user record's. */
  readonly partitionKey: string;
  /** The first user record's; absent when it has none. */
  readonly explicitHashKey?: string;
  readonly data: Uint8Array;
  /** The shard that it will go to, if the shards were given and one of them has the hash key. */
  readonly shardId?: string;
  /** The user records in it, in order. */
  readonly records: readonly PackedRecord[];
}

/**
 * Encodes user records as the data of one aggregated record.
 *
 * Put the aggregate under a hash key of the shard that *all* user records belong to; otherwise a KCL drops it whole.
 *
 * @throws KinactError INVALID_OPTION, with path, expected and got, for a wrong argument. `records` must be an array of at least one
 * user record, and the aggregate at most 10 MiB. `data` must be a Uint8Array: encode a text by `Buffer.from(text)`. `partitionKey`
 * must be a string of 1 to 256 Unicode characters, `explicitHashKey` a string with a decimal number below 2^128.
 */
export function encodeAggregate(records: readonly PackedRecord[]): Buffer {
  if (!Array.isArray(records)) refuse('records', 'an array of user records', records);
  if (records.length === 0) throw invalid('records', 'at least one user record', 'an empty array');

  const draft = emptyDraft(undefined);
  for (const [index, record] of records.entries()) {
    validate(record, index);
    add(draft, record, measure(draft, record));
  }

  const size = sizeOf(draft, 0);
  if (size > MAX_RECORD_BYTES)
    throw invalid('records', `at most ${MAX_RECORD_BYTES} bytes in one aggregate`, `${size} bytes`);
  return seal(draft);
}

/**
 * Packs user records into as few records to put as the limits allow, keeping their order within each shard.
 *
 * With `shards`, user records share an aggregate only if they belong to the same open shard. If no open shard has the hash key of
 * a user record, it goes alone, as in the KPL. Without `shards`, all of them share aggregates, in order. That is right for a
 * stream of one shard, and for consumers that accept user records of other shards (`outOfRange: 'emit'`), but not for a KCL.
 *
 * Results are ordered by their first user record.
 *
 * @throws KinactError INVALID_OPTION, before anything is returned, for everything that `encodeAggregate` refuses and
 * for a user record that does not fit by itself.
 */
export function aggregateRecords(
  records: readonly PackedRecord[],
  shards?: readonly TargetShard[],
  limits: AggregationLimits = {},
): RecordToPut[] {
  const maxBytes = Math.min(limits.maxBytes ?? USUAL_RECORD_BYTES, MAX_RECORD_BYTES);
  const maxRecords = limits.maxRecords ?? MAX_RECORDS;
  const shardOf = shards && shardMap(shards);

  const drafts: Draft[] = [];
  const open = new Map<string | undefined, Draft>();

  for (const [index, record] of records.entries()) {
    validate(record, index);
    const shardId = shardOf?.(effectiveHashKey(record));
    const alone = shardOf !== undefined && shardId === undefined;
    let draft = alone ? undefined : open.get(shardId);
    let cost = draft && measure(draft, record);
    if (!draft || !cost || draft.records.length >= maxRecords || sizeOf(draft, cost.bytes) > maxBytes) {
      draft = emptyDraft(shardId);
      cost = measure(draft, record);
      drafts.push(draft);
      if (!alone) open.set(shardId, draft);
    }
    add(draft, record, cost);
  }

  return drafts.map(toPut);
}

/** An aggregate that is being built. The tables keep the order in which keys were first seen, because indices refer to it. */
interface Draft {
  readonly shardId: string | undefined;
  readonly records: PackedRecord[];
  readonly partitionKeys: KeyTable;
  readonly explicitHashKeys: KeyTable;
  /** The result of `measure` for each user record. */
  readonly costs: Cost[];
  /** Bytes of the protobuf message so far. */
  bytes: number;
}

interface KeyTable {
  /** A Map, because an object would sort integer-like keys to the front (the error of aws-kinesis-agg). */
  readonly indices: Map<string, number>;
  readonly entries: Buffer[];
}

interface Cost {
  readonly partitionKeyIndex: number;
  /** -1: none. */
  readonly explicitHashKeyIndex: number;
  /** Bytes of the Record message. */
  readonly inner: number;
  /** Bytes that this user record adds, new table entries included. */
  readonly bytes: number;
}

function emptyDraft(shardId: string | undefined): Draft {
  const table = (): KeyTable => ({ indices: new Map(), entries: [] });
  return { shardId, records: [], partitionKeys: table(), explicitHashKeys: table(), costs: [], bytes: 0 };
}

function measure(draft: Draft, { partitionKey, explicitHashKey, data }: PackedRecord): Cost {
  const key = lookUp(draft.partitionKeys, partitionKey);
  const hashKey = explicitHashKey === undefined ? NO_KEY : lookUp(draft.explicitHashKeys, explicitHashKey);
  const inner =
    1 +
    varintBytes(key.index) +
    (explicitHashKey === undefined ? 0 : 1 + varintBytes(hashKey.index)) +
    fieldBytes(data.length);
  return {
    partitionKeyIndex: key.index,
    explicitHashKeyIndex: hashKey.index,
    inner,
    bytes: key.bytes + hashKey.bytes + fieldBytes(inner),
  };
}

const NO_KEY = { index: -1, bytes: 0 };

/** The index that a key has or would get in the table, and the bytes that its entry adds. */
function lookUp(table: KeyTable, key: string): { index: number; bytes: number } {
  const index = table.indices.get(key);
  return index === undefined
    ? { index: table.entries.length, bytes: fieldBytes(Buffer.byteLength(key)) }
    : { index, bytes: 0 };
}

function add(draft: Draft, record: PackedRecord, cost: Cost): void {
  enter(draft.partitionKeys, record.partitionKey);
  if (record.explicitHashKey !== undefined) enter(draft.explicitHashKeys, record.explicitHashKey);
  draft.records.push(record);
  draft.costs.push(cost);
  draft.bytes += cost.bytes;
}

function enter(table: KeyTable, key: string): void {
  if (table.indices.has(key)) return;
  table.indices.set(key, table.entries.length);
  table.entries.push(Buffer.from(key));
}

/** Bytes of the record to put, outer partition key included, if `more` bytes are added to its message. */
function sizeOf(draft: Draft, more: number): number {
  const outerKey = draft.partitionKeys.entries[0]?.length ?? 0;
  return MAGIC_BYTES + draft.bytes + more + DIGEST_BYTES + outerKey;
}

function seal(draft: Draft): Buffer {
  const writer = protobuf.Writer.create();
  for (const key of draft.partitionKeys.entries) writer.uint32(0x0a).bytes(key);
  for (const key of draft.explicitHashKeys.entries) writer.uint32(0x12).bytes(key);
  for (const [i, { partitionKeyIndex, explicitHashKeyIndex, inner }] of draft.costs.entries()) {
    writer.uint32(0x1a).uint32(inner).uint32(0x08).uint32(partitionKeyIndex);
    if (explicitHashKeyIndex >= 0) writer.uint32(0x10).uint32(explicitHashKeyIndex);
    writer.uint32(0x1a).bytes(draft.records[i]!.data);
  }

  const message = writer.finish();
  return Buffer.concat([MAGIC, message, hash('md5', message, 'buffer')]);
}

function toPut(draft: Draft): RecordToPut {
  const first = draft.records[0]!;
  // Like the KPL, puts no envelope around a single user record. It needs one only if its own data look like an aggregate, because
  // a consumer would unpack them.
  const bare = draft.records.length === 1 && openAggregate(first.data).type === 'plain';

  const size = bare ? first.data.length + draft.partitionKeys.entries[0]!.length : sizeOf(draft, 0);
  if (size > MAX_RECORD_BYTES)
    throw invalid(
      'records',
      `user records of at most ${MAX_RECORD_BYTES} bytes, partition key included`,
      `${size} bytes`,
    );

  return {
    partitionKey: first.partitionKey,
    ...(first.explicitHashKey === undefined ? {} : { explicitHashKey: first.explicitHashKey }),
    data: bare ? first.data : seal(draft),
    ...(draft.shardId === undefined ? {} : { shardId: draft.shardId }),
    records: draft.records,
  };
}

/** The hash key that decides where a valid record goes. */
function effectiveHashKey({ partitionKey, explicitHashKey }: PackedRecord): HashKey {
  return explicitHashKey === undefined ? hashKeyOf(partitionKey) : readExplicitHashKey(explicitHashKey);
}

function validate(record: PackedRecord, index: number): void {
  // Plain JavaScript calls this too, and a string as data would make an aggregate that nobody can read, its neighbours included.
  const path = `records[${index}]`;
  const given: { readonly [Member in keyof PackedRecord]?: unknown } = record;
  if (typeof given !== 'object' || given === null) refuse(path, 'an object with partitionKey and data', given);
  if (typeof given.partitionKey !== 'string') refuse(`${path}.partitionKey`, 'a string', given.partitionKey);
  if (!types.isUint8Array(given.data)) refuse(`${path}.data`, 'a Uint8Array', given.data);

  const { partitionKey } = given;
  const characters =
    partitionKey.length > MAX_PARTITION_KEY_CHARACTERS ? [...partitionKey].length : partitionKey.length;
  if (characters === 0 || characters > MAX_PARTITION_KEY_CHARACTERS) {
    throw invalid(`${path}.partitionKey`, `1 to ${MAX_PARTITION_KEY_CHARACTERS} characters`, `${characters}`);
  }
  const { explicitHashKey } = given;
  if (explicitHashKey !== undefined && !(typeof explicitHashKey === 'string' && isExplicitHashKey(explicitHashKey)))
    refuse(`${path}.explicitHashKey`, 'a string with a decimal number below 2^128', explicitHashKey);
}

function invalid(option: string, expected: string, got: string): KinactError {
  return new KinactError('INVALID_OPTION', `${option}: expected ${expected}, got ${got}`, { data: { option } });
}

/** Bytes of a length-delimited field with a field number below 16. */
function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
