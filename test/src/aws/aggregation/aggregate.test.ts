// Decoding follows the KCL byte for byte: what the KCL delivers raw is delivered raw, and what the KCL skips is skipped.
// The bytes are built by hand, so that each fault stands alone.
import { expect } from 'chai';
import { deflateSync } from 'node:zlib';
import { bufferOf } from '../../../../src/core/buffer-view.js';
import type { HashKeyRange, RawRecord } from '../../../../src/api/ports.js';
import { decodeAggregate, unpackRecord } from '../../../../src/aws/aggregation/aggregate.js';
import type { OutOfRangePolicy } from '../../../../src/core/record-placement.js';
import {
  bytes,
  decimalMd5,
  delimited,
  envelope,
  MAGIC,
  message,
  number,
  userRecord,
  varint,
  type Bytes,
} from '../../../support/aggregate-bytes.js';

function recordOf(data: Uint8Array): RawRecord<Buffer> {
  return {
    sequenceNumber: '49590338271490256608559692538361571095921575989136588898',
    partitionKey: 'outer',
    data: bufferOf(data),
    arrivedAt: 1_700_000_000_000,
  };
}

function unpack(data: Uint8Array, range?: HashKeyRange, policy: OutOfRangePolicy = 'emit') {
  return unpackRecord(recordOf(data), range, policy);
}

/** Expects that the data are delivered as one plain record. */
function expectRaw(data: Uint8Array, complaint: RegExp | undefined): void {
  const record = recordOf(data);
  const unpacked = unpackRecord(record, undefined, 'emit');
  expect(unpacked.records).to.have.length(1);
  expect(unpacked.records[0]).to.equal(record);
  expect(unpacked.undecoded).to.equal(undefined);
  expect(unpacked.filtered).to.equal(undefined);
  if (complaint === undefined) expect(unpacked.complaint).to.equal(undefined);
  else expect(unpacked.complaint).to.match(complaint);
  const decoded = decodeAggregate(data);
  expect(decoded.records).to.equal(undefined);
  expect(decoded.complaint).to.equal(unpacked.complaint);
}

function texts(data: Uint8Array): string[] {
  return unpack(data).records.map((record) => Buffer.from(record.data).toString());
}

const twoRecords = message(
  ['a', 'b'],
  [
    { pk: 0, data: 'one' },
    { pk: 1, data: 'two' },
  ],
);
const checksumHasDone = /MD5 checksum/;
const invalid = /not a valid AggregatedRecord/;

/** A message with `fields` between tables and records, in an envelope with a correct checksum. */
function withFields(...fields: readonly Bytes[]): Buffer {
  return envelope(bytes(delimited(1, 'a'), fields, userRecord({ pk: 0, data: 'one' })));
}

