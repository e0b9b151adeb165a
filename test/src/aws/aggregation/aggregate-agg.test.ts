// Compares our codec with aws-kinesis-agg 4.2.8 in both directions, and shows the cases in which that library is wrong.
import { expect } from 'chai';
import fc from 'fast-check';
import { decodeAggregate, unpackRecord, type PackedRecord } from '../../../../src/aws/aggregation/aggregate.js';
import { encodeAggregate } from '../../../../src/aws/aggregation/aggregate-encoder.js';
import { aggDecode, aggEncode } from '../../../support/aws-kinesis-agg.js';
import { envelope, message } from '../../../support/aggregate-bytes.js';

const HIGHEST = (1n << 128n) - 1n;

/** aws-kinesis-agg uses keys as property names: integer-like keys are its known error, and the two names below break it. */
const key = fc
  .oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), fc.constantFrom('a', 'b', 'constructor', '01'))
  .filter((text) => !/^(0|[1-9]\d*|__proto__|hasOwnProperty)$/.test(text));
/** Explicit hash keys of 20 digits or more, for the same reason. */
const hashKey = fc.bigInt({ min: 10n ** 20n, max: HIGHEST }).map(String);
/** aws-kinesis-agg treats empty data as missing data. */
const content = fc.uint8Array({ minLength: 1, maxLength: 300 });

/** All records with an explicit hash key, or none: aws-kinesis-agg reads an unset index as 0. */
const records = fc.oneof(
  fc.array(fc.record({ partitionKey: key, data: content }), { minLength: 1, maxLength: 30 }),
  fc.array(fc.record({ partitionKey: key, explicitHashKey: hashKey, data: content }), { minLength: 1, maxLength: 30 }),
);

interface Comparable {
  partitionKey: string | undefined;
  explicitHashKey: string | undefined;
  data: string;
}

function ours(found: readonly PackedRecord[]): Comparable[] {
  return found.map(({ partitionKey, explicitHashKey, data }) => ({
    partitionKey,
    explicitHashKey,
    data: Buffer.from(data).toString('base64'),
  }));
}

function theirs(data: Uint8Array): Comparable[] {
  const { records: found, errors } = aggDecode(data);
  expect(errors).to.deep.equal([]);
  return found.map(({ partitionKey, explicitPartitionKey, data: content }) => ({
    partitionKey,
    explicitHashKey: explicitPartitionKey,
    data: content,
  }));
}

