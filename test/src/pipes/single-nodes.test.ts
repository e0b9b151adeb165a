// Nodes without a state: what they send on, and what is settled when.
import { expect } from 'chai';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { filter, map, mapFilter, sink, tap, unfold } from '../../../src/pipes/single-nodes.js';
import { ran, settledIds, valuesOf } from '../../support/naive-items.js';

const waiting = aggregate<unknown>({ count: 100 });
const later = <Value>(value: Value): Promise<Value> => Promise.resolve(value);
const isOdd = (value: number): boolean => value % 2 === 1;

describe('nodes without a state', () => {
  it('map sends one value of each, and waits for promises', async () => {
    expect(valuesOf(await ran([map((n: number) => n * 2)], [1, 2]))).to.deep.equal([2, 4]);
    expect(valuesOf(await ran([map((n: number) => later(n * 2))], [1, 2]))).to.deep.equal([2, 4]);
  });

  it('filter settles at once what it does not pass on', async () => {
    const pipe = await ran([filter(isOdd), waiting], [1, 2, 3, 4]);
    expect(settledIds(pipe)).to.deep.equal([2, 4]);
    expect(valuesOf(await ran([filter((n: number) => later(isOdd(n)))], [1, 2, 3]))).to.deep.equal([1, 3]);
  });

  it('mapFilter drops undefined alone', async () => {
    const pipe = await ran(
      [mapFilter((n: number) => (isOdd(n) ? undefined : n === 2 ? 0 : null)), waiting],
      [1, 2, 3, 4],
    );
    expect(settledIds(pipe)).to.deep.equal([1, 3]);
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[0, null]]);
  });

  it('tap passes the value on unchanged once its promise has resolved', async () => {
    const seen: number[] = [];
    const pipe = await ran([tap((n: number) => later(n).then((known) => seen.push(known)))], [7, 8]);
    expect(seen).to.deep.equal([7, 8]);
    expect(valuesOf(pipe)).to.deep.equal([7, 8]);
  });

  it('unfold settles a message with the last of its values', async () => {
    const pipe = await ran([unfold((n: number) => [n, n, n]), aggregate<number>({ count: 2 })], [1]);
    expect(valuesOf(pipe)).to.deep.equal([[1, 1]]);
    expect(settledIds(pipe)).to.deep.equal([]);
    pipe.flush();
    await pipe.run();
    expect(settledIds(pipe)).to.deep.equal([1]);
  });

  it('unfold settles a message without values at once, and takes any iterable', async () => {
    expect(settledIds(await ran([unfold(() => []), waiting], [1]))).to.deep.equal([1]);
    expect(valuesOf(await ran([unfold((n: number) => later(new Set([n, 7])))], [1]))).to.deep.equal([1, 7]);
  });

  it('unfold refuses what cannot be iterated, for good', async () => {
    for (const returned of [undefined, null, 7, {}]) {
      const errors: unknown[] = [];
      const onFailure = (error: unknown): 'skip' => (errors.push(error), 'skip');
      const pipe = await ran([unfold(() => returned as never)], [1], { onFailure });
      expect(errors[0]).to.be.instanceOf(NonRetryableError);
      expect(settledIds(pipe)).to.deep.equal([1]);
    }
  });

  it('a sink settles once its promise has resolved, and repeats a failed write', async () => {
    const written: number[] = [];
    let failures = 2;
    const write = async (n: number): Promise<void> => {
      if (failures-- > 0) throw new Error('down');
      written.push(n);
    };
    const pipe = await ran([sink(write)], [1, 2], { onFailure: () => 'retry' });
    expect(written).to.deep.equal([1, 2]);
    expect(pipe.sent).to.deep.equal([]);
    expect(settledIds(pipe)).to.deep.equal([1, 2]);
  });

  it('functions get the value, the message and the context', async () => {
    const got: unknown[] = [];
    await ran([map((value, message, context) => got.push(value, message.value, context.node, context.attempt))], ['a']);
    expect(got).to.deep.equal(['a', 'a', 'map/0', 1]);
  });
});
