// Our aggregates fill a record up to its limit and not beyond, hold user records of one shard only, and lose nothing when decoded.
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { isKinactError } from '../../../../src/api/errors.js';
import { decodeAggregate, type PackedRecord } from '../../../../src/aws/aggregation/aggregate.js';
import {
  aggregateRecords,
  encodeAggregate,
  MAX_RECORD_BYTES,
  type RecordToPut,
} from '../../../../src/aws/aggregation/aggregate-encoder.js';
import { decimalMd5, envelope, message } from '../../../support/aggregate-bytes.js';

const HIGHEST = (1n << 128n) - 1n;

function user(partitionKey: string, data: string | Uint8Array = 'x', explicitHashKey?: string): PackedRecord {
  const content = typeof data === 'string' ? Buffer.from(data) : data;
  return explicitHashKey === undefined
    ? { partitionKey, data: content }
    : { partitionKey, data: content, explicitHashKey };
}

function invalidOption(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isKinactError(error) && error.code === 'INVALID_OPTION') return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Shards of equal width over the whole key space. */
function shards(count: number) {
  const width = (HIGHEST + 1n) / BigInt(count);
  return Array.from({ length: count }, (_, i) => {
    const start = width * BigInt(i);
    const end = i === count - 1 ? HIGHEST : start + width - 1n;
    return { shardId: `shard-${i}`, hashKeyRange: { startingHashKey: String(start), endingHashKey: String(end) } };
  });
}

function effective({ partitionKey, explicitHashKey }: { partitionKey: string; explicitHashKey?: string }): bigint {
  return explicitHashKey === undefined ? decimalMd5(partitionKey) : BigInt(explicitHashKey);
}

function putBytes(record: RecordToPut): number {
  return record.data.length + Buffer.byteLength(record.partitionKey);
}

describe('encodeAggregate', () => {
  it('writes each key once, in the order of first use, with indices that refer to it', () => {
    const records = [user('10', 'a', '7'), user('9', 'b'), user('10', 'c', '6'), user('b', 'd', '7')];
    const expected = message(
      ['10', '9', 'b'],
      [
        { pk: 0, ehk: 0, data: 'a' },
        { pk: 1, data: 'b' },
        { pk: 0, ehk: 1, data: 'c' },
        { pk: 2, ehk: 0, data: 'd' },
      ],
      ['7', '6'],
    );
    expect(Buffer.from(encodeAggregate(records)).toString('hex')).to.equal(envelope(expected).toString('hex'));
  });

  it('refuses an empty list, keys that the service refuses, and more data than fits into a record', () => {
    expect(invalidOption(() => encodeAggregate([]))).to.match(/at least one/);
    expect(invalidOption(() => encodeAggregate([user('ok'), user('')]))).to.match(/records\[1\]\.partitionKey/);
    expect(invalidOption(() => encodeAggregate([user('k'.repeat(257))]))).to.match(/257/);
    for (const bad of ['-1', '01', '', '1e3', String(HIGHEST + 1n)]) {
      expect(
        invalidOption(() => encodeAggregate([user('k', 'x', bad)])),
        bad,
      ).to.match(/explicitHashKey/);
    }
    expect(invalidOption(() => encodeAggregate([user('k', Buffer.alloc(MAX_RECORD_BYTES))]))).to.match(
      /at most 10485760/,
    );
    expect(() => encodeAggregate([user('\u{1f600}'.repeat(256), 'x', String(HIGHEST))])).to.not.throw();
  });

  it('refuses arguments of wrong types from plain JavaScript, instead of making an unreadable aggregate', () => {
    const given = (records: unknown) => () => encodeAggregate(records as PackedRecord[]);
    expect(invalidOption(given([{ partitionKey: 'a', data: 'hello' }]))).to.match(
      /^records\[0\]\.data: expected a Uint8Array, got 'hello'$/,
    );
    for (const [data, got] of [
      [{}, 'an object'],
      [new ArrayBuffer(3), 'an ArrayBuffer'],
      [5, '5'],
      [null, 'null'],
      [undefined, 'undefined'],
      [[1], 'an array'],
    ] as const)
      expect(invalidOption(given([user('a'), { partitionKey: 'b', data }]))).to.equal(
        `records[1].data: expected a Uint8Array, got ${got}`,
      );
    for (const key of [5, 5n, ['5'], null, '', '-1', '1.0', '01', ' 1', String(2n ** 128n)])
      expect(invalidOption(given([{ ...user('a'), explicitHashKey: key }]))).to.match(
        /^records\[0\]\.explicitHashKey: expected a string with a decimal number below 2\^128, got /,
      );
    expect(invalidOption(given([{ data: Buffer.of(1) }]))).to.match(/records\[0\]\.partitionKey: .*got undefined/);
    expect(invalidOption(given([{ partitionKey: 7, data: Buffer.of(1) }]))).to.equal(
      'records[0].partitionKey: expected a string, got 7',
    );
    expect(invalidOption(given([null]))).to.match(/^records\[0\]: expected an object .*, got null$/);
    expect(invalidOption(given([user('a'), 'b']))).to.match(/^records\[1\]: expected an object .*, got 'b'$/);
    expect(invalidOption(given(undefined))).to.match(/^records: expected an array .*, got undefined$/);
    expect(invalidOption(given(user('a')))).to.match(/^records: expected an array .*, got an object$/);
    expect(invalidOption(given([]))).to.match(/^records: expected at least one user record, got an empty array$/);
    expect(() => encodeAggregate([user('a', 'x', '0'), user('a', 'x', String(2n ** 128n - 1n))])).to.not.throw();
  });

  it('accepts bytes of another realm', () => {
    const foreign = runInNewContext('Uint8Array.of(65)') as Uint8Array;
    expect(decodeAggregate(encodeAggregate([user('a', foreign)])).records![0]!.data.toString()).to.equal('A');
  });

  it('accepts data that fill a record to the last byte, and refuses one byte more', () => {
    // Both length fields take as many bytes here as in the full aggregate.
    const overhead =
      encodeAggregate([user('k', Buffer.alloc(500_000)), user('k', Buffer.alloc(5_000_000))]).length - 5_500_000;
    const full = MAX_RECORD_BYTES - 'k'.length - overhead - 500_000;
    expect(encodeAggregate([user('k', Buffer.alloc(500_000)), user('k', Buffer.alloc(full))])).to.have.length(
      MAX_RECORD_BYTES - 1,
    );
    expect(() => encodeAggregate([user('k', Buffer.alloc(500_000)), user('k', Buffer.alloc(full + 1))])).to.throw();
  });
});

