// The decoder agrees with a naive decoder about 20,000 aggregates, most of them broken behind a right checksum, and never throws.
// KINACT_SEED=n runs another sequence; the seed is in the test's name, the input in the message of a failure.
import { expect } from 'chai';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deflateSync } from 'node:zlib';
import { decodeAggregate, unpackRecord } from '../../src/aws/aggregation/aggregate.js';
import {
  bytes,
  decimalMd5,
  delimited,
  envelope,
  MAGIC,
  message,
  number,
  varint,
  type Bytes,
  type WrittenRecord,
} from '../support/aggregate-bytes.js';
import { naiveUnpack } from '../support/naive-aggregate.js';

const SEED = Number(process.env['KINACT_SEED'] ?? 20_260_117);
const INPUTS = 20_000;
/** The smallest user record on the wire: tag, length, partition key index, empty data. */
const SMALLEST_RECORD = 6;

/** mulberry32: a number in [0, 1) from 32 bits of state. */
function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomFrom(SEED);
const below = (limit: number): number => Math.floor(random() * limit);
const chance = (probability: number): boolean => random() < probability;
const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => below(256)));
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

const hashKeys = [
  '0',
  '7',
  '340282366920938463463374607431768211455',
  '340282366920938463463374607431768211456',
  '-3',
  '+08',
  'x',
  '',
];
const oddVarints = [0n, 1n, 127n, 128n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 1n << 32n, (1n << 64n) - 1n];

/** A field that no aggregate has, or not with that type. */
function strayField(): Bytes {
  switch (below(5)) {
    case 0:
      return number(pick([1, 3, 4, 9]), pick(oddVarints));
    case 1:
      return [varint((pick([1, 4, 9]) << 3) | 1), noise(8)];
    case 2:
      return delimited(9, noise(below(20)));
    case 3:
      return [0x4b, chance(0.5) ? strayField() : [], 0x4c];
    default:
      return [varint((pick([2, 9]) << 3) | 5), noise(4)];
  }
}

function validMessage(): Buffer {
  const partitionKeys = times(1 + below(5), () => pick<Bytes>(['a', 'b', '10', '9', 'ключ', '', noise(3)]));
  const explicitHashKeys = times(below(4), () => pick(hashKeys));
  const records = times(below(chance(0.05) ? 300 : 8), (): WrittenRecord => {
    const withHashKey = explicitHashKeys.length > 0 && chance(0.4) ? { ehk: below(explicitHashKeys.length) } : {};
    const tags = chance(0.1) ? delimited(4, delimited(1, 'k'), chance(0.5) ? delimited(2, 'v') : []) : [];
    const more = [tags, chance(0.1) ? strayField() : []];
    return { pk: below(partitionKeys.length), ...withHashKey, data: noise(below(30)), more };
  });
  // Sometimes an index that is in no table.
  if (records.length > 0 && chance(0.1)) records.push({ pk: pick(oddVarints), ehk: pick(oddVarints), data: 'x' });
  return bytes(message(partitionKeys, records, explicitHashKeys), chance(0.1) ? strayField() : []);
}

const pool = times(400, validMessage);

function mutate(original: Buffer): Buffer {
  let content: Buffer = Buffer.from(original);
  for (let edits = 1 + below(3); edits > 0; edits--) {
    const at = below(content.length + 1);
    const head = content.subarray(0, at);
    const tail = content.subarray(Math.min(content.length, at + (chance(0.5) ? 0 : below(10))));
    const other = pick(pool);
    const from = below(other.length + 1);
    switch (below(8)) {
      case 0:
        if (at < content.length) content[at]! ^= 1 << below(8);
        break;
      case 1:
        if (at < content.length)
          content[at] = pick([0, 1, 2, 5, 6, 7, 0x08, 0x0a, 0x12, 0x1a, 0x22, 0x4b, 0x4c, 0x7f, 0x80, 0xff]);
        break;
      case 2:
        content = bytes(head, noise(below(8)), tail);
        break;
      case 3:
        content = bytes(head, varint(pick(oddVarints)), tail);
        break;
      case 4:
        content = bytes(head, strayField(), tail);
        break;
      case 5:
        content = bytes(head, other.subarray(from, from + below(40)), tail);
        break;
      case 6:
        content = bytes(head, Buffer.alloc(below(200), pick([0x4b, 0x80, 0x0a, 0x1a, 0xff])), tail);
        break;
      default:
        content = bytes(head);
    }
  }
  return content;
}

function input(): Buffer {
  const format = pick(['kpl', 'kpl', 'kpl', 'kpl', 'erlmld', 'erlmld-deflate'] as const);
  const kind = random();
  if (kind < 0.85) return envelope(mutate(pick(pool)), format);
  if (kind < 0.92) return envelope(pick(pool), format);
  if (kind < 0.97) return bytes(MAGIC[format], mutate(envelope(pick(pool), format).subarray(4)));
  return chance(0.5) ? noise(below(64)) : bytes(MAGIC[format], noise(below(64)));
}

const half = { startingHashKey: '0', endingHashKey: String((1n << 127n) - 1n) };
const narrow = { startingHashKey: String(decimalMd5('a')), endingHashKey: String(decimalMd5('a')) };
const ranges = [undefined, half, half, narrow];

type Outcome = 'raw' | 'invalid' | 'whole' | 'filtered' | 'undecoded';

