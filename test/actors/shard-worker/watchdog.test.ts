// A record that makes no progress for `watchdogMs` crashes its shard worker with an error that names the actor that has the record (I24).
// Slow reducers that make progress, and shards without records, never trigger the watchdog.
import { expect } from 'chai';
import { reducerIndexOf } from '../../../src/core/routing.js';
import { defineReducer, type ReducerDefinition, type ItemToken } from '../../../src/api/reducer.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { stallError } from '../../../actors/shard-worker/watchdog.js';
import type { Whereabouts } from '../../../actors/protocol/disposition.js';
import type { LedgerEntry } from '../../../src/core/ledger.js';
import { tenureOf } from '../../support/direct.js';
import { createRateLimit } from '../../../src/core/rate-limit.js';
import { retry } from '../../../src/options/retry-policy.js';
import { gate } from '../../support/gate.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';
import type { PipelineOptions } from '../../support/pipeline.js';

const start = pipelines();
const watchdogMs = 60_000;
const [left, right] = [0, 1].map((reducer) => [...'abcdefgh'].find((key) => reducerIndexOf(key, 2) === reducer)) as [
  string,
  string,
];

/** Runs for `forMs`; returns the error and the time of the worker's crash, if it crashes. */
async function watched(
  options: PipelineOptions,
  put: (stream: ReturnType<typeof fakeStream>) => unknown,
  forMs: number,
) {
  const stream = fakeStream();
  const pipeline = start({ ...options, shardWorker: { watchdogMs, ...options.shardWorker } });
  const { shardWorker } = pipeline.read(stream.port, shard0);
  await pipeline.clock.advance(1_000);
  put(stream);
  let crash: { error: any; at: number } | undefined;
  void pipeline.ending(shardWorker).then(({ error }) => (crash = { error, at: pipeline.clock.now() }));
  await pipeline.clock.advance(forMs);
  return { pipeline, stream, crash };
}

const manual = (reduce: (token: ItemToken, ack: (token: ItemToken) => void, n: number) => void): ReducerDefinition =>
  defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (n: number, item, ctx) => (reduce(item.token, (token) => ctx.ack(token), numberOf(item)), n),
  });

/** A reducer that acknowledges an item at once, and whose call then runs for nine seconds. */
const acknowledgingEarly = (sleep: (ms: number) => Promise<unknown>) =>
  defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (n: number, item, ctx) => (ctx.ack(item.token), sleep(9_000).then(() => n)),
  });

/**
 * The time at which a worker ends whose shard end waits behind a hundred records of another shard. Expects that no actor crashes
 * meanwhile.
 */
async function endBehind(
  pipeline: ReturnType<typeof start>,
  [ours, theirs]: readonly [FakeStream, FakeStream],
  maxPending: number,
): Promise<number | undefined> {
  putNumbered(ours, 1);
  const { shardWorker } = pipeline.read(ours.port, shard0);
  await pipeline.clock.advance(1);
  putNumbered(theirs, 100);
  pipeline.read(theirs.port, shard0, undefined, { maxPending });
  await pipeline.clock.advance(10);
  ours.split(shard0);
  let ended: number | undefined;
  void pipeline.ending(shardWorker).then(() => (ended = pipeline.clock.now()));
  await pipeline.clock.advance(watchdogMs * 10);
  expect(pipeline.events.filter(({ name }) => name === 'actorCrashed')).to.deep.equal([]);
  return ended;
}

describe('the verdict of the watchdog while the application has paused the intake', () => {
  it('excuses a reducer that waits for more items, and no call that is under way', () => {
    const facts = { watchdogMs, unmovedForMs: watchdogMs, settledNothingForMs: watchdogMs, isFull: false };
    const oldest = { ordinal: 1, position: { sequenceNumber: '7', subSequenceNumber: 0 }, admittedAt: 0 };
    const codeOf = (state: Whereabouts['state'], intakePaused: boolean): string | undefined => {
      const whereabouts: Whereabouts = { actor: 'reducer/0#1', state, forMs: watchdogMs };
      return stallError({ ...facts, whereabouts, intakePaused, oldest: oldest as LedgerEntry, tenure: tenureOf(0) })
        ?.code;
    };
    expect([codeOf('folded', true), codeOf('folded', false)]).to.deep.equal([undefined, 'WATCHDOG']);
    expect([codeOf('running', true), codeOf('queued', true)]).to.deep.equal(['WATCHDOG', 'WATCHDOG']);
  });
});