describe('the aggregate codec, beside aws-kinesis-agg', () => {
  it('decodes what the encoder of aws-kinesis-agg writes', () => {
    fc.assert(
      fc.property(records, (input) => {
        expect(ours(decodeAggregate(aggEncode(input).data).records!)).to.deep.equal(ours(input));
      }),
      { numRuns: 500 },
    );
  });

  it('encodes aggregates that the decoder of aws-kinesis-agg reads', () => {
    fc.assert(
      fc.property(records, (input) => {
        expect(theirs(encodeAggregate(input))).to.deep.equal(ours(input));
      }),
      { numRuns: 500 },
    );
  });

  it('writes the same bytes as aws-kinesis-agg for keys that do not look like integers', () => {
    fc.assert(
      fc.property(records, (input) => {
        expect(Buffer.from(encodeAggregate(input)).toString('hex')).to.equal(aggEncode(input).data.toString('hex'));
      }),
      { numRuns: 500 },
    );
  });

  it('decodes what it encodes, including input that aws-kinesis-agg gets wrong', () => {
    const anyKey = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
      fc.nat().map(String),
      fc.constant('__proto__'),
    );
    const anyHashKey = fc.bigInt({ min: 0n, max: HIGHEST }).map(String);
    const anything = fc.record(
      { partitionKey: anyKey, explicitHashKey: anyHashKey, data: fc.uint8Array({ maxLength: 300 }) },
      { requiredKeys: ['partitionKey', 'data'] },
    );
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 30 }), (input) => {
        const decoded = decodeAggregate(encodeAggregate(input as PackedRecord[]));
        expect(ours(decoded.records!)).to.deep.equal(ours(input as PackedRecord[]));
        expect(decoded.complaint).to.equal(undefined);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the aggregate codec, for input that aws-kinesis-agg gets wrong', () => {
  const one = Buffer.from('one');
  const two = Buffer.from('two');

  it('keeps integer-like partition keys in order, while the encoder of aws-kinesis-agg swaps them', () => {
    const input = [
      { partitionKey: '10', data: one },
      { partitionKey: '9', data: two },
    ];
    const swapped = ['9', '10'];
    expect(theirs(aggEncode(input).data).map((record) => record.partitionKey)).to.deep.equal(swapped);
    expect(decodeAggregate(aggEncode(input).data).records!.map((record) => record.partitionKey)).to.deep.equal(swapped);
    expect(theirs(encodeAggregate(input)).map((record) => record.partitionKey)).to.deep.equal(['10', '9']);
    expect(decodeAggregate(encodeAggregate(input)).records!.map((record) => record.partitionKey)).to.deep.equal([
      '10',
      '9',
    ]);
  });

  it('reads no explicit hash key for an unset index, while aws-kinesis-agg reads the first one', () => {
    const data = encodeAggregate([
      { partitionKey: 'a', explicitHashKey: '5', data: one },
      { partitionKey: 'b', data: two },
    ]);
    expect(theirs(data).map((record) => record.explicitHashKey)).to.deep.equal(['5', '5']);
    expect(decodeAggregate(data).records!.map((record) => record.explicitHashKey)).to.deep.equal(['5', undefined]);
  });

  it('delivers a record with a bad checksum raw, with a complaint, while aws-kinesis-agg loses the record', () => {
    const data = Buffer.from(encodeAggregate([{ partitionKey: 'a', data: one }]));
    data[data.length - 1]! ^= 1;
    const lost = aggDecode(data);
    expect(lost.records).to.deep.equal([]);
    expect(lost.errors.map((error) => error.message)).to.deep.equal(['Invalid record checksum']);
    const record = { sequenceNumber: '1', partitionKey: 'outer', data };
    const unpacked = unpackRecord(record, undefined, 'emit');
    expect(unpacked.records).to.deep.equal([record]);
    expect(unpacked.complaint).to.match(/MD5/);
  });

  it('delivers a message without a required field raw, while aws-kinesis-agg loses the record', () => {
    const data = envelope(message(['a'], [{ pk: 0, data: 'one' }, { pk: 0 }]));
    expect(aggDecode(data).records).to.deep.equal([]);
    expect(aggDecode(data).errors).to.have.length(1);
    expect(
      unpackRecord({ sequenceNumber: '1', partitionKey: 'outer', data }, undefined, 'emit').records[0]!.data,
    ).to.equal(data);
  });

  it('keeps user records before a bad key index and reports the rest, while aws-kinesis-agg delivers records without keys', () => {
    const data = envelope(
      message(
        ['a'],
        [
          { pk: 0, data: 'one' },
          { pk: 1, data: 'two' },
        ],
      ),
    );
    expect(theirs(data).map((record) => record.partitionKey)).to.deep.equal(['a', undefined]);
    const unpacked = unpackRecord({ sequenceNumber: '1', partitionKey: 'outer', data }, undefined, 'emit');
    expect(unpacked.records.map((record) => record.partitionKey)).to.deep.equal(['a']);
    expect(unpacked.undecoded).to.not.equal(undefined);
  });

  it('encodes and decodes empty data, which the decoder of aws-kinesis-agg reads, too', () => {
    const empty = { partitionKey: 'a', data: Buffer.alloc(0) };
    const data = encodeAggregate([empty]);
    expect(theirs(data).map((record) => record.data)).to.deep.equal(['']);
    expect(decodeAggregate(data).records!.map((record) => record.data.length)).to.deep.equal([0]);
  });
});
