// A key belongs to the same reducer in every version, and numbered keys spread evenly.
import { expect } from 'chai';
import fc from 'fast-check';
import { reducerIndexOf } from '../../../src/core/routing.js';

describe('reducerIndexOf', () => {
  it('returns one of the reducers, and always the same for a key', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 1000 }), (key, reducers) => {
        const reducer = reducerIndexOf(key, reducers);
        expect(reducer).to.be.within(0, reducers - 1);
        expect(reducerIndexOf(key, reducers)).to.equal(reducer);
      }),
    );
  });

  it('gives these keys the same reducers in every version', () => {
    expect(['user-1', 'user-2', 'user-3', '', 'ππ'].map((key) => reducerIndexOf(key, 16))).to.deep.equal([
      3, 11, 11, 0, 7,
    ]);
    expect(reducerIndexOf('hello', 16)).to.equal(0x248bfa47 % 16);
  });

  it('spreads numbered keys evenly over many reducers', () => {
    const counts = new Array<number>(64).fill(0);
    for (let index = 0; index < 64_000; index++) {
      const reducer = reducerIndexOf(`device-${index}`, 64);
      counts[reducer] = (counts[reducer] as number) + 1;
    }
    expect(Math.min(...counts)).to.be.above(850);
    expect(Math.max(...counts)).to.be.below(1150);
  });
});
