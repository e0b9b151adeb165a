// A slow `extract` does not hold up other actors. The stage gives way after 25 ms, takes its workers in turn, and extracts nothing for
// a tenure after its deadline.
import { expect } from 'chai';
import type { Tenure } from '../../../actors/protocol/tenure.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';
import type { Pipeline } from '../../support/pipeline.js';

const start = pipelines();

/** A pipeline whose `extract` takes 10 ms, so that a slice of 25 ms holds three. */
function slow(
  seen: number[],
  tenure: Partial<Tenure> = {},
  onExtract: (n: number, pipeline: Pipeline) => void = () => {},
): Pipeline {
  const pipeline: Pipeline = start({
    reducers: 1,
    tenure,
    stage: {
      extract: (record) => {
        pipeline.clock.spend(10);
        onExtract(numberOf(record), pipeline);
        return [{ key: 'k', value: record.data }];
      },
    },
    definition: defineReducer({ init: () => 0, reduce: (n: number, item) => (seen.push(numberOf(item)), n) }),
  });
  return pipeline;
}

describe('a stage whose extraction takes long', () => {
  it('gives way after 25 ms, so items of one slice are reduced before the next slice', async () => {
    const stream = fakeStream();
    putNumbered(stream, 9);
    const seen: number[] = [];
    const reduced: number[] = [];
    const pipeline = slow(seen, {}, () => reduced.push(seen.length));
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(200);
    expect(seen).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(reduced.slice(0, 4)).to.deep.equal([0, 0, 0, 3]);
  });

  it('takes its workers in turn, and keeps the order of each worker’s records', async () => {
    const streams = ['a', 'b'].map((name) => fakeStream({ name }));
    const order: string[] = [];
    const pipeline = start({
      reducers: 1,
      stage: {
        extract: (record, { source }) => {
          pipeline.clock.spend(25);
          order.push(`${source}${numberOf(record)}`);
          return [];
        },
      },
      definition: defineReducer({ init: () => 0, reduce: (n: number) => n }),
    });
    for (const stream of streams) {
      putNumbered(stream, 3);
      pipeline.read(stream.port, shard0);
    }
    await pipeline.clock.advance(500);
    expect(order).to.deep.equal(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
  });

  it('drops the rest of a batch when its worker was revoked between two slices', async () => {
    const stream = fakeStream();
    putNumbered(stream, 100);
    const seen: number[] = [];
    let extracted = 0;
    const pipeline = slow(seen, {}, (n) => {
      extracted = n;
      if (n === 4) keeper.control({ type: 'revoked', reason: 'taken' });
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(2_000);
    expect(keeper.ends).to.deep.equal([{ type: 'tenureEnded' }]);
    expect(extracted).to.be.lessThan(9);
    expect(pipeline.status(pipeline.stages[0]!)).to.include({ shardWorkers: 0 });
  });

  it('drops the rest of a batch at the deadline of the tenure, and the worker ends', async () => {
    const stream = fakeStream();
    putNumbered(stream, 100);
    const seen: number[] = [];
    let extracted = 0;
    const pipeline = slow(seen, { deadline: 50 }, () => (extracted += 1));
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(2_000);
    expect(keeper.ends).to.deep.equal([{ type: 'tenureEnded' }]);
    expect([extracted, seen]).to.deep.equal([6, [0, 1, 2]]);
  });

  it('shows unextracted records in its status, and puts a flush after the last record', async () => {
    const stream = fakeStream();
    putNumbered(stream, 100);
    const held: unknown[] = [];
    const flushed: number[] = [];
    const pipeline: Pipeline = start({
      reducers: 1,
      batchIntervalMs: 1_000_000,
      shardWorker: { maxPending: 100 },
      stage: {
        extract: (record) => {
          pipeline.clock.spend(10);
          if (numberOf(record) === 50) held.push(pipeline.status(pipeline.stages[0]!));
          return [{ key: 'k', value: record.data }];
        },
      },
      definition: defineReducer<number, Uint8Array>({
        init: () => 0,
        reduce: (n) => n + 1,
        flush: (n) => (flushed.push(n), 0),
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(2_000);
    const { holding } = held[0] as { holding: { ordinal: number; state: string }[] };
    expect(holding.at(-1)).to.include({ ordinal: 51, state: 'queued' });
    expect(flushed.reduce((sum, n) => sum + n, 0)).to.equal(100);
  });
});