/** Compares the result for one input with that of the naive decoder, and checks its bounds. */
function check(data: Buffer): Outcome {
  const range = pick(ranges);
  const policy = pick(['emit', 'dropRecord', 'dropAggregate'] as const);
  const expected = naiveUnpack(
    data,
    range && { start: BigInt(range.startingHashKey), end: BigInt(range.endingHashKey) },
    policy,
  );
  const raw = { sequenceNumber: '1', partitionKey: 'outer', data };
  const unpacked = unpackRecord(raw, range, policy);
  const decoded = decodeAggregate(data);
  if (expected.type === 'raw') {
    expect(unpacked.records).to.have.length(1);
    expect(unpacked.records[0]).to.equal(raw);
    expect(unpacked.undecoded ?? unpacked.filtered ?? decoded.records).to.equal(undefined);
    return expected.parsed ? 'invalid' : 'raw';
  }
  const { records, filtered = [] } = unpacked;
  const found = records.map(({ partitionKey, explicitHashKey, data: content }) => [
    partitionKey,
    explicitHashKey,
    Buffer.from(content).toString('hex'),
  ]);
  const wanted = expected.records.map(({ partitionKey, explicitHashKey, data: content }) => [
    partitionKey,
    explicitHashKey,
    content,
  ]);
  // Compared as text, because chai's deep equality is too slow for so many inputs.
  expect(JSON.stringify(found)).to.equal(JSON.stringify(wanted));
  expect(filtered.join()).to.equal(expected.filtered.join());
  expect(unpacked.undecoded !== undefined).to.equal(expected.undecoded);
  expect(unpacked.complaint !== undefined).to.equal(expected.undecoded);
  expect(unpacked.isDivisible).to.equal(expected.isDivisible);
  expect(records.every((record, i) => record.subSequenceNumber === i)).to.equal(true);
  expect(records.length * SMALLEST_RECORD).to.be.at.most(expected.bytes);
  expect(decoded.records!.length).to.be.at.least(records.length);
  let total = 0;
  for (const record of records) total += record.data.length;
  expect(total).to.be.at.most(expected.bytes);
  return expected.undecoded ? 'undecoded' : filtered.length > 0 ? 'filtered' : 'whole';
}

describe('the aggregate decoder', () => {
  it(`decodes ${INPUTS} fuzzed inputs as KCL clause 3.3 says, in bounded time (seed ${SEED})`, function () {
    this.timeout(300_000);
    const outcomes: Record<Outcome, number> = { raw: 0, invalid: 0, whole: 0, filtered: 0, undecoded: 0 };
    for (let i = 0; i < INPUTS; i++) {
      const data = input();
      try {
        outcomes[check(data)]++;
      } catch (error) {
        throw new Error(`input ${i} of seed ${SEED}: ${data.toString('hex')}`, { cause: error });
      }
    }
    // Most inputs must reach the protobuf parser, and every outcome must be frequent. Otherwise this test would prove little.
    expect(outcomes.raw).to.be.below(INPUTS * 0.15);
    for (const outcome of ['raw', 'invalid', 'whole', 'filtered', 'undecoded'] as const) {
      expect(outcomes[outcome], JSON.stringify(outcomes)).to.be.above(INPUTS * 0.02);
    }
  });
});

describe('the aggregate decoder, with a hostile record of up to a mebibyte', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const size = 1024 * 1024;
  const fill = (unit: Buffer): Buffer => Buffer.alloc(Math.floor(size / unit.length) * unit.length, unit);

  /** Bytes that stay allocated because of what `unpackRecord` returned, inflated input included. */
  function retained(data: Buffer): number {
    // Twice: the first frees the objects, the second waits for the sweeper to have freed their buffers.
    collect();
    collect();
    const before = process.memoryUsage();
    const unpacked = unpackRecord({ sequenceNumber: '1', partitionKey: 'outer', data }, half, 'dropRecord');
    collect();
    collect();
    const after = process.memoryUsage();
    expect(unpacked.records.length).to.be.at.least(0);
    return after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers;
  }

  const shapes: readonly [string, () => Buffer, number][] = [
    [
      'of the smallest user records',
      () => envelope(bytes(delimited(1, 'a'), fill(bytes(0x1a, 4, 0x08, 0, 0x1a, 0)))),
      32,
    ],
    [
      'of user records of one byte',
      () => envelope(bytes(delimited(1, 'a'), fill(bytes(0x1a, 5, 0x08, 0, 0x1a, 1, 0x78)))),
      48,
    ],
    ['of empty keys', () => envelope(fill(bytes(0x0a, 0))), 16],
    ['of empty explicit hash keys', () => envelope(fill(bytes(0x12, 0))), 16],
    ['of open groups', () => envelope(fill(Buffer.of(0x4b))), 1],
    ['of closed groups', () => envelope(fill(Buffer.of(0x4b, 0x4c))), 1],
    ['of one endless varint', () => envelope(fill(Buffer.of(0x80))), 1],
    ['of lengths beyond its end', () => envelope(fill(Buffer.of(0x1a, 0xff, 0xff, 0xff, 0x07))), 1],
    [
      'that is one explicit hash key',
      () => envelope(bytes(delimited(2, fill(Buffer.from('9'))), message(['a'], [{ pk: 0, ehk: 0, data: 'x' }]))),
      4,
    ],
    [
      'that inflates a thousandfold',
      () => bytes(MAGIC['erlmld-deflate'], deflateSync(Buffer.alloc(128 * size), { level: 9 })),
      1,
    ],
  ];

  for (const [what, make, most] of shapes) {
    it(`takes bounded time and keeps less than ${most} MiB, for a record ${what}`, function () {
      // Milliseconds if the work is linear in the input, minutes if it is not.
      this.timeout(120_000);
      expect(retained(make()) / size).to.be.below(most);
    });
  }
});
