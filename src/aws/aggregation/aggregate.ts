// Unpacks aggregated records by the KCL's rules (KCL clause 3.3), and the two formats of erlmld. `unpackRecord` is the
// hot path of every source that can carry aggregates; it is synchronous and never throws. It loses no record: plain records come
// out unchanged, and data that cannot be decoded are reported.
import { types } from 'node:util';
import { excerpt } from '../../core/visible.js';
import type { OutOfRangePolicy } from '../../core/record-placement.js';
import { refuse } from '../../options/option-table.js';
import type { HashKeyRange, RawRecord, Unpacked, UserRecord } from '../../api/ports.js';
import {
  formatOfRecord,
  openAggregate,
  STRIDE,
  UNSET,
  type AggregateFormat,
  type WireMessage,
} from './aggregate-wire.js';
import { hashKeyOf, readExplicitHashKey, spanContains, spanOf, type HashKeySpan } from './hash-key.js';

export type { AggregateFormat } from './aggregate-wire.js';

/** A user record inside an aggregate. */
export interface PackedRecord<Data extends Uint8Array = Uint8Array> {
  /** The key that its producer gave it. It may differ from the key of the whole record. */
  readonly partitionKey: string;
  /** Decimal, as the producer wrote it; absent when it set none. */
  readonly explicitHashKey?: string;
  /** The bytes. */
  readonly data: Data;
}

/** What `decodeAggregate` found. */
export interface DecodedAggregate {
  /** In order. Undefined if the data are those of a plain record. */
  readonly records: readonly PackedRecord<Buffer>[] | undefined;
  /** Present with `records`. */
  readonly format?: AggregateFormat;
  /** What was wrong and which rule was applied. Absent if nothing was wrong, as with plain data. */
  readonly complaint?: string;
  /** True when the aggregate holds more user records than could be decoded. */
  readonly incomplete?: boolean;
}

/**
 * Decodes aggregated record data by the KCL's rules. Never throws for bytes. Data that only begin like an aggregate (short, wrong
 * checksum, invalid protobuf) are plain data with a complaint. If a user record names a key that is not in its table, only the
 * records before it are returned. The records' data are Buffers, views of the given bytes, not copies (of the inflated bytes for erlmld's
 * deflated format).
 *
 * @throws KinactError INVALID_OPTION for data that are not a Uint8Array.
 */
export function decodeAggregate(data: Uint8Array): DecodedAggregate {
  if (!types.isUint8Array(data)) refuse('data', 'a Uint8Array, as the `data` of a record', data);

  const opened = openAggregate(data);
  if (opened.type === 'plain')
    return { records: undefined, ...(opened.complaint === undefined ? {} : { complaint: opened.complaint }) };

  const { format, message } = opened;
  const count = message.records.length / STRIDE;
  const valid = resolvable(message);
  const records: PackedRecord<Buffer>[] = [];
  for (let i = 0; i < valid; i++) {
    const partitionKey = partitionKeyAt(message, i);
    const explicitHashKey = explicitHashKeyAt(message, i);
    const bytes = dataAt(message, i);
    records.push(
      explicitHashKey === undefined ? { partitionKey, data: bytes } : { partitionKey, explicitHashKey, data: bytes },
    );
  }

  if (valid === count) return { records, format };
  return { records, format, complaint: badIndex(message, valid), incomplete: true };
}

/**
 * Turns a record into its user records. Synchronous; never throws. `range` is the shard's; while it is unknown, nothing is out of
 * range. Under `emit`, hash keys are not even computed.
 */
export function unpackRecord(
  record: RawRecord<Buffer>,
  range: HashKeyRange | undefined,
  policy: OutOfRangePolicy,
): Unpacked {
  if (formatOfRecord(record) === undefined) return { records: [record], isDivisible: true };
  const opened = openAggregate(record.data);
  if (opened.type === 'plain') {
    const plain = { records: [record], isDivisible: true };
    return opened.complaint === undefined ? plain : { ...plain, complaint: opened.complaint };
  }

  const { message } = opened;
  const isDivisible = opened.format === 'kpl';
  const span = policy === 'emit' || range === undefined ? undefined : spanOf(range);

  const count = message.records.length / STRIDE;
  const valid = resolvable(message);
  const placement = span === undefined ? { decoded: valid, outside: NONE } : place(message, valid, span);

  const dropAll = policy === 'dropAggregate' && placement.outside.length > 0;
  const decoded = dropAll ? valid : placement.decoded;

  const records = userRecords(record, message, decoded);
  const filtered = dropAll ? everyIndex(decoded) : placement.outside;
  const whole: Unpacked = filtered.length === 0 ? { records, isDivisible } : { records, isDivisible, filtered };

  if (dropAll || decoded === count) return whole;
  const reason = decoded < valid ? badHashKey(message, decoded) : badIndex(message, decoded);
  return { ...whole, complaint: reason, undecoded: { reason } };
}

