// What a stage's `receive` returns, one message at a time and without a runtime. stage.test.ts and stage-extraction-slices.test.ts test
// stages among other actors.
import { expect } from 'chai';
import type { Ref } from '../../../actors/protocol/actor.js';
import type { Dispositions, ShardWorkerDispositions, Whereabouts } from '../../../actors/protocol/disposition.js';
import type { ReducerRequest } from '../../../actors/protocol/pipeline-messages.js';
import { stage, type StageMessage, type StageOptions } from '../../../actors/stage/stage.js';
import { reducerIndexOf } from '../../../src/core/routing.js';
import {
  address,
  answers,
  counted,
  emitted,
  finish,
  handClock,
  ofType,
  recordOf,
  ref,
  sent,
  stepped,
  tenureOf,
} from '../../support/direct.js';

/** Keys that go to reducer 0 and to reducer 1. */
const [left, right] = [keyTo(0), keyTo(1)];
const nothing: Dispositions = { itemCounts: [], ordinals: [], items: [] };
const repeated = { repeatedMessages: 1 };
const plain = {
  reducers: 2,
  maxPending: 4,
  flushIntervalMs: 1_000,
  onFailure: 'crash',
  application: 'test',
  random: { next: () => 0 },
  answerDeadlineMs: 1_000,
  opaqueOf: () => 0,
} as const;

function keyTo(reducer: number): string {
  return [...'abcdefgh'].find((key) => reducerIndexOf(key, 2) === reducer)!;
}

/** A stage of two reducers, and the messages of other actors to it. */
const fetch = { fetchedAt: 1, millisBehindLatest: 2 };

function direct(options: Partial<StageOptions> = {}) {
  const clock = handClock();
  const self = ref<StageMessage>('stage/0#1');
  const reducers = [ref<ReducerRequest>('reducer/0#2'), ref<ReducerRequest>('reducer/1#3')] as const;
  const step = stepped(stage({ clock, ...plain, ...options }), self);
  const tenures = [tenureOf(0), tenureOf(1), tenureOf(2)];
  const shardWorkers = tenures.map(({ shardWorkerNumber: shardWorker }) => ref<never>(`shard-worker/s#${shardWorker}`));
  const numbers = [0, 0];
  const number = (reducer: number): number => (numbers[reducer]! += 1);
  const ask = <A>(shardWorker: number, question: object) => {
    const replyTo = address<A>(shardWorkers[shardWorker]!);
    const message = { ...question, replyTo } as unknown as StageMessage;
    return { message, replyTo, effects: step.tell(message) };
  };
  return {
    ...step,
    ...{ clock, self, reducers, tenures },
    join: (reducer: number, credit: number, as: Ref<ReducerRequest> = reducers[reducer]!) =>
      step.tell({ type: 'join', reducer, ref: as, credit }),
    /** Hands over records with these keys. */
    notify: (keys: readonly string[], first = 0, shardWorker = 1) => {
      const records = keys.map((key, index) => recordOf(first + index, key));
      const ordinals = keys.map((_, index) => first + index);
      const batch = { ordinals, records, fetches: keys.map(() => fetch) };
      const asker = { tenure: tenures[shardWorker], shardWorkerRef: shardWorkers[shardWorker] };
      return ask<Dispositions>(shardWorker, { type: 'notify', ...asker, ...batch });
    },
    /** The slice of extraction that these effects ask for. */
    extract: (effects: ReturnType<typeof step.tell>) => {
      const [slice, ...more] = sent(effects, self);
      expect(more).to.deep.equal([]);
      return step.tell(slice!);
    },
    collect: () => ask<Dispositions>(1, { type: 'collect', shardWorker: 1 }),
    punctuate: (kind: 'flush' | 'drain') => ask<true>(1, { type: 'punctuate', shardWorker: 1, kind }),
    locate: (ordinal: number | undefined) => ask<Whereabouts>(1, { type: 'locate', shardWorker: 1, ordinal }),
    waitsForAck: (...nextStages: Ref<StageMessage>[]) =>
      ask<number>(1, { type: 'waitsForAck', shardWorker: 1, nextStages }),
    disposed: (reducer: number, credit: number, ...dispositions: ShardWorkerDispositions[]) =>
      step.tell({ type: 'disposed', reducer, number: number(reducer), credit, dispositions }),
    punctuated: (reducer: number, id: number, waiting: readonly number[] = []) =>
      step.tell({ type: 'punctuated', reducer, number: number(reducer), id, waiting }),
    queue: (reducer: number) => step.status().queues[reducer],
  };
}

