// The status of a reducer names the oldest record that it holds and what this record waits for. So the status explains why a frontier
// does not move. A stage does the same for records whose reducers have not joined yet.
import { expect } from 'chai';
import { stage, type StageMessage } from '../../../actors/stage/stage.js';
import type { Effect, Ref } from '../../../actors/protocol/actor.js';
import type { ReducerStatus } from '../../../actors/reducer/status.js';
import { defineReducer, type ReducerDefinition } from '../../../src/api/reducer.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../../support/gate.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();

async function statusAfter(definition: ReducerDefinition, count: number, ms = 50): Promise<ReducerStatus> {
  const stream = fakeStream();
  putNumbered(stream, count);
  const pipeline = start({ reducers: 1, definition });
  pipeline.read(stream.port, shard0);
  await pipeline.clock.advance(ms);
  return pipeline.status(pipeline.reducers[0]!) as ReducerStatus;
}

const never = (): Promise<never> => new Promise(() => {});

describe('a reducer that shows its status', () => {
  it('is idle when there is nothing to do', async () => {
    const status = await statusAfter(defineReducer({ init: () => 0, reduce: (n: number) => n }), 0);
    const nothing = { holding: [], queued: 0, limited: false, unflushed: 0, unacknowledged: 0, waiting: [] };
    expect(status).to.deep.equal({ ...nothing, doing: 'idle' });
  });

  it('names the oldest record that is folded and waits for a flush', async () => {
    const definition = defineReducer({
      init: () => 0,
      batch: { intervalMs: 999 },
      reduce: (n: number) => n,
      flush: () => 0,
    });
    const status = await statusAfter(definition, 5);
    expect(status).to.include({ doing: 'idle', unflushed: 5 });
    expect(status.holding[0]).to.include({ ordinal: 0, state: 'folded', forMs: 50 });
  });

  it('names the flush under way and the first record in it', async () => {
    const definition = defineReducer({ init: () => 0, batch: { size: 5 }, reduce: (n: number) => n, flush: never });
    const status = await statusAfter(definition, 8);
    expect(status).to.include({ doing: 'flush', queued: 3 });
    expect(status.current).to.include({ key: 'k0', forMs: 50 });
    expect(status.holding[0]).to.include({ ordinal: 0, state: 'running' });
  });

  it('names the raw behaviour under way, its first item, and the number of unacknowledged items', async () => {
    const definition = defineReducer<number>({
      init: () => 0,
      behaviour: (n, { type }) => (type === 'items' ? never() : n),
    });
    const status = await statusAfter(definition, 3);
    expect(status).to.include({ doing: 'behaviour', unacknowledged: 3 });
    expect(status.current).to.include({ key: 'k0' });
    const beating = defineReducer<number>({ init: () => 0, behaviour: never });
    expect(await statusAfter(beating, 0, 1_500)).to.deep.include({ doing: 'behaviour', holding: [] });
  });

  it('names folded records of the batch under way, and records queued behind the call', async () => {
    const definition = defineReducer({
      init: () => 0,
      acknowledge: 'manual',
      reduce: (n: number, item) => (numberOf(item) === 2 ? never() : n),
    });
    const stream = fakeStream();
    putNumbered(stream, 4);
    const pipeline = start({ reducers: 1, definition });
    const { shardWorker } = pipeline.read(stream.port, shard0);
    const other = fakeStream({ name: 'other' });
    await pipeline.clock.advance(10);
    pipeline.read(other.port, shard0);
    putNumbered(other, 2);
    await pipeline.clock.advance(10);
    const { holding, queued } = pipeline.status(pipeline.reducers[0]!) as ReducerStatus;
    expect(queued).to.equal(2);
    expect(holding.map(({ ordinal, state }) => [ordinal, state])).to.deep.equal([
      [0, 'folded'],
      [0, 'queued'],
    ]);
    expect(pipeline.status(shardWorker)).to.include({ openRecords: 4 });
  });

  it('crashes with the error of init when the state of a shard cannot be created', async () => {
    const stream = fakeStream();
    putNumbered(stream, 1);
    const held = gate();
    const definition = defineReducer({
      init: (): number => {
        throw new Error('no state');
      },
      stateBy: 'shard',
      reduce: (n: number) => n,
    });
    const pipeline = start({ reducers: 1, definition });
    const ending = pipeline.ending(pipeline.reducers[0]!);
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    held.open();
    expect((await ending).error?.message).to.equal('no state');
  });
});

