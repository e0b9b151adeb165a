// A sink that writes batches: what is in a batch, and when it is settled.
import { expect } from 'chai';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { demux } from '../../../src/pipes/routes.js';
import { gate } from '../../support/gate.js';
import { itemsOf, one, ran, settledIds, two } from '../../support/naive-items.js';
import { naivePipe } from '../../support/naive-pipe.js';
import type { NaiveOptions, NaivePipe } from '../../support/naive-pipe-types.js';

const down = (): never => {
  throw new Error('down');
};

describe('a batched sink', () => {
  const written: (readonly number[])[] = [];
  const write = async (values: readonly number[]): Promise<void> => void written.push(values);
  const runOf = (
    values: readonly number[],
    write: (values: readonly number[]) => Promise<unknown>,
    options?: NaiveOptions,
  ): Promise<NaivePipe> => ran([batchSink({ size: 2, intervalMs: 100 }, write)], values, options);
  beforeEach(() => void written.splice(0));

  it('writes at its size, at its interval and at a flush, and sends nothing on', async () => {
    const pipe = await runOf([1, 2, 3], write);
    expect(written).to.deep.equal([[1, 2]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2]);
    await pipe.advance(100);
    expect(written).to.deep.equal([[1, 2], [3]]);
    pipe.offer(...itemsOf([4], { from: 4 }));
    pipe.flush();
    await pipe.run();
    expect(written).to.deep.equal([[1, 2], [3], [4]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4]);
    expect(pipe.sent).to.deep.equal([]);
  });

  it('writes with the message that reaches its bytes', async () => {
    const pipe = await naivePipe([batchSink({ size: 9, bytes: 10 }, write)]);
    pipe.offer(...itemsOf([1, 2, 3], { sizeBytes: 5 }));
    await pipe.run();
    expect(written).to.deep.equal([[1, 2]]);
  });

  it('settles nothing before the promise of the write has resolved', async () => {
    const open = gate();
    const pipe = await naivePipe([batchSink({ size: 1 }, () => open.opened)]);
    pipe.offer(...itemsOf([1]));
    const step = pipe.step(0);
    expect(settledIds(pipe)).to.deep.equal([]);
    open.open();
    await step;
    expect(settledIds(pipe)).to.deep.equal([1]);
  });

  it('repeats a failed write with the same batch, and then goes on in order', async () => {
    let attempts = 0;
    const tried: (readonly number[])[] = [];
    const flaky = async (values: readonly number[]): Promise<void> => {
      tried.push(values);
      if (++attempts < 3) down();
      written.push(values);
    };
    await runOf([1, 2, 3, 4], flaky, { onFailure: () => 'retry' });
    expect(tried).to.deep.equal([
      [1, 2],
      [1, 2],
      [1, 2],
      [3, 4],
    ]);
  });

  it('has one batch per route', async () => {
    await ran([demux((n: number) => String(n % 2)), batchSink({ size: 2 }, write)], [1, 2, 3, 4]);
    expect(written).to.deep.equal([
      [1, 3],
      [2, 4],
    ]);
  });

  it('leaves out the values of a lost lease', async () => {
    const pipe = await naivePipe([batchSink({ size: 3 }, write)]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }));
    await pipe.run();
    pipe.lose(one);
    pipe.flush();
    await pipe.run();
    expect(written).to.deep.equal([[2]]);
    expect(settledIds(pipe)).to.deep.equal([2]);
  });

  it('with skip settles the whole batch, and goes on', async () => {
    const poisoned = (values: readonly number[]): Promise<void> => (values.includes(1) ? down() : write(values));
    const pipe = await runOf([1, 2, 3, 4], poisoned, { onFailure: () => 'skip' });
    expect(written).to.deep.equal([[3, 4]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4]);
  });

  it('refuses options that are missing, unknown or out of bounds', () => {
    expect(() => batchSink({} as never, write)).to.throw('batchSink.size: expected an integer >= 1, got undefined');
    expect(() => batchSink({ size: 1, count: 2 } as never, write)).to.throw('batchSink.count: no such member');
    expect(() => batchSink({ size: 1, intervalMs: 0 }, write)).to.throw('batchSink.intervalMs');
    expect(() => batchSink({ size: 1 }, undefined as never)).to.throw('batchSink: expected a function');
  });
});
