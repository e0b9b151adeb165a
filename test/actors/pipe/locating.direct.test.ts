// Where a record is in a pipe, and for how long its worker's records have waited for nothing but a flush.
import { expect } from 'chai';
import type { ReplyTo } from '../../../actors/protocol/actor.js';
import type { Whereabouts } from '../../../actors/protocol/disposition.js';
import type { ReducerRequest } from '../../../actors/protocol/pipeline-messages.js';
import { address, answers, ref, sent } from '../../support/direct.js';
import { direct, type Effects } from '../../support/direct-pipe.js';

const other = ref<ReducerRequest>('pipe/1#90');

type Direct = ReturnType<typeof direct>;

describe('the question to a pipe where a record is', () => {
  const locate = (it1: Direct, ordinal: number, more: object = {}): [Effects, ReplyTo<Whereabouts>] => {
    const replyTo = address<Whereabouts>(it1.stage);
    const question = { type: 'locate', shardWorker: 1, ordinal, replyTo, next: [], queued: false, ...more } as const;
    return [it1.tell(question), replyTo];
  };
  const actor = 'pipe/0#1';

  it('is passed on if nothing of the record is open here, and answered by the last pipe', () => {
    const it1 = direct();
    it1.items([0]);
    const [passed] = locate(it1, 1, { next: [other] });
    expect(sent(passed, other)).to.have.length(1);
    expect(sent(passed, other)[0]).to.include({ type: 'locate', ordinal: 1 });
    const [effects, replyTo] = locate(it1, 1);
    expect(answers(effects, replyTo)).to.deep.equal([{ actor, state: 'unknown', forMs: 0 }]);
  });

  it('is answered here for what waits for the first node, and in the stage', () => {
    const it1 = direct();
    it1.items([0]);
    it1.items([1]);
    it1.clock.move(50);
    const [effects, replyTo] = locate(it1, 1);
    expect(answers(effects, replyTo)).to.deep.equal([{ actor, state: 'queued', forMs: 50 }]);
    it1.settle(0, [0]);
    it1.clock.move(20);
    it1.waits(1);
    const [queued, queuedTo] = locate(it1, 7, { queued: true });
    expect(answers(queued, queuedTo), 'since something was settled').to.deep.equal([
      { actor, state: 'waiting', forMs: 20 },
    ]);
  });

  it('is put to the nodes in turn, and ends with the first that knows', () => {
    const it1 = direct();
    it1.items([0]);
    const [effects, replyTo] = locate(it1, 0, { next: [other] });
    const [first] = it1.askedOf(effects, 0);
    expect(first?.question).to.include({ type: 'locateRecord', shardWorker: 1, ordinal: 0 });
    const [second] = it1.askedOf(it1.tell(first!.answered(undefined)), 1);
    const found: Whereabouts = { actor: 'pipe-node/1', state: 'running', forMs: 12 };
    expect(answers(it1.tell(second!.answered(found)), replyTo)).to.deep.equal([found]);
  });

  it('goes to the next pipe if no node knows, or the last has stopped', () => {
    const it1 = direct(1);
    it1.items([0]);
    const [effects] = locate(it1, 0, { next: [other] });
    const [first] = it1.askedOf(effects, 0);
    expect(sent(it1.tell(first!.failed(new Error('it has stopped'))), other)).to.have.length(1);
  });

  it('finds a punctuation that is not answered, since something has moved', () => {
    const it1 = direct();
    it1.punctuation('drain', 8);
    it1.clock.move(40);
    it1.items([0]);
    it1.clock.move(60);
    const [effects, replyTo] = locate(it1, 0, { ordinal: undefined, stage: it1.stage, punctuation: 8 });
    expect(answers(effects, replyTo)).to.deep.equal([{ actor, state: 'running', forMs: 60 }]);
    const [none, noneTo] = locate(it1, 0, { ordinal: undefined, stage: it1.stage, punctuation: 9 });
    expect(answers(none, noneTo)[0]?.state).to.equal('unknown');
  });
});

