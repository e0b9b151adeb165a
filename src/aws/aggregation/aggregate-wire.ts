// Reads the bytes of an aggregated record (KCL clause 3.3), envelope and protobuf message, as the KCL's Java does.
// `openAggregate` never throws, whatever the bytes are. Only keys are copied; data stay spans of the message. Used only by the
// other files of this folder.
import { hash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import protobuf from 'protobufjs/minimal.js';
import type { RawRecord } from '../../api/ports.js';
import { SlabRecord } from '../../core/slab-record.js';

/** `kpl` is the standard format. The two formats of erlmld have other magic bytes; the second is also deflated. */
export type AggregateFormat = 'kpl' | 'erlmld' | 'erlmld-deflate';

export const MAGIC_BYTES = 4;
export const DIGEST_BYTES = 16;
const MAGIC_TAIL = 0x899ac2;

/**
 * erlmld closes an aggregate before its *inflated* message reaches the size of a record, 10 MiB at most. So a limit of twice that
 * refuses no genuine aggregate, and still bounds the memory that a deflate bomb can take.
 */
const MAX_INFLATED_BYTES = 20 * 1024 * 1024;

/** protobuf-java's limit on nested messages and groups. */
const MAX_DEPTH = 100;

/** Field numbers of AggregatedRecord, Record and Tag with their wire types, as tags. */
const PARTITION_KEY_TABLE = (1 << 3) | 2;
const EXPLICIT_HASH_KEY_TABLE = (2 << 3) | 2;
const RECORDS = (3 << 3) | 2;
const RECORD_PARTITION_KEY_INDEX = 1 << 3;
const RECORD_EXPLICIT_HASH_KEY_INDEX = 2 << 3;
const RECORD_DATA = (3 << 3) | 2;
const RECORD_TAGS = (4 << 3) | 2;
const TAG_KEY = (1 << 3) | 2;

/** Index of an unset explicit hash key. */
export const UNSET = -1;
/** No table is this long. Larger indices are cut to it, so all indices stay small integers. */
const INDEX_CAP = 0x3fff_ffff;
/** Numbers per user record in `WireMessage.records`. */
export const STRIDE = 4;

/** A parsed message. The caller resolves indices, because the tables may follow the records that refer to them. */
export interface WireMessage {
  readonly bytes: Buffer;
  readonly partitionKeys: readonly string[];
  readonly explicitHashKeys: readonly string[];
  /** Per user record: partition key index, explicit hash key index or UNSET, offset and length of its data in `bytes`. */
  readonly records: readonly number[];
}

export type OpenedRecord =
  /** Not an aggregate. It has a complaint if it began like one. */
  | { readonly type: 'plain'; readonly complaint?: string }
  | { readonly type: 'aggregate'; readonly format: AggregateFormat; readonly message: WireMessage };

const PLAIN: OpenedRecord = { type: 'plain' };

/** The aggregate format that the first bytes show, if any. */
export function formatOf(data: Uint8Array): AggregateFormat | undefined {
  if (data.length < MAGIC_BYTES || ((data[1]! << 16) | (data[2]! << 8) | data[3]!) !== MAGIC_TAIL) return undefined;
  const kind = data[0]!;
  switch (kind) {
    case 0xf3:
      return 'kpl';
    case 0x00:
      return 'erlmld';
    case 0x01:
      return 'erlmld-deflate';
    default:
      return undefined;
  }
}

/** The same for a record, without a view of its data if they are packed. */
export function formatOfRecord(record: RawRecord): AggregateFormat | undefined {
  if (record instanceof SlabRecord && record.byteAt(1) !== MAGIC_TAIL >> 16) return undefined;
  return formatOf(record.data);
}

/** Tells an aggregate from a plain record. The checks have the KCL's order: magic, length, checksum, protobuf. */
export function openAggregate(data: Uint8Array): OpenedRecord {
  const format = formatOf(data);
  if (format === undefined) return PLAIN;

  let body = bufferOver(data, MAGIC_BYTES, data.length);
  if (format === 'erlmld-deflate') {
    try {
      body = inflateSync(body, { maxOutputLength: MAX_INFLATED_BYTES });
    } catch (error) {
      return plainBecause(`its deflated part cannot be inflated (${(error as Error).message})`);
    }
  }

  if (body.length <= DIGEST_BYTES) return plainBecause('it is too short to hold more than a checksum');

  const end = body.length - DIGEST_BYTES;
  const bytes = body.subarray(0, end);
  if (hash('md5', bytes) !== body.toString('hex', end)) return plainBecause('its MD5 checksum does not match');

  try {
    return { type: 'aggregate', format, message: readMessage(bytes) };
  } catch (error) {
    return plainBecause(`it is not a valid AggregatedRecord (${(error as Error).message})`);
  }
}

function plainBecause(reason: string): OpenedRecord {
  return {
    type: 'plain',
    complaint: `a record begins like an aggregate, but ${reason}: delivered as a plain record`,
  };
}

function bufferOver(data: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(data.buffer, data.byteOffset + start, end - start);
}

function readMessage(bytes: Buffer): WireMessage {
  const reader = new protobuf.Reader(bytes);
  const partitionKeys: string[] = [];
  const explicitHashKeys: string[] = [];
  const records: number[] = [];

  while (reader.pos < reader.len) {
    // Tags and lengths are read as uint32, which like Java accepts a varint longer than it needs to be.
    const tag = reader.uint32();
    switch (tag) {
      case PARTITION_KEY_TABLE:
        partitionKeys.push(readString(reader, bytes));
        break;
      case EXPLICIT_HASH_KEY_TABLE:
        explicitHashKeys.push(readString(reader, bytes));
        break;
      case RECORDS:
        readRecord(reader, records);
        break;
      default:
        skipField(reader, tag, 0);
    }
  }

  return { bytes, partitionKeys, explicitHashKeys, records };
}

function readRecord(reader: protobuf.Reader, records: number[]): void {
  const outer = reader.len;
  const end = endOfField(reader);
  // Nothing inside the record may reach beyond it.
  reader.len = end;

  let partitionKey = UNSET;
  let explicitHashKey = UNSET;
  let dataStart = UNSET;
  let dataLength = 0;

  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case RECORD_PARTITION_KEY_INDEX:
        partitionKey = readIndex(reader);
        break;
      case RECORD_EXPLICIT_HASH_KEY_INDEX:
        explicitHashKey = readIndex(reader);
        break;
      case RECORD_DATA: {
        const dataEnd = endOfField(reader);
        dataStart = reader.pos;
        dataLength = dataEnd - dataStart;
        reader.pos = dataEnd;
        break;
      }
      case RECORD_TAGS:
        readTag(reader);
        break;
      default:
        skipField(reader, tag, 1);
    }
  }

  reader.len = outer;
  if (partitionKey === UNSET) throw new Error('a user record without partition_key_index');
  if (dataStart === UNSET) throw new Error('a user record without data');
  records.push(partitionKey, explicitHashKey, dataStart, dataLength);
}

