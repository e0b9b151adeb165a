// A stage sends all items of a key to the same reducer, in order and within its credit. If the reducers are slow, the stage lets the
// shard workers wait. `onFailure` decides what a failed `extract` leads to.
import { expect } from 'chai';
import { reducerIndexOf } from '../../../src/core/routing.js';
import { defineReducer, type ReducerDefinition } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../../support/gate.js';
import { collecting, numberOf, pipelines, putNumbered, shard0, wiretap } from '../../support/pipeline-probes.js';

const start = pipelines();
const two = { reducers: 2 };
/** A key that goes to reducer 0 of two, and a key that goes to reducer 1. */
const [left, right] = [0, 1].map((reducer) => [...'abcdefgh'].find((key) => reducerIndexOf(key, 2) === reducer)) as [
  string,
  string,
];

describe('a stage that routes items', () => {
  it('picks one reducer per key by the hash of the key', async () => {
    const stream = fakeStream();
    putNumbered(stream, 200, (index) => `k${index % 20}`);
    const at = new Map<string, Set<number>>();
    const pipeline = start({
      reducers: 5,
      definition: defineReducer({
        init: () => 0,
        reduce: (n: number, item, ctx) => (at.set(item.key, (at.get(item.key) ?? new Set()).add(ctx.reducer)), n),
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    for (const [key, reducers] of at) expect([...reducers], key).to.deep.equal([reducerIndexOf(key, 5)]);
    expect(new Set([...at.values()].flatMap((each) => [...each])).size).to.equal(5);
  });

  for (const credit of [1, 3, 1_000]) {
    for (const expansion of [1, 4]) {
      it(`keeps the order of a key within a shard, with credit ${credit} and ${expansion} items a record`, async () => {
        const stream = fakeStream();
        putNumbered(stream, 150, (index) => `k${index % 7}`);
        const byKey = new Map<string, number[]>();
        const pipeline = start({
          reducers: 3,
          credit,
          stage: {
            extract: (record) =>
              Array.from({ length: expansion }, (_, index) => ({
                key: `${record.partitionKey}/${index % 2}`,
                value: numberOf(record) * 10 + index,
              })),
          },
          definition: defineReducer<number, number>({
            init: () => 0,
            reduce: async (n, item) => {
              byKey.set(item.key, [...(byKey.get(item.key) ?? []), item.value]);
              return n;
            },
          }),
        });
        pipeline.read(stream.port, shard0);
        await pipeline.clock.advance(10);
        expect([...byKey.values()].flat()).to.have.length(150 * expansion);
        for (const order of byKey.values()) expect(order).to.deep.equal(order.toSorted((a, b) => a - b));
      });
    }
  }

  it('never has more items under way than the reducer’s credit, which returns as items are folded', async () => {
    const stream = fakeStream();
    putNumbered(stream, 10, () => left);
    const held = gate();
    const seen: number[] = [];
    const pipeline = start({
      ...two,
      credit: 3,
      definition: collecting(seen, (n) => (n === 0 ? held.opened : undefined)),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    const queues = (pipeline.status(pipeline.stages[0]!) as { queues: object[] }).queues;
    expect(queues[0]).to.deep.equal({ reducer: 0, queued: 7, credit: 0 });
    held.open();
    await pipeline.clock.advance(10);
    expect(seen).to.have.length(10);
    expect((pipeline.status(pipeline.stages[0]!) as { queues: object[] }).queues).to.deep.equal([
      { reducer: 0, queued: 0, credit: 3 },
      { reducer: 1, queued: 0, credit: 3 },
    ]);
  });

  it('gets credit back when an item has been folded, not when it is acknowledged', async () => {
    const stream = fakeStream();
    putNumbered(stream, 50, () => left);
    const seen: number[] = [];
    const pipeline = start({
      ...two,
      credit: 1,
      definition: { ...collecting(seen), acknowledge: 'manual' } as ReducerDefinition,
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen).to.have.length(50);
    expect(keeper.frontiers).to.have.length(0);
  });

  it('lets a slow reducer delay only its own queue', async () => {
    const stream = fakeStream();
    putNumbered(stream, 100, (index) => (index === 0 ? left : index < 20 ? left : right));
    const held = gate();
    const seen: number[] = [];
    const pipeline = start({
      ...two,
      credit: 2,
      definition: collecting(seen, (_, reducer) => (reducer === 0 ? held.opened : undefined)),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen.filter((n) => n >= 20)).to.have.length(80);
    expect(seen.filter((n) => n < 20)).to.deep.equal([0]);
    held.open();
    await pipeline.clock.advance(10);
    expect(seen).to.have.length(100);
  });
});

describe('a stage that answers a shard worker', () => {
  it('answers a `notify` when all its items are sent, or few of the worker’s records wait', async () => {
    const stream = fakeStream();
    putNumbered(stream, 30, () => left);
    const held = gate();
    const tap = wiretap();
    const pipeline = start({
      ...two,
      credit: 4,
      shardWorker: { maxPending: 20 },
      runtime: { intercept: { deliver: tap.deliver } },
      definition: collecting([], (n) => (n === 0 || n === 6 ? held.opened : undefined)),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    const answered = (): number => tap.seen.filter(({ type }) => type === 'notified').length;
    // Of 20 open records 4 are under way, so 16 wait: more than half of maxPending.
    expect(answered()).to.equal(0);
    held.open();
    await pipeline.clock.advance(10);
    expect(answered()).to.be.greaterThan(0);
    // At the first answer at most half of maxPending waited: the reducer had got at least 10 items before it.
    const firstAnswer = tap.seen.findIndex(({ type }) => type === 'notified');
    const handed = tap.seen
      .slice(0, firstAnswer)
      .filter(({ type, to }) => type === 'items' && to.startsWith('reducer/0'))
      .reduce((sum, { message }) => sum + message.items.length, 0);
    expect(handed).to.be.within(10, 13);
  });

  it('answers with dispositions at once, although the `notify` waits for demand', async () => {
    const stream = fakeStream();
    putNumbered(stream, 20, (index) => (index < 2 ? right : left));
    const held = gate();
    const tap = wiretap();
    const pipeline = start({
      ...two,
      credit: 2,
      shardWorker: { maxPending: 20 },
      runtime: { intercept: { deliver: tap.deliver } },
      definition: collecting([], (_, reducer) => (reducer === 0 ? held.opened : undefined)),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(0);
    expect(tap.seen.some(({ type }) => type === 'notified')).to.equal(false);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0)[1]?.sequenceNumber);
    held.open();
  });

  it('returns dispositions to the worker that they belong to', async () => {
    const stream = fakeStream({ shards: 2 });
    putNumbered(stream, 100);
    const held = gate();
    const pipeline = start({ ...two, definition: collecting([], (n) => (n === 99 ? held.opened : undefined)) });
    const shardWorkers = stream.shardIds().map((id) => pipeline.read(stream.port, id));
    await pipeline.clock.advance(10);
    held.open();
    const lasts = (): unknown[] => shardWorkers.map(({ keeper }) => keeper.frontiers.at(-1)?.position.sequenceNumber);
    const ofAll = (): unknown[] => stream.shardIds().map((id) => stream.recordsOf(id).at(-1)?.sequenceNumber);
    await pipeline.clock.advance(10);
    expect(lasts()).to.deep.equal(ofAll());
  });

  it('drops and counts dispositions of an unknown worker, and keeps those of others', async () => {
    const stream = fakeStream();
    const pipeline = start({ ...two, definition: collecting([]) });
    const dispositions = [{ shardWorker: 987_654, ordinals: [0, 1], items: [0, 0] }];
    pipeline.tell(pipeline.stages[0]!, { type: 'disposed', reducer: 1, number: 1, credit: 0, dispositions });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    pipeline.tell(pipeline.stages[0]!, { type: 'disposed', reducer: 1, number: 2, credit: 0, dispositions });
    const numbers = putNumbered(stream, 20, () => left);
    await pipeline.clock.advance(10);
    expect(pipeline.counters()['staleSettles']).to.equal(4);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[19]);
    // The stage forgets a worker that has died.
    await pipeline.kill(shardWorker);
    await pipeline.clock.advance(10);
    expect(pipeline.status(pipeline.stages[0]!)).to.have.property('shardWorkers', 0);
  });
});

describe('a stage that receives repeated, unknown or late messages', () => {
  it('drops and counts a repeated batch of dispositions, so that credit is not doubled', async () => {
    const stream = fakeStream();
    putNumbered(stream, 40, () => left);
    const pipeline = start({
      ...two,
      credit: 4,
      definition: collecting([]),
      runtime: {
        intercept: {
          deliver: ({ message }, go) => {
            go();
            const { type } = message as { type: string };
            if (type === 'disposed' || type === 'items') go();
          },
        },
      },
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(pipeline.counters()['repeatedMessages']).to.be.greaterThan(10);
    expect((pipeline.status(pipeline.stages[0]!) as { queues: object[] }).queues[0]).to.deep.equal({
      reducer: 0,
      queued: 0,
      credit: 4,
    });
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('counts an unknown message, as reducers and workers do, and continues', async () => {
    const stream = fakeStream();
    putNumbered(stream, 5);
    const seen: number[] = [];
    const pipeline = start({ ...two, definition: collecting(seen) });
    for (const ref of [...pipeline.stages, ...pipeline.reducers]) pipeline.tell(ref, { type: 'nonsense' });
    const { shardWorker } = pipeline.read(stream.port, shard0);
    pipeline.tell(shardWorker, { type: 'nonsense' });
    await pipeline.clock.advance(10);
    expect(pipeline.counters()['unknownMessage']).to.equal(4);
    expect(seen).to.have.length(5);
  });

  it('drops the queued items of a worker that was killed, and so do the reducers', async () => {
    const stream = fakeStream();
    putNumbered(stream, 20, () => left);
    const held = gate();
    const seen: number[] = [];
    const pipeline = start({ ...two, credit: 5, definition: collecting(seen, () => held.opened) });
    const { shardWorker } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen).to.deep.equal([0]);
    await pipeline.kill(shardWorker);
    await pipeline.clock.advance(10);
    held.open();
    await pipeline.clock.advance(10);
    expect(seen).to.deep.equal([0]);
    const state = pipeline.status(pipeline.stages[0]!) as { shardWorkers: number; queues: object[] };
    expect(state.shardWorkers).to.equal(0);
    expect(state.queues[0]).to.deep.equal({ reducer: 0, queued: 0, credit: 5 });
  });
});