describe('aggregateRecords', () => {
  const many = Array.from({ length: 500 }, (_, i) =>
    user(`key-${i % 50}`, `${i}`, i % 7 === 0 ? String((HIGHEST / 500n) * BigInt(i)) : undefined),
  );

  it('puts only user records of one shard into an aggregate, whose own key is in this shard', () => {
    for (const count of [1, 2, 3, 7]) {
      const targets = shards(count);
      const puts = aggregateRecords(many, targets);
      expect(puts).to.have.length(count);
      for (const put of puts) {
        const range = targets.find((shard) => shard.shardId === put.shardId)!.hashKeyRange;
        for (const key of [put, ...decodeAggregate(put.data).records!].map(effective)) {
          expect(key >= BigInt(range.startingHashKey) && key <= BigInt(range.endingHashKey)).to.equal(true);
        }
      }
    }
  });

  it('loses no user record, and keeps their order within a shard', () => {
    const puts = aggregateRecords(many, shards(3), { maxBytes: 1000 });
    expect(puts.length).to.be.greaterThan(5);
    const out = puts.flatMap((put) => put.records);
    expect(out).to.have.length(many.length);
    expect(out.every((record) => many.includes(record)) && new Set(out).size === many.length).to.equal(true);
    for (const shardId of ['shard-0', 'shard-1', 'shard-2']) {
      const positions = puts
        .filter((put) => put.shardId === shardId)
        .flatMap((put) => put.records.map((record) => many.indexOf(record)));
      expect(positions).to.deep.equal([...positions].sort((a, b) => a - b));
    }
    for (const put of puts) {
      expect(put.partitionKey).to.equal(put.records[0]!.partitionKey);
      expect(put.explicitHashKey).to.equal(put.records[0]!.explicitHashKey);
      if (put.records.length > 1) expect(decodeAggregate(put.data).records).to.have.length(put.records.length);
    }
  });

  it('aggregates in the given order, whatever the keys, if no shards are given', () => {
    const puts = aggregateRecords(many);
    expect(puts).to.have.length(1);
    expect(puts[0]!.records).to.deep.equal(many);
    expect(puts[0]).to.not.have.property('shardId');
  });

  it('keeps every record within maxBytes, outer partition key included, and within maxRecords', () => {
    const big = Array.from({ length: 60 }, (_, i) => user('p'.repeat(200) + i, Buffer.alloc(i * 2000)));
    for (const maxBytes of [undefined, 300_000, 120_000]) {
      const puts = aggregateRecords(big, undefined, maxBytes === undefined ? {} : { maxBytes });
      for (const put of puts) expect(putBytes(put)).to.be.at.most(maxBytes ?? MAX_RECORD_BYTES);
      expect(puts.flatMap((put) => put.records)).to.deep.equal(big);
    }
    const puts = aggregateRecords(many, undefined, { maxRecords: 20 });
    expect(puts.map((put) => put.records.length)).to.deep.equal(Array.from({ length: 25 }, () => 20));
  });

  it('sends a lone user record as a plain record up to the limit, and refuses a larger one', () => {
    const data = Buffer.alloc(MAX_RECORD_BYTES - 1);
    const [put] = aggregateRecords([user('k', data, '5')]);
    expect(put!.data).to.equal(data);
    expect(aggregateRecords([user('a'), user('k', data)], undefined, { maxBytes: 50_000 })[1]!.data).to.equal(data);
    expect(put!.explicitHashKey).to.equal('5');
    expect(invalidOption(() => aggregateRecords([user('a'), user('k', Buffer.alloc(MAX_RECORD_BYTES))]))).to.match(
      /10485761 bytes/,
    );
  });

  it('wraps a lone user record if its data look like an aggregate', () => {
    const nested = encodeAggregate([user('inner')]);
    const [put] = aggregateRecords([user('outer', nested)]);
    expect(decodeAggregate(put!.data).records!.map(({ data }) => Buffer.from(data))).to.deep.equal([
      Buffer.from(nested),
    ]);
  });

  it('sends a user record alone if no open shard has its hash key', () => {
    const [first, second] = shards(2);
    const targets = [first!, { ...second!, endingSequenceNumber: '1' }, { shardId: 'rangeless' }];
    const puts = aggregateRecords(
      [user('k', 'a', '0'), user('k', 'b', String(HIGHEST)), user('k', 'c', String(HIGHEST)), user('k', 'd', '1')],
      targets,
    );
    expect(puts.map((put) => [put.shardId, put.records.length])).to.deep.equal([
      ['shard-0', 2],
      [undefined, 1],
      [undefined, 1],
    ]);
  });
});
