// A message of any type that arrives twice has the effect of one message: credit is never doubled, and no record is folded twice. The
// tests cover a stage alone, pipelines in which an intercept repeats messages, a keeper and a coordinator.
import { expect } from 'chai';
import type { Effect, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import type { ShardEndPlan } from '../../actors/lease-coordinator/lease-coordinator.js';
import { stage, type StageMessage } from '../../actors/stage/stage.js';
import { defineReducer } from '../../src/api/reducer.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import type { Delivery } from '../../supervision/intercept.js';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { driveKeeper } from '../support/keeper-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../support/pipeline-probes.js';

const self = Object.freeze({ path: 'stage/0#1', id: -1 }) as Ref<StageMessage>;
const shardWorker = Object.freeze({ path: 'shard-worker/s#2', id: -2 }) as Ref<any>;
const reducers = [0, 1].map((index) => Object.freeze({ path: `reducer/${index}#3`, id: -3 - index }) as Ref<any>);

function tenure(): object {
  return {
    ...{
      shardWorkerNumber: 1,
      leaseKey: 's',
      shardId: 's',
      source: 'x',
      idempotencyPrefix: 'x@1/s',
      fence: 1,
      ended: false,
    },
    ...{ deadline: Infinity, wallDeadline: Infinity, start: { type: 'trimHorizon' } as const },
    signal: new AbortController().signal,
  };
}

/** A stage alone, which receives its messages to itself at once. `tell` returns the effects, `twice` those of the second message. */
function oneStage(count = 1) {
  const behaviour = stage({
    reducers: count,
    clock: new ManualClock(),
    opaqueOf: () => undefined,
    onFailure: 'crash',
    application: 'test',
    random: { next: () => 0 },
    answerDeadlineMs: 1_000,
    maxPending: 10,
    flushIntervalMs: 1_000,
  });
  const [state] = behaviour.initial(self);
  let question = 0;
  const tell = (message: object): readonly Effect<StageMessage>[] =>
    behaviour
      .receive(state, message as StageMessage)[1]
      .flatMap((effect) => (effect.type === 'send' && effect.to === self ? tell(effect.message as object) : [effect]));
  return {
    state,
    tell,
    twice: (message: object) => (tell(message), tell(message)),
    join: (reducer: number, credit: number) => ({ type: 'join', reducer, ref: reducers[reducer], credit }),
    ask: (type: string, more: object = {}) => {
      question += 1;
      return { type, shardWorker: 1, replyTo: { asker: shardWorker, question } satisfies ReplyTo<never>, ...more };
    },
    records: (...ordinals: number[]) => ({
      tenure: tenure(),
      shardWorkerRef: shardWorker,
      ordinals,
      fetches: ordinals.map(() => ({ fetchedAt: 0, millisBehindLatest: 0 })),
      records: ordinals.map((n) => ({ sequenceNumber: String(n), partitionKey: `k${n}`, data: Buffer.alloc(0) })),
    }),
  };
}

const repeated = [{ type: 'count', what: 'repeatedMessages', by: 1 }];
const settled = { shardWorker: 1, ordinals: [0], items: [0] };

describe('a stage that drops and counts a repeated message', () => {
  it('grants the credit of a `join` once', () => {
    const { ask, join, records, state, tell } = oneStage();
    tell(ask('notify', records(0, 1, 2)));
    tell(join(0, 1));
    expect(tell(join(0, 1))).to.deep.equal(repeated);
    expect(state.queues[0]).to.include({ credit: 0 });
  });

  it('routes the records of a `notify` once', () => {
    const { ask, records, state, twice } = oneStage();
    expect(twice(ask('notify', records(0, 1)))).to.deep.equal(repeated);
    expect(state.queues[0]!.entries.length).to.equal(2);
  });

  it('extracts a slice once, and ignores an `extract` that it has not asked for', () => {
    const { ask, records, state, tell } = oneStage();
    tell(ask('notify', records(0, 1)));
    expect(tell({ type: 'extract', slice: state.lastSlice })).to.deep.equal(repeated);
    expect(tell({ type: 'extract', slice: state.lastSlice + 1 })).to.deep.equal(repeated);
  });

  it('keeps no answer for a repeated `collect`, and answers the next `collect`', () => {
    const { ask, join, records, tell } = oneStage();
    tell(ask('notify', records(0, 1)));
    tell(join(0, 5));
    const collect = ask('collect');
    tell(collect);
    expect(tell({ type: 'disposed', reducer: 0, number: 1, credit: 1, dispositions: [settled] })).to.have.length(1);
    expect(tell(collect)).to.deep.equal(repeated);
    const dispositions = [{ ...settled, ordinals: [1] }];
    expect(tell({ type: 'disposed', reducer: 0, number: 2, credit: 1, dispositions })).to.deep.equal([]);
    const next = ask('collect');
    expect(tell(next)).to.deep.equal([
      { type: 'reply', to: next.replyTo, answer: { itemCounts: [], ordinals: [1], items: [0] } },
    ]);
  });

  it('asks reducers to flush once for a repeated `punctuate`', () => {
    const { ask, join, records, tell, twice } = oneStage();
    tell(join(0, 5));
    tell(ask('notify', records(0)));
    expect(twice(ask('punctuate', { kind: 'flush' }))).to.deep.equal(repeated);
  });

  it('does not count a repeated `punctuated` as the answer of another reducer', () => {
    const { ask, join, tell, twice } = oneStage(2);
    tell(join(0, 5));
    tell(join(1, 5));
    tell(ask('punctuate', { kind: 'flush' }));
    expect(twice({ type: 'punctuated', reducer: 0, number: 1, id: 0, waiting: [] })).to.deep.equal(repeated);
    expect(tell({ type: 'punctuated', reducer: 1, number: 1, id: 0, waiting: [] })).to.have.length(1);
  });

  it('gets credit back once for a repeated `disposed`', () => {
    const { join, state, tell, twice } = oneStage();
    tell(join(0, 5));
    expect(twice({ type: 'disposed', reducer: 0, number: 1, credit: 2, dispositions: [] })).to.deep.equal(repeated);
    expect(state.queues[0]).to.include({ credit: 7 });
  });
});

const start = pipelines();

function repeating(...types: string[]): { deliver: (mail: Delivery, go: () => void) => void } {
  return {
    deliver: ({ message }, go) => {
      go();
      if (types.length === 0 || types.includes((message as { type: string }).type)) go();
    },
  };
}

describe('a reducer that receives a message twice', () => {
  it('passes `drain` and `revoked` once to a raw behaviour', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const heard: string[] = [];
    const pipeline = start({
      reducers: 1,
      runtime: { intercept: repeating('punctuation', 'revoked') },
      definition: defineReducer({
        init: () => 0,
        behaviour: (state: number, message) => {
          heard.push(message.type);
          return state;
        },
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(10);
    keeper.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(10);
    expect(heard).to.deep.equal(['items', 'drain', 'revoked']);
    expect(pipeline.counters()['repeatedMessages']).to.equal(2);
  });

  it('never runs two calls at once when `folded` is repeated, and folds every item once', async () => {
    const stream = fakeStream();
    putNumbered(stream, 40);
    let [calls, most] = [0, 0];
    const seen: number[] = [];
    const pipeline = start({
      reducers: 1,
      batchSize: 3,
      runtime: { intercept: repeating('folded') },
      definition: defineReducer({
        init: () => 0,
        reduce: async (n: number, item) => {
          most = Math.max(most, (calls += 1));
          await pipeline.sleep(1);
          calls -= 1;
          seen.push(numberOf(item));
          return n;
        },
      }),
    });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(500);
    expect(most).to.equal(1);
    expect(seen).to.deep.equal(seen.map((_, index) => index));
    expect(seen).to.have.length(40);
  });
});

describe('a pipeline in which every message comes twice', () => {
  for (const spread of ['by-shard', 'round-robin'] as const) {
    it(`folds every item once, settles everything, and grants no extra credit (${spread})`, async () => {
      const stream = fakeStream();
      putNumbered(stream, 300, (index) => `k${index % 11}`);
      const seen: number[] = [];
      const pipeline = start({
        reducers: 3,
        stages: 2,
        credit: 4,
        shardWorker: { spread, maxPending: 32, onDuplicate: 'crash' },
        runtime: { intercept: repeating() },
        definition: defineReducer({
          init: () => 0,
          reduce: (n: number, item) => (seen.push(numberOf(item)), n + 1),
          flush: () => pipeline.sleep(5),
          batch: { size: 7, intervalMs: 50 },
        }),
      });
      const { keeper } = pipeline.read(stream.port, shard0);
      await pipeline.clock.advance(20_000);
      expect(seen.toSorted((a, b) => a - b)).to.deep.equal(Array.from({ length: 300 }, (_, index) => index));
      const last = stream.recordsOf(shard0).at(-1)?.sequenceNumber;
      expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(last);
      const queues = pipeline.stages.flatMap((each) => (pipeline.status(each) as { queues: object[] }).queues);
      for (const queue of queues) expect(queue).to.include({ queued: 0, credit: 4 });
      expect(pipeline.counters()['repeatedMessages']).to.be.greaterThan(100);
      expect(pipeline.counters()['duplicateRecords']).to.equal(undefined);
    });
  }
});

describe('a keeper or coordinator that receives a question twice', () => {
  it('keeps the tenure that it granted when `beginTenure` is repeated', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.askForTenure(1);
    expect(tenure.ended).to.equal(false);
    expect(keeper.controls.get(1) ?? []).to.deep.equal([]);
    await keeper.reportFrontier(tenure, '7');
    await keeper.advance(4_000);
    expect(keeper.row.checkpoint).to.equal('7');
  });

  it('does not count a repeated `askShardEnd` towards the end of a shard without children', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = driveCoordinator({ stream });
    await driver.started();
    await driver.takenAll();
    const leaseKey = driver.keepers[0]!.args.leaseKey;
    stream.shards = stream.shards.map((shard) => ({ ...shard, endingSequenceNumber: '1999' }));
    let last: ShardEndPlan | undefined;
    for (let asked = 0; asked < 5; asked += 1) {
      let question: unknown;
      const { later } = await driver.harness.ask<any, ShardEndPlan>(driver.coordinator, (replyTo) => {
        question = { type: 'askShardEnd', leaseKey, notFound: false, replyTo };
        return question;
      });
      await driver.harness.tell(driver.coordinator, question as never);
      await driver.harness.advance(500);
      last = later();
    }
    expect(last).to.include({ type: 'blocked' });
    expect(driver.harness.counts.get('repeatedMessages')).to.equal(5);
  });
});
