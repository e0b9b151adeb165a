// A `collectsOnly` reducer whose flush fails: it is bisected like a batch of `process`. Each part is folded into a new state and flushed.
import { expect } from 'chai';
import fc from 'fast-check';
import type { ReducerOptions } from '../../../actors/reducer/reducer.js';
import type { FailedItem } from '../../../src/api/failed-item.js';
import type { FoldingReducer } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { punctuated, settledIn } from '../../support/direct-process.js';
import { direct, type Effects, type State } from '../../support/direct-reducer.js';
import { counted, emitted, finish, ofType } from '../../support/direct.js';

/** A reducer whose flush fails if the state has a value of `bad`. `flushes` has the states. */
function collectsOnly(
  bad: ReadonlySet<number>,
  options: Partial<ReducerOptions> = {},
  more: Partial<FoldingReducer<State, number>> = {},
) {
  const flushes: State[] = [];
  const settled: number[] = [];
  const flush = (state: State): State => {
    flushes.push(state);
    const found = state.find((value) => bad.has(value));
    if (found !== undefined) throw new Error(`no ${found}`);
    return [];
  };
  const harness = direct(
    { flush, collectsOnly: true, ...more },
    { batchSize: 8, onFailure: retry({ minMs: 100 }), random: { next: () => 1 }, ...options },
  );
  const drain = async (effects: Effects): Promise<Effects> => {
    const all = [...effects];
    for (let last = effects; ofType(last, 'run').length > 0;) {
      last = await harness.end(last);
      settled.push(...settledIn(last, harness.stage));
      all.push(...last);
    }
    return all;
  };
  const wait = async (ms: number): Promise<Effects> => {
    harness.clock.move(ms);
    return drain(harness.tell({ type: 'attemptDue' }));
  };
  return { ...harness, flushes, settled, drain, wait };
}

const eight: readonly [string, number][] = Array.from({ length: 8 }, (_, n) => [`k${n}`, n]);
const asText = (states: readonly State[]): string => states.map((state) => state.join('')).join(' ');

