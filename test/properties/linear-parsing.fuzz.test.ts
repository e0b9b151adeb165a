// Text from outside (sequence numbers, hash keys, lease rows, keys, dates, ARNs, error texts, arguments) is read in time linear in its
// length. The test counts steps and uses no clock. The compiler finds every regular expression of the sources, and a matcher runs it
// and counts. Parsers get a text that counts how often its characters are read.
import { oneLine } from '../../src/core/visible.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import ts from 'typescript';
import { hashKeyOf, isExplicitHashKey, readExplicitHashKey } from '../../src/aws/aggregation/hash-key.js';
import { readLeaseRow } from '../../src/aws/dynamodb/lease-row.js';
import { isDecimal, readDecimal } from '../../src/core/decimal.js';
import { gapsIn } from '../../src/core/hash-range.js';
import { compareSequenceNumbers, isSequenceNumber } from '../../src/core/sequence-number.js';
import { createDice } from '../../src/testing/dice.js';
import { alphabetOf, stepsOf } from '../support/counted-regexp.js';

const length = 1_000;
/** Steps per character that count as linear: a quadratic pattern takes some hundred. */
const perCharacter = 60;

interface Found {
  readonly where: string;
  readonly pattern: RegExp;
}

const sources: readonly { readonly file: string; readonly tree: ts.SourceFile }[] = [
  'src',
  'actors',
  'supervision',
].flatMap((root) =>
  readdirSync(root, { recursive: true })
    .map((file) => join(root, String(file)))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({
      file,
      tree: ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true),
    })),
);

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

function literals(): readonly Found[] {
  const found: Found[] = [];
  for (const { file, tree } of sources) {
    visit(tree, (node) => {
      if (!ts.isRegularExpressionLiteral(node)) return;
      const [, source = '', flags = ''] = /^\/(.*)\/([a-z]*)$/su.exec(node.text) ?? [];
      found.push({ where: `${file}: ${node.text}`, pattern: new RegExp(source, flags) });
    });
  }
  return found;
}

/** Files that call `name`, with or without `new`. */
function callersOf(name: string): readonly string[] {
  const callers = sources.filter(({ tree }) => {
    let calls = false;
    visit(tree, (node) => {
      calls ||= (ts.isCallExpression(node) || ts.isNewExpression(node)) && node.expression.getText() === name;
    });
    return calls;
  });
  return callers.map(({ file }) => file);
}

/** Texts that expose quadratic patterns: a repeated part, with a beginning that matches and an end that does not. */
function* troubles(pattern: RegExp, random: () => number): Generator<string> {
  const alphabet = alphabetOf(pattern);
  const any = (): string => alphabet[Math.floor(random() * alphabet.length)] as string;
  const beginnings = ['', ...Array.from({ length: 3 }, any), pattern.source.replaceAll(/[^\w:/ -]/gu, '')];
  for (const pump of [...alphabet, any() + any(), any() + any() + any()])
    for (const beginning of beginnings) yield `${beginning}${pump.repeat(Math.ceil(length / pump.length))}\u0000`;
}

function worst(pattern: RegExp, random: () => number): number {
  let most = 0;
  for (const text of troubles(pattern, random)) {
    const limit = perCharacter * text.length;
    most = Math.max(most, stepsOf(pattern, text, limit + 1) / text.length);
    if (most > perCharacter) break;
  }
  return most;
}

/** A text that counts how often its characters are read, for parsers that read one character at a time. */
function counted(text: string): { readonly text: string; readonly looks: () => number } {
  let looks = 0;
  const made = (of: string): object => ({
    length: of.length,
    charCodeAt: (index: number) => ((looks += 1), of.charCodeAt(index)),
    startsWith: (start: string) => ((looks += start.length), of.startsWith(start)),
    slice: (from: number, to?: number) => ((looks += of.length - from), made(of.slice(from, to))),
    [Symbol.toPrimitive]: () => of,
  });
  return { text: made(text) as unknown as string, looks: () => looks };
}

/** Runs `work` and returns the longest text a BigInt was made of meanwhile. */
function longestBigInt(work: () => void): number {
  const original = globalThis.BigInt;
  let longest = 0;
  globalThis.BigInt = Object.assign(
    (value: string | number | bigint | boolean) => {
      longest = Math.max(longest, String(value).length);
      return original(value);
    },
    { asIntN: original.asIntN, asUintN: original.asUintN },
  ) as BigIntConstructor;
  try {
    work();
  } finally {
    globalThis.BigInt = original;
  }
  return longest;
}

