// Drawn and garbled answers of GetRecords: whatever the bytes, the scanner and JSON.parse give the same, or both refuse. `KINACT_FUZZ`: how
// many answers are drawn, in place of 3,000.
import { expect } from 'chai';
import { parseAnswer, recordsOf, scanOrParse } from '../../src/aws/kinesis/get-records-answer.js';
import { scanAnswer } from '../../src/aws/kinesis/scanner/record-scanner.js';
import { createDice, type Dice } from '../../src/testing/dice.js';

const runs = Number(process.env['KINACT_FUZZ'] ?? 3_000);
const keys = [
  'k',
  'customer-17',
  '',
  'a"b',
  'a\\b',
  'ключ',
  '\u0000',
  '😀',
  ' ',
  'x'.repeat(256),
  '{"Records":[',
  ']}',
];
const garbage = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '=',
  '0',
  'E',
  '.',
  '-',
  ' ',
  '\u0000',
  'é',
  '/',
  '+',
  '"Records":[',
];

const below = (dice: Dice, limit: number): number => dice.between(0, limit - 1);

function time(dice: Dice): string {
  const ms = 1_767_225_600_000 + below(dice, 100_000_000);
  return dice.pick([
    String(ms / 1_000),
    `${ms / 1e12}E9`,
    (ms / 1_000).toExponential(12),
    String(Math.floor(ms / 1_000)),
    `${ms / 1_000}${below(dice, 10)}`,
    '0.5',
    'null',
  ]);
}

function record(dice: Dice, index: number): string {
  const { chance } = dice;
  const data = Buffer.from(
    Array.from({ length: dice.pick([0, 1, 2, 3, 15, 16, 17, below(dice, 300)]) }, () => below(dice, 256)),
  );
  const key = dice.pick(chance(0.8) ? keys.slice(0, 2) : keys);
  const members = [
    `"Data":"${data.toString('base64')}"`,
    `"SequenceNumber":"${4_966_000 + index}${below(dice, 1e9)}"`,
    ...(chance(0.95) ? [`"PartitionKey":${JSON.stringify(key)}`] : []),
    ...(chance(0.9) ? [`"ApproximateArrivalTimestamp":${time(dice)}`] : []),
    ...(chance(0.1) ? ['"EncryptionType":"NONE"'] : []),
    ...(chance(0.01) ? ['"Other":{"Records":[]}'] : []),
  ];
  return `{${chance(0.5) ? members.join(',') : members.toReversed().join(',')}}`;
}

function answer(dice: Dice): Buffer {
  const { chance } = dice;
  const list = Array.from({ length: below(dice, 5) }, (_, index) => record(dice, index)).join(',');
  const before = chance(0.5) ? '"MillisBehindLatest":5,' : '';
  const after = chance(0.5) ? ',"NextShardIterator":"AAAA/b+c="' : '';
  const text = `{${before}"Records":[${list}]${after}}`;
  if (chance(0.5)) return Buffer.from(text);
  // Garbled: a piece is replaced, inserted or cut out.
  const at = below(dice, text.length);
  const piece = dice.pick(garbage);
  return Buffer.from(text.slice(0, at) + (chance(0.7) ? piece : '') + text.slice(at + below(dice, 3)));
}

/** The records, or the name of the error. */
function outcomeOf(read: () => object): unknown {
  try {
    const output = read();
    const records = [...recordsOf(output)].map(({ sequenceNumber, partitionKey, data, arrivedAt }) => [
      ...[sequenceNumber, partitionKey, Buffer.from(data).toString('hex'), arrivedAt],
    ]);
    return { output: JSON.stringify(output), records };
  } catch (error) {
    return (error as Error).name;
  }
}

describe('drawn answers of GetRecords', () => {
  const seed = Number(process.env['KINACT_SEED'] ?? 20_261_201);

  it(`are read alike by the scanner and by JSON.parse (${runs} answers, KINACT_SEED=${seed})`, function () {
    this.timeout(0);
    const dice = createDice(seed);
    let scanned = 0;
    for (let run = 0; run < runs; run += 1) {
      const bytes = answer(dice);
      if (scanAnswer([bytes], bytes.length) !== undefined) scanned += 1;
      const [fast, slow] = [() => scanOrParse([bytes], bytes.length), () => parseAnswer(bytes)].map(outcomeOf);
      expect(fast, bytes.toString()).to.deep.equal(slow);
    }
    expect(scanned / runs, 'answers that the scanner has read').to.be.within(0.25, 0.95);
  });
});
