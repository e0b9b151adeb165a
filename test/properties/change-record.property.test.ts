// Any item that DynamoDB can hold is decoded to what was put, and its key is one text per item.
import { expect } from 'chai';
import fc from 'fast-check';
import { changeRecord } from '../../src/aws/dynamodb-streams/change-record.js';
import { itemKey, rawRecordOf } from '../../src/aws/dynamodb-streams/change-json.js';
import { canonicalNumber, readNumber } from '../../src/aws/dynamodb-streams/number-text.js';

type Plain =
  | null
  | boolean
  | string
  | number
  | Buffer
  | Set<unknown>
  | readonly Plain[]
  | { readonly [name: string]: Plain };

const name = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('__proto__', 'constructor', 'toString'));
const bytes = fc.uint8Array({ maxLength: 9 }).map((array) => Buffer.from(array));
const numberValue = fc
  .oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((one) => one + 0);

const value = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.string(),
    numberValue,
    bytes,
    fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 3 }).map((list) => new Set(list)),
    fc.uniqueArray(numberValue, { minLength: 1, maxLength: 3 }).map((list) => new Set(list)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 3 }).map((members) => withMembers(members)),
  ),
})).value;

/** Without assignment, which would set the prototype for `__proto__`. */
function withMembers<T>(members: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(members);
}

/** What an application puts, as DynamoDB writes it. */
function marshal(plain: Plain): object {
  if (plain === null) return { NULL: true };
  if (typeof plain === 'boolean') return { BOOL: plain };
  if (typeof plain === 'string') return { S: plain };
  if (typeof plain === 'number') return { N: String(plain) };
  if (Buffer.isBuffer(plain)) return { B: new Uint8Array(plain) };
  if (plain instanceof Set) {
    const list = [...plain];
    return typeof list[0] === 'number' ? { NS: list.map(String) } : { SS: list };
  }
  if (Array.isArray(plain)) return { L: plain.map((each: Plain) => marshal(each)) };
  return { M: marshalMembers(plain as { readonly [name: string]: Plain }) };
}

function marshalMembers(members: { readonly [name: string]: Plain }): object {
  return withMembers(Object.entries(members).map(([each, member]) => [each, marshal(member)] as const));
}

const keyValue = fc.oneof(
  fc.string({ minLength: 1, maxLength: 4 }),
  numberValue,
  bytes.filter((buffer) => buffer.length > 0),
);
const keys = fc.dictionary(fc.constantFrom('a', 'b', '"', 'ü'), keyValue, { minKeys: 1, maxKeys: 2 });

describe('the changes of any table', () => {
  it('are decoded to what was put, whatever the names, types and nesting', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), (members) => {
        const item = withMembers(members);
        const dynamodb = { SequenceNumber: '1', Keys: { id: { S: 'a' } }, NewImage: marshalMembers(item) };
        const raw = rawRecordOf({ eventName: 'INSERT', dynamodb });
        const { newImage } = changeRecord(raw, 'number').change;
        expect(normalized(newImage)).to.deep.equal(normalized(item));
      }),
    );
  });

  it('have one key per item: equal if and only if the primary keys are', () => {
    fc.assert(
      fc.property(keys, keys, (one, other) => {
        const [left, right] = [itemKey(marshalMembers(one)), itemKey(marshalMembers(other))];
        const sameItem = JSON.stringify(tagged(one)) === JSON.stringify(tagged(other));
        expect(left === right).to.equal(sameItem);
        const reversed = withMembers(Object.entries(one).toReversed());
        expect(itemKey(marshalMembers(reversed))).to.equal(left);
      }),
    );
  });

  it('have numbers that keep their value in every form, however they are written', () => {
    const written = fc.tuple(
      fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }),
      fc.integer({ min: -100, max: 60 }),
      fc.nat(3),
    );
    fc.assert(
      fc.property(written, ([digits, exponent, zeros]) => {
        const text = `${digits}E${exponent}`;
        const other = `${digits}${'0'.repeat(zeros)}E${exponent - zeros}`;
        expect(canonicalNumber(other)).to.equal(canonicalNumber(text));
        if (exponent >= 0) expect(readNumber(text, 'bigint')).to.equal(digits * 10n ** BigInt(exponent));
        let number: unknown;
        try {
          number = readNumber(text, 'number');
        } catch (error) {
          expect(error).to.be.an.instanceOf(RangeError);
          return;
        }
        expect(canonicalNumber(String(number))).to.equal(canonicalNumber(text));
      }),
    );
  });
});

/** With every member as a list entry, so that `__proto__` is compared, too. */
function normalized(plain: unknown): unknown {
  if (Buffer.isBuffer(plain)) return ['bytes', plain.toString('hex')];
  if (plain instanceof Set) return ['set', ...plain];
  if (Array.isArray(plain)) return ['list', ...plain.map(normalized)];
  if (typeof plain !== 'object' || plain === null) return plain;
  const members = Object.entries(plain).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return ['map', ...members.map(([each, member]) => [each, normalized(member)])];
}

function tagged(item: Readonly<Record<string, unknown>>): unknown {
  const members = Object.entries(item).map(([each, member]) => [
    each,
    typeof member,
    Buffer.isBuffer(member) ? member.toString('hex') : String(member),
  ]);
  return members.toSorted(([one = ''], [other = '']) => (one < other ? -1 : 1));
}
