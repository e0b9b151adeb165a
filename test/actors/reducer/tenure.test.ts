// When a lease ends, the reducers deliver and flush no more items of it, and return their credit. Items of other shards are still
// delivered.
import { expect } from 'chai';
import { defineReducer, type FoldingReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../../support/gate.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();
const one = { reducers: 1 };

type ReducerQueue = { queued: number; credit: number };

/** Two streams through one reducer. `put` adds records to one of them, and `act` may hold up a call of `reduce`. */
async function twoShards(
  parts: Partial<FoldingReducer<any>>,
  act: (source: string, n: number) => unknown,
  credit = 100,
) {
  const [a, b] = [fakeStream({ name: 'a' }), fakeStream({ name: 'b' })];
  const seen: string[] = [];
  const pipeline = start({
    ...one,
    credit,
    definition: defineReducer<any>({
      init: () => [],
      reduce: (state: string[], item) => {
        const name = `${item.source}${numberOf(item)}`;
        seen.push(name);
        const held = act(item.source, numberOf(item)) as Promise<void> | undefined;
        return held === undefined ? [...state, name] : held.then(() => [...state, name]);
      },
      ...parts,
    }),
  });
  const ofA = pipeline.read(a.port, shard0).keeper;
  await pipeline.clock.advance(1);
  const ofB = pipeline.read(b.port, shard0).keeper;
  await pipeline.clock.advance(1);
  const put = async (stream: typeof a, count: number, from = 0): Promise<string[]> => {
    const numbers = putNumbered(stream, count, undefined, from);
    await pipeline.clock.advance(1);
    return numbers;
  };
  const queue = (): ReducerQueue => (pipeline.status(pipeline.stages[0]!) as { queues: ReducerQueue[] }).queues[0]!;
  return { a, b, ofA, ofB, put, seen, pipeline, queue };
}

describe('a pipeline that loses a lease', () => {
  it('drops the queued items of that tenure in stage and reducer, and gives their credit back', async () => {
    const held = gate();
    const { a, b, ofA, ofB, put, seen, pipeline, queue } = await twoShards(
      {},
      (source, n) => (source === 'a' && n === 1 ? held.opened : undefined),
      8,
    );
    await put(a, 20);
    const numbers = await put(b, 5);
    expect(queue().credit).to.equal(0);
    ofA.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(1);
    held.open();
    await pipeline.clock.advance(1);
    expect(seen).to.deep.equal(['a0', 'a1', 'b0', 'b1', 'b2', 'b3', 'b4']);
    expect(queue()).to.deep.equal({ reducer: 0, queued: 0, credit: 8 });
    expect(ofA.ends).to.deep.equal([{ type: 'tenureEnded' }]);
    expect(ofB.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[4]);
  });

  it('counts an item in reduce as folded after loss, and does not acknowledge it', async () => {
    const held = gate();
    const { a, ofA, put, pipeline } = await twoShards({}, () => held.opened);
    await put(a, 3);
    ofA.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(1);
    held.open();
    await pipeline.clock.advance(1);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(1);
    expect(ofA.frontiers).to.deep.equal([]);
  });

  it('counts lost items in a flushed state as folded after loss, and acknowledges those of other shards', async () => {
    const flushed: string[][] = [];
    const { a, b, ofA, ofB, put, pipeline } = await twoShards(
      { batch: { size: 100, intervalMs: 50 }, flush: (state: string[]) => (flushed.push(state), []) },
      () => undefined,
    );
    await put(a, 3);
    const numbers = await put(b, 2);
    ofA.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(100);
    expect(flushed).to.deep.equal([['a0', 'a1', 'a2', 'b0', 'b1']]);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(3);
    expect(ofA.frontiers).to.deep.equal([]);
    expect(ofB.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[1]);
  });

  it('does not flush a state of ended tenures only, and starts again from init', async () => {
    const flushed: string[][] = [];
    const { a, b, ofA, put, pipeline } = await twoShards(
      { batch: { size: 100, intervalMs: 50 }, flush: (state: string[]) => (flushed.push(state), undefined) },
      () => undefined,
    );
    await put(a, 3);
    ofA.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(100);
    expect(flushed).to.deep.equal([]);
    await put(b, 1);
    await pipeline.clock.advance(100);
    expect(flushed).to.deep.equal([['b0']]);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(undefined);
  });

  it('drops the state of the lost shard, and keeps the others, with one state per shard', async () => {
    const flushed: string[][] = [];
    const { a, b, ofA, put, pipeline } = await twoShards(
      {
        stateBy: 'shard',
        batch: { size: 100, intervalMs: 50 },
        flush: (state: string[]) => (flushed.push(state), undefined),
      },
      () => undefined,
    );
    await put(a, 3);
    await put(b, 2);
    ofA.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(100);
    expect(flushed).to.deep.equal([['b0', 'b1']]);
    expect(pipeline.status(pipeline.reducers[0]!)).to.include({ unflushed: 0 });
    // The next tenure of the same shard starts from init().
    const again = pipeline.read(a.port, shard0).keeper;
    await pipeline.clock.advance(100);
    expect(flushed.at(-1)).to.deep.equal(['a0', 'a1', 'a2']);
    await put(a, 1, 3);
    await put(b, 1, 2);
    await pipeline.clock.advance(100);
    expect(flushed.slice(-2)).to.have.deep.members([
      ['a0', 'a1', 'a2', 'a3'],
      ['b0', 'b1', 'b2'],
    ]);
    expect(again.frontiers.at(-1)?.position.sequenceNumber).to.equal(a.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('runs no failure policy for a reduce or flush that fails after the loss', async () => {
    for (const at of ['reduce', 'flush']) {
      const held = gate();
      const failing = (): Promise<never> => held.opened.then(() => Promise.reject(new Error('lost')));
      const parts = at === 'reduce' ? {} : { batch: { size: 1 }, flush: failing };
      const { a, b, ofA, ofB, put, pipeline } = await twoShards(parts, () => (at === 'reduce' ? failing() : undefined));
      await put(a, 1);
      ofA.control({ type: 'revoked', reason: 'test' });
      await pipeline.clock.advance(1);
      held.open();
      await pipeline.clock.advance(1);
      expect(
        pipeline.events.map(({ name }) => name),
        at,
      ).to.not.include('actorCrashed');
      expect(ofA.frontiers).to.deep.equal([]);
      expect([b.port.name, ofB.ends.length]).to.deep.equal(['b', 0]);
      await pipeline.stop();
    }
  });

  it('counts and ignores `revoked` and `drain` with the fence of an older tenure', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const pipeline = start({ ...one, definition: defineReducer({ init: () => 0, reduce: (n: number) => n }) });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    const stale = keeper.tenures[0]!.fence - 1;
    pipeline.tell(shardWorker, { type: 'revoked', fence: stale, reason: 'old' });
    pipeline.tell(shardWorker, { type: 'drain', fence: stale });
    const numbers = putNumbered(stream, 3, undefined, 3);
    await pipeline.clock.advance(1);
    expect(pipeline.counters()['staleControls']).to.equal(2);
    expect(keeper.ends).to.deep.equal([]);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[2]);
  });
});

describe('the local deadline', () => {
  it('stops delivery in the middle of a batch, without any timer or message', async () => {
    const { a, b, ofA, ofB, put, seen, pipeline, queue } = await twoShards({}, (source, n) => {
      // As if no renewal had succeeded, and the deadline had passed during this call.
      if (source === 'a' && n === 2) ofA.tenures[0]!.deadline = pipeline.clock.now();
      return undefined;
    });
    await put(a, 10);
    await put(b, 2);
    expect(seen).to.deep.equal(['a0', 'a1', 'a2', 'b0', 'b1']);
    expect(ofA.ends).to.deep.equal([{ type: 'tenureEnded' }]);
    expect(ofA.tenures[0]!.ended).to.equal(true);
    expect(ofB.ends).to.deep.equal([]);
    // The items folded in that batch are not acknowledged, because they may take effect here and at the new owner.
    expect(ofA.frontiers).to.deep.equal([]);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(3);
    expect(queue()).to.deep.equal({ reducer: 0, queued: 0, credit: 100 });
  });

  it('ends the tenure for good once found passed, even if a renewal comes later', async () => {
    const { a, ofA, put, seen, pipeline } = await twoShards({}, () => undefined);
    await put(a, 1);
    ofA.tenures[0]!.deadline = 0;
    putNumbered(a, 1, undefined, 1);
    await pipeline.clock.advance(0);
    ofA.tenures[0]!.deadline = 1e12;
    await put(a, 3, 2);
    await pipeline.clock.advance(100);
    expect(seen).to.deep.equal(['a0']);
    expect(ofA.ends).to.deep.equal([{ type: 'tenureEnded' }]);
  });

  it('is checked before a flush, so a state of ended tenures is not flushed', async () => {
    const flushed: string[][] = [];
    const { a, ofA, put, pipeline } = await twoShards(
      { batch: { size: 100, intervalMs: 50 }, flush: (state: string[]) => (flushed.push(state), []) },
      () => undefined,
    );
    await put(a, 3);
    ofA.tenures[0]!.deadline = pipeline.clock.now() + 20;
    await pipeline.clock.advance(100);
    expect(flushed).to.deep.equal([]);
    expect(ofA.ends).to.deep.equal([{ type: 'tenureEnded' }]);
    expect(ofA.frontiers).to.deep.equal([]);
  });

  it('is checked before a raw behaviour gets items, so only items of live tenures are delivered', async () => {
    const [a, b] = [fakeStream({ name: 'a' }), fakeStream({ name: 'b' })];
    const got: string[] = [];
    const held = gate();
    const pipeline = start({
      ...one,
      definition: defineReducer<number>({
        init: () => 0,
        behaviour: async (n, message, ctx) => {
          if (message.type !== 'items') return n;
          for (const item of message.items) {
            got.push(`${item.source}${numberOf(item)}`);
            ctx.ack(item.token);
          }
          await held.opened;
          return n;
        },
      }),
    });
    putNumbered(a, 1);
    const ofA = pipeline.read(a.port, shard0).keeper;
    await pipeline.clock.advance(1);
    putNumbered(a, 2, undefined, 1);
    await pipeline.clock.advance(1);
    pipeline.read(b.port, shard0);
    putNumbered(b, 2);
    await pipeline.clock.advance(1);
    ofA.tenures[0]!.deadline = 0;
    held.open();
    await pipeline.clock.advance(1);
    expect(got).to.deep.equal(['a0', 'b0', 'b1']);
    expect(ofA.ends).to.deep.equal([{ type: 'tenureEnded' }]);
  });

  it('ends nothing if it passes and is renewed while nothing is delivered', async () => {
    const { a, ofA, put, seen, pipeline } = await twoShards({}, () => undefined);
    await put(a, 2);
    ofA.tenures[0]!.deadline = pipeline.clock.now() + 10;
    await pipeline.clock.advance(1_000);
    ofA.tenures[0]!.deadline = 1e12;
    await put(a, 2, 2);
    expect(seen).to.deep.equal(['a0', 'a1', 'a2', 'a3']);
    expect(ofA.ends).to.deep.equal([]);
  });
});