/** Tags are never used, but one without its required key makes the message invalid. */
function readTag(reader: protobuf.Reader): void {
  const outer = reader.len;
  const end = endOfField(reader);
  reader.len = end;
  let keyed = false;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === TAG_KEY) keyed = true;
    skipField(reader, tag, 2);
  }
  reader.len = outer;
  if (!keyed) throw new Error('a tag without key');
}

/**
 * Reads the length of a length-delimited field, and returns the position of its end. The reader is then at the field's first
 * byte.
 */
function endOfField(reader: protobuf.Reader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new Error(`a field of ${length} bytes where ${reader.len - reader.pos} are left`);
  return end;
}

function readString(reader: protobuf.Reader, bytes: Buffer): string {
  const end = endOfField(reader);
  const start = reader.pos;
  reader.pos = end;
  return start === end ? '' : bytes.toString('utf8', start, end);
}

/** Reads a uint64 as a number, without a Long. The first byte is enough for the first 128 entries of a table. */
function readIndex(reader: protobuf.Reader): number {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 10; i++) {
    if (reader.pos >= reader.len) throw new Error('a varint cut short');
    const byte = reader.buf[reader.pos++]!;
    // Of the tenth byte, only the lowest bit belongs to the 64 bits.
    value += (i === 9 ? byte & 1 : byte & 0x7f) * scale;
    if (byte < 0x80) return value > INDEX_CAP ? INDEX_CAP : value;
    scale *= 128;
  }
  throw new Error('a varint of more than ten bytes');
}

/** Skips an unused field. `Reader.skipType` cannot do this: it accepts a varint of any length. */
function skipField(reader: protobuf.Reader, tag: number, depth: number): void {
  const field = tag >>> 3;
  if (field === 0) throw new Error('field number 0');
  switch (tag & 7) {
    case 0:
      readIndex(reader);
      return;
    case 1:
      reader.skip(8);
      return;
    case 2:
      reader.pos = endOfField(reader);
      return;
    case 3:
      skipGroup(reader, field, depth + 1);
      return;
    case 5:
      reader.skip(4);
      return;
    default:
      throw new Error(`wire type ${tag & 7} where none is allowed`);
  }
}

function skipGroup(reader: protobuf.Reader, field: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new Error(`groups nested deeper than ${MAX_DEPTH}`);
  while (true) {
    const tag = reader.uint32();
    if ((tag & 7) !== 4) {
      skipField(reader, tag, depth);
      continue;
    }
    if (tag >>> 3 !== field) throw new Error('a group that ends as another one');
    return;
  }
}
