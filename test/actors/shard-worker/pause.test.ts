// A shard worker that is paused and resumed delivers nothing twice, and never stays paused.
import { expect } from 'chai';
import { defineReducer } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { createIntake, intakeOfShard, pauseIntake } from '../../../src/core/intake.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { envelope, message, type MAGIC } from '../../support/aggregate-bytes.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();

function aggregate(names: readonly string[], format: keyof typeof MAGIC): Buffer {
  const records = names.map((data) => ({ pk: 0, data }));
  return envelope(message(['k'], records), format);
}

describe('a shard worker that pauses', () => {
  for (const [type, isIntakePaused] of [['pause'], ['drain'], ['pause', true], ['drain', true]] as const) {
    const how = isIntakePaused === true ? `${type}, while the application pauses the shard` : type;
    it(`does not end inside an indivisible aggregate (${how})`, async () => {
      const stream = fakeStream();
      const intake = createIntake();
      stream.put(
        { partitionKey: 'k', data: 'before' },
        { partitionKey: 'k', data: aggregate(['a', 'b', 'c', 'd'], 'erlmld') },
      );
      const seen: string[] = [];
      const acks = new Map<string, () => void>();
      const pipeline = start({
        shardWorker: { maxPending: 2, intake: intakeOfShard(intake, { source: 'orders', shardId: shard0 }) },
        definition: defineReducer({
          init: () => 0,
          acknowledge: 'manual',
          reduce: (n: number, item, ctx) => {
            const name = Buffer.from(item.value).toString();
            seen.push(name);
            if (acks.has('all') || name === 'before') ctx.ack(item.token);
            else acks.set(name, () => ctx.ack(item.token));
            return n;
          },
        }),
      });
      const { keeper } = pipeline.read(stream.port, shard0);
      await pipeline.clock.advance(10);
      expect([...acks.keys()], 'open, and no room for the rest').to.deep.equal(['a', 'b']);
      if (isIntakePaused === true) pauseIntake(intake, pipeline.clock.now());
      keeper.control({ type, number: 1 });
      await pipeline.clock.advance(10);
      for (const ack of acks.values()) ack();
      acks.set('all', () => {});
      await pipeline.clock.advance(10);
      // A worker that has ended is followed by one that starts at the frontier; a paused worker is resumed.
      if (keeper.ends.length > 0) {
        const { position } = keeper.frontiers.at(-1)!;
        pipeline.read(stream.port, shard0, { type: 'after', position });
      } else keeper.control({ type: 'resume', number: 1 });
      await pipeline.clock.advance(100);
      expect(seen).to.deep.equal(['before', 'a', 'b', 'c', 'd']);
    });
  }

  it('lets its shard be handed over while the application pauses it, and leaves what it has not read to the next owner', async () => {
    const stream = fakeStream();
    const intake = createIntake();
    const pipeline = start({
      shardWorker: { intake: intakeOfShard(intake, { source: 'orders', shardId: shard0 }) },
      definition: defineReducer({ init: () => 0, reduce: (n: number) => n + 1 }),
    });
    putNumbered(stream, 3);
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1_000);
    pauseIntake(intake, pipeline.clock.now());
    putNumbered(stream, 3, undefined, 3);
    await pipeline.clock.advance(1_000);
    expect(keeper.ends, 'paused, and still there').to.deep.equal([]);
    keeper.control({ type: 'pause', number: 1 });
    await pipeline.clock.advance(1_000);
    expect(keeper.ends).to.deep.equal([{ type: 'drained', open: 0 }]);
    expect(keeper.frontiers.reduce((sum, { records }) => sum + records, 0)).to.equal(3);
  });

  it('tells its keeper at once that only records that wait for another attempt are open, whatever it has fetched behind them', async () => {
    const stream = fakeStream();
    const pipeline = start({
      shardWorker: { maxPending: 2, onFailure: retry() },
      reducer: { onFailure: retry() },
      definition: defineReducer({
        init: () => 0,
        reduce: () => {
          throw new Error('down');
        },
      }),
    });
    putNumbered(stream, 10, () => 'k');
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1_000);
    keeper.control({ type: 'pause', number: 1 });
    await pipeline.clock.advance(100);
    expect(keeper.log.filter(({ type }) => type === 'cannotDrain')).to.have.length(1);
  });

  it('continues although the same `pause` arrives again after its `resume`', async () => {
    const stream = fakeStream();
    const seen: number[] = [];
    const acks: (() => void)[] = [];
    const pipeline = start({
      definition: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (n: number, item, ctx) => {
          seen.push(numberOf(item));
          acks.push(() => ctx.ack(item.token));
          if (acks.length % 3 === 0) for (const ack of acks.splice(0)) ack();
          return n;
        },
      }),
      reducers: 1,
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    putNumbered(stream, 1);
    await pipeline.clock.advance(1_000);
    keeper.control({ type: 'pause', number: 1 });
    keeper.control({ type: 'resume', number: 1 });
    await pipeline.clock.advance(1_000);
    // A message that arrives twice changes nothing (docs/actors-on-nact.md).
    keeper.control({ type: 'pause', number: 1 });
    putNumbered(stream, 5, undefined, 1);
    await pipeline.clock.advance(600_000);
    expect(seen, 'seen in ten minutes').to.have.length(6);
  });
});
