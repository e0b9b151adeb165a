// A stage sends all items of a key to the same reducer, in order and within its credit. If the reducers are slow, the stage lets the
// shard workers wait. `onFailure` decides what a failed `extract` leads to.
import { expect } from 'chai';
import { reducerOf } from '../../src/core/routing.js';
import { defineReducer, type OnFailure, type ReducerDefinition } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { gate, numberOf, pipelines, putNumbered, shard0, wiretap } from '../support/pipeline-probes.js';

const start = pipelines();
const two = { reducers: 2 };
/** A key that goes to reducer 0 of two, and a key that goes to reducer 1. */
const [left, right] = [0, 1].map((reducer) => [...'abcdefgh'].find((key) => reducerOf(key, 2) === reducer)) as [
  string,
  string,
];

function collecting(into: number[], before: (n: number, reducer: number) => unknown = () => undefined) {
  return defineReducer({
    init: () => 0,
    reduce: (count: number, item, ctx) => {
      const n = numberOf(item);
      const wait = before(n, ctx.reducer);
      into.push(n);
      return wait === undefined ? count + 1 : (wait as Promise<void>).then(() => count + 1);
    },
  });
}

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
    for (const [key, reducers] of at) expect([...reducers], key).to.deep.equal([reducerOf(key, 5)]);
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
      worker: { maxPending: 20 },
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
      worker: { maxPending: 20 },
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
    const workers = stream.shardIds().map((id) => pipeline.read(stream.port, id));
    await pipeline.clock.advance(10);
    held.open();
    const lasts = (): unknown[] => workers.map(({ keeper }) => keeper.frontiers.at(-1)?.position.sequenceNumber);
    const ofAll = (): unknown[] => stream.shardIds().map((id) => stream.recordsOf(id).at(-1)?.sequenceNumber);
    await pipeline.clock.advance(10);
    expect(lasts()).to.deep.equal(ofAll());
  });

  it('drops and counts dispositions of an unknown worker, and keeps those of others', async () => {
    const stream = fakeStream();
    const pipeline = start({ ...two, definition: collecting([]) });
    const dispositions = [{ worker: 987_654, ordinals: [0, 1], items: [0, 0] }];
    pipeline.tell(pipeline.stages[0]!, { type: 'disposed', reducer: 1, number: 1, credit: 0, dispositions });
    const { keeper, worker } = pipeline.read(stream.port, shard0);
    pipeline.tell(pipeline.stages[0]!, { type: 'disposed', reducer: 1, number: 2, credit: 0, dispositions });
    const numbers = putNumbered(stream, 20, () => left);
    await pipeline.clock.advance(10);
    expect(pipeline.counters()['staleSettles']).to.equal(4);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[19]);
    // The stage forgets a worker that has died.
    await pipeline.kill(worker);
    await pipeline.clock.advance(10);
    expect(pipeline.status(pipeline.stages[0]!)).to.have.property('workers', 0);
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
    const { worker } = pipeline.read(stream.port, shard0);
    pipeline.tell(worker, { type: 'nonsense' });
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
    const { worker } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen).to.deep.equal([0]);
    await pipeline.kill(worker);
    await pipeline.clock.advance(10);
    held.open();
    await pipeline.clock.advance(10);
    expect(seen).to.deep.equal([0]);
    const state = pipeline.status(pipeline.stages[0]!) as { workers: number; queues: object[] };
    expect(state.workers).to.equal(0);
    expect(state.queues[0]).to.deep.equal({ reducer: 0, queued: 0, credit: 5 });
  });
});