const NONE: readonly number[] = [];
const EMPTY = Buffer.alloc(0);

/** How many user records, counted from the first, name only keys that are in their tables. */
function resolvable(message: WireMessage): number {
  const { records } = message;
  const partitionKeys = message.partitionKeys.length;
  const explicitHashKeys = message.explicitHashKeys.length;
  for (let at = 0; at < records.length; at += STRIDE) {
    if (records[at]! >= partitionKeys || records[at + 1]! >= explicitHashKeys) return at / STRIDE;
  }
  return records.length / STRIDE;
}

/**
 * Which of the first `valid` user records lie outside the shard. A hash key that is not a number ends the decoding, as any throw
 * inside the KCL's loop does.
 */
function place(
  message: WireMessage,
  valid: number,
  span: HashKeySpan,
): { decoded: number; outside: readonly number[] } {
  const outside: number[] = [];
  // Records share their keys through the tables, so each entry is hashed and compared once.
  const byPartitionKey: Place[] = [];
  const byExplicitHashKey: Place[] = [];

  for (let i = 0; i < valid; i++) {
    const explicit = message.records[i * STRIDE + 1]!;
    const place =
      explicit === UNSET
        ? (byPartitionKey[message.records[i * STRIDE]!] ??= spanContains(span, hashKeyOf(partitionKeyAt(message, i)))
            ? 'inside'
            : 'outside')
        : (byExplicitHashKey[explicit] ??= placeExplicit(message.explicitHashKeys[explicit]!, span));
    if (place === 'invalid') return { decoded: i, outside };
    if (place === 'outside') outside.push(i);
  }

  return { decoded: valid, outside };
}

type Place = 'inside' | 'outside' | 'invalid';

function placeExplicit(text: string, span: HashKeySpan): Place {
  const hashKey = readExplicitHashKey(text);
  if (hashKey === 'outside' || hashKey === 'invalid') return hashKey;
  return spanContains(span, hashKey) ? 'inside' : 'outside';
}

function userRecords(record: RawRecord, message: WireMessage, count: number): UserRecord[] {
  const { sequenceNumber, arrivedAt } = record;
  const records: UserRecord[] = [];
  for (let i = 0; i < count; i++) {
    const partitionKey = partitionKeyAt(message, i);
    const explicitHashKey = explicitHashKeyAt(message, i);
    const data = dataAt(message, i);
    // Written out, not spread: this runs once per user record.
    if (explicitHashKey === undefined) {
      records.push(
        arrivedAt === undefined
          ? { sequenceNumber, subSequenceNumber: i, partitionKey, data }
          : { sequenceNumber, subSequenceNumber: i, partitionKey, data, arrivedAt },
      );
    } else {
      records.push(
        arrivedAt === undefined
          ? { sequenceNumber, subSequenceNumber: i, partitionKey, explicitHashKey, data }
          : { sequenceNumber, subSequenceNumber: i, partitionKey, explicitHashKey, data, arrivedAt },
      );
    }
  }
  return records;
}

function partitionKeyAt(message: WireMessage, i: number): string {
  return message.partitionKeys[message.records[i * STRIDE]!]!;
}

function explicitHashKeyAt(message: WireMessage, i: number): string | undefined {
  const index = message.records[i * STRIDE + 1]!;
  return index === UNSET ? undefined : message.explicitHashKeys[index];
}

function dataAt({ bytes, records }: WireMessage, i: number): Buffer {
  const start = records[i * STRIDE + 2]!;
  const length = records[i * STRIDE + 3]!;
  // Empty data share one array, because a record of six bytes must not cost a view.
  if (length === 0) return EMPTY;
  return bytes.subarray(start, start + length);
}

function everyIndex(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function badIndex(message: WireMessage, i: number): string {
  const tables = `${message.partitionKeys.length} partition keys and ${message.explicitHashKeys.length} explicit hash keys`;
  return keptBefore(`user record ${i} of an aggregate names a key that is not in its tables (${tables})`, i);
}

function badHashKey(message: WireMessage, i: number): string {
  return keptBefore(
    `user record ${i} of an aggregate has the explicit hash key '${excerpt(explicitHashKeyAt(message, i) ?? '', 50)}', which is no number`,
    i,
  );
}

function keptBefore(problem: string, i: number): string {
  return `${problem}: the first ${i} are kept, the rest cannot be decoded`;
}