describe('a stage whose reducers have not joined yet', () => {
  const self = Object.freeze({ path: 'stage/0#1', id: -101 }) as Ref<StageMessage>;
  const other = Object.freeze({ path: 'other', id: -102 }) as Ref<any>;
  const behaviour = stage({
    reducers: 1,
    clock: new ManualClock(),
    opaqueOf: () => undefined,
    onFailure: 'crash',
    application: 'test',
    random: { next: () => 0 },
    answerDeadlineMs: 1_000,
    maxPending: 10,
    flushIntervalMs: 1_000,
  });
  const replyTo = Object.freeze({ asker: other, question: 1 });
  const later = Object.freeze({ asker: other, question: 2 });
  const tenure = {
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
  const record = { sequenceNumber: '1', partitionKey: 'k', data: Buffer.alloc(0) };

  it('keeps items and punctuation in order for its reducers, and locates the records itself', () => {
    const [state] = behaviour.initial(self);
    const tell = (message: StageMessage): readonly Effect<StageMessage>[] =>
      behaviour
        .receive(state, message)[1]
        .flatMap((effect) =>
          effect.type === 'send' && effect.to === self ? tell(effect.message as StageMessage) : [effect],
        );
    const typesOf = (effects: readonly Effect<StageMessage>[]): string[] =>
      effects.map((effect) => (effect.type === 'send' ? (effect.message as { type: string }).type : effect.type));
    const locate = (ordinal: number): any =>
      tell({ type: 'locate', shardWorker: 1, ordinal, replyTo } as StageMessage)[0];
    tell({
      type: 'notify',
      tenure,
      shardWorkerRef: other,
      ordinals: [0],
      records: [record],
      fetches: [],
      replyTo,
    } as StageMessage);
    tell({ type: 'punctuate', shardWorker: 1, kind: 'drain', replyTo: later });
    expect(typesOf(tell({ type: 'beat' }))).to.deep.equal(['after']);
    expect(locate(0).answer).to.include({ actor: self.path, state: 'queued' });
    expect(locate(7).answer).to.include({ actor: self.path, state: 'unknown' });
    expect(behaviour.status!(state)).to.have.property('shardWorkers', 1);
    const joined = tell({ type: 'join', reducer: 0, ref: other, credit: 5 });
    expect(typesOf(joined)).to.deep.equal(['items', 'punctuation']);
    expect(typesOf(tell({ type: 'punctuated', reducer: 0, number: 1, id: 0, waiting: [] }))).to.deep.equal(['reply']);
    expect(typesOf(tell({ type: 'punctuated', reducer: 0, number: 2, id: 0, waiting: [] }))).to.deep.equal([]);
  });

  it('answers no collect of an unknown worker, and forgets the punctuation of a retired worker', () => {
    const [state] = behaviour.initial(self);
    const tell = (message: StageMessage): readonly Effect<StageMessage>[] => behaviour.receive(state, message)[1];
    expect(tell({ type: 'collect', shardWorker: 5, replyTo } as StageMessage)).to.deep.equal([]);
    tell({
      type: 'notify',
      tenure: { ...tenure },
      shardWorkerRef: other,
      ordinals: [0],
      records: [record],
      fetches: [],
      replyTo,
    } as StageMessage);
    tell({ type: 'punctuate', shardWorker: 1, kind: 'flush', replyTo: later });
    expect(tell({ type: 'retire', shardWorker: 1 })).to.deep.equal([]);
    expect(state.punctuations.size).to.equal(0);
    expect(() => tell({ type: 'join', reducer: 9, ref: other, credit: 1 })).to.throw(/no reducer 9/);
  });
});
