// Takes an aggregate apart for the floor: it checks the MD5 and walks the fields, without an object per user record. Called by
// floor-side.ts.
import { createHash } from 'node:crypto';
import { murmur3Bytes } from '../../src/core/murmur3.js';

const magicBytes = 4;
const checksumBytes = 16;

export function isAggregate(data: Buffer, at: number, end: number): boolean {
  return end - at > magicBytes + checksumBytes && data.readUInt32BE(at) === 0xf3899ac2;
}

/** Calls `take` with the hash of the key, and the place of the data, of each user record between `at` and `end`. */
export function eachUserRecord(
  data: Buffer,
  [at, end]: readonly [number, number],
  take: (hash: number, from: number, until: number) => void,
): void {
  const last = end - checksumBytes;
  const digest = createHash('md5')
    .update(data.subarray(at + magicBytes, last))
    .digest();
  if (digest.compare(data, last, end) !== 0) throw new Error('the checksum of an aggregate is wrong');
  const hashes: number[] = [];
  const reader = { data, at: at + magicBytes };
  while (reader.at < last) {
    const tag = varint(reader);
    const until = varint(reader) + reader.at;
    // Field 1: a partition key. Field 3: a user record. Field 2, an explicit hash key, does not matter.
    if (tag === 0x0a) hashes.push(murmur3Bytes(data.subarray(reader.at, until)));
    else if (tag === 0x1a) userRecord(reader, until, hashes, take);
    reader.at = until;
  }
}

interface Reader {
  readonly data: Buffer;
  at: number;
}

function userRecord(
  reader: Reader,
  until: number,
  hashes: readonly number[],
  take: (hash: number, from: number, until: number) => void,
): void {
  let key = 0;
  let from = 0;
  let length = 0;
  while (reader.at < until) {
    const tag = varint(reader);
    const value = varint(reader);
    if (tag === 0x08) key = value;
    else if (tag === 0x1a) {
      from = reader.at;
      length = value;
    }
    // Field 2, an index, is a number. Fields 3 and 4, data and tags, have a length.
    if ((tag & 7) === 2) reader.at += value;
  }
  take(hashes[key] as number, from, from + length);
}

function varint(reader: Reader): number {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = reader.data[reader.at] as number;
    reader.at += 1;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}
