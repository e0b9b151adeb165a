// Our codec against aws-kinesis-agg 4.2.8, both ways, and the cases where that one is wrong.
import { expect } from 'chai';
import fc from 'fast-check';
import { decodeAggregate, unpackRecord } from '../../../src/aws/aggregation/aggregate.js';
import type { AggregatedRecord } from '../../../src/aws/aggregation/aggregate.js';
import { encodeAggregate } from '../../../src/aws/aggregation/aggregate-encoder.js';
import { aggDecode, aggEncode } from '../../support/aws-kinesis-agg.js';
import { envelope, message } from '../../support/aggregate-bytes.js';

const HIGHEST = (1n << 128n) - 1n;

/** Keys of its tables are property names to the oracle: integer-like ones are its known error, these two break it. */
const key = fc
  .oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), fc.constantFrom('a', 'b', 'constructor', '01'))
  .filter((text) => !/^(0|[1-9]\d*|__proto__|hasOwnProperty)$/.test(text));
/** Explicit hash keys of 20 digits or more, for the same reason. */
const hashKey = fc.bigInt({ min: 10n ** 20n, max: HIGHEST }).map(String);
/** The oracle takes empty data for missing data. */
const content = fc.uint8Array({ minLength: 1, maxLength: 300 });

/** All records with an explicit hash key, or none: the oracle reads an unset index as 0. */
const records = fc.oneof(
  fc.array(fc.record({ partitionKey: key, data: content }), { minLength: 1, maxLength: 30 }),
  fc.array(fc.record({ partitionKey: key, explicitHashKey: hashKey, data: content }), { minLength: 1, maxLength: 30 }),
);

interface Comparable {
  partitionKey: string | undefined;
  explicitHashKey: string | undefined;
  data: string;
}

function ours(found: readonly AggregatedRecord[]): Comparable[] {
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

describe('aggregate codec against aws-kinesis-agg', () => {
  it('our decoder reads what its encoder writes', () => {
    fc.assert(
      fc.property(records, (input) => {
        expect(ours(decodeAggregate(aggEncode(input).data).records!)).to.deep.equal(ours(input));
      }),
      { numRuns: 500 },
    );
  });

  it('its decoder reads what our encoder writes', () => {
    fc.assert(
      fc.property(records, (input) => {
        expect(theirs(encodeAggregate(input))).to.deep.equal(ours(input));
      }),
      { numRuns: 500 },
    );
  });

  it('both encoders write the same bytes, except that it sorts integer-like keys', () => {
    fc.assert(
      fc.property(records, (input) => {
        expect(Buffer.from(encodeAggregate(input)).toString('hex')).to.equal(aggEncode(input).data.toString('hex'));
      }),
      { numRuns: 500 },
    );
  });

  it('our decoder reads what our encoder writes, also where aws-kinesis-agg does not', () => {
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
        const decoded = decodeAggregate(encodeAggregate(input as AggregatedRecord[]));
        expect(ours(decoded.records!)).to.deep.equal(ours(input as AggregatedRecord[]));
        expect(decoded.complaint).to.equal(undefined);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('where aws-kinesis-agg is wrong the KPL format decides', () => {
  const one = Buffer.from('one');
  const two = Buffer.from('two');

  it('integer-like partition keys: its encoder swaps them, so both decoders read them swapped; ours keeps them', () => {
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

  it('an unset explicit hash key: its decoder reads index 0, the first of the table; ours reads none', () => {
    const data = encodeAggregate([
      { partitionKey: 'a', explicitHashKey: '5', data: one },
      { partitionKey: 'b', data: two },
    ]);
    expect(theirs(data).map((record) => record.explicitHashKey)).to.deep.equal(['5', '5']);
    expect(decodeAggregate(data).records!.map((record) => record.explicitHashKey)).to.deep.equal(['5', undefined]);
  });

  it('a bad checksum: its decoder loses the record with an error; ours delivers it raw with a complaint', () => {
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

  it('a message without a required field: its decoder loses the record with an error; ours delivers it raw', () => {
    const data = envelope(message(['a'], [{ pk: 0, data: 'one' }, { pk: 0 }]));
    expect(aggDecode(data).records).to.deep.equal([]);
    expect(aggDecode(data).errors).to.have.length(1);
    expect(
      unpackRecord({ sequenceNumber: '1', partitionKey: 'outer', data }, undefined, 'emit').records[0]!.data,
    ).to.equal(data);
  });

  it('an index beyond its table: its decoder delivers records without a key; ours keeps those before and reports the rest', () => {
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

  it('empty data: its encoder refuses them, its decoder and ours read them', () => {
    const empty = { partitionKey: 'a', data: Buffer.alloc(0) };
    const data = encodeAggregate([empty]);
    expect(theirs(data).map((record) => record.data)).to.deep.equal(['']);
    expect(decodeAggregate(data).records!.map((record) => record.data.length)).to.deep.equal([0]);
  });
});