describe('a well-formed aggregate', () => {
  it('gives its user records in order, with sub-sequence numbers from 0 and the outer sequence number and time', () => {
    const ehk = '170141183460469231731687303715884105728';
    const data = envelope(
      message(
        ['a', 'b'],
        [
          { pk: 1, data: 'one' },
          { pk: 0, ehk: 0, data: 'two' },
          { pk: 1, data: '' },
        ],
        [ehk],
      ),
    );
    const record = recordOf(data);
    const { sequenceNumber, arrivedAt } = record;
    const unpacked = unpackRecord(record, undefined, 'emit');
    expect(unpacked).to.have.all.keys('records', 'isDivisible');
    expect(unpacked.isDivisible).to.equal(true);
    const plainly = unpacked.records.map(({ data: content, ...rest }) => ({
      ...rest,
      data: Buffer.from(content).toString(),
    }));
    expect(plainly).to.deep.equal([
      { sequenceNumber, subSequenceNumber: 0, partitionKey: 'b', data: 'one', arrivedAt },
      { sequenceNumber, subSequenceNumber: 1, partitionKey: 'a', explicitHashKey: ehk, data: 'two', arrivedAt },
      { sequenceNumber, subSequenceNumber: 2, partitionKey: 'b', data: '', arrivedAt },
    ]);
    const untimed = unpackRecord({ sequenceNumber, partitionKey: 'outer', data }, undefined, 'emit');
    for (const userRecord of untimed.records) expect(userRecord).to.not.have.property('arrivedAt');
  });

  it('shares its bytes with the user records instead of copying them', () => {
    const data = envelope(twoRecords);
    const first = unpack(data).records[0]!.data;
    expect(first.buffer).to.equal(data.buffer);
    expect(first.byteOffset).to.equal(data.byteOffset + data.indexOf('one'));
  });

  it('may have its key tables after the user records that use them', () => {
    const { length } = bytes(delimited(1, 'a'), delimited(1, 'b'));
    expect(texts(envelope(bytes(twoRecords.subarray(length), twoRecords.subarray(0, length))))).to.deep.equal([
      'one',
      'two',
    ]);
  });

  it('is decoded in the same way from a view into a larger buffer', () => {
    const larger = bytes('before', envelope(twoRecords), 'after');
    expect(texts(new Uint8Array(larger).subarray(6, larger.length - 5))).to.deep.equal(['one', 'two']);
  });

  it('gives no records if it has key tables but no user records', () => {
    const unpacked = unpack(envelope(message(['a'], [])));
    expect(unpacked).to.deep.equal({ records: [], isDivisible: true });
    expect(decodeAggregate(envelope(message(['a'], []))).records).to.deep.equal([]);
  });

  it('has the last value of a singular field that is written twice', () => {
    expect(
      texts(envelope(message(['a'], [{ pk: 9, data: 'first', more: [delimited(3, 'second'), number(1, 0)] }]))),
    ).to.deep.equal(['second']);
  });
});

describe('a record that cannot be decoded as an aggregate (KCL clause 3.3, in order)', () => {
  it('is delivered raw without a complaint if it is shorter than four bytes or has another magic number', () => {
    expectRaw(bytes(), undefined);
    expectRaw(bytes(0xf3, 0x89, 0x9a), undefined);
    expectRaw(bytes(0xf2, 0x89, 0x9a, 0xc2, twoRecords), undefined);
    expectRaw(bytes(0xf3, 0x89, 0x9a, 0xc3, twoRecords), undefined);
    expectRaw(Buffer.from('an ordinary record'), undefined);
  });

  it('is delivered raw if no more than a checksum follows the magic number', () => {
    expectRaw(bytes(MAGIC.kpl), /too short to hold more than a checksum/);
    expectRaw(bytes(MAGIC.kpl, Buffer.alloc(15)), /too short to hold more than a checksum/);
    expectRaw(envelope(bytes()), /too short to hold more than a checksum/);
  });

  it('is delivered raw if its checksum does not match, wherever the flipped bit is', () => {
    const good = envelope(twoRecords);
    for (let at = 4; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      expectRaw(bad, checksumHasDone);
    }
  });

  it('is delivered raw if a user record, even the last, lacks its partition key index or data', () => {
    expectRaw(envelope(message(['a'], [{ pk: 0, data: 'x' }, { data: 'x' }])), invalid);
    expectRaw(envelope(message(['a'], [{ pk: 0, data: 'x' }, { pk: 0 }])), invalid);
    expectRaw(envelope(message(['a'], [{}])), invalid);
  });

  it('is delivered raw if a user record has a tag without key; complete tags are skipped', () => {
    expectRaw(envelope(message(['a'], [{ pk: 0, data: 'x', more: delimited(4, delimited(2, 'value')) }])), invalid);
    expect(
      texts(
        envelope(
          message(['a'], [{ pk: 0, data: 'x', more: delimited(4, delimited(1, 'key'), delimited(2, 'value')) }]),
        ),
      ),
    ).to.deep.equal(['x']);
  });

  it('is delivered raw if its message is cut short at any byte inside a field', () => {
    const ends = new Set([3, 6, 15, 24]);
    expect(twoRecords.length).to.equal(24);
    for (let length = 1; length < twoRecords.length; length++) {
      const cut = envelope(twoRecords.subarray(0, length));
      if (!ends.has(length)) expectRaw(cut, invalid);
    }
  });

  it('is delivered raw if a length reaches beyond the message or the enclosing record', () => {
    expectRaw(withFields([0x22, varint(1000)]), invalid);
    expectRaw(withFields([0x22, varint(0xffff_ffff)]), invalid);
    expectRaw(withFields([0x1a, varint(6), number(1, 0), 0x1a, varint(3), 'ab'], delimited(1, 'filler')), invalid);
  });

  it('is delivered raw for field number 0, wire types 6 and 7, and groups with wrong ends', () => {
    expectRaw(withFields([0x00, 0x00]), invalid);
    expectRaw(withFields([0x56, 0x00]), invalid);
    expectRaw(withFields([0x57, 0x00]), invalid);
    expectRaw(envelope(bytes(twoRecords, 0x53)), invalid);
    expectRaw(withFields([0x54]), invalid);
    expectRaw(withFields([0x53, 0x5c]), invalid);
  });

  it('is delivered raw if groups are nested more than a hundred deep', () => {
    const nested = (depth: number): Bytes => [Buffer.alloc(depth, 0x53), Buffer.alloc(depth, 0x54)];
    expect(texts(withFields(nested(100)))).to.deep.equal(['one']);
    expectRaw(withFields(nested(101)), invalid);
    expectRaw(withFields(nested(100_000)), invalid);
  });

  it('is delivered raw if a value, tag or length is a varint of more than ten bytes', () => {
    const endless = Buffer.alloc(10, 0x80);
    expectRaw(withFields([0x50, endless, 0]), invalid);
    expectRaw(withFields([0xd0, endless, 0]), invalid);
    expectRaw(withFields([0x52, endless, 0]), invalid);
    expectRaw(envelope(message(['a'], [{ data: 'x', more: [0x08, endless, 0] }])), invalid);
  });
});