describe('a flush of a `collectsOnly` reducer that fails', () => {
  it('is tried three times, and then halved down to the item that fails alone, each part from a new state', async () => {
    const { itemsOf, drain, wait, flushes, settled } = collectsOnly(new Set([5]));
    await drain(itemsOf(eight));
    await wait(200);
    expect(asText(flushes)).to.equal('01234567 01234567');
    await wait(400);
    expect(asText(flushes.slice(2))).to.equal('01234567 0123 4567 45 4 5 67');
    expect(settled).to.deep.equal([0, 1, 2, 3, 4, 6, 7]);
  });

  it('leaves the failing item to attempts in a state of its own: no later flush has it', async () => {
    const bad = new Set([5]);
    const { itemsOf, drain, wait, flushes, settled, tell, clock } = collectsOnly(bad);
    await drain(itemsOf(eight));
    await wait(200);
    await wait(400);
    flushes.length = 0;
    await drain(itemsOf([['x', 8], ['k5', 9], ['y', 10]])); // prettier-ignore
    await wait(30_000);
    await drain(tell({ type: 'flushDue' }));
    expect(asText(flushes)).to.equal('5 810');
    bad.clear();
    await wait(30_000);
    clock.move(1_000);
    await drain(tell({ type: 'flushDue' }));
    expect(asText(flushes.slice(2))).to.equal('5 9');
    expect(settled.slice(-4)).to.deep.equal([8, 10, 5, 9]);
  });

  it('tells the policy of the flush with its items, and then of the single item', async () => {
    const asked: [FailedItem['at'], number, string][] = [];
    const { itemsOf, drain, settled } = collectsOnly(new Set([1]), {
      onFailure: (_, { at, items, sequenceNumber }) => (asked.push([at, items, sequenceNumber]), 'skip'),
    });
    const all = await drain(itemsOf(eight));
    expect(asked).to.deep.equal([['flush', 8, '0'], ['flush', 1, '1']]); // prettier-ignore
    expect(emitted(all).filter((name) => name === 'recordSkipped')).to.have.length(1);
    expect(settled.toSorted()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('folds the part again without the item whose reduce throws', async () => {
    const asked: [FailedItem['at'], string][] = [];
    let folds = 0;
    const { itemsOf, drain, flushes } = collectsOnly(
      new Set([6]),
      { onFailure: (_, { at, sequenceNumber }) => (asked.push([at, sequenceNumber]), 'skip') },
      {
        reduce: (state, { value }) => {
          folds += 1;
          if (value === 1 && folds > 8) throw new Error('not again');
          return [...state, value];
        },
      },
    );
    await drain(itemsOf(eight));
    expect(asText(flushes)).to.equal('01234567 023 4567 45 67 6 7');
    expect(asked).to.deep.equal([['flush', '0'], ['reduce', '1'], ['flush', '6']]); // prettier-ignore
  });

  it('gives way after 25 ms of folding a part, and goes on', async () => {
    const reduce: FoldingReducer<State, number>['reduce'] = (state, { value }) => (
      harness.clock.move(20),
      [...state, value]
    );
    const harness = collectsOnly(new Set([7]), {}, { reduce });
    await harness.drain(harness.itemsOf(eight));
    const calls = ofType(await harness.wait(1_000), 'run').map(({ name }) => name);
    expect(asText(harness.flushes)).to.equal('01234567 01234567');
    expect(calls, 'two items each').to.deep.equal(['flush', 'flush', 'flush', 'flush']);
  });

  it('makes one call at a time when the states of several shards fail', async () => {
    const flushes: string[] = [];
    const flush = async (state: State): Promise<void> => {
      flushes.push(`begin ${state.join('')}`);
      await Promise.resolve();
      flushes.push(`end ${state.join('')}`);
      throw new Error('down');
    };
    const harness = collectsOnly(new Set(), { onFailure: 'skip', batchSize: 4 }, { stateBy: 'shard', flush });
    const runs = ofType(harness.items([0, 1], 1), 'run');
    harness.items([2, 3], 2);
    for (let next = runs.splice(0); next.length > 0; next = runs.splice(0)) {
      const ended = await Promise.all(next.map((run) => finish([run])));
      for (const message of ended) runs.push(...ofType(harness.tell(message), 'run'));
    }
    const states = flushes.filter((_, n) => n % 2 === 0).map((text) => text.replace('begin ', ''));
    expect(states).to.have.members(['01', '23', '0', '1', '2', '3']);
    expect(flushes).to.deep.equal(states.flatMap((state) => [`begin ${state}`, `end ${state}`]));
  });

  it('becomes an outage after eight single items, and one success ends it', async () => {
    const bad = new Set(Array.from({ length: 40 }, (_, n) => n));
    const { itemsOf, drain, wait, flushes, settled, tell } = collectsOnly(bad, { batchSize: 20 });
    await drain(itemsOf(Array.from({ length: 20 }, (_, n) => [`k${n}`, n])));
    await wait(200);
    const effects = await wait(400);
    expect(emitted(effects)).to.include('outageStarted');
    expect(flushes.filter(({ length }) => length === 1)).to.have.length(8);
    await drain(itemsOf([['z', 30]]));
    await wait(30_000);
    expect(flushes.filter(({ length }) => length === 1)).to.have.length(9);
    bad.clear();
    const ended = [...(await wait(30_000))];
    for (let n = 0; n < 12; n += 1) ended.push(...(await wait(30_000)));
    ended.push(...(await drain(tell({ type: 'flushDue' }))));
    expect(emitted(ended)).to.include('outageEnded');
    expect(settled.toSorted((a, b) => a - b)).to.deep.equal([...Array(20).keys(), 30]);
  });

  it('counts failures over several flushes: that items were folded is no success', async () => {
    const bad = new Set(Array.from({ length: 8 }, (_, n) => n));
    const { itemsOf, drain, wait } = collectsOnly(bad, { batchSize: 4 });
    const effects = [...(await drain(itemsOf(eight)))];
    for (const ms of [200, 400, 200, 400]) effects.push(...(await wait(ms)));
    expect(emitted(effects)).to.include('outageStarted');
  });

  it('is tried once more before a drain is answered', async () => {
    const { itemsOf, drain, flushes, punctuation, stage } = collectsOnly(new Set([5]));
    await drain(itemsOf(eight));
    const answer = await drain(punctuation('drain'));
    expect(asText(flushes)).to.equal('01234567 01234567');
    expect(punctuated(answer, stage)).to.deep.equal([[0, 1, 2, 3, 4, 5, 6, 7]]);
  });

  it('leaves exactly the drawn failing items, in the order of their keys, and settles the others once', async () => {
    const shapes = fc.record({
      keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1, maxLength: 30 }),
      bad: fc.uniqueArray(fc.nat(29), { maxLength: 4 }),
      batchSize: fc.integer({ min: 1, max: 16 }),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ keys, bad, batchSize }) => {
        const failing = new Set(bad);
        const { itemsOf, drain, wait, settled, tell } = collectsOnly(failing, { batchSize });
        await drain(itemsOf(keys.map((key, n) => [key, n])));
        for (let n = 0; n < 30; n += 1) {
          await drain(tell({ type: 'flushDue' }));
          await wait(30_000);
        }
        const first = new Map<string, number>();
        for (const [n, key] of keys.entries()) if (failing.has(n) && !first.has(key)) first.set(key, n);
        const expected = [...keys.keys()].filter((n) => n < (first.get(keys[n]!) ?? Infinity));
        expect(settled.toSorted((a, b) => a - b)).to.deep.equal(expected);
        for (const key of new Set(keys)) {
          const seen = settled.filter((n) => keys[n] === key);
          expect(seen).to.deep.equal(seen.toSorted((a, b) => a - b));
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('an item of a `collectsOnly` reducer that is tried again', () => {
  for (const [how, at] of [
    ['ctx.fail', 'ack'],
    ['throw', 'reduce'],
  ] as const)
    it(`tells the policy where it has failed: ${how}`, async () => {
      const places: FailedItem['at'][] = [];
      const down = { flush: true };
      const { itemsOf, wait, drain } = collectsOnly(
        new Set([0]),
        { batchSize: 2, onFailure: (_, failed) => (places.push(failed.at), retry({ minMs: 100 })) },
        {
          reduce: (state, { value, token }, { fail }) => {
            if (!down.flush && value === 0 && how === 'throw') throw new Error('no');
            if (!down.flush && value === 0) fail(token, new Error('no'));
            return [...(state as State), value];
          },
        },
      );
      await drain(
        itemsOf([
          ['a', 0],
          ['b', 1],
        ]),
      );
      down.flush = false;
      await wait(200);
      expect(places).to.deep.equal(['flush', at]);
    });
});

it('settles nothing of a part whose lease ends before its flush', async () => {
  const held = { isOver: false };
  const harness = collectsOnly(
    new Set([0]),
    { batchSize: 2, onFailure: 'skip' },
    {
      reduce: (state, { value, key }) => {
        if (key === 'b' && held.isOver) harness.tenures[1]!.ended = true;
        return [...(state as State), value];
      },
    },
  );
  const { itemsOf, drain, flushes, settled } = harness;
  const first = await harness.end(await harness.end(itemsOf([['a', 0], ['b', 1]]))); // prettier-ignore
  held.isOver = true;
  const all = await drain(first);
  expect(asText(flushes)).to.equal('01 0');
  expect(settled).to.deep.equal([0]);
  expect(counted(all)).to.not.have.property('foldedAfterLoss');
});