describe('the question to a pipe for how long records have waited', () => {
  const ask = (it1: Direct, heldForMs = Infinity, next: readonly (typeof other)[] = []): [Effects, ReplyTo<number>] => {
    const replyTo = address<number>(it1.stage);
    return [it1.tell({ type: 'waitsForAck', shardWorker: 1, heldForMs, next, replyTo }), replyTo];
  };
  /** A pipe whose nodes hold record 0 of worker 1, and to which nothing comes. */
  const idle = (): Direct => {
    const it1 = direct();
    it1.answerFeed(it1.items([0]));
    it1.clock.move(70);
    return it1;
  };

  it('is passed on unchanged if it holds none', () => {
    const it1 = direct();
    it1.items([0], 2);
    const [effects] = ask(it1, 20, [other]);
    expect(sent(effects, other).map((each) => (each as { heldForMs: number }).heldForMs)).to.deep.equal([20]);
    const [last, replyTo] = ask(it1);
    expect(answers(last, replyTo)).to.deep.equal([0]);
  });

  it('is answered with 0 if something is fed, queued, flushed or waits', () => {
    const busy: ((it1: Direct) => unknown)[] = [
      (it1) => it1.items([1]),
      (it1) => it1.punctuation('flush'),
      (it1) => it1.answerFeed(it1.punctuation('flush')),
      (it1) => it1.waits(1),
      (it1) => it1.fromNode(1, { type: 'nodeEnds' }),
    ];
    for (const make of busy) {
      const it1 = idle();
      make(it1);
      const [effects, replyTo] = ask(it1, Infinity, [other]);
      expect(answers(effects, replyTo)).to.deep.equal([0]);
    }
  });

  it('is answered with the time since something moved, if a node keeps the oldest record', () => {
    const it1 = idle();
    const [effects, replyTo] = ask(it1);
    const [first] = it1.askedOf(effects, 0);
    const kept: Whereabouts = { actor: 'pipe-node/0', state: 'folded', forMs: 500 };
    expect(answers(it1.tell(first!.answered(kept)), replyTo)).to.deep.equal([70]);
    expect(answers(it1.tell(first!.answered({ ...kept, forMs: 30 })), replyTo)).to.deep.equal([30]);
  });

  it('is answered with 0 if the oldest record is in a call, or not found', () => {
    const it1 = idle();
    const [effects, replyTo] = ask(it1);
    const [first] = it1.askedOf(effects, 0);
    const running: Whereabouts = { actor: 'pipe-node/0', state: 'running', forMs: 500 };
    expect(answers(it1.tell(first!.answered(running)), replyTo)).to.deep.equal([0]);
    const [second] = it1.askedOf(it1.tell(first!.answered(undefined)), 1);
    const [third] = it1.askedOf(it1.tell(second!.answered(undefined)), 2);
    expect(answers(it1.tell(third!.answered(undefined)), replyTo)).to.deep.equal([0]);
  });
});

describe('what waits in a pipe when a stop gives its shard up', () => {
  it('is noted if it waits for the first node, for the worker that ends and at the end of all', () => {
    const leftItems = { isStopping: false, noted: new Map() };
    const it1 = direct(2, { leftItems });
    it1.items([0]);
    it1.items([1]);
    it1.items([2], 2);
    it1.items([9], 0);
    it1.revoked(0);
    expect(leftItems.noted.size, 'no stop has begun').to.equal(0);
    leftItems.isStopping = true;
    it1.revoked(1);
    it1.stop();
    const noted = [...leftItems.noted.values()].map(({ shardId, sequenceNumber, at }) => [shardId, sequenceNumber, at]);
    expect(noted).to.deep.equal([
      ['shardId-1', '1', 'node'],
      ['shardId-2', '2', 'node'],
    ]);
  });
});