describe('an aggregate with parts that the KCL skips', () => {
  it('is decoded without unknown fields of every wire type and known fields with another wire type', () => {
    const fields = [
      number(10, 5),
      [0x51, Buffer.alloc(8)],
      delimited(10, 'unknown'),
      [0x53, number(1, 7), [0x5b, 0x5c], 0x54],
      [0x55, Buffer.alloc(4)],
    ];
    expect(texts(withFields(...fields))).to.deep.equal(['one']);
    expect(texts(withFields(number(1, 5), number(3, 5), [0x0d, Buffer.alloc(4)]))).to.deep.equal(['one']);
    expect(
      texts(
        envelope(
          message(
            ['a'],
            [{ pk: 0, data: 'x', more: [...fields, [0x1d, Buffer.alloc(4)], delimited(2, 'not an index')] }],
          ),
        ),
      ),
    ).to.deep.equal(['x']);
  });

  it('is decoded from varints that are longer than needed, even with bits beyond the 64th', () => {
    expect(texts(envelope(message(['a'], [{ data: 'x', more: [0x08, Buffer.alloc(9, 0x80), 0x00] }])))).to.deep.equal([
      'x',
    ]);
    expect(texts(withFields([0x0a, Buffer.of(0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00), 'k']))).to.deep.equal(['one']);
    expect(texts(envelope(message(['a'], [{ data: 'x', more: [0x08, Buffer.alloc(9, 0x80), 0x02] }])))).to.deep.equal([
      'x',
    ]);
  });
});

