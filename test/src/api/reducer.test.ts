// A wrong definition of a reducer is refused where it is written, not when the first record comes.
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { isKinactError, type KinactError } from '../../../src/api/errors.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { createConsumer, fileSink, park, pipe, retry } from '../../../src/index.js';
import { drive, fakeStream } from '../../../src/testing/index.js';

const init = (): number => 0;
const reduce = (state: number): number => state;

class Totals {
  init(): number {
    return 0;
  }
  reduce(state: number): number {
    return state;
  }
}

/** The error of defineReducer for a definition that the types would refuse. */
function refusal(definition: unknown): string {
  try {
    defineReducer(definition as never);
  } catch (error) {
    if (isKinactError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return expect.fail('nothing was refused');
}

describe('defineReducer', () => {
  it('returns a frozen copy of the definition', () => {
    const definition = {
      init,
      reduce,
      flush: () => undefined,
      batch: { size: 1, intervalMs: 1 },
      stateBy: 'shard',
    } as const;
    const defined = defineReducer(definition);
    expect(defined).to.deep.equal(definition);
    expect(defined).to.not.equal(definition);
    expect(Object.isFrozen(defined)).to.equal(true);
    const raw = { init, behaviour: reduce };
    expect(defineReducer(raw)).to.deep.equal(raw);
    const process = { process: () => undefined, batch: { size: 5 } };
    expect(defineReducer(process)).to.deep.equal(process);
  });

  it('accepts a plain object of another realm, and one without a prototype', () => {
    const foreign = runInNewContext('({ init: () => 0, reduce: (state) => state })') as { init: typeof init };
    expect(() => defineReducer(foreign as never)).to.not.throw();
    expect(() => defineReducer(Object.assign(Object.create(null), { init, reduce }))).to.not.throw();
  });

  it('treats undefined members as absent', () => {
    const absent = { flush: undefined, batch: undefined, acknowledge: undefined, stateBy: undefined };
    expect(() => defineReducer({ init, reduce, ...absent })).to.not.throw();
  });

  const wrong: readonly (readonly [member: string, definition: unknown, expected: string])[] = [
    ['reducer', null, 'a plain object'],
    ['reducer', 'text', 'a plain object'],
    ['reducer', [], 'a plain object'],
    ['reducer', {}, 'exactly one of reduce, behaviour and process, got none'],
    [
      'reducer',
      new Totals(),
      'a plain object with init and reduce, init and behaviour, or process, got an instance of Totals',
    ],
    ['reducer', Totals, 'a plain object with init and reduce, init and behaviour, or process, got the class Totals'],
    [
      'reducer',
      () => 0,
      'a plain object with init and reduce, init and behaviour, or process, got a function: pass what it returns',
    ],
    ['reducer.init', { init: async () => 0, reduce }, 'a synchronous function that returns the state, got an async'],
    ['reducer', { init }, 'exactly one of reduce, behaviour and process'],
    ['reducer', { init, reduce, behaviour: reduce }, 'exactly one of reduce, behaviour and process'],
    ['reducer.init', { reduce }, 'a function'],
    ['reducer.init', { init: 0, reduce }, 'function'],
    ['reducer.reduce', { init, reduce: {} }, 'function or undefined'],
    ['reducer.batch', { init, reduce, batch: null }, 'object or undefined'],
    ['reducer.batch.size', { init, reduce, batch: { size: 0 } }, 'an integer >= 1'],
    ['reducer.batch.intervalMs', { init, reduce, batch: { intervalMs: Number.NaN } }, 'a number of milliseconds >= 1'],
    ['reducer.acknowledge', { init, reduce, acknowledge: 'later' }, "'auto' or 'manual'"],
    ['reducer.stateBy', { init, reduce, stateBy: 'key' }, "'reducer' or 'shard'"],
    ['reducer.batch', { init, reduce, batch: () => 0 }, 'object or undefined, got a function'],
    ['reducer.flush', { init, behaviour: reduce, flush: () => 0 }, 'allowed only with reduce, got behaviour'],
    ['reducer.batch', { init, behaviour: reduce, batch: {} }, 'allowed only with reduce or process, got behaviour'],
    [
      'reducer.acknowledge',
      { init, behaviour: reduce, acknowledge: 'auto' },
      'allowed only with reduce, got behaviour',
    ],
    [
      'reducer',
      { reduce, process: reduce, init },
      'exactly one of reduce, behaviour and process, got reduce and process',
    ],
    ['reducer', { behaviour: reduce, process: reduce, init }, 'exactly one of reduce, behaviour and process, got b'],
    ['reducer.init', { init, process: reduce }, 'allowed only with reduce or behaviour, got process'],
    ['reducer.flush', { flush: reduce, process: reduce }, 'allowed only with reduce, got process'],
    ['reducer.acknowledge', { acknowledge: 'auto', process: reduce }, 'allowed only with reduce, got process'],
    ['reducer.stateBy', { stateBy: 'shard', process: reduce }, 'allowed only with reduce, got process'],
    ['reducer.flush', { init, reduce, collectsOnly: true }, 'a function with collectsOnly'],
    [
      'reducer.acknowledge',
      { init, reduce, flush: reduce, collectsOnly: true, acknowledge: 'manual' },
      "'auto' with collectsOnly",
    ],
    ['reducer.collectsOnly', { init, reduce, flush: reduce, collectsOnly: 1 }, 'boolean or undefined'],
    ['reducer.collectsOnly', { process: reduce, collectsOnly: true }, 'allowed only with reduce, got process'],
    [
      'reducer.collectsOnly',
      { init, behaviour: reduce, collectsOnly: true },
      'allowed only with reduce, got behaviour',
    ],
    ['reducer.concurrency', { init, reduce, concurrency: 2 }, 'allowed only with process, got reduce'],
    ['reducer.concurrency', { process: reduce, concurrency: 0 }, 'an integer >= 1'],
    ['reducer.concurrency', { process: reduce, concurrency: '2' }, 'number or undefined'],
    ['reducer.timeoutMs', { process: reduce, timeoutMs: 0 }, 'a number of milliseconds, 1 to 2147483647'],
    ['reducer.timeoutMs', { init, reduce, timeoutMs: 2_147_483_648 }, 'a number of milliseconds, 1 to 2147483647'],
    ['reducer.timeoutMs', { init, reduce, timeoutMs: Number.NaN }, 'a number of milliseconds, 1 to 2147483647'],
    ['reducer.process', { process: 5 }, 'function or undefined'],
  ];
  for (const [index, [member, definition, expected]] of wrong.entries()) {
    it(`refuses a wrong ${member} with expected and got (${index + 1})`, () => {
      expect(refusal(definition))
        .to.match(/^INVALID_OPTION /)
        .and.include(`${member}: ${expected.startsWith('allowed') ? expected : `expected ${expected}`}`);
      expect(refusal(definition)).to.match(/, got .+$/);
    });
  }

  it('refuses an unknown member, suggests the likely name, and shows no source code', () => {
    const flsh = async (): Promise<void> => {};
    expect(refusal({ init, reduce, flsh })).to.equal(
      'INVALID_OPTION reducer.flsh: no such member; did you mean flush?',
    );
    expect(refusal({ init, reduce, fold: 1 })).to.match(/ reducer\.fold: no such member; known: init, reduce, /);
    expect(refusal({ init, reduce, batch: { bytes: 1 } })).to.equal(
      'INVALID_OPTION reducer.batch.bytes: no such member; known: size, intervalMs',
    );
  });
});

describe('neither a reducer nor a pipe', () => {
  it('is refused, and both are named', () => {
    const options = { logger: false, application: 'orders', source: fakeStream().source };
    expect(() => createConsumer(options as never)).to.throw(
      'reducer: expected reducer made by defineReducer, or `pipe` instead, got undefined',
    );
  });
});

describe('what is given instead of a reducer', () => {
  const plain = 'expected a plain object with init and reduce, init and behaviour, or process, got ';
  const given: readonly (readonly [what: string, value: unknown, text: string])[] = [
    ['nothing in it', {}, 'expected exactly one of reduce, behaviour and process, got none'],
    ['a class', Totals, `${plain}the class Totals`],
    ['an instance', new Totals(), `${plain}an instance of Totals: \`this\` is not set in its members`],
    [
      'an array',
      [{ init, reduce }],
      `${plain}an array: a consumer has one reducer, and \`reducers\` says how many run`,
    ],
    ['a string', 'totals', `${plain}'totals'`],
    ['a promise', Promise.resolve({ init, reduce }), `${plain}a promise: await it first`],
    ['a factory', () => ({ init, reduce }), `${plain}a function: pass what it returns`],
    ['an async factory', async () => ({ init, reduce }), `${plain}an async function: await what it returns`],
    ['a pipe', pipe().to(() => undefined), `${plain}a pipe: it belongs to the option pipe`],
    ['a module', { default: { init, reduce } }, `${plain}an object that holds one: did you mean its member default?`],
    [
      'reducers by name',
      { totals: { process: reduce } },
      `${plain}an object that holds one: did you mean its member totals?`,
    ],
    ['a source', fakeStream().source, `${plain}a source: it belongs to the option source`],
    ['a policy', retry(), `${plain}a failure policy: it belongs to the option onFailure`],
    ['a sink', fileSink({ path: 'parked' }), `${plain}a sink made by fileSink`],
    ['a maker', park, `${plain}the function park itself`],
  ];
  for (const [what, value, text] of given)
    it(`is refused by each function that takes one, and named: ${what}`, () => {
      const options = { logger: false, application: 'orders', source: fakeStream().source, reducers: 1 } as const;
      const calls: readonly (() => unknown)[] = [
        () => defineReducer(value as never),
        () => createConsumer({ ...options, reducer: value as never }),
        () => drive(value as never),
      ];
      for (const call of calls)
        expect(call)
          .to.throw()
          .that.satisfies(
            ({ code, message }: KinactError) =>
              code === 'INVALID_OPTION' && message.replace(/^definition/, 'reducer') === `reducer: ${text}`,
          );
    });
});