const hostile = (size: number): readonly string[] => [
  `${'0'.repeat(size)}x`,
  `-${'0'.repeat(size)}`,
  '9'.repeat(size),
  `+${'0'.repeat(size)}7`,
  `${'1'.repeat(size)}\n`,
  `${'0'.repeat(size)}${'3'.repeat(39)}`,
  ' '.repeat(size),
];

describe('Text from outside', () => {
  it('meets only regular expressions that take a linear number of steps', function () {
    this.timeout(60_000);
    const random = createDice(20_261_128).next;
    const found = literals();
    expect(found.length).to.be.greaterThan(20);
    const slow = found.filter(({ pattern }) => worst(pattern, random) > perCharacter).map(({ where }) => where);
    expect(slow).to.deep.equal([]);
    expect(callersOf('RegExp'), 'patterns that are not literals').to.deep.equal([]);
  });

  it('would fail this test with known quadratic regular expressions', () => {
    const random = createDice(7).next;
    for (const pattern of [
      /^([+-]?)0*([0-9]+)$/,
      /\s*[\n\r]\s*/g,
      /^(a+)+$/,
      /\d+$/,
      /^(\w+\s?)*$/,
      /^.*:.*:.*x$/s,
      /\[[^\]]*\]/g,
    ])
      expect(worst(pattern, random), String(pattern)).to.be.greaterThan(perCharacter);
  });

  it('is read at most five times per character by the parsers of numbers and hash keys', () => {
    const parsers: Readonly<Record<string, (text: string) => unknown>> = {
      isDecimal,
      isSequenceNumber,
      readExplicitHashKey,
      readDecimal: (text) => readDecimal(text, 39),
      compare: (text) => compareSequenceNumbers(text, '17'),
    };
    for (const [name, parser] of Object.entries(parsers)) {
      for (const hostileText of hostile(10_000)) {
        const { text, looks } = counted(hostileText);
        parser(text);
        expect(looks(), `${name} of ${hostileText.slice(0, 3)}…`).to.be.at.most(5 * hostileText.length);
      }
    }
  });

  it('becomes a BigInt of at most 39 digits, whatever its length', () => {
    const longest = longestBigInt(() => {
      for (const text of hostile(5_000)) {
        readExplicitHashKey(text);
        isExplicitHashKey(text);
        gapsIn([{ startingHashKey: text, endingHashKey: text }]);
        readLeaseRow({
          leaseKey: { S: 'shardId-000000000000' },
          leaseCounter: { N: text },
          checkpoint: { S: text },
          startingHashKey: { S: text },
          endingHashKey: { S: '9'.repeat(5_000) },
        });
      }
    });
    expect(longest).to.be.within(1, 39);
    // Apart from the servers in src/testing, which get their input from tests, one file makes BigInts of text.
    const shipped = callersOf('BigInt').filter((file) => !file.startsWith('src/testing/'));
    expect(shipped).to.deep.equal(['src/core/decimal.ts']);
  });

  it('is read as a hash key as BigInteger would, with any number of leading zeros', () => {
    const zeros = '0'.repeat(100_000);
    expect(readExplicitHashKey(`${zeros}x`)).to.equal('invalid');
    expect(readExplicitHashKey(`+${zeros}255`)).to.equal('ff'.padStart(32, '0'));
    expect(readExplicitHashKey(`-${zeros}`)).to.equal('0'.repeat(32));
    expect(readExplicitHashKey('-1')).to.equal('outside');
    expect(readExplicitHashKey(String(2n ** 128n))).to.equal('outside');
    expect(readExplicitHashKey(String(2n ** 128n - 1n))).to.equal('f'.repeat(32));
    expect(readExplicitHashKey('9'.repeat(100_000))).to.equal('outside');
    for (const text of ['', '+', '-', '+-1', '1 ', ' 1', '1e3', '0x1'])
      expect(readExplicitHashKey(text)).to.equal('invalid');
    expect(hashKeyOf('a')).to.have.length(32);
  });

  it('becomes one line if it is an error text, with a space for each run of line breaks', () => {
    expect(oneLine(`a ${' '.repeat(100_000)}\r\n\n  b`)).to.equal('a b');
  });
});