describe('a user record whose key is not in the table of its aggregate', () => {
  it('ends the decoding: the user records before it are kept, and the failure is reported', () => {
    const records = [
      { pk: 0, data: 'one' },
      { pk: 0, data: 'two' },
      { pk: 1, data: 'three' },
      { pk: 0, data: 'four' },
    ];
    const unpacked = unpack(envelope(message(['a'], records)));
    expect(unpacked.records.map((record) => record.subSequenceNumber)).to.deep.equal([0, 1]);
    expect(unpacked.undecoded!.reason).to.match(/user record 2 .* not in its tables .* the first 2 are kept/);
    expect(unpacked.complaint).to.equal(unpacked.undecoded!.reason);
    const decoded = decodeAggregate(envelope(message(['a'], records)));
    expect(decoded.records).to.have.length(2);
    expect(decoded.incomplete).to.equal(true);
  });

  it('is reported as the first record, with an empty table, an explicit hash key, or a huge index', () => {
    for (const data of [
      envelope(message([], [{ pk: 0, data: 'x' }])),
      envelope(message(['a'], [{ pk: 0, ehk: 0, data: 'x' }])),
      envelope(message(['a'], [{ pk: 1n << 32n, data: 'x' }])),
      envelope(message(['a'], [{ pk: (1n << 64n) - 1n, data: 'x' }])),
    ]) {
      const unpacked = unpack(data);
      expect(unpacked.records).to.deep.equal([]);
      expect(unpacked.undecoded).to.not.equal(undefined);
    }
  });
});

/** Exactly the hash key of this partition key. */
function rangeOf(partitionKey: string): HashKeyRange {
  const key = decimalMd5(partitionKey).toString();
  return { startingHashKey: key, endingHashKey: key };
}

describe('user records outside the hash range of their shard', () => {
  const mixed = envelope(
    message(
      ['a', 'b'],
      [
        { pk: 0, data: '0' },
        { pk: 1, data: '1' },
        { pk: 0, data: '2' },
        { pk: 1, data: '3' },
      ],
    ),
  );

  it('are delivered under emit, filtered under dropRecord, and filter the whole aggregate under dropAggregate', () => {
    for (const [policy, filtered] of [
      ['emit', undefined],
      ['dropRecord', [1, 3]],
      ['dropAggregate', [0, 1, 2, 3]],
    ] as const) {
      const unpacked = unpack(mixed, rangeOf('a'), policy);
      expect(
        unpacked.records.map((record) => record.subSequenceNumber),
        policy,
      ).to.deep.equal([0, 1, 2, 3]);
      expect(unpacked.filtered, policy).to.deep.equal(filtered);
      expect(unpacked.complaint).to.equal(undefined);
    }
  });

  it('are not filtered if the range is unknown, unreadable or complete', () => {
    for (const policy of ['dropRecord', 'dropAggregate'] as const) {
      expect(unpack(mixed, undefined, policy).filtered).to.equal(undefined);
      expect(unpack(mixed, { startingHashKey: 'x', endingHashKey: '' }, policy).filtered).to.equal(undefined);
      expect(
        unpack(mixed, { startingHashKey: '0', endingHashKey: '340282366920938463463374607431768211455' }, policy)
          .filtered,
      ).to.equal(undefined);
    }
  });

  it('are recognised by the MD5 of the UTF-8 partition key, big-endian, both ends of the range included', () => {
    for (const key of ['a', 'ключ', '', '\u{1f600}']) {
      const hash = decimalMd5(key);
      const data = envelope(message([key], [{ pk: 0, data: 'x' }]));
      const outside = (start: bigint, end: bigint) =>
        unpack(data, { startingHashKey: String(start), endingHashKey: String(end) }, 'dropRecord').filtered !==
        undefined;
      expect(outside(hash, hash)).to.equal(false);
      expect(outside(hash + 1n, hash + 1n)).to.equal(true);
      expect(outside(0n, hash - 1n)).to.equal(true);
    }
  });

  it('are recognised by the explicit hash key if there is one, whatever the partition key hashes to', () => {
    const data = envelope(
      message(
        ['a'],
        [
          { pk: 0, data: '0' },
          { pk: 0, ehk: 0, data: '1' },
          { pk: 0, ehk: 1, data: '2' },
        ],
        ['12', decimalMd5('a').toString()],
      ),
    );
    expect(unpack(data, rangeOf('a'), 'dropRecord').filtered).to.deep.equal([1]);
    expect(unpack(data, { startingHashKey: '12', endingHashKey: '12' }, 'dropRecord').filtered).to.deep.equal([0, 2]);
  });

  it('include explicit hash keys below 0 and from 2^128 on; leading zeros and a plus change nothing', () => {
    const keys = ['-1', (1n << 128n).toString(), '9'.repeat(100_000), '-0', '+0012', '0'];
    const data = envelope(
      message(
        ['a'],
        keys.map((_, i) => ({ pk: 0, ehk: i, data: 'x' })),
        keys,
      ),
    );
    expect(unpack(data, { startingHashKey: '0', endingHashKey: '12' }, 'dropRecord').filtered).to.deep.equal([0, 1, 2]);
  });

  it('filter the aggregate under dropAggregate if they come before a bad index, but not after a bad index', () => {
    const dropped = unpack(
      envelope(
        message(
          ['a', 'b'],
          [
            { pk: 0, data: '0' },
            { pk: 1, data: '1' },
            { pk: 2, data: '2' },
          ],
        ),
      ),
      rangeOf('a'),
      'dropAggregate',
    );
    expect(dropped.filtered).to.deep.equal([0, 1]);
    expect(dropped.undecoded).to.equal(undefined);
    const kept = unpack(
      envelope(
        message(
          ['a', 'b'],
          [
            { pk: 0, data: '0' },
            { pk: 2, data: '1' },
            { pk: 1, data: '2' },
          ],
        ),
      ),
      rangeOf('a'),
      'dropAggregate',
    );
    expect(kept.records).to.have.length(1);
    expect(kept.filtered).to.equal(undefined);
    expect(kept.undecoded).to.not.equal(undefined);
  });

  it('end the decoding if their explicit hash key is not a number, except under emit', () => {
    const data = envelope(
      message(
        ['a'],
        [
          { pk: 0, data: '0' },
          { pk: 0, ehk: 0, data: '1' },
          { pk: 0, data: '2' },
        ],
        ['not a number'],
      ),
    );
    for (const policy of ['dropRecord', 'dropAggregate'] as const) {
      const unpacked = unpack(data, rangeOf('a'), policy);
      expect(unpacked.records).to.have.length(1);
      expect(unpacked.undecoded!.reason).to.match(/no number/);
    }
    expect(unpack(data, rangeOf('a'), 'emit').records).to.have.length(3);
  });
});

