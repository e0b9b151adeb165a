// Writes aggregates byte by byte, valid or broken in exactly one place. Shares no code with src/aws.
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

export const MAGIC = {
  kpl: [0xf3, 0x89, 0x9a, 0xc2],
  erlmld: [0x00, 0x89, 0x9a, 0xc2],
  'erlmld-deflate': [0x01, 0x89, 0x9a, 0xc2],
} as const;

export type Bytes = number | string | Uint8Array | readonly Bytes[];

/** Concatenates numbers (one byte each), strings (UTF-8) and byte arrays. */
export function bytes(...parts: readonly Bytes[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'number'
        ? Buffer.of(part)
        : typeof part === 'string'
          ? Buffer.from(part)
          : part instanceof Uint8Array
            ? Buffer.from(part)
            : bytes(...(part as readonly Bytes[])),
    ),
  );
}

export function varint(value: number | bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt(value);
  while (rest >= 128n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Buffer.of(...out, Number(rest));
}

/** A length-delimited field. */
export function delimited(field: number, ...content: readonly Bytes[]): Buffer {
  const inner = bytes(...content);
  return bytes(varint((field << 3) | 2), varint(inner.length), inner);
}

/** A varint field. */
export function number(field: number, value: number | bigint): Buffer {
  return bytes(varint(field << 3), varint(value));
}

export interface WrittenRecord {
  readonly pk?: number | bigint;
  readonly ehk?: number | bigint;
  readonly data?: Bytes;
  /** Bytes after the record's fields. */
  readonly more?: Bytes;
}

/** A Record message as a field of AggregatedRecord, without the members that are undefined. */
export function userRecord({ pk, ehk, data, more = [] }: WrittenRecord): Buffer {
  return delimited(
    3,
    pk === undefined ? [] : number(1, pk),
    ehk === undefined ? [] : number(2, ehk),
    data === undefined ? [] : delimited(3, data),
    more,
  );
}

/** An AggregatedRecord message. */
export function message(
  partitionKeys: readonly Bytes[],
  records: readonly WrittenRecord[],
  explicitHashKeys: readonly Bytes[] = [],
): Buffer {
  return bytes(
    partitionKeys.map((key) => delimited(1, key)),
    explicitHashKeys.map((key) => delimited(2, key)),
    records.map(userRecord),
  );
}

/** Puts magic number and checksum around a message. */
export function envelope(
  protobuf: Uint8Array,
  format: keyof typeof MAGIC = 'kpl',
  md5: Uint8Array = md5Of(protobuf),
): Buffer {
  const body = bytes(protobuf, md5);
  return bytes(MAGIC[format], format === 'erlmld-deflate' ? deflateSync(body) : body);
}

export function md5Of(content: Uint8Array | string): Buffer {
  return createHash('md5').update(content).digest();
}

export function decimalMd5(partitionKey: string): bigint {
  return BigInt(`0x${md5Of(partitionKey).toString('hex')}`);
}
