// The verdict names each lost id, counts repeats, and refuses an input in which a loss could not be seen.
import { expect } from 'chai';
import { expectNothingLost } from '../../../src/testing/expect-nothing-lost.js';

describe('expectNothingLost', () => {
  it('accepts output that has every id, in any order, and counts ids that were seen more than once', () => {
    expect(expectNothingLost(['a', 'b', 'c'], ['c', 'a', 'b', 'a', 'c', 'c'])).to.deep.equal({
      lost: 0,
      moreThanOnce: 2,
    });
    expect(expectNothingLost(new Set(['a']), new Map([['a', 1]]).keys())).to.deep.equal({ lost: 0, moreThanOnce: 0 });
  });

  it('refuses an input that could hide a loss: an empty one, or one with a repeated id', () => {
    expect(() => expectNothingLost([], ['x'])).to.throw(/^input: expected at least one id/);
    expect(() => expectNothingLost(['a', 'b', 'a'], ['a', 'b'])).to.throw(
      "input: expected every id once, got 'a (twice)'",
    );
  });

  it('throws with the missing ids, in the order of the input', () => {
    expect(() => expectNothingLost(['c', 'a', 'b'], ['a', 'x'])).to.throw('2 of 3 lost: c, b');
  });

  it('names the first twenty missing ids in the message, and has all of them in `missing`', () => {
    const input = Array.from({ length: 50 }, (_, index) => `id${index}`);
    try {
      expectNothingLost(input, []);
      expect.fail('it did not throw');
    } catch (error) {
      const { message, missing } = error as Error & { missing: string[] };
      expect(message).to.match(/^50 of 50 lost: id0, id1, .*, id19, and 30 more$/);
      expect(missing).to.deep.equal(input);
    }
  });
});
