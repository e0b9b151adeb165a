// A second decoder with the rules of KCL clause 3.3, as plain as possible. Every value is a BigInt or a copy, and each message is first
// parsed into a list of fields. The fuzz test compares the real decoder with this one. They share no code.
import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';

type Field = { field: bigint; wire: bigint; value: bigint | Buffer | undefined };

export type NaiveUnpacked =
  | { type: 'raw'; parsed: boolean }
  | {
      type: 'aggregate';
      isDivisible: boolean;
      records: NaiveRecord[];
      filtered: number[];
      undecoded: boolean;
      bytes: number;
    };

export interface NaiveRecord {
  partitionKey: string;
  explicitHashKey: string | undefined;
  data: string;
}

export function naiveUnpack(
  data: Buffer,
  range: { start: bigint; end: bigint } | undefined,
  policy: 'emit' | 'dropRecord' | 'dropAggregate',
): NaiveUnpacked {
  const magic = data.subarray(0, 4).toString('hex');
  if (!['f3899ac2', '00899ac2', '01899ac2'].includes(magic)) return { type: 'raw', parsed: false };
  let body: Buffer = data.subarray(4);
  if (magic.startsWith('01')) {
    try {
      body = inflateSync(body);
    } catch {
      return { type: 'raw', parsed: false };
    }
  }
  if (body.length <= 16) return { type: 'raw', parsed: false };
  const message = body.subarray(0, -16);
  if (!createHash('md5').update(message).digest().equals(body.subarray(-16))) return { type: 'raw', parsed: false };
  let tables: ReturnType<typeof readAggregate>;
  try {
    tables = readAggregate(message);
  } catch {
    return { type: 'raw', parsed: true };
  }
  return {
    type: 'aggregate',
    isDivisible: magic.startsWith('f3'),
    bytes: message.length,
    ...applyPolicy(tables, range, policy),
  };
}

function applyPolicy(
  { partitionKeys, explicitHashKeys, records }: ReturnType<typeof readAggregate>,
  range: { start: bigint; end: bigint } | undefined,
  policy: 'emit' | 'dropRecord' | 'dropAggregate',
): { records: NaiveRecord[]; filtered: number[]; undecoded: boolean } {
  const known: NaiveRecord[] = [];
  for (const record of records) {
    const partitionKey = partitionKeys[Number(record.pk)];
    const explicitHashKey = record.ehk === undefined ? undefined : explicitHashKeys[Number(record.ehk)];
    if (partitionKey === undefined || (record.ehk !== undefined && explicitHashKey === undefined)) break;
    known.push({ partitionKey, explicitHashKey, data: record.data });
  }
  let kept = known;
  const outside: number[] = [];
  if (range !== undefined && policy !== 'emit') {
    for (const [i, { partitionKey, explicitHashKey }] of known.entries()) {
      if (explicitHashKey !== undefined && !/^[+-]?\d+$/.test(explicitHashKey)) {
        kept = known.slice(0, i);
        break;
      }
      const hashKey =
        explicitHashKey === undefined
          ? BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`)
          : BigInt(explicitHashKey.replace('+', '').replace('-', '')) * (explicitHashKey.startsWith('-') ? -1n : 1n);
      if (hashKey < range.start || hashKey > range.end) outside.push(i);
    }
  }
  if (policy === 'dropAggregate' && outside.length > 0)
    return { records: known, filtered: [...known.keys()], undecoded: false };
  return { records: kept, filtered: outside, undecoded: kept.length < records.length };
}

function readAggregate(message: Buffer) {
  const partitionKeys: string[] = [];
  const explicitHashKeys: string[] = [];
  const records: { pk: bigint; ehk: bigint | undefined; data: string }[] = [];
  for (const { field, wire, value } of readFields(message, 0)) {
    if (wire !== 2n) continue;
    const content = value as Buffer;
    if (field === 1n) partitionKeys.push(content.toString());
    if (field === 2n) explicitHashKeys.push(content.toString());
    if (field === 3n) records.push(readRecord(content));
  }
  return { partitionKeys, explicitHashKeys, records };
}

function readRecord(content: Buffer) {
  let pk: bigint | undefined;
  let ehk: bigint | undefined;
  let data: string | undefined;
  for (const { field, wire, value } of readFields(content, 1)) {
    if (field === 1n && wire === 0n) pk = value as bigint;
    if (field === 2n && wire === 0n) ehk = value as bigint;
    if (field === 3n && wire === 2n) data = (value as Buffer).toString('hex');
    if (
      field === 4n &&
      wire === 2n &&
      !readFields(value as Buffer, 2).some((tag) => tag.field === 1n && tag.wire === 2n)
    ) {
      throw new Error('tag without key');
    }
  }
  if (pk === undefined || data === undefined) throw new Error('required field missing');
  return { pk, ehk, data };
}

function readFields(content: Buffer, depth: number): Field[] {
  const cursor = { content, at: 0 };
  const fields: Field[] = [];
  while (cursor.at < content.length) {
    const field = readField(cursor, depth);
    if (field.wire === 4n) throw new Error('group end');
    fields.push(field);
  }
  return fields;
}

interface Cursor {
  content: Buffer;
  at: number;
}

function readField(cursor: Cursor, depth: number): Field {
  const tag = BigInt.asUintN(32, readVarint(cursor));
  const [field, wire] = [tag >> 3n, tag & 7n];
  if (field === 0n) throw new Error('field number');
  switch (wire) {
    case 0n:
      return { field, wire, value: readVarint(cursor) };
    case 1n:
      return { field, wire, value: take(cursor, 8) };
    case 2n:
      return { field, wire, value: take(cursor, Number(BigInt.asUintN(32, readVarint(cursor)))) };
    case 3n: {
      if (depth >= 100) throw new Error('too deep');
      for (;;) {
        const inner = readField(cursor, depth + 1);
        if (inner.wire !== 4n) continue;
        if (inner.field !== field) throw new Error('wrong group end');
        return { field, wire, value: undefined };
      }
    }
    case 4n:
      return { field, wire, value: undefined };
    case 5n:
      return { field, wire, value: take(cursor, 4) };
    default:
      throw new Error('wire type');
  }
}

function readVarint(cursor: Cursor): bigint {
  let value = 0n;
  for (let i = 0n; i < 10n; i++) {
    const byte = BigInt(take(cursor, 1)[0]!);
    value |= (byte & 127n) << (7n * i);
    if (byte < 128n) return BigInt.asUintN(64, value);
  }
  throw new Error('varint');
}

function take(cursor: Cursor, length: number): Buffer {
  if (cursor.at + length > cursor.content.length) throw new Error('truncated');
  cursor.at += length;
  return cursor.content.subarray(cursor.at - length, cursor.at);
}
