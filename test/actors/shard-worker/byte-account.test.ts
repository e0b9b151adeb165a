// The byte budget counts the bytes of each open record once, from its arrival until it is settled. After a worker has ended, the budget
// counts nothing for that worker.
import { expect } from 'chai';
import { createByteBudget, type ByteBudget } from '../../../src/core/byte-budget.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { envelope, message, type MAGIC } from '../../support/aggregate-bytes.js';
import { pipelines, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();
const key = 'k';

function aggregateOf(sizes: readonly number[], format: keyof typeof MAGIC = 'kpl'): Buffer {
  return envelope(
    message(
      [key],
      sizes.map((size) => ({ pk: 0, data: Buffer.alloc(size, 'x') })),
    ),
    format,
  );
}

/** A worker whose items stay open until `settle` acknowledges them, by their places in the order of arrival. */
async function held(budget: ByteBudget, datas: readonly Buffer[], shardWorker = {}) {
  const stream = fakeStream({ maxRecords: 3 });
  for (const data of datas) stream.put({ partitionKey: key, data });
  const acks: (() => void)[] = [];
  const pipeline = start({
    shardWorker: { budget, ...shardWorker },
    definition: defineReducer({
      init: () => 0,
      acknowledge: 'manual',
      reduce: (n: number, { token }, { ack }) => (acks.push(() => ack(token)), n),
    }),
  });
  const reader = pipeline.read(stream.port, shard0);
  await pipeline.clock.advance(100);
  const settle = async (...which: readonly number[]): Promise<void> => {
    for (const index of which) acks[index]!();
    await pipeline.clock.advance(100);
  };
  return { ...reader, pipeline, acks, settle, stream };
}

describe('the byte budget of a shard worker', () => {
  it('counts every open record once, from its arrival until it is settled', async () => {
    const budget = createByteBudget(1_000_000);
    const datas = [10, 20, 30, 40].map((size) => Buffer.alloc(size));
    const { acks, settle, shardWorker, pipeline } = await held(budget, datas, { maxPending: 2 });
    // Two records are admitted, the third was fetched with them, and the fourth is not fetched.
    expect(acks).to.have.length(2);
    expect(budget.heldBytes).to.equal(10 + 20 + 30 + 3);
    expect(pipeline.status(shardWorker)).to.include({ heldBytes: 63, openBytes: 32, prefetchedBytes: 0 });
    await settle(0);
    expect(budget.heldBytes).to.equal(20 + 30 + 2);
    await settle(1);
    expect(budget.heldBytes).to.equal(30 + 40 + 2);
    await settle(2, 3);
    expect(budget.heldBytes).to.equal(0);
  });

  for (const format of ['kpl', 'erlmld-deflate'] as const) {
    it(`counts a whole aggregate (${format}) until its last user record is settled, in any order`, async () => {
      const budget = createByteBudget(10_000_000);
      const aggregate = aggregateOf([1, 10_000, 1], format);
      const { settle } = await held(budget, [aggregate, Buffer.alloc(5)]);
      const whole = budget.heldBytes - 6;
      expect(whole).to.be.at.least(10_002);
      if (format === 'kpl') expect(whole).to.equal(aggregate.length + 1);
      await settle(3, 1, 0);
      expect(budget.heldBytes).to.equal(whole);
      await settle(2);
      expect(budget.heldBytes).to.equal(0);
    });
  }

  it('frees the bytes of unadmitted records at a drain, and of a partly admitted aggregate once settled', async () => {
    const budget = createByteBudget(1_000_000);
    const datas = [aggregateOf([100, 100, 100]), Buffer.alloc(1_000), Buffer.alloc(1_000)];
    const { settle, keeper, pipeline } = await held(budget, datas, { maxPending: 2 });
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(100);
    expect(budget.heldBytes).to.equal(datas[0]!.length + 1);
    await settle(0, 1);
    expect(budget).to.include({ heldBytes: 0, borrowedBytes: 0 });
    expect(budget.accounts.size).to.equal(0);
  });

  it('holds nothing once the worker has lost its lease, was stopped or has crashed', async () => {
    const endings = [
      ({ keeper }: Awaited<ReturnType<typeof held>>) => keeper.control({ type: 'revoked', reason: 'for the test' }),
      ({ pipeline, shardWorker }: Awaited<ReturnType<typeof held>>) => void pipeline.kill(shardWorker),
      ({ stream, acks }: Awaited<ReturnType<typeof held>>) => {
        stream.failReads(shard0, new Error('for the test'));
        for (const ack of acks) ack();
        stream.put({ partitionKey: key, data: 'x' });
      },
    ];
    for (const end of endings) {
      const budget = createByteBudget(1_000_000);
      const on = await held(budget, [
        Buffer.alloc(1_000),
        Buffer.alloc(1_000),
        Buffer.alloc(1_000),
        Buffer.alloc(1_000),
      ]);
      expect(budget.heldBytes).to.equal(4_004);
      end(on);
      await on.pipeline.clock.advance(1_000);
      expect(budget.heldBytes).to.equal(0);
      expect(budget.accounts.size).to.equal(0);
    }
  });
});