describe('the watchdog (I24)', () => {
  it('fires for a record in a call for watchdogMs, and names the reducer and the record', async () => {
    const { crash, stream, pipeline } = await watched(
      {
        definition: defineReducer({
          init: () => 0,
          reduce: (n: number, item) => (numberOf(item) === 2 ? new Promise<number>(() => {}) : n),
        }),
      },
      (stream) => putNumbered(stream, 5, () => left),
      watchdogMs + 10_000,
    );
    expect(crash?.error.code).to.equal('WATCHDOG');
    const { sequenceNumber } = stream.recordsOf(shard0)[2]!;
    const actor = pipeline.reducers[0]!.path;
    expect(crash?.error.data).to.deep.include({ source: 'fake', shardId: shard0, sequenceNumber, actor });
    expect(crash?.error.message).to.include(`is in a call at ${actor}, for`);
    expect(crash?.at).to.be.within(1_000 + watchdogMs, 1_000 + watchdogMs * 1.2);
  });

  it('fires for a flush that never ends', async () => {
    const { crash, pipeline } = await watched(
      {
        reducers: 1,
        definition: defineReducer({
          init: () => 0,
          batch: { size: 2 },
          reduce: (n: number) => n,
          flush: () => new Promise(() => {}),
        }),
      },
      (stream) => putNumbered(stream, 5),
      watchdogMs * 1.2,
    );
    expect(crash?.error).to.include({ code: 'WATCHDOG' });
    expect(crash?.error.data.actor).to.equal(pipeline.reducers[0]!.path);
  });

  it('fires for a raw behaviour that never returns', async () => {
    const { crash } = await watched(
      {
        reducers: 1,
        definition: defineReducer<number>({
          init: () => 0,
          behaviour: (n, { type }) => (type === 'items' ? new Promise<number>(() => {}) : n),
        }),
      },
      (stream) => putNumbered(stream, 5),
      watchdogMs * 1.2,
    );
    expect(crash?.error.message).to.match(/is in a call at reducer\/0/);
  });

  it('fires for an unacknowledged record while the ledger has room, and names the reducer', async () => {
    const { crash, pipeline } = await watched(
      { definition: manual((token, ack, n) => n !== 3 && ack(token)) },
      (stream) => putNumbered(stream, 10, () => right),
      watchdogMs * 1.2,
    );
    expect(crash?.error.code).to.equal('WATCHDOG');
    expect(crash?.error.message).to.include(`is processed but not acknowledged at ${pipeline.reducers[1]!.path}`);
  });

  it('fires for a record queued for a reducer that settles nothing, at the reducer or its stage', async () => {
    for (const credit of [1, 10]) {
      const { crash, pipeline } = await watched(
        {
          reducers: 1,
          credit,
          stages: 2,
          shardWorker: { spread: 'round-robin' },
          definition: defineReducer({
            init: () => 0,
            reduce: async (n: number, item) => (item.source === 'wedge' ? new Promise<number>(() => {}) : n),
          }),
        },
        () => undefined,
        1,
      );
      const wedge = fakeStream({ name: 'wedge' });
      putNumbered(wedge, 1);
      // The wedged shard has no watchdog of its own here.
      pipeline.read(wedge.port, shard0, undefined, { watchdogMs: 1e9 });
      await pipeline.clock.advance(1);
      const other = fakeStream({ name: 'other' });
      putNumbered(other, 5);
      const ending = pipeline.ending(pipeline.read(other.port, shard0).shardWorker);
      await pipeline.clock.advance(watchdogMs * 1.2);
      const { error } = (await ending) as { error: any };
      expect(error.code).to.equal('WATCHDOG');
      expect(error.message).to.include(`is queued at ${pipeline.reducers[0]!.path}`);
      expect(crash).to.equal(undefined);
      await pipeline.stop();
    }
  });

  it('fires for a record that no actor has, after a disposition was lost', async () => {
    let lose = true;
    const { crash, pipeline } = await watched(
      {
        reducers: 1,
        definition: defineReducer({ init: () => 0, reduce: (n: number) => n }),
        runtime: {
          intercept: {
            deliver: ({ message }, go) => {
              const lost = lose && (message as { type: string }).type === 'disposed';
              if (lost) lose = false;
              else go();
            },
          },
        },
      },
      (stream) => putNumbered(stream, 1),
      watchdogMs * 2.5,
    );
    expect(crash?.error.code).to.equal('WATCHDOG');
    expect(crash?.error.message).to.include('is not found at reducer/0');
    expect(crash?.at).to.be.greaterThan(watchdogMs * 2);
    expect(pipeline.counters()['unknownMessage']).to.equal(undefined);
  });

  it('fails with PENDING_LIMIT_TOO_SMALL when a full ledger settles nothing, and names the actor that has the record', async () => {
    for (const flushes of [false, true]) {
      const { crash, pipeline, stream } = await watched(
        {
          reducers: 1,
          shardWorker: { maxPending: 10 },
          definition: {
            ...manual(() => undefined),
            ...(flushes ? { flush: () => undefined } : {}),
          } as ReducerDefinition,
        },
        (stream) => putNumbered(stream, 100),
        watchdogMs * 1.2,
      );
      expect(crash?.error.code).to.equal('PENDING_LIMIT_TOO_SMALL');
      const { sequenceNumber } = stream.recordsOf(shard0)[0]!;
      expect(crash?.error.data).to.include({ sequenceNumber, actor: pipeline.reducers[0]!.path });
      await pipeline.stop();
    }
  });

  it('fails with PENDING_LIMIT_TOO_SMALL when the bytes are full and the next record does not fit', async () => {
    const { crash } = await watched(
      { shardWorker: { maxPendingBytes: 250 }, definition: manual(() => undefined) },
      (stream) => {
        for (let index = 0; index < 3; index += 1) stream.put({ partitionKey: 'k', data: 'x'.repeat(100) });
      },
      watchdogMs * 1.2,
    );
    expect(crash?.error.code).to.equal('PENDING_LIMIT_TOO_SMALL');
  });

  it('never fires on an idle shard, even if its first record comes after hours', async () => {
    const { crash, pipeline, stream } = await watched(
      { definition: defineReducer({ init: () => 0, reduce: (n: number) => n }) },
      () => undefined,
      watchdogMs * 100,
    );
    putNumbered(stream, 5);
    await pipeline.clock.advance(watchdogMs * 3);
    expect(crash).to.equal(undefined);
  });

  it('never fires while a slow reducer makes progress, even if a frontier stands still for longer', async () => {
    // Twenty records of 10 s each: the last one waits 190 s for its turn.
    const { crash, pipeline, stream } = await watched(
      {
        reducers: 1,
        credit: 2,
        definition: defineReducer({
          init: () => 0,
          reduce: (n: number) => new Promise<number>((resolve) => setTimeout(() => resolve(n), 10_000)),
        }),
      },
      (stream) => putNumbered(stream, 20),
      watchdogMs,
    );
    const late = fakeStream({ name: 'late' });
    putNumbered(late, 1);
    const { keeper } = pipeline.read(late.port, shard0);
    await pipeline.clock.advance(watchdogMs * 4);
    expect(crash).to.equal(undefined);
    expect(pipeline.events.filter(({ name }) => name === 'actorCrashed')).to.deep.equal([]);
    expect(keeper.frontiers).to.have.length(1);
    expect(stream.recordsOf(shard0)).to.have.length(20);
  });

  it('never fires for a record queued at one stage while the reducer makes progress for another', async () => {
    const [ours, theirs] = [fakeStream({ name: 'ours' }), fakeStream({ name: 'theirs' })];
    const pipeline = start({
      reducers: 1,
      stages: 2,
      credit: 12,
      shardWorker: { watchdogMs, spread: 'round-robin' },
      definition: defineReducer({ init: () => 0, reduce: (n: number) => pipeline.sleep(9_000).then(() => n) }),
    });
    putNumbered(theirs, 100);
    pipeline.read(theirs.port, shard0, undefined, { maxPending: 40 });
    await pipeline.clock.advance(1);
    putNumbered(ours, 1);
    const { keeper } = pipeline.read(ours.port, shard0);
    await pipeline.clock.advance(watchdogMs * 10);
    expect(pipeline.events.filter(({ name }) => name === 'actorCrashed')).to.deep.equal([]);
    expect(keeper.frontiers).to.have.length(1);
  });

  it('never fires for a shard end behind records of another shard while their reducer makes progress', async () => {
    const [ours, theirs] = [fakeStream({ name: 'ours' }), fakeStream({ name: 'theirs' })];
    const pipeline = start({
      reducers: 1,
      credit: 12,
      shardWorker: { watchdogMs },
      definition: acknowledgingEarly((ms) => pipeline.sleep(ms)),
    });
    expect(await endBehind(pipeline, [ours, theirs], 40)).to.be.above(watchdogMs * 1.5);
  });

  it('never fires for a shard end that waits at one of several stages while the reducer makes progress', async () => {
    const [ours, theirs] = [fakeStream({ name: 'ours' }), fakeStream({ name: 'theirs' })];
    const pipeline = start({
      reducers: 1,
      stages: 2,
      credit: 3,
      shardWorker: { watchdogMs, spread: 'round-robin' },
      // Every second record makes no item, so all items go through one of the two stages.
      stage: {
        extract: (record, { source }) =>
          source === 'theirs' && numberOf(record) % 2 === 0 ? [] : [{ key: left, value: record.data }],
      },
      definition: acknowledgingEarly((ms) => pipeline.sleep(ms)),
    });
    expect(await endBehind(pipeline, [ours, theirs], 60)).to.be.above(watchdogMs * 2.5);
  });

  it('does not fire if the record is settled before the answer about it arrives', async () => {
    const held = gate();
    const { crash, pipeline } = await watched(
      {
        reducers: 1,
        definition: manual((token, ack, n) => {
          if (n === 0) void held.opened.then(() => ack(token));
        }),
        runtime: {
          intercept: {
            // The answer to the watchdog always comes after the record was acknowledged.
            deliver: ({ message }, go) => {
              if ((message as { type: string }).type !== 'locatedForWatchdog') return go();
              held.open();
              setTimeout(go, 10);
            },
          },
        },
      },
      (stream) => putNumbered(stream, 2),
      watchdogMs + 1_000,
    );
    expect(crash).to.equal(undefined);
    expect(pipeline.counters()['unknownMessage']).to.equal(undefined);
  });

  it('never fires for a record that waits for another attempt, nor for those behind it', async () => {
    let calls = 0;
    const reduce = (): never => {
      calls += 1;
      throw new Error('down');
    };
    const { crash } = await watched(
      {
        reducers: 1,
        reducer: { onFailure: retry() },
        definition: defineReducer({ init: () => 0, reduce }),
      },
      (stream) => putNumbered(stream, 5, () => left),
      watchdogMs * 5,
    );
    expect(calls).to.be.above(5);
    expect(crash).to.equal(undefined);
  });

  it('never fires for a record that waits for the rate limit', async () => {
    const { crash, pipeline } = await watched(
      {
        reducers: 1,
        reducer: { limit: createRateLimit(1 / (watchdogMs / 250), 0) },
        definition: defineReducer({ init: () => 0, reduce: (n: number) => n + 1 }),
      },
      (stream) => putNumbered(stream, 5, () => left),
      watchdogMs * 3,
    );
    expect(crash).to.equal(undefined);
    expect(pipeline.events.filter(({ name }) => name === 'actorCrashed')).to.deep.equal([]);
  });

  it('never fires on a shard that settles a record within every watchdogMs', async () => {
    const { crash } = await watched(
      {
        reducers: 1,
        shardWorker: { maxPending: 3 },
        definition: manual((token, ack) => setTimeout(() => ack(token), watchdogMs * 0.9)),
      },
      (stream) => putNumbered(stream, 30),
      watchdogMs * 20,
    );
    expect(crash).to.equal(undefined);
  });
});
