// The scanner takes an answer apart exactly as JSON.parse and Buffer.from do, or leaves it to them.
import { expect } from 'chai';
import { parseAnswer, recordsOf, scanOrParse } from '../../../../../src/aws/kinesis/get-records-answer.js';
import { scanAnswer } from '../../../../../src/aws/kinesis/scanner/record-scanner.js';
import { SlabRecords } from '../../../../../src/core/slab-record.js';

const number = '49664782231471234509240000000000000000000000000000000002';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const members = {
  ApproximateArrivalTimestamp: '1767225600.123',
  Data: `"${base64('some data')}"`,
  PartitionKey: '"a key"',
  SequenceNumber: `"${number}"`,
};
const recordOf = (more: Readonly<Record<string, string | undefined>>): string =>
  `{${Object.entries({ ...members, ...more })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`;
const answer = (...records: readonly string[]): string =>
  `{"MillisBehindLatest":7,"Records":[${records.join(',')}],"NextShardIterator":"AAA/+="}`;
const scan = (text: string): ReturnType<typeof scanAnswer> => scanAnswer([Buffer.from(text)], Buffer.byteLength(text));

/** What both ways give, which must be the same. */
function read(text: string, parts: readonly Uint8Array[] = [Buffer.from(text)]): readonly object[] {
  const output = scanOrParse(parts, Buffer.byteLength(text));
  const parsed = parseAnswer(Buffer.from(text));
  const members = ({ sequenceNumber, partitionKey, data, arrivedAt }: ReturnType<typeof one>): object => ({
    ...{ sequenceNumber, partitionKey, data: Buffer.from(data), arrivedAt },
  });
  const one = (list: typeof output) => recordsOf(list).at(0)!;
  expect(JSON.stringify(output), 'what stands beside the records').to.equal(JSON.stringify(parsed));
  const got = [...recordsOf(output)].map(members);
  expect(got).to.deep.equal([...recordsOf(parsed)].map(members));
  return got;
}