describe("an aggregate in one of erlmld's formats (seeds.md P5, P6)", () => {
  it('is decoded by the same rules, but is not divisible: no checkpoint may land inside', () => {
    for (const format of ['erlmld', 'erlmld-deflate'] as const) {
      const unpacked = unpack(envelope(twoRecords, format));
      expect(unpacked.records.map((record) => record.subSequenceNumber)).to.deep.equal([0, 1]);
      expect(unpacked.isDivisible).to.equal(false);
      expect(decodeAggregate(envelope(twoRecords, format)).format).to.equal(format);
      expect(unpack(envelope(message(['a'], [{ pk: 1, data: 'x' }]), format)).undecoded).to.not.equal(undefined);
      expectRaw(envelope(twoRecords, format, Buffer.alloc(16)), checksumHasDone);
      expectRaw(envelope(bytes(0x53), format), invalid);
      expectRaw(envelope(bytes(), format), /too short to hold more than a checksum/);
    }
  });

  it('is delivered raw if its data cannot be inflated, are cut short, or inflate to 64 MiB', () => {
    const magic = MAGIC['erlmld-deflate'];
    expectRaw(bytes(magic, 'not deflated'), /cannot be inflated/);
    const whole = envelope(twoRecords, 'erlmld-deflate');
    expectRaw(whole.subarray(0, whole.length - 8), /cannot be inflated/);
    expectRaw(bytes(magic, deflateSync(Buffer.alloc(64 * 1024 * 1024))), /cannot be inflated/);
  });

  it('is decoded from a deflated mebibyte, the most that erlmld puts into an aggregate', () => {
    const size = 1024 * 1024 - 100;
    expect(
      unpack(envelope(message(['a'], [{ pk: 0, data: Buffer.alloc(size) }]), 'erlmld-deflate')).records[0]!.data,
    ).to.have.length(size);
  });
});
