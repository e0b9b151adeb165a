// A deque gives the same results as an array and keeps no removed item alive. The cost of a push or shift does not grow with its length.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect } from 'chai';
import fc from 'fast-check';

import { createDeque } from '../../../src/core/deque.js';
import { countVisits } from '../../support/counted-visits.js';

describe('a deque', () => {
  it('behaves like an array for any sequence of pushes, shifts, peeks and retains', () => {
    const command = fc.oneof(
      { weight: 6, arbitrary: fc.record({ type: fc.constant('push' as const), item: fc.nat(99) }) },
      { weight: 4, arbitrary: fc.record({ type: fc.constant('shift' as const), item: fc.constant(0) }) },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant('retain' as const), item: fc.integer({ min: 2, max: 5 }) }),
      },
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200, size: 'max' }), (commands) => {
        const deque = createDeque<number>();
        let array: number[] = [];
        for (const { type, item } of commands) {
          if (type === 'push') {
            deque.push(item);
            array.push(item);
          } else if (type === 'shift') {
            expect(deque.shift()).to.equal(array.shift());
          } else {
            const kept = array.filter((each) => each % item !== 0);
            expect(deque.retain((each) => each % item !== 0)).to.equal(array.length - kept.length);
            array = kept;
          }
          expect(deque.length).to.equal(array.length);
          expect(deque.peek()).to.equal(array[0]);
          expect(array.map((_, index) => deque.at(index))).to.deep.equal(array);
        }
      }),
    );
  });

  it('returns undefined for an index out of range and when it is empty', () => {
    const deque = createDeque<string>();
    expect(deque.shift()).to.equal(undefined);
    expect(deque.peek()).to.equal(undefined);
    deque.push('only');
    expect(deque.at(-1)).to.equal(undefined);
    expect(deque.at(1)).to.equal(undefined);
    expect(deque.at(0)).to.equal('only');
    expect(deque.shift()).to.equal('only');
    expect(deque.peek()).to.equal(undefined);
    // When the ring is full, the slots before the first item and after the last item hold other items.
    for (let item = 0; item < 16; item++) deque.push(String(item));
    expect(deque.at(-1)).to.equal(undefined);
    expect(deque.at(16)).to.equal(undefined);
  });

  it('keeps no item alive that shift or retain has removed', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const deque = createDeque<{ readonly index: number }>();
    const watched = Array.from({ length: 10 }, (_, index) => {
      const item = { index };
      deque.push(item);
      return new WeakRef(item);
    });
    deque.shift();
    deque.retain(({ index }) => index === 5);
    // A WeakRef keeps its object alive until the turn that created it ends.
    await new Promise(setImmediate);
    collectGarbage();
    expect(watched.map((item) => item.deref() !== undefined)).to.deep.equal(watched.map((_, index) => index === 5));
    expect(deque.peek()).to.deep.equal({ index: 5 });
  });

  it('moves 200,000 items through a queue of 100,000 at a constant cost per shift', async () => {
    const deque = createDeque<number>();
    for (let item = 0; item < 100_000; item++) deque.push(item);
    const visits = await countVisits(async () => {
      for (let item = 100_000; item < 300_000; item++) {
        deque.push(item);
        expectSame(deque.shift(), item - 100_000);
      }
    });
    // An array's own shift would make 2e10 visits here.
    expect(visits).to.be.below(1_000_000);
  });
});

function expectSame(actual: number | undefined, expected: number): void {
  if (actual !== expected) expect(actual).to.equal(expected);
}
