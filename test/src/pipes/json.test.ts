// What `json` writes comes back the same, or it throws and names the place.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isNonRetryable } from '../../../src/api/failure-policy.js';
import { json } from '../../../src/pipes/json.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { seeded } from '../../support/seeded.js';

const place = { node: 'sink' };
const back = (value: unknown): unknown => json.deserialize(Buffer.from(json.serialize(value, place) as string), place);

/** What is allowed to differ: no member is undefined, and no number is -0. */
function kept(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(kept);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]) => (each === undefined ? [] : [[name, kept(each)]])),
  );
}

describe('the format json', () => {
  it('brings back whatever it writes', () => {
    const values = fc.anything({
      withDate: true,
      withMap: true,
      withBigInt: true,
      withTypedArray: true,
      withSparseArray: true,
    });
    fc.assert(
      fc.property(values, (value) => {
        let came: unknown;
        try {
          came = back(value);
        } catch (error) {
          assert.ok(isNonRetryable(error));
          return;
        }
        assert.deepEqual(came, kept(value));
      }),
      seeded(2_000),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => assert.deepEqual(back(value), kept(value))),
      seeded(500),
    );
  });

  class Money {
    readonly cents = 1;
  }
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  const refused: readonly (readonly [string, unknown, string])[] = [
    ['nothing', undefined, 'value, which is undefined'],
    ['a Buffer', Buffer.from('a'), 'value, which is a Buffer'],
    ['a Date within', { at: [new Date(0)] }, 'value.at[0], which is a Date'],
    ['a Map', new Map(), 'value, which is a Map'],
    ['an object of a class', { price: new Money() }, 'value.price, which is a Money'],
    ['not a number', [1, NaN], 'value[1], which is NaN'],
    ['a BigInt', { n: 1n }, 'value.n, which is 1n'],
    ['a function', { f: () => 1 }, 'value.f, which is a function'],
    ['a hole', [1, undefined], 'value[1], which is undefined'],
    ['an array with a member', Object.assign([1], { total: 1 }), 'an array with holes, or with members of its own'],
    ['a circle', circle, 'value.self, which contains itself'],
    ['a symbol', { [Symbol('s')]: 1 }, 'value, which is an object'],
    ['an object that says what it is', { toJSON: () => 1 }, 'value, which is an object'],
  ];
  for (const [what, value, text] of refused)
    it(`refuses ${what}`, () => {
      assert.throws(
        () => json.serialize(value, place),
        (error: Error) => isNonRetryable(error) && error.message.includes(text),
      );
    });

  it('leaves out members that are undefined, and takes one value at two places', () => {
    const shared = { a: 1 };
    assert.deepEqual(back({ one: shared, other: [shared, shared], none: undefined }), {
      ...{ one: shared, other: [shared, shared] },
    });
  });
});

describe('a pipe with a format', () => {
  it('keeps it through all its methods, and freezes it', () => {
    const made = pipe({ format: json })
      .map(String)
      .demux(() => 'r')
      .join()
      .to(() => undefined);
    assert.equal(made.format?.serialize, json.serialize);
    assert.ok(Object.isFrozen(made.format));
    assert.equal(Object.hasOwn(pipe().map(String).end(), 'format'), false);
  });

  it('refuses one that is none', () => {
    for (const [format, path] of [
      [null, 'pipe.format'],
      ['json', 'pipe.format'],
      [{}, 'pipe.format.serialize'],
      [{ serialize: String }, 'pipe.format.deserialize'],
    ])
      assert.throws(() => pipe({ format } as never), { data: { option: path } });
    assert.throws(() => pipe({ formats: json } as never), /pipe\.formats/);
  });
});