describe('the scanner of GetRecords answers', () => {
  it('decodes a record as JSON.parse and Buffer.from do', () => {
    const text = answer(recordOf({}));
    expect(scan(text)?.records).to.be.instanceOf(SlabRecords);
    expect(read(text)).to.deep.equal([
      { sequenceNumber: number, partitionKey: 'a key', data: Buffer.from('some data'), arrivedAt: 1_767_225_600_123 },
    ]);
  });

  it('decodes every length of data, so every padding, and every byte', () => {
    for (const from of [0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 47, 48, 49, 500]) {
      const bytes = Buffer.from(Array.from({ length: from }, (_, at) => (at * 37 + from) % 256));
      const text = answer(recordOf({ Data: `"${bytes.toString('base64')}"` }));
      expect(scan(text), `${from} bytes`).to.not.equal(undefined);
      expect(read(text)).to.have.nested.property('[0].data').that.deep.equals(bytes);
    }
  });

  it('takes members in any order, and without a key, a time or an encryption type', () => {
    const { ApproximateArrivalTimestamp: at, Data, PartitionKey, SequenceNumber } = members;
    for (const record of [
      `{"SequenceNumber":${SequenceNumber},"Data":${Data}}`,
      `{"Data":${Data},"PartitionKey":${PartitionKey},"SequenceNumber":${SequenceNumber}}`,
      `{"PartitionKey":${PartitionKey},"SequenceNumber":${SequenceNumber},"ApproximateArrivalTimestamp":${at},"Data":${Data}}`,
      recordOf({ EncryptionType: '"KMS"' }),
      recordOf({ PartitionKey: '""' }),
    ]) {
      expect(scan(answer(record, record)), record).to.not.equal(undefined);
      expect(read(answer(record, record))).to.have.length(2);
    }
  });

  it('takes times in every notation with at most three places', () => {
    for (const [time, ms] of [
      ['1767225600', 1_767_225_600_000],
      ['1767225600.5', 1_767_225_600_500],
      ['1.767225600123E9', 1_767_225_600_123],
      ['1.7672256e9', 1_767_225_600_000],
      ['1.7672256E+9', 1_767_225_600_000],
    ] as const) {
      const text = answer(recordOf({ ApproximateArrivalTimestamp: time }));
      expect(scan(text), time).to.not.equal(undefined);
      expect(read(text)).to.have.nested.property('[0].arrivedAt', ms);
    }
  });

  it('reads an answer in parts, an empty list, and records larger than a slab', () => {
    const large = answer(
      ...[70_000, 10, 200_000, 1].map((bytes) => recordOf({ Data: `"${Buffer.alloc(bytes, 7).toString('base64')}"` })),
    );
    const bytes = Buffer.from(large);
    const parts = Array.from({ length: Math.ceil(bytes.length / 1_000) }, (_, at) =>
      bytes.subarray(at * 1_000, at * 1_000 + 1_000),
    );
    expect(read(large, parts)).to.have.length(4);
    expect(read(answer())).to.deep.equal([]);
    expect(scan(answer())?.records).to.have.length(0);
  });

  const leftToJson: Readonly<Record<string, string>> = {
    'an escape in a key': answer(recordOf({ PartitionKey: '"a\\u00e9\\"b"' })),
    'a character above ASCII in a key': answer(recordOf({ PartitionKey: '"ключ"' })),
    'white space': answer(recordOf({})).replaceAll(',', ', '),
    'a member that it does not know': answer(recordOf({ More: '1' })),
    'a member that comes twice': answer(recordOf({}).replace('{', `{"Data":"${base64('other')}",`)),
    'base64 of another alphabet': answer(recordOf({ Data: '"_-8="' })),
    'base64 without its padding': answer(recordOf({ Data: '"YQ"' })),
    'an escaped slash in base64': answer(recordOf({ Data: '"\\/\\/8="' })),
    'a time of many places': answer(recordOf({ ApproximateArrivalTimestamp: '1767225600.123456' })),
    'a time of null': answer(recordOf({ ApproximateArrivalTimestamp: 'null' })),
    'a list of children before the records': answer(recordOf({})).replace('{', '{"ChildShards":[{"ShardId":"s"}],'),
    'another list of records after it': answer(recordOf({})).replace(/}$/, ',"Records":[]}'),
    'a list of records in another member': `{"X":{"Records":[${recordOf({})}]},"Records":[]}`,
  };
  for (const [what, text] of Object.entries(leftToJson)) {
    it(`leaves ${what} to JSON.parse`, () => {
      expect(scan(text)).to.equal(undefined);
      read(text);
    });
  }

  for (const [what, text] of Object.entries({
    'no answer': '[]',
    'half an answer': answer(recordOf({}), recordOf({})).slice(0, -60),
    'a record without data': answer(recordOf({ Data: undefined })),
    'a record without a number': answer(recordOf({ SequenceNumber: undefined })),
    'a number that is none': answer(recordOf({ SequenceNumber: '"12a"' })),
    'an empty number': answer(recordOf({ SequenceNumber: '""' })),
    'a control character in a key': answer(recordOf({ PartitionKey: '"a\u0001"' })),
    'a comma too many': answer(recordOf({}), ''),
    'a time with a leading zero': answer(recordOf({ ApproximateArrivalTimestamp: '01' })),
    'a time with a point at its end': answer(recordOf({ ApproximateArrivalTimestamp: '1.' })),
    'something behind the answer': `${answer(recordOf({}))}x`,
  })) {
    it(`refuses ${what}, as JSON.parse does`, () => {
      expect(() => parseAnswer(Buffer.from(text))).to.throw(SyntaxError);
      expect(() => scanOrParse([Buffer.from(text)], Buffer.byteLength(text))).to.throw(SyntaxError);
    });
  }

  it('keeps the records of an answer when the next one is scanned', () => {
    const [first, second] = ['first', 'other'].map((data) => answer(recordOf({ Data: `"${base64(data)}"` })));
    const kept = scan(first!)!.records.at(0)!;
    scan(second!);
    expect(kept.data.toString()).to.equal('first');
  });

  it('leaves an answer to JSON.parse if the machine has no memory for it', () => {
    // What is scanned before has a memory of a few MiB, so this answer needs more.
    const text = answer(recordOf({ Data: `"${Buffer.alloc(9_000_000, 7).toString('base64')}"` }));
    const memory = (
      globalThis as unknown as { WebAssembly: { Memory: { prototype: { grow(pages: number): number } } } }
    ).WebAssembly.Memory.prototype;
    const { grow } = memory;
    memory.grow = () => {
      throw new RangeError('no memory');
    };
    try {
      expect(scan(text)).to.equal(undefined);
    } finally {
      memory.grow = grow;
    }
    expect(scan(text)?.records).to.have.length(1);
  });

  it('gives up above ten thousand records, more than GetRecords answers with', () => {
    const many = answer(...Array.from({ length: 10_001 }, () => recordOf({})));
    expect(scan(many)).to.equal(undefined);
    expect(read(many)).to.have.length(10_001);
  });
});
