// The list form of an aggregate: when it emits, what it stands for, and what a lost lease or a failure takes out.
import { expect } from 'chai';
import type { AnyNode, NodeContext, PipeMessage } from '../../../src/api/pipe.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { demux, join } from '../../../src/pipes/routes.js';
import { unfold } from '../../../src/pipes/single-nodes.js';
import { itemsOf, lease, one, ran, settledIds, two, valuesOf } from '../../support/naive-items.js';
import { naivePipe } from '../../support/naive-pipe.js';
import { NaiveMessage } from '../../support/naive-shares.js';

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const fail = (): never => {
  throw new Error('no output');
};

describe('an aggregate', () => {
  it('emits at its count, and its output stands for exactly its messages', async () => {
    const pipe = await ran([aggregate({ count: 2 }, sum)], [1, 2, 3, 4, 5]);
    expect(valuesOf(pipe)).to.deep.equal([3, 7]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4]);
  });

  it('emits with the message that reaches its bytes', async () => {
    const pipe = await naivePipe([aggregate<number>({ bytes: 10 })]);
    pipe.offer(...itemsOf([1, 2, 3], { sizeBytes: 5 }), ...itemsOf([4], { from: 4, sizeBytes: 12 }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([
      [1, 2],
      [3, 4],
    ]);
    expect(pipe.sent.map(({ sizeBytes }) => sizeBytes)).to.deep.equal([10, 17]);
  });

  it('emits its interval after its first message, by default a second, and not later ones', async () => {
    const pipe = await ran([aggregate<number>({})], [1]);
    await pipe.advance(600);
    pipe.offer(...itemsOf([2], { from: 2 }));
    await pipe.run();
    await pipe.advance(399);
    expect(valuesOf(pipe)).to.deep.equal([]);
    await pipe.advance(1);
    expect(valuesOf(pipe)).to.deep.equal([[1, 2]]);
    await pipe.advance(5_000);
    expect(valuesOf(pipe)).to.deep.equal([[1, 2]]);
  });

  it('begins the interval of the next aggregate with its own first message', async () => {
    const pipe = await ran([aggregate<number>({ count: 2, intervalMs: 100 })], [1]);
    await pipe.advance(90);
    pipe.offer(...itemsOf([2, 3], { from: 2 }));
    await pipe.run();
    await pipe.advance(99);
    expect(valuesOf(pipe)).to.deep.equal([[1, 2]]);
    await pipe.advance(1);
    expect(valuesOf(pipe)).to.deep.equal([[1, 2], [3]]);
  });

  it('emits what is due although the clock was set back', async () => {
    const { init, handleMessage, handleTimer } = aggregate<number>({ intervalMs: 100 });
    const [item] = itemsOf([1]);
    const message = new NaiveMessage(1, [{ item: item!, count: 1n, of: 1n }], [], 1) as PipeMessage<number>;
    const at = (now: number): NodeContext => ({ now }) as NodeContext;
    const state: unknown = await init!(at(5_000));
    expect((await handleMessage(state, message, at(5_000))).timerMs).to.equal(100);
    const { outputs, timerMs } = await handleTimer!(state, at(2_000));
    expect(outputs?.map(({ value }) => value)).to.deep.equal([[1]]);
    expect(timerMs).to.equal(null);
  });

  it('emits at a flush, and nothing if it is empty', async () => {
    const pipe = await ran([aggregate<number>({ count: 9 })], [1, 2]);
    pipe.flush(1);
    pipe.flush(2);
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[1, 2]]);
    expect(pipe.flushed).to.deep.equal([1, 2]);
  });

  it('has one aggregate per route, and a flush emits the one with the oldest message first', async () => {
    const nodes = [demux((n: number) => (n % 2 === 0 ? 'even' : 'odd')), aggregate<number>({ count: 3 }), join()];
    const pipe = await ran(nodes, [1, 2, 4, 6, 3, 8]);
    expect(valuesOf(pipe)).to.deep.equal([[2, 4, 6]]);
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[2, 4, 6], [1, 3], [8]]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('may hold two of three shares', async () => {
    const nodes = [unfold((n: number) => [n, n + 1, n + 2]), aggregate<number>({ count: 4 })];
    const pipe = await ran(nodes, [1, 10]);
    expect(valuesOf(pipe)).to.deep.equal([[1, 2, 3, 10]]);
    expect(settledIds(pipe)).to.deep.equal([1]);
  });

  it('drops the values of a lost lease, and settles the others', async () => {
    const pipe = await naivePipe([aggregate<number>({ count: 4 })]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }), ...itemsOf([3], { from: 3 }));
    await pipe.run();
    pipe.lose(one);
    pipe.offer(...itemsOf([4, 5, 6], { from: 4, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[2, 4, 5, 6]]);
    expect(settledIds(pipe)).to.deep.equal([2, 4, 5, 6]);
    expect(pipe.foldedAfterLoss).to.equal(0);
  });

  it('drops the values of one lost lease after another', async () => {
    const three = lease('shard-3');
    const pipe = await naivePipe([aggregate<number>({ count: 9 })]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }), ...itemsOf([3], { from: 3, of: three }));
    await pipe.run();
    pipe.lose(one);
    pipe.lose(two);
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[3]]);
    expect(settledIds(pipe)).to.deep.equal([3]);
  });

  it('is empty once the only lease is lost, and its timer emits nothing', async () => {
    const pipe = await ran([aggregate<number>({ intervalMs: 100 })], [1, 2]);
    pipe.lose(one);
    await pipe.advance(50);
    pipe.offer(...itemsOf([3], { from: 3, of: two }));
    await pipe.run();
    await pipe.advance(99);
    expect(valuesOf(pipe)).to.deep.equal([]);
    await pipe.advance(1);
    expect(valuesOf(pipe)).to.deep.equal([[3]]);
  });

  it('keeps values of several leases that nobody can take apart', async () => {
    const pipe = await naivePipe([aggregate<number>({ count: 2 }), aggregate<readonly number[]>({ count: 2 })]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }));
    await pipe.run();
    pipe.lose(one);
    pipe.offer(...itemsOf([3, 4], { from: 3, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([
      [
        [1, 2],
        [3, 4],
      ],
    ]);
    expect(settledIds(pipe)).to.deep.equal([2, 3, 4]);
  });

  it('takes values of several leases out with the last of them, and keeps the others', async () => {
    const three = lease('shard-3');
    const pipe = await naivePipe([aggregate<number>({ count: 2 }), aggregate<readonly number[]>({ count: 3 })]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }), ...itemsOf([3], { from: 3, of: two }));
    pipe.offer(...itemsOf([4], { from: 4, of: three }));
    await pipe.run();
    pipe.lose(one);
    pipe.lose(two);
    pipe.offer(...itemsOf([5, 6], { from: 5, of: three }));
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([
      [
        [3, 4],
        [5, 6],
      ],
    ]);
    expect(settledIds(pipe)).to.deep.equal([4, 5, 6]);
  });

  it('perLease never mixes leases', async () => {
    const pipe = await naivePipe([aggregate<number>({ count: 2, perLease: true, intervalMs: 100 })]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2, 3, 4], { from: 2, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[2, 3]]);
    await pipe.advance(100);
    expect(valuesOf(pipe)).to.deep.equal([[2, 3], [1], [4]]);
  });

  it('perLease has an interval for each lease', async () => {
    const pipe = await naivePipe([aggregate<number>({ perLease: true, intervalMs: 100 })]);
    pipe.offer(...itemsOf([1]));
    await pipe.run();
    await pipe.advance(60);
    pipe.offer(...itemsOf([2], { from: 2, of: two }));
    await pipe.run();
    await pipe.advance(40);
    expect(valuesOf(pipe)).to.deep.equal([[1]]);
    await pipe.advance(59);
    expect(valuesOf(pipe)).to.deep.equal([[1]]);
    await pipe.advance(1);
    expect(valuesOf(pipe)).to.deep.equal([[1], [2]]);
  });

  it('once forgets the route with the output, and begins again', async () => {
    const nodes: AnyNode[] = [demux(String), aggregate<number>({ count: 2, once: true })];
    const pipe = await ran(nodes, [1, 2, 1]);
    expect(pipe.routes(1)).to.deep.equal([[], ['2']]);
    pipe.offer(...itemsOf([1, 1], { from: 4 }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([
      [1, 1],
      [1, 1],
    ]);
    expect(pipe.routes(1)).to.deep.equal([[], ['2']]);
  });

  it('is repeated with the same values after a failure', async () => {
    let attempts = 0;
    const make = (values: readonly number[]): number => (++attempts < 3 ? fail() : sum(values));
    const pipe = await ran([aggregate({ count: 2 }, make)], [1, 2, 3, 4], { onFailure: () => 'retry' });
    expect(valuesOf(pipe)).to.deep.equal([3, 7]);
  });

  it('leaves out of the next attempt what has lost its lease, and then waits for more', async () => {
    let isDown = true;
    const make = async (values: readonly number[]): Promise<number> => (isDown ? fail() : sum(values));
    const pipe = await naivePipe([aggregate({ count: 2 }, make)], { onFailure: () => 'retry' });
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }));
    await pipe.step(0);
    await pipe.step(0);
    expect(pipe.isWaiting(0)).to.equal(true);
    pipe.lose(one);
    isDown = false;
    pipe.offer(...itemsOf([4], { from: 3, of: two }));
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([6]);
    expect(settledIds(pipe)).to.deep.equal([2, 3]);
  });

  it('fails as a whole: with skip all of it is settled, and the next one begins empty', async () => {
    const make = (values: readonly number[]): number => (values.includes(2) ? fail() : sum(values));
    const pipe = await ran([aggregate({ count: 3 }, make)], [1, 2, 3, 4, 5, 6], { onFailure: () => 'skip' });
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(valuesOf(pipe)).to.deep.equal([15]);
  });

  it('fails as a whole at a flush and at its interval, too', async () => {
    for (const trigger of ['flush', 'timer'] as const) {
      const pipe = await naivePipe(
        [aggregate({ perLease: true }, (values) => (values.includes(1) ? fail() : values))],
        {
          onFailure: () => 'skip',
        },
      );
      pipe.offer(...itemsOf([1, 3]), ...itemsOf([2], { from: 3, of: two }));
      await pipe.run();
      if (trigger === 'flush') pipe.flush();
      else await pipe.advance(1_000);
      await pipe.run();
      expect(valuesOf(pipe), trigger).to.deep.equal([[2]]);
      expect(settledIds(pipe), trigger).to.deep.equal([1, 2, 3]);
    }
  });

  it('refuses options that are unknown or out of bounds', () => {
    for (const [options, path, text] of [
      [{ cout: 1 }, 'aggregate.cout', 'did you mean count?'],
      [{ count: 0 }, 'aggregate.count', 'an integer >= 1, got 0'],
      [{ bytes: 1.5 }, 'aggregate.bytes', 'an integer >= 1, got 1.5'],
      [{ intervalMs: Infinity }, 'aggregate.intervalMs', '1 to 2147483647'],
      [{ perLease: 1 }, 'aggregate.perLease', 'true or false'],
      [{ maxRoutes: 0 }, 'aggregate.maxRoutes', 'an integer >= 1'],
      [undefined, 'aggregate', 'an object of options, got undefined'],
    ] as const)
      expect(() => aggregate(options as never), path)
        .to.throw(text)
        .with.nested.property('data.option', path);
  });
});
