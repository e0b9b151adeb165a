// Stages, reducers and shard workers together deliver each record once and in order per key, and report the last record as the
// frontier. These are real actors on the real runtime in virtual time, with a stream in memory and without leases: `read` starts a shard
// worker, and the `keeper` beside it is a stub that lets it read, and notes each frontier and the end that the shard worker reports.
import { expect } from 'chai';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { startPipeline, type StubKeeper } from '../support/pipeline.js';

const shardId = 'shardId-000000000000';
/** The sequence number up to which everything is settled, as the shard worker has reported it. */
const frontierOf = (keeper: StubKeeper) => keeper.frontiers.at(-1)?.position.sequenceNumber;
/** Records of one shard, each with a key of its own. */
const records = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ partitionKey: `k${index}`, data: 'x' }));

describe('the pipeline over a stream in memory', () => {
  it('delivers every record once, in order per key, and reports the last record as the frontier', async () => {
    const stream = fakeStream({ shards: 1 });
    // 3,000 numbered records with 17 keys.
    const put = stream.put(
      ...Array.from({ length: 3_000 }, (_, index) => ({ partitionKey: `k${index % 17}`, data: String(index) })),
    );
    const seen: string[] = [];
    /** The numbers of the records that came with each key, in the order in which they came. */
    const byKey = new Map<string, number[]>();
    const pipeline = startPipeline({
      reducers: 4,
      credit: 7,
      definition: defineReducer({
        init: () => 0,
        reduce: (count: number, item) => {
          seen.push(item.sequenceNumber);
          byKey.set(item.key, [...(byKey.get(item.key) ?? []), Number(Buffer.from(item.value).toString())]);
          return count + 1;
        },
      }),
    });
    const { keeper } = pipeline.read(stream.port, shardId);
    await pipeline.clock.advance(100);
    expect(seen).to.have.length(3_000);
    expect(new Set(seen).size).to.equal(3_000);
    for (const order of byKey.values()) expect(order).to.deep.equal(order.toSorted((a, b) => a - b));
    expect(frontierOf(keeper)).to.equal(put.at(-1)?.sequenceNumber);
    await pipeline.stop();
  });

  it('acknowledges with a flush the items folded before it, and flushes an idle reducer by its timer', async () => {
    const stream = fakeStream({ shards: 1 });
    const put = stream.put(...records(25));
    const flushed: number[] = [];
    const pipeline = startPipeline({
      reducers: 1,
      definition: defineReducer({
        init: () => ({ count: 0 }),
        reduce: (state: { count: number }) => ({ count: state.count + 1 }),
        batch: { size: 10, intervalMs: 500 },
        flush: (state) => {
          flushed.push(state.count);
          return { count: 0 };
        },
      }),
    });
    const { keeper } = pipeline.read(stream.port, shardId);
    await pipeline.clock.advance(100);
    expect(flushed).to.deep.equal([10, 10]);
    await pipeline.clock.advance(500);
    expect(flushed).to.deep.equal([10, 10, 5]);
    expect(frontierOf(keeper)).to.equal(put.at(-1)?.sequenceNumber);
    await pipeline.stop();
  });

  it('ends a worker normally once its ended shard is settled, and names the child shards', async () => {
    const stream = fakeStream({ shards: 1 });
    stream.put(...records(25));
    const children = stream.split(shardId);
    const pipeline = startPipeline({
      reducers: 2,
      definition: defineReducer({
        init: () => 0,
        reduce: (n: number) => n + 1,
        batch: { size: 1_000 },
        flush: () => 0,
      }),
    });
    const { keeper, shardWorker } = pipeline.read(stream.port, shardId);
    const ending = pipeline.ending(shardWorker);
    await pipeline.clock.advance(100);
    expect((await ending).reason).to.equal('normal');
    expect(keeper.ends).to.have.length(1);
    const [end] = keeper.ends;
    expect(end?.type === 'shardEnd' && end.children?.map(({ shardId }) => shardId)).to.deep.equal(children);
    await pipeline.stop();
  });

  it('delivers no more items once a suspension has passed the deadline, although the monotonic clock stood still', async () => {
    const stream = fakeStream({ shards: 1 });
    stream.put(...records(20));
    let seen = 0;
    let wall = 1_000;
    // The machine is suspended during the fifth call: the wall clock jumps, and the monotonic clock stands still.
    const clock = { now: () => 0, wallNow: () => wall };
    const pipeline = startPipeline({
      reducers: 1,
      reducer: { clock },
      stage: { clock },
      definition: defineReducer({
        init: () => 0,
        reduce: (count: number) => {
          seen += 1;
          if (seen === 5) wall = 60_000;
          return count + 1;
        },
      }),
      tenure: { wallDeadline: 30_000 },
    });
    const { keeper } = pipeline.read(stream.port, shardId);
    await pipeline.clock.advance(100);
    expect(seen).to.equal(5);
    expect(keeper.tenures[0]?.ended).to.equal(true);
    expect(keeper.ends).to.deep.equal([{ type: 'tenureEnded' }]);
    await pipeline.stop();
  });
});