function settled(...ordinals: number[]): ShardWorkerDispositions {
  return { shardWorker: 1, ordinals, items: ordinals.map(() => 0) };
}

/** What goes to a reducer: the ordinals of items, and the types of other messages. */
function travels(inbox: readonly ReducerRequest[]): (number | string)[] {
  return inbox.flatMap((message): (number | string)[] =>
    message.type === 'items' ? message.items.map((item) => item.ordinal) : [message.type],
  );
}

describe('a stage, message by message', () => {
  it('grants the credit of a `join` once, and new credit to a restarted reducer', () => {
    const { join, queue } = direct();
    join(0, 5);
    expect(counted(join(0, 5))).to.deep.equal(repeated);
    expect(queue(0)?.credit).to.equal(5);
    join(0, 2, ref('reducer/0#9'));
    expect(queue(0)?.credit).to.equal(2);
  });

  it('extracts in a later turn, in one slice for all waiting workers', () => {
    const calls: string[] = [];
    const { join, notify, tell, self, reducers } = direct({
      extract: ({ sequenceNumber, data }) => (calls.push(sequenceNumber), [{ key: left, value: data }]),
    });
    join(0, 10);
    const first = notify([left]).effects;
    expect(ofType(first, 'watch')).to.have.length(1);
    expect(sent(notify([left], 7, 2).effects, self), 'a second slice').to.deep.equal([]);
    expect(calls).to.deep.equal([]);
    const slice = sent(first, self)[0]!;
    expect(travels(sent(tell(slice), reducers[0]))).to.deep.equal([0, 7]);
    expect(calls).to.deep.equal(['0', '7']);
    expect(counted(tell(slice)), 'the same slice again').to.deep.equal(repeated);
  });

  it('gives way after 25 ms of extraction, and continues with the next worker', () => {
    const calls: string[] = [];
    const { clock, notify, extract, self } = direct({
      key: ({ sequenceNumber }) => (calls.push(sequenceNumber), clock.move(25), left),
    });
    let effects = notify([left, left]).effects;
    notify([left, left], 10, 2);
    for (let slices = 4; slices > 0; slices -= 1) effects = extract(effects);
    expect(calls).to.deep.equal(['0', '10', '1', '11']);
    expect(sent(effects, self)).to.deep.equal([]);
  });

  it('sends items to the reducer of their key, in order and within its credit', () => {
    const { join, notify, extract, disposed, queue, reducers } = direct();
    join(1, 10);
    const effects = extract(notify([left, left, right, left, right, left]).effects);
    expect(sent(effects, reducers[0]), 'before it has joined').to.deep.equal([]);
    expect(travels(sent(effects, reducers[1]))).to.deep.equal([2, 4]);
    expect(travels(sent(join(0, 2), reducers[0]))).to.deep.equal([0, 1]);
    expect(queue(0)).to.include({ queued: 2, credit: 0 });
    expect(travels(sent(disposed(0, 1), reducers[0]))).to.deep.equal([3]);
    expect(travels(sent(disposed(0, 9), reducers[0]))).to.deep.equal([5]);
    expect(queue(0)).to.include({ queued: 0, credit: 8 });
  });

  it('answers a notify once few enough records of the worker wait', () => {
    const { join, notify, extract, disposed } = direct({ maxPending: 4 });
    join(0, 1);
    const { effects, replyTo } = notify([left, left, left, left]);
    expect(answers(extract(effects), replyTo)).to.deep.equal([]);
    expect(answers(disposed(0, 1), replyTo)).to.deep.equal([nothing]);
  });

  it('sends dispositions with the first reply that goes, and keeps them while no question is open', () => {
    const { join, notify, extract, disposed, collect } = direct({ maxPending: 2 });
    join(0, 1);
    const first = notify([left, left, left]);
    extract(first.effects);
    const beat = collect();
    const effects = disposed(0, 0, settled(0));
    expect(answers(effects, first.replyTo), 'the notify has to wait').to.deep.equal([]);
    expect(answers(effects, beat.replyTo)).to.deep.equal([{ ...nothing, ordinals: [0], items: [0] }]);
    const open = collect();
    const later = disposed(0, 1, settled(1));
    expect(answers(later, first.replyTo), 'the notify goes first').to.deep.equal([
      { ...nothing, ordinals: [1], items: [0] },
    ]);
    expect(answers(later, open.replyTo)).to.deep.equal([]);
    expect(answers(disposed(0, 1, settled(2)), open.replyTo)).to.have.length(1);
    expect(ofType(disposed(0, 0, settled(3)), 'reply')).to.deep.equal([]);
    const last = collect();
    expect(answers(last.effects, last.replyTo)).to.deep.equal([{ ...nothing, ordinals: [3], items: [0] }]);
  });

  it('reports the number of items of a record, unless it is one', () => {
    const { join, notify, extract } = direct({
      extract: ({ sequenceNumber }) => Array.from({ length: Number(sequenceNumber) }, () => ({ key: left, value: 0 })),
    });
    join(0, 10);
    const { effects, replyTo } = notify([left, left, left]);
    expect(answers(extract(effects), replyTo)).to.deep.equal([{ ...nothing, itemCounts: [0, 0, 2, 2] }]);
  });

  it('counts a repeated numbered message, and changes nothing', () => {
    const { join, notify, extract, disposed, punctuate, tell, status } = direct();
    join(0, 1);
    join(1, 1);
    const given = notify([left, left]);
    extract(given.effects);
    disposed(0, 1, settled(0));
    const asked = punctuate('flush');
    const done: StageMessage = { type: 'punctuated', reducer: 0, number: 9, id: 0, waiting: [] };
    tell(done);
    const before = status();
    const again: StageMessage[] = [
      { type: 'disposed', reducer: 0, number: 1, credit: 1, dispositions: [settled(0)] },
      done,
      given.message,
      asked.message,
    ];
    for (const message of again) {
      const effects = tell(message);
      expect(effects, message.type).to.have.length(1);
      expect(counted(effects), message.type).to.deep.equal(repeated);
    }
    expect(status()).to.deep.equal(before);
  });

  for (const type of ['retire', 'shardWorkerDown'] as const) {
    it(`drops queued items at ${type}, tells the reducers, and gives the credit to other workers`, () => {
      const { join, notify, extract, disposed, tell, status, queue, reducers, tenures } = direct();
      join(0, 1);
      join(1, 1);
      extract(notify([left, left, left]).effects);
      extract(notify([left], 0, 2).effects);
      expect(queue(0)?.queued).to.equal(3);
      const effects = tell({ type, shardWorker: 1 });
      expect(tenures[1]!.ended).to.equal(true);
      expect(queue(0)).to.include({ queued: 1, credit: 0 });
      expect(status().shardWorkers).to.equal(1);
      for (const reducer of reducers) {
        expect(sent(effects, reducer)).to.have.length(1);
        expect(sent(effects, reducer)[0]).to.include({
          type: 'revoked',
          shardWorker: 1,
          shardId: 'shardId-1',
          fence: 1,
        });
      }
      expect(ofType(tell({ type, shardWorker: 1 }), 'send'), 'again').to.deep.equal([]);
      const back = disposed(0, 1, settled(0));
      expect(counted(back)).to.deep.equal({ staleSettles: 1 });
      const [items] = sent(back, reducers[0]);
      expect(items?.type === 'items' && items.items.map(({ tenure }) => tenure.shardWorkerNumber)).to.deep.equal([2]);
    });
  }

  it('extracts nothing for a worker that has retired or whose deadline has passed', () => {
    const { join, notify, extract, tell, clock, tenures, reducers } = direct();
    join(0, 10);
    const gone = notify([left], 0, 2).effects;
    tell({ type: 'retire', shardWorker: 2 });
    expect(sent(extract(gone), reducers[0])).to.deep.equal([]);
    tenures[1]!.deadline = clock.now() + 10;
    const { effects, replyTo } = notify([left]);
    clock.move(10);
    const extracted = extract(effects);
    expect(sent(extracted, reducers[0])).to.deep.equal([]);
    expect(answers(extracted, replyTo)).to.deep.equal([{ ...nothing, ended: true }]);
  });

  it('puts punctuation behind all records handed over before it, extracted or not', () => {
    const { join, notify, extract, punctuate, disposed, reducers } = direct();
    join(0, 1);
    join(1, 1);
    const given = notify([left, left, right]);
    expect(ofType(punctuate('drain').effects, 'send'), 'before the extraction').to.deep.equal([]);
    const extracted = extract(given.effects);
    expect(travels(sent(extracted, reducers[0]))).to.deep.equal([0]);
    expect(travels(sent(extracted, reducers[1]))).to.deep.equal([2, 'punctuation']);
    expect(travels(sent(disposed(0, 1), reducers[0]))).to.deep.equal([1, 'punctuation']);
  });

  it('answers a punctuation once every reducer has answered, but not for a retired worker', () => {
    const { join, notify, extract, punctuate, punctuated, tell } = direct();
    join(0, 1);
    join(1, 1);
    extract(notify([left]).effects);
    const { replyTo } = punctuate('flush');
    expect(answers(punctuated(1, 0, [3]), replyTo)).to.deep.equal([]);
    expect(answers(punctuated(0, 0, [3, 4]), replyTo)).to.deep.equal([[3, 3, 4]]);
    const late = punctuate('drain');
    punctuated(0, 1);
    tell({ type: 'retire', shardWorker: 1 });
    expect(answers(punctuated(1, 1), late.replyTo)).to.deep.equal([]);
  });

  it('locates a record that it has queued, and asks the reducers about other records', () => {
    const { join, notify, extract, locate, clock, self, reducers } = direct();
    const { effects } = notify([left]);
    clock.move(30);
    const here = { actor: self.path, state: 'queued', forMs: 30 };
    const early = locate(0);
    expect(answers(early.effects, early.replyTo), 'not an item yet').to.deep.equal([here]);
    extract(effects);
    const queued = locate(0);
    expect(answers(queued.effects, queued.replyTo), 'no reducer yet').to.deep.equal([here]);
    const lost = locate(5);
    expect(answers(lost.effects, lost.replyTo)).to.deep.equal([{ ...here, state: 'unknown', forMs: 0 }]);
    join(0, 0);
    join(1, 0);
    expect(sent(locate(0).effects, reducers[0])[0]).to.include({ type: 'locate', ordinal: 0, queued: true });
    expect(sent(locate(5).effects, reducers[0])[0]).to.deep.include({ queued: false, next: [reducers[1]] });
  });

  it('locates the punctuation that is not answered, if no record is asked for', () => {
    const { join, punctuate, punctuated, locate, self, reducers } = direct();
    const none = locate(undefined);
    const unknown = { actor: self.path, state: 'unknown', forMs: 0 };
    expect(answers(none.effects, none.replyTo)).to.deep.equal([unknown]);
    join(0, 0);
    join(1, 0);
    const [mark] = sent(punctuate('drain').effects, reducers[0]).flatMap((message) =>
      message.type === 'punctuation' ? [message.id] : [],
    );
    expect(sent(locate(undefined).effects, reducers[0])[0]).to.include({ stage: self, punctuation: mark });
    punctuated(0, mark!);
    punctuated(1, mark!);
    const done = locate(undefined);
    expect(answers(done.effects, done.replyTo)).to.deep.equal([unknown]);
  });

  it('names the oldest record of a shard worker that waits for a policy, and takes each answer once', async () => {
    const { join, notify, extract, tell, status, clock, collect } = direct({
      onFailure: async () => 'skip' as const,
      key: () => undefined as never,
    });
    join(0, 10);
    const runs = ofType(extract(notify([left, left]).effects), 'run');
    clock.move(5);
    expect(status().holding).to.deep.equal([{ shardWorker: 1, ordinal: 0, state: 'waiting', forMs: 5 }]);
    const decided = await finish([runs[0]!]);
    expect(emitted(tell(decided))).to.deep.equal(['recordSkipped']);
    expect(tell(decided), 'a repeat').to.deep.equal([]);
    expect(status().holding).to.deep.equal([{ shardWorker: 1, ordinal: 1, state: 'waiting', forMs: 5 }]);
    const { effects, replyTo } = collect();
    expect(answers(effects, replyTo)[0]).to.deep.include({ ordinals: [0], items: [0] });
  });

  it('answers 0 for how long records wait for an acknowledgement while one waits here, else asks stages and reducers', () => {
    const { join, notify, extract, disposed, waitsForAck, reducers, self } = direct();
    const nobody = waitsForAck();
    expect(answers(nobody.effects, nobody.replyTo), 'no reducer').to.deep.equal([0]);
    join(0, 0);
    join(1, 0);
    const { effects } = notify([left]);
    const early = waitsForAck(self);
    expect(answers(early.effects, early.replyTo), 'not extracted').to.deep.equal([0]);
    extract(effects);
    const queued = waitsForAck(self);
    expect(answers(queued.effects, queued.replyTo), 'in the queue').to.deep.equal([0]);
    disposed(0, 1);
    expect(sent(waitsForAck(self).effects, self)[0]).to.deep.include({ type: 'waitsForAck', nextStages: [] });
    expect(sent(waitsForAck().effects, reducers[0])[0]).to.deep.include({ heldForMs: Infinity, next: [reducers[1]] });
  });

  it('crashes, skips the record, or ends the tenure when a record fails, as the policy says', () => {
    for (const onFailure of ['crash', 'skip', 'stopShard'] as const) {
      const { join, notify, extract, tenures, reducers } = direct({
        onFailure,
        key: ({ sequenceNumber }) => (sequenceNumber === '1' ? (undefined as never) : left),
      });
      join(0, 10);
      const { effects, replyTo } = notify([left, left, left]);
      const extracted = extract(effects);
      const routed = { crash: [], skip: [0, 2], stopShard: [0] }[onFailure];
      expect(travels(sent(extracted, reducers[0])), onFailure).to.deep.equal(routed);
      expect(ofType(extracted, 'fail')).to.have.length(onFailure === 'crash' ? 1 : 0);
      expect(emitted(extracted)).to.deep.equal(onFailure === 'skip' ? ['recordSkipped'] : []);
      expect(tenures[1]!.ended).to.equal(onFailure === 'stopShard');
      if (onFailure === 'skip') expect(answers(extracted, replyTo)[0]).to.deep.include({ ordinals: [1], items: [0] });
      if (onFailure === 'stopShard')
        expect(answers(extracted, replyTo)[0]).to.deep.include({ ordinals: [], ended: true });
    }
  });

  it('sends one heartbeat to every reducer that has joined, and sets its timer again', () => {
    const { first, join, tell, reducers } = direct();
    join(1, 1);
    const effects = tell({ type: 'beat' });
    expect(reducers.map((each) => travels(sent(effects, each)))).to.deep.equal([[], ['heartbeat']]);
    expect(ofType(effects, 'after')).to.deep.equal(ofType(first, 'after'));
  });

  it('tells a worker that its tenure has ended if it finds that out when a late policy answers', async () => {
    const { join, notify, extract, tell, tenures, collect } = direct({
      onFailure: async () => 'skip' as const,
      key: ({ sequenceNumber }) => (sequenceNumber === '1' ? (undefined as never) : left),
    });
    join(0, 10);
    const extracted = extract(notify([left, left]).effects);
    const answer = await finish(ofType(extracted, 'run').length === 1 ? extracted : []);
    const { replyTo } = collect();
    tenures[1]!.deadline = 0;
    const effects = tell(answer);
    expect(answers(effects, replyTo)).to.deep.equal([{ ...nothing, ended: true }]);
    expect(emitted(effects), 'nothing is skipped').to.deep.equal([]);
  });

  it('tells a worker that its tenure has ended if a late policy stops its shard, or a reducer says so', async () => {
    const { join, notify, extract, tell, tenures, collect, disposed } = direct({
      onFailure: async () => 'stopShard' as const,
      key: ({ sequenceNumber }) => (sequenceNumber === '1' ? (undefined as never) : left),
    });
    join(0, 10);
    const answer = await finish(extract(notify([left, left]).effects));
    const first = collect();
    expect(answers(disposed(0, 1, { ...settled(), ended: true }), first.replyTo)).to.deep.equal([
      { ...nothing, ended: true },
    ]);
    const second = collect();
    expect(answers(tell(answer), second.replyTo)).to.deep.equal([{ ...nothing, ended: true }]);
    expect(tenures[1]!.stopError).to.be.instanceOf(Error);
  });
});
