// The custom form of an aggregate: keep, flush and reject; a part per lease; and a push that is made once, whatever fails behind it.
import { expect } from 'chai';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import type { AggregateDecision } from '../../../src/pipes/collection.js';
import type { Aggregation } from '../../../src/pipes/folded-parts.js';
import { itemsOf, lease, one, ran, settledIds, two, valuesOf } from '../../support/naive-items.js';
import { naivePipe } from '../../support/naive-pipe.js';

interface Bag {
  sum: number;
  values: number[];
}

/** Bags of numbers up to a sum of 10. A negative number is the last of its bag. */
const bags: Aggregation<Bag, number, readonly number[]> = {
  init: () => ({ sum: 0, values: [] }),
  push: (bag, value) => {
    if (bag.sum + value > 10) return 'reject';
    bag.sum += value;
    bag.values.push(value);
    return value < 0 ? 'flush' : 'keep';
  },
  output: ({ values }) => [...values],
};

const merging = {
  ...bags,
  merge: (parts: readonly Bag[]): Bag => ({
    sum: parts.reduce((sum, part) => sum + part.sum, 0),
    values: parts.flatMap(({ values }) => values),
  }),
};

describe('a custom aggregate', () => {
  it('flushes with the message that says so', async () => {
    const pipe = await ran([aggregate({}, bags)], [1, 2, -1, 3]);
    expect(valuesOf(pipe)).to.deep.equal([[1, 2, -1]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3]);
  });

  it('rejects: emits what is there, and offers the message to an empty one', async () => {
    const pipe = await ran([aggregate({}, bags)], [6, 4, 5, -1, 9, -1]);
    expect(valuesOf(pipe)).to.deep.equal([
      [6, 4],
      [5, -1],
      [9, -1],
    ]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('emits twice for a message that is rejected and completes the next one', async () => {
    const custom: Aggregation<Bag, number, readonly number[]> = {
      ...bags,
      push: (bag, value) =>
        bags.push(bag, value, undefined as never) === 'reject' ? 'reject' : value === 8 ? 'flush' : 'keep',
    };
    const pipe = await ran([aggregate({ once: true }, custom)], [6, 8]);
    expect(valuesOf(pipe)).to.deep.equal([[6], [8]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2]);
    const terminated = pipe.trace.filter(({ type }) => type === 'terminate');
    expect(terminated).to.have.length(1);
  });

  it('once keeps the route while the rejected message waits in the next one', async () => {
    const pipe = await ran([aggregate({ once: true }, bags)], [6, 8]);
    expect(valuesOf(pipe)).to.deep.equal([[6]]);
    expect(pipe.trace.filter(({ type }) => type === 'terminate')).to.deep.equal([]);
  });

  it('fails a message for good that an empty one rejects, and keeps what was there', async () => {
    const errors: unknown[] = [];
    const onFailure = (error: unknown): 'skip' => (errors.push(error), 'skip');
    const pipe = await ran([aggregate({}, bags)], [3, 11, 4, -1], { onFailure });
    expect(errors).to.have.length(1);
    expect(errors[0]).to.be.instanceOf(NonRetryableError);
    expect(valuesOf(pipe)).to.deep.equal([[3, 4, -1]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4]);
  });

  it('refuses another answer of push', async () => {
    const errors: Error[] = [];
    const custom = { ...bags, push: () => 'fulsh' as AggregateDecision };
    await ran([aggregate({}, custom)], [1], { onFailure: (error) => (errors.push(error as Error), 'skip') });
    expect(errors[0]?.message).to.equal("aggregate: push must return keep, flush or reject, got 'fulsh'");
    expect(errors[0]).to.be.instanceOf(NonRetryableError);
  });

  it('is bounded by count, too', async () => {
    expect(valuesOf(await ran([aggregate({ count: 2 }, bags)], [1, 2, 3, 4]))).to.deep.equal([
      [1, 2],
      [3, 4],
    ]);
  });

  it('pushes a message once, however often its output fails', async () => {
    let failures = 3;
    const custom: Aggregation<Bag, number, readonly number[]> = {
      ...bags,
      output: async (bag) => {
        if (failures-- > 0) throw new Error('down');
        return bags.output(bag, undefined as never);
      },
    };
    const pipe = await ran([aggregate({}, custom)], [1, 2, -1, 4, -1], { onFailure: () => 'retry' });
    expect(valuesOf(pipe)).to.deep.equal([
      [1, 2, -1],
      [4, -1],
    ]);
  });

  it('pushes the first message of an aggregate once, too', async () => {
    let failures = 2;
    const pushed: number[] = [];
    const custom: Aggregation<Bag, number, readonly number[]> = {
      ...bags,
      push: (bag, value, message) => (pushed.push(value), bags.push(bag, value, message)),
      output: (bag) => {
        if (failures-- > 0) throw new Error('down');
        return bags.output(bag, undefined as never);
      },
    };
    const pipe = await ran([aggregate({}, custom)], [-1, -2], { onFailure: () => 'retry' });
    expect(valuesOf(pipe)).to.deep.equal([[-1], [-2]]);
    expect(pushed).to.deep.equal([-1, -2]);
  });

  it('does not blame a message for the aggregate that it was rejected by', async () => {
    const custom: Aggregation<Bag, number, readonly number[]> = {
      ...bags,
      output: (bag) => {
        if (bag.values.includes(6)) throw new Error('six');
        return bags.output(bag, undefined as never);
      },
    };
    const pipe = await ran([aggregate({}, custom)], [6, 1, 8, -1], { onFailure: () => 'skip' });
    expect(valuesOf(pipe)).to.deep.equal([[8, -1]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4]);
  });

  it('without merge has an aggregate for each lease', async () => {
    const pipe = await naivePipe([aggregate({}, bags)]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2, -1], { from: 2, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[2, -1]]);
    pipe.offer(...itemsOf([3], { from: 4, of: two }));
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[2, -1], [1], [3]]);
  });

  it('with merge combines the parts of all leases into one output', async () => {
    const pipe = await naivePipe([aggregate({}, merging)]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2, -1], { from: 2, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[1, 2, -1]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3]);
  });

  it('leaves out the part of a lost lease, with merge and without', async () => {
    for (const custom of [bags, merging]) {
      const pipe = await naivePipe([aggregate({}, custom)]);
      pipe.offer(...itemsOf([1, 1]), ...itemsOf([2, 3], { from: 3, of: two }));
      await pipe.run();
      pipe.lose(one);
      pipe.flush();
      await pipe.run();
      expect(valuesOf(pipe)).to.deep.equal([[2, 3]]);
      expect(settledIds(pipe)).to.deep.equal([3, 4]);
    }
  });

  it('leaves out what stands for several leases once the last of them is lost', async () => {
    const three = lease('shard-3');
    const first = aggregate<number>({ count: 2 });
    const joined: Aggregation<string[], readonly number[], string> = {
      init: () => [],
      push: (texts, values) => {
        texts.push(values.join('+'));
        return 'keep';
      },
      output: (texts) => texts.join(' '),
      merge: (parts) => parts.flat(),
    };
    const pipe = await naivePipe([first, aggregate({ count: 10 }, joined)]);
    pipe.offer(
      ...itemsOf([1]),
      ...itemsOf([2, 3], { from: 2, of: two }),
      ...itemsOf([4, 5, 6], { from: 4, of: three }),
    );
    await pipe.run();
    pipe.lose(one);
    pipe.lose(two);
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal(['3+4 5+6']);
    expect(settledIds(pipe)).to.deep.equal([4, 5, 6]);
  });

  it('counts what is left of it after a loss', async () => {
    const pipe = await naivePipe([aggregate({ count: 3 }, merging)]);
    pipe.offer(...itemsOf([1, 1]), ...itemsOf([2], { from: 3, of: two }));
    pipe.lose(one);
    await pipe.run();
    pipe.offer(...itemsOf([3], { from: 4, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([]);
    pipe.offer(...itemsOf([4], { from: 5, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[2, 3, 4]]);
  });

  it('refuses a form that is not whole', () => {
    expect(() => aggregate({}, { init: () => 0, push: () => 'keep' } as never)).to.throw(
      'aggregate.output: expected a function, got undefined',
    );
    expect(() => aggregate({}, { ...bags, megre: 1 } as never)).to.throw('aggregate.megre: no such member');
    expect(() => aggregate({}, 7 as never)).to.throw('a function, or a plain object with init, push and output, got 7');
  });
});