describe('extract', () => {
  it('makes zero or more items of a record, which is settled with its last item', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 60);
    const acks: (() => void)[] = [];
    const seen: number[] = [];
    const pipeline = start({
      ...two,
      stage: {
        extract: (record) =>
          Array.from({ length: numberOf(record) % 40 }, (_, index) => ({ key: `k${index}`, value: record.data })),
      },
      definition: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (n: number, item, ctx) => {
          seen.push(numberOf(item));
          acks.push(() => ctx.ack(item.token));
          return n;
        },
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen.filter((n) => n === 39)).to.have.length(39);
    // Only record 0, which has no items, is settled so far.
    expect(keeper.frontiers.map(({ position }) => position.sequenceNumber)).to.deep.equal([numbers[0]]);
    for (const ack of acks.toReversed().slice(0, -1)) ack();
    await pipeline.clock.advance(10);
    expect(keeper.frontiers).to.have.length(1);
    acks[0]!();
    await pipeline.clock.advance(10);
    expect(keeper.frontiers.at(-1)?.position).to.deep.equal({ sequenceNumber: numbers[59], subSequenceNumber: 0 });
  });

  it('advances the frontier even if it makes no items', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3_000);
    const seen: number[] = [];
    const pipeline = start({
      ...two,
      worker: { maxPending: 10 },
      stage: { extract: () => [] },
      definition: collecting(seen),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen).to.have.length(0);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('receives the origin and arrival time of a record, and its items carry the origin', async () => {
    const stream = fakeStream({ name: 'orders' });
    const [sequenceNumber] = putNumbered(stream, 1);
    const seen: object[] = [];
    const pipeline = start({
      ...two,
      stage: {
        opaqueOf: (source) => `of ${source}`,
        extract: (record, context) => [{ key: 'k', value: { arrivedAt: record.arrivedAt, ...context } }],
      },
      definition: defineReducer<number, object>({
        init: () => 0,
        reduce: (n, { value, source, shardId, sequenceNumber, opaque, attempt, token }) => {
          seen.push({ value, source, shardId, sequenceNumber, opaque, attempt, key: token.idempotencyKey });
          return n;
        },
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    const from = { source: 'orders', shardId: shard0, opaque: 'of orders' };
    const key = `orders@1/${shard0}/${sequenceNumber}/-/0`;
    const value = { arrivedAt: Date.UTC(2026, 0, 1), ...from };
    expect(seen).to.deep.equal([{ value, ...from, sequenceNumber, attempt: 1, key }]);
  });

  const wrong: Record<string, () => any> = {
    throws: () => {
      throw new Error('no');
    },
    'throws half way through': function* () {
      yield { key: 'k', value: 0 };
      throw new Error('no');
    },
    'is async': async () => [{ key: 'k', value: 0 }],
    'is async and rejects': async () => {
      throw new Error('no');
    },
    'returns nothing iterable': () => undefined,
    'gives a key that is no string': () => [{ key: 7, value: 0 }],
    'gives no key': () => [null],
  };

  for (const [what, extract] of Object.entries(wrong)) {
    it(`makes no items if it ${what}, and skip settles only that record`, async () => {
      const { seen, keeper, events, counters, last } = await failing('skip', extract);
      expect(seen).to.deep.equal([0, 1, 3, 4]);
      expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(last);
      expect(events.filter(({ name }) => name === 'recordSkipped')).to.have.length(1);
      expect(counters['skippedItems']).to.equal(1);
    });
  }

  it('crashes the stage by default if it throws, and nothing is delivered or settled', async () => {
    const { seen, keeper, stageEnding, second } = await failing('crash', wrong['throws']!);
    expect(seen).to.deep.equal([]);
    expect(keeper.frontiers).to.have.length(0);
    expect(stageEnding?.reason).to.equal('crash');
    const { error } = stageEnding as { error: any };
    expect(error.code).to.equal('PROCESSING_FAILED');
    expect(error.data).to.deep.equal({ source: 'fake', shardId: shard0, sequenceNumber: second });
  });

  it('ends only this shard’s worker, with the reason, if it throws under stopShard', async () => {
    const { keeper, second, seen, others } = await failing('stopShard', wrong['throws']!);
    expect(keeper.ends.map(({ type }) => type)).to.deep.equal(['stopShard']);
    expect((keeper.ends[0] as { error: any }).error.data.sequenceNumber).to.equal(second);
    expect(seen.filter((n) => n > 2)).to.deep.equal([]);
    expect(others).to.equal(50);
  });

  it('passes the error and the record to a policy function if it throws', async () => {
    const asked: any[] = [];
    const { seen, second } = await failing((error, item) => (asked.push([error, item]), 'skip'), wrong['throws']!);
    expect(seen).to.deep.equal([0, 1, 3, 4]);
    const item = { source: 'fake', shardId: shard0, sequenceNumber: second, subSequenceNumber: undefined };
    expect(asked[0][0].message).to.equal('no');
    expect(asked[0][1]).to.deep.equal({ ...item, at: 'extract', items: 1 });
  });

  const policies: Record<string, () => any> = {
    'throws itself': () => {
      throw new Error('policy');
    },
    'answers something unknown': () => 'ignore',
    'is async': async () => 'skip',
    'is async and rejects': async () => {
      throw new Error('policy');
    },
  };
  for (const [what, policy] of Object.entries(policies)) {
    it(`crashes the stage under a policy function that ${what}, and advances no frontier`, async () => {
      const { stageEnding, keeper } = await failing(policy, wrong['throws']!);
      expect(stageEnding?.reason).to.equal('crash');
      expect(keeper.frontiers).to.have.length(0);
    });
  }

  it('fails the record as well if the key function is async or returns no string', async () => {
    for (const key of [async () => 'k', () => 7, () => null]) {
      const stream = fakeStream();
      putNumbered(stream, 3);
      const pipeline = start({ ...two, stage: { key: key as never, onFailure: 'skip' }, definition: collecting([]) });
      const { keeper } = pipeline.read(stream.port, shard0);
      await pipeline.clock.advance(10);
      expect(pipeline.counters()['skippedItems']).to.equal(3);
      expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(
        stream.recordsOf(shard0).at(-1)?.sequenceNumber,
      );
      await pipeline.stop();
    }
  });
});

/** Five records of which the third fails, on one shard of two. */
async function failing(onFailure: OnFailure, extract: () => any) {
  const stream = fakeStream();
  const other = fakeStream({ name: 'other' });
  const numbers = putNumbered(stream, 5);
  putNumbered(other, 50);
  const seen: number[] = [];
  let others = 0;
  const pipeline = start({
    ...two,
    stage: {
      onFailure,
      extract: (record, { source }) =>
        source === 'fake' && numberOf(record) === 2 ? extract() : [{ key: record.partitionKey, value: record.data }],
    },
    definition: defineReducer({
      init: () => 0,
      reduce: (n: number, item) => {
        if (item.source === 'fake') seen.push(numberOf(item));
        else others += 1;
        return n;
      },
    }),
  });
  let stageEnding: Awaited<ReturnType<typeof pipeline.ending>> | undefined;
  void pipeline.ending(pipeline.stages[0]!).then((how) => (stageEnding = how));
  const { keeper } = pipeline.read(stream.port, shard0);
  pipeline.read(other.port, shard0);
  await pipeline.clock.advance(10);
  const { events } = pipeline;
  const ordered = seen.toSorted((a, b) => a - b);
  return {
    seen: ordered,
    keeper,
    events,
    counters: pipeline.counters(),
    stageEnding,
    others,
    last: numbers[4],
    second: numbers[2],
  };
}
