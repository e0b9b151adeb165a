// A reducer runs one call of user code at a time, and settles an item only when its call has returned. `onFailure` decides what a
// failed call leads to.
import { expect } from 'chai';
import { defineReducer } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../../support/gate.js';
import { numberOf, pipelines, putNumbered, shard0, wiretap } from '../../support/pipeline-probes.js';

const start = pipelines();
const one = { reducers: 1 };
type Numbers = readonly number[];

/** Notes in `overlaps` each call that begins while another call is under way. */
function alone() {
  let under = 0;
  const overlaps: string[] = [];
  return {
    overlaps,
    call: async (name: string, work: Promise<void>): Promise<void> => {
      under += 1;
      if (under > 1) overlaps.push(name);
      await work;
      under -= 1;
    },
  };
}

describe('a reducer that folds', () => {
  it('folds the items in order into one state from one init, and acknowledges them', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 5);
    let inits = 0;
    const states: Numbers[] = [];
    const held = gate();
    const pipeline = start({
      ...one,
      definition: defineReducer<Numbers>({
        init: () => ((inits += 1), []),
        reduce: (state, item) => {
          const next = [...state, numberOf(item)];
          states.push(next);
          return next.length === 4 ? held.opened.then(() => next) : next;
        },
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(states.at(-1)).to.deep.equal([0, 1, 2, 3]);
    held.open();
    await pipeline.clock.advance(10);
    expect(states.at(-1)).to.deep.equal([0, 1, 2, 3, 4]);
    expect(inits).to.equal(1);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[4]);
  });

  it('holds no acknowledged item when it has no flush', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 5);
    const definition = defineReducer({ init: () => 0, reduce: (count: number) => count + 1 });
    const pipeline = start({ ...one, definition });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[4]);
    expect(pipeline.status(pipeline.reducers[0]!)).to.deep.include({ doing: 'idle', holding: [] });
  });

  it('never runs two calls of reduce or flush at once', async () => {
    const stream = fakeStream();
    putNumbered(stream, 60);
    const { overlaps, call } = alone();
    const pipeline = start({
      ...one,
      shardWorker: { maxPending: 20 },
      credit: 100,
      definition: defineReducer({
        init: () => 0,
        batch: { size: 7, intervalMs: 3 },
        reduce: async (n: number) => {
          await call('reduce', pipeline.sleep(2));
          return n + 1;
        },
        flush: () => call('flush', pipeline.sleep(5)),
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(50);
    putNumbered(stream, 20, undefined, 60);
    await pipeline.clock.advance(2_000);
    expect(overlaps).to.deep.equal([]);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(stream.recordsOf(shard0).at(-1)?.sequenceNumber);
  });

  it('gives way after 25 ms although reduce is asynchronous, so acknowledgements do not wait for the batch', async () => {
    const stream = fakeStream();
    putNumbered(stream, 100);
    const pipeline = start({
      ...one,
      definition: defineReducer({ init: () => 0, reduce: (n: number) => pipeline.sleep(10).then(() => n + 1) }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(300);
    const done = stream
      .recordsOf(shard0)
      .findIndex(({ sequenceNumber }) => sequenceNumber === keeper.frontiers.at(-1)?.position.sequenceNumber);
    expect(done).to.be.within(26, 29);
  });

  it('acknowledges finished items at a heartbeat while a long call runs', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 5);
    const definition = defineReducer({
      init: () => 0,
      reduce: (n: number, item) => (numberOf(item) === 3 ? new Promise<number>(() => {}) : n),
    });
    const pipeline = start({ ...one, credit: 5, definition });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(900);
    expect(keeper.frontiers).to.deep.equal([]);
    await pipeline.clock.advance(100);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[2]);
    await pipeline.clock.advance(5_000);
    // The heartbeats return credit only once: the reducer still has two items.
    expect((pipeline.status(pipeline.stages[0]!) as any).queues[0].credit).to.equal(3);
  });

  it('shows the call under way in its status', async () => {
    const stream = fakeStream();
    const [first] = putNumbered(stream, 3, () => 'k');
    const held = gate();
    const pipeline = start({
      ...one,
      definition: defineReducer({ init: () => 0, reduce: () => held.opened.then(() => 0) }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(70);
    const status = pipeline.status(pipeline.reducers[0]!) as { doing: string; current: object; holding: any[] };
    expect(status.doing).to.equal('reduce');
    expect(status.current).to.deep.equal({ shardId: shard0, sequenceNumber: first, key: 'k', forMs: 70 });
    expect(status.holding).to.have.length(1);
    expect(status.holding[0]).to.include({ ordinal: 0, state: 'running', forMs: 70 });
    held.open();
  });

  it('drops and counts a repeated batch of items', async () => {
    const stream = fakeStream();
    putNumbered(stream, 30);
    const seen: number[] = [];
    const pipeline = start({
      ...one,
      credit: 5,
      runtime: {
        intercept: {
          deliver: ({ message }, go) => {
            go();
            if ((message as { type: string }).type === 'items') go();
          },
        },
      },
      definition: defineReducer({ init: () => 0, reduce: (n: number, item) => (seen.push(numberOf(item)), n) }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(seen).to.deep.equal(Array.from({ length: 30 }, (_, index) => index));
    expect(pipeline.counters()['repeatedMessages']).to.be.greaterThan(1);
  });

  it('fails to start when init throws', async () => {
    const definition = defineReducer({
      init: (): number => {
        throw new Error('no state');
      },
      reduce: (n: number) => n,
    });
    expect(() => start({ ...one, definition })).to.throw(/did not start/);
  });
});

describe('a reducer whose reduce fails', () => {
  function failingAt(bad: number, seen: number[]) {
    return defineReducer({
      init: () => 0,
      reduce: (n: number, item) => {
        if (numberOf(item) === bad) throw new Error('bad');
        seen.push(numberOf(item));
        return n;
      },
    });
  }

  it('skips, counts and reports exactly the failed item under `skip`', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 5);
    const seen: number[] = [];
    const pipeline = start({ ...one, definition: failingAt(2, seen), reducer: { onFailure: 'skip' } });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(seen).to.deep.equal([0, 1, 3, 4]);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[4]);
    const [skipped] = pipeline.events.filter(({ name }) => name === 'recordSkipped') as { data: any }[];
    expect(skipped?.data).to.include({ shardId: shard0, sequenceNumber: numbers[2], key: 'k2' });
    expect(pipeline.counters()['skippedItems']).to.equal(1);
  });

  it('crashes by default with shard, number and key in the error, and never settles the record', async () => {
    for (const reject of [false, true]) {
      const stream = fakeStream();
      const numbers = putNumbered(stream, 5);
      const seen: number[] = [];
      const { reduce } = failingAt(2, seen);
      const pipeline = start({
        ...one,
        definition: defineReducer({
          init: () => 0,
          reduce: reject ? async (n, item, ctx) => reduce(n, item, ctx) : reduce,
        }),
      });
      const ending = pipeline.ending(pipeline.reducers[0]!);
      const { keeper } = pipeline.read(stream.port, shard0);
      await pipeline.clock.advance(1);
      const { error } = (await ending) as { error: any };
      expect(error.code).to.equal('PROCESSING_FAILED');
      expect(error.data).to.deep.equal({ source: 'fake', shardId: shard0, sequenceNumber: numbers[2], key: 'k2' });
      expect(error.cause.message).to.equal('bad');
      expect(seen).to.deep.equal([0, 1]);
      expect(keeper.frontiers.every(({ position }) => position.sequenceNumber < numbers[2]!)).to.equal(true);
      await pipeline.stop();
    }
  });

  it('ends only that shard’s worker under stopShard, and delivers no later item of that shard', async () => {
    const [bad, good] = [fakeStream({ name: 'bad' }), fakeStream({ name: 'good' })];
    const numbers = putNumbered(bad, 10);
    const seen: number[] = [];
    const pipeline = start({
      ...one,
      definition: defineReducer({
        init: () => 0,
        reduce: (n: number, item) => {
          if (item.source === 'bad' && numberOf(item) === 3) throw new Error('bad');
          seen.push(item.source === 'bad' ? numberOf(item) : 100 + numberOf(item));
          return n;
        },
      }),
      reducer: { onFailure: 'stopShard' },
    });
    const stopped = pipeline.read(bad.port, shard0);
    const goesOn = pipeline.read(good.port, shard0);
    const ending = pipeline.ending(stopped.shardWorker);
    await pipeline.clock.advance(1);
    const last = putNumbered(good, 10).at(-1);
    await pipeline.clock.advance(1);
    expect((await ending).reason).to.equal('normal');
    expect(stopped.keeper.ends[0]).to.have.property('type', 'stopShard');
    // The records before the failed one stay settled, so the next worker does not read them again.
    expect(stopped.keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[2]);
    expect(seen.filter((n) => n < 100)).to.deep.equal([0, 1, 2]);
    expect(goesOn.keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(last);
  });
});

describe('a reducer among other actors', () => {
  it('aborts ctx.signal at once when it is stopped, and ends only after its running call', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const held = gate();
    let signal: AbortSignal | undefined;
    const seen: number[] = [];
    const pipeline = start({
      ...one,
      definition: defineReducer({
        init: () => 0,
        reduce: async (n: number, item, ctx) => {
          seen.push(numberOf(item));
          signal = ctx.signal;
          await held.opened;
          return n;
        },
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    let ended: { orphans: readonly string[] } | undefined;
    void pipeline.kill(pipeline.reducers[0]!, 500).then((how) => (ended = how));
    await pipeline.clock.advance(100);
    expect(signal?.aborted).to.equal(true);
    expect(ended).to.equal(undefined);
    held.open();
    await pipeline.clock.advance(1);
    expect(ended?.orphans).to.deep.equal([]);
    // No item after the running call was delivered.
    expect(seen).to.deep.equal([0]);
  });

  it('ends at the deadline of a stop, and names the call left running', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const pipeline = start({
      ...one,
      definition: defineReducer({
        init: () => 0,
        batch: { size: 1 },
        reduce: (n: number) => n,
        flush: () => new Promise(() => {}),
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    let ended: { orphans: readonly string[] } | undefined;
    void pipeline.kill(pipeline.reducers[0]!, 500).then((how) => (ended = how));
    await pipeline.clock.advance(499);
    expect(ended).to.equal(undefined);
    await pipeline.clock.advance(1);
    expect(ended?.orphans).to.have.length(1);
    expect(ended?.orphans[0]).to.match(/^reducer\/0#\d+: flush$/);
  });

  it('receives the heartbeats of every stage, however many workers there are', async () => {
    const stream = fakeStream({ shards: 12 });
    const tap = wiretap();
    const pipeline = start({
      reducers: 3,
      stages: 2,
      runtime: { intercept: { deliver: tap.deliver } },
      definition: defineReducer({ init: () => 0, reduce: (n: number) => n }),
    });
    for (const id of stream.shardIds()) pipeline.read(stream.port, id);
    await pipeline.clock.advance(5_000);
    for (const reducer of ['reducer/0', 'reducer/1', 'reducer/2']) {
      const beats = tap.seen.filter(({ type, to }) => type === 'heartbeat' && to.startsWith(reducer));
      expect(beats, reducer).to.have.length(10);
    }
  });
});
