// Symptom: a `reduce` without `return` crashed at the second item with "Cannot read properties of undefined", far from its cause.
// Cause: undefined was kept as the new state. The same for a raw behaviour.
import { expect } from 'chai';
import { defineReducer, type FoldingReducer } from '../../src/api/reducer.js';
import { drive } from '../../src/testing/index.js';

const items = [{ key: 'a' }, { key: 'b' }];
const complaint = /must return the new state, got undefined, but init returned a state: is a return missing\?/;

describe('a call that returns no state', () => {
  for (const [kind, reduce] of [
    ['reduce', (state: number[]) => void state.push(1)],
    ['async reduce', async (state: number[]) => void state.push(1)],
  ] as const) {
    it(`fails its item with an error that says so (${kind})`, async () => {
      const driver = drive({ init: () => [], reduce } as unknown as FoldingReducer<number[]>);
      await driver.items(items);
      expect(driver.failed).to.include({ code: 'PROCESSING_FAILED' });
      expect(driver.failed!.message).to.match(complaint).and.include('reduce must return');
      expect(driver.acknowledged).to.deep.equal([]);
    });
  }

  it('fails a raw behaviour with an error that says so', async () => {
    const driver = drive({ init: () => 0, behaviour: (() => undefined) as never });
    await driver.items(items);
    expect(driver.failed!.message).to.match(complaint).and.include('behaviour must return');
  });

  it('is right if init returned none: the state may be undefined, and become it again', async () => {
    let calls = 0;
    const driver = drive(
      defineReducer<number | undefined, unknown>({
        init: () => undefined,
        reduce: (state) => ((calls += 1), state === undefined ? 1 : undefined),
      }),
    );
    await driver.items([...items, { key: 'c' }]);
    expect({ calls, failed: driver.failed, state: driver.state }).to.deep.equal({
      calls: 3,
      failed: undefined,
      state: 1,
    });
    const raw = drive({ init: () => undefined, behaviour: () => undefined });
    await raw.items(items);
    expect(raw.failed).to.equal(undefined);
  });

  it('is right for flush: without a result the state stays', async () => {
    const driver = drive(
      defineReducer<number, unknown>({ init: () => 0, reduce: (n) => n + 1, flush: () => undefined }),
    );
    await driver.items(items);
    await driver.flush();
    expect(driver.state).to.equal(2);
  });
});

describe('a state that is a promise', () => {
  it('is refused, also if init is no async function, with and without stateBy shard', async () => {
    const init = (): Promise<number> => Promise.reject(new Error('for the test'));
    const reduce = (state: Promise<number>): Promise<number> => state;
    const refusal = 'reducer.init: expected a synchronous function that returns the state, got a promise';
    expect(() => drive({ init, reduce } as never)).to.throw(refusal);
    const driver = drive({ init, reduce, stateBy: 'shard' } as never);
    await driver.items(items);
    expect(String(driver.failed)).to.include(refusal);
  });
});
