// A flush acknowledges exactly the items folded before it began. A reducer flushes when a batch is full, when the interval is over, or
// when a worker's ledger is full.
import { expect } from 'chai';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../../support/gate.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();
const one = { reducers: 1 };
type Numbers = readonly number[];

describe('a reducer with flush', () => {
  function flushing(batch: object, flushed: Numbers[], hold?: () => Promise<void> | undefined) {
    return defineReducer<number[]>({
      init: () => [],
      batch,
      reduce: (state, item) => [...state, numberOf(item)],
      flush: async (state) => {
        flushed.push(state);
        await hold?.();
        return [];
      },
    });
  }

  it('flushes as soon as a batch is full, without waiting for the next item', async () => {
    const stream = fakeStream();
    putNumbered(stream, 20);
    const flushed: Numbers[] = [];
    const pipeline = start({ ...one, definition: flushing({ size: 10, intervalMs: 1_000 }, flushed) });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(flushed.map(({ length }) => length)).to.deep.equal([10, 10]);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('flushes and acknowledges exactly the items folded before the flush began', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 4);
    const flushed: Numbers[] = [];
    const held = gate();
    const pipeline = start({ ...one, definition: flushing({ size: 100, intervalMs: 50 }, flushed, () => held.opened) });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(60);
    expect(flushed).to.deep.equal([[0, 1, 2, 3]]);
    // These items arrive while the flush is under way, so its state has none of them.
    putNumbered(stream, 3, undefined, 4);
    await pipeline.clock.advance(20);
    expect(keeper.frontiers).to.have.length(0);
    held.open();
    await pipeline.clock.advance(10);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[3]);
    expect(flushed).to.have.length(1);
    await pipeline.clock.advance(60);
    expect(flushed).to.deep.equal([
      [0, 1, 2, 3],
      [4, 5, 6],
    ]);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('flushes by its own timer, counted from the first item after the last flush, without further input', async () => {
    const stream = fakeStream();
    const at: number[] = [];
    const pipeline = start({
      reducers: 50,
      definition: defineReducer({
        init: () => 0,
        batch: { size: 100, intervalMs: 400 },
        reduce: (n: number) => n + 1,
        flush: () => (at.push(pipeline.clock.now()), 0),
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1_234);
    putNumbered(stream, 200);
    await pipeline.clock.advance(399);
    expect(at).to.deep.equal([]);
    await pipeline.clock.advance(1);
    expect(new Set(at)).to.deep.equal(new Set([1_634]));
    expect(at.length).to.be.greaterThan(40);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
    await pipeline.clock.advance(5_000);
    expect(new Set(at)).to.deep.equal(new Set([1_634]));
  });

  it('continues with the state that flush returns, or with the old state for undefined', async () => {
    const stream = fakeStream();
    putNumbered(stream, 6);
    const states: unknown[] = [];
    const pipeline = start({
      ...one,
      definition: defineReducer<Numbers>({
        init: () => [],
        batch: { size: 2 },
        reduce: (state, item) => [...state, numberOf(item)],
        flush: (state) => (states.push(state), states.length === 2 ? [99] : undefined),
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(states).to.deep.equal([
      [0, 1],
      [0, 1, 2, 3],
      [99, 4, 5],
    ]);
  });

  it('gives flush the fence of each shard in the state', async () => {
    const stream = fakeStream({ shards: 3 });
    putNumbered(stream, 60);
    const fences: ReadonlyMap<string, number>[] = [];
    const pipeline = start({
      ...one,
      definition: defineReducer({
        init: () => 0,
        batch: { intervalMs: 100 },
        reduce: (n: number) => n,
        flush: (_, ctx) => void fences.push(ctx.fences),
      }),
    });
    const shardWorkers = stream.shardIds().map((id) => pipeline.read(stream.port, id));
    await pipeline.clock.advance(200);
    const expected = new Map(
      shardWorkers.map(({ keeper: { tenures } }) => [
        `${tenures[0]!.source}/${tenures[0]!.shardId}`,
        tenures[0]!.fence,
      ]),
    );
    expect(fences).to.deep.equal([expected]);
  });

  // Without a flush nothing would be acknowledged, and the ledger would stay full.
  it('flushes at once when a worker’s ledger is full', async () => {
    const stream = fakeStream();
    putNumbered(stream, 25);
    const flushed: Numbers[] = [];
    const pipeline = start({
      ...one,
      shardWorker: { maxPending: 10 },
      definition: flushing({ size: 1_000, intervalMs: 100_000 }, flushed),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(flushed.map(({ length }) => length)).to.deep.equal([10, 10]);
  });

  it('flushes at once when the next record does not fit into maxPendingBytes', async () => {
    const stream = fakeStream();
    for (let index = 0; index < 5; index += 1) stream.put({ partitionKey: 'k', data: 'x'.repeat(60) });
    let flushes = 0;
    const pipeline = start({
      ...one,
      shardWorker: { maxPendingBytes: 100 },
      definition: defineReducer({
        init: () => 0,
        batch: { size: 1_000, intervalMs: 100_000 },
        reduce: (n: number) => n,
        flush: () => void (flushes += 1),
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(flushes).to.equal(4);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0)[3]?.sequenceNumber);
  });

  it('starts again from init after a flush that failed and was skipped', async () => {
    const stream = fakeStream();
    putNumbered(stream, 6);
    const flushed: Numbers[] = [];
    let fail = true;
    const definition = flushing({ size: 3 }, flushed, () => {
      const failing = fail;
      fail = false;
      return failing ? Promise.reject(new Error('disk')) : undefined;
    });
    const asked: any[] = [];
    const pipeline = start({
      ...one,
      definition,
      reducer: { onFailure: (error, item) => (asked.push([error, item]), 'skip') },
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(flushed).to.deep.equal([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(asked).to.have.length(1);
    expect(asked[0][0].message).to.equal('disk');
    expect(asked[0][1]).to.include({ at: 'flush', items: 3, shardId: shard0, key: 'k0' });
    expect(pipeline.counters()['skippedItems']).to.equal(3);
    expect(pipeline.events.filter(({ name }) => name === 'recordSkipped')).to.have.length(3);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('crashes by default when a flush fails, and settles none of its items', async () => {
    const stream = fakeStream();
    const [first] = putNumbered(stream, 3);
    const pipeline = start({
      ...one,
      definition: flushing({ size: 3 }, [], () => Promise.reject(new Error('disk'))),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    const ending = pipeline.ending(pipeline.reducers[0]!);
    await pipeline.clock.advance(1);
    const { reason, error } = (await ending) as { reason: string; error: any };
    expect(reason).to.equal('crash');
    expect(error).to.include({ code: 'PROCESSING_FAILED' });
    expect(error.message).to.equal(`flush failed for 3 items from record ${first} of ${shard0}: disk`);
    expect(keeper.frontiers).to.deep.equal([]);
  });

  it('stops every shard in the state, and no other, when a flush fails under stopShard', async () => {
    const stream = fakeStream({ shards: 3 });
    const [a, b, c] = stream.shardIds() as [string, string, string];
    let fail = true;
    const pipeline = start({
      ...one,
      definition: flushing({ size: 1_000, intervalMs: 100 }, [], () => {
        const failing = fail;
        fail = false;
        return failing ? Promise.reject(new Error('disk')) : undefined;
      }),
      reducer: { onFailure: 'stopShard' },
    });
    const shardWorkers = [a, b, c].map((id) => pipeline.read(stream.port, id));
    for (
      let index = 0;
      shardWorkers.some((_, at) => at < 2 && stream.recordsOf([a, b][at]!).length === 0);
      index += 1
    ) {
      const key = `k${index}`;
      const { shardId } = stream.put({ partitionKey: key, data: '0' })[0]!;
      if (shardId === c) stream.trim(c, 1);
    }
    await pipeline.clock.advance(200);
    expect(shardWorkers.map(({ keeper }) => keeper.ends.map(({ type }) => type))).to.deep.equal([
      ['stopShard'],
      ['stopShard'],
      [],
    ]);
  });
});
