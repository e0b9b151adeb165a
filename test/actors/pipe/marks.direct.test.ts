// Punctuation in a pipe: flushes and drains, with and without a failed call that holds a node.
import { expect } from 'chai';
import { ofType, sent } from '../../support/direct.js';
import { direct, fedBy, type Effects } from '../../support/direct-pipe.js';

type Direct = ReturnType<typeof direct>;

/** The answers to punctuation, without their numbers. */
function punctuated(effects: Effects, { stage }: Direct): readonly { id: number; waiting: readonly number[] }[] {
  return sent(effects, stage).flatMap((message) =>
    message.type === 'punctuated' ? [{ id: message.id, waiting: message.waiting }] : [],
  );
}

describe('punctuation in a pipe', () => {
  it('is a mark behind the items, and is answered when the last node has flushed', () => {
    const it1 = direct();
    const first = it1.items([0]);
    it1.items([1]);
    expect(it1.punctuation('flush')).to.deep.equal([]);
    it1.items([2]);
    expect(fedBy(it1.answerFeed(first), it1.nodes[0]!)).to.deep.equal([1, 'mark 1', 2]);
    expect(punctuated(it1.flushed(1), it1)).to.deep.equal([{ id: 5, waiting: [] }]);
    expect(it1.flushed(1), 'a second time').to.deep.equal([]);
  });

  it('is answered after the dispositions, with a higher number', () => {
    const it1 = direct();
    it1.items([0]);
    it1.punctuation('drain');
    const effects = [...it1.settle(0, [0]), ...it1.flushed(1)];
    const messages = sent(effects, it1.stage).flatMap((each) => ('number' in each ? [[each.type, each.number]] : []));
    expect(messages).to.deep.equal([
      ['disposed', 1],
      ['punctuated', 2],
    ]);
  });

  it('is answered after the credit that goes back in the same turn', () => {
    const it1 = direct();
    it1.items([0]);
    it1.punctuation('flush');
    const messages = sent(it1.waits(1), it1.stage).flatMap((each) =>
      'number' in each ? [[each.type, each.number]] : [],
    );
    expect(messages).to.deep.equal([
      ['disposed', 1],
      ['punctuated', 2],
    ]);
  });

  it('of several workers is answered to each, in any order', () => {
    const it1 = direct();
    it1.punctuation('flush', 5, 1);
    it1.punctuation('drain', 6, 2);
    expect(punctuated(it1.flushed(2), it1)).to.deep.equal([{ id: 6, waiting: [] }]);
    expect(punctuated(it1.flushed(1), it1)).to.deep.equal([{ id: 5, waiting: [] }]);
  });
});

describe('while a failed call holds a node, punctuation', () => {
  const attempts = (it1: Direct, effects: Effects) =>
    it1.nodes.flatMap((_, index) =>
      it1
        .askedOf(effects, index)
        .flatMap((each) => ((each.question as { type: string }).type === 'attemptNow' ? [each] : [])),
    );

  it('is answered at once if it is a flush, with what is open of the worker, queued or not', () => {
    const it1 = direct();
    it1.items([0, 1]);
    it1.items([2]);
    it1.items([9], 2);
    it1.waits(1);
    it1.settle(0, [0]);
    expect(punctuated(it1.punctuation('flush'), it1)).to.deep.equal([{ id: 5, waiting: [1, 2] }]);
  });

  it('that is on its way, or in the queue, when the node begins to wait is answered then', () => {
    const it1 = direct();
    const first = it1.punctuation('flush', 5);
    it1.items([0]);
    it1.punctuation('flush', 6);
    const effects = it1.waits(2);
    expect(punctuated(effects, it1)).to.deep.equal([
      { id: 5, waiting: [0] },
      { id: 6, waiting: [0] },
    ]);
    expect(it1.flushed(1), 'a late flush').to.deep.equal([]);
    expect(fedBy(it1.answerFeed(first), it1.nodes[0]!)).to.deep.equal([0]);
  });

  it('asks every node for one more attempt if it is a drain, and is then answered', () => {
    const it1 = direct();
    it1.items([0]);
    it1.waits(1);
    const effects = it1.punctuation('drain');
    expect(punctuated(effects, it1)).to.deep.equal([]);
    const asks = attempts(it1, effects);
    expect(asks).to.have.length(3);
    expect(it1.tell(asks[0]!.answered({ isWaiting: false }))).to.deep.equal([]);
    expect(it1.tell(asks[2]!.answered({ isWaiting: false }))).to.deep.equal([]);
    expect(punctuated(it1.tell(asks[1]!.answered({ isWaiting: true })), it1)).to.deep.equal([{ id: 5, waiting: [0] }]);
  });

  it('goes on with the messages if the attempt succeeds, and asks no second time', () => {
    const it1 = direct();
    const first = it1.items([0]);
    it1.waits(1);
    const asks = attempts(it1, it1.punctuation('drain'));
    for (const ask of asks) expect(punctuated(it1.tell(ask.answered({ isWaiting: false })), it1)).to.deep.equal([]);
    it1.waits(1, false);
    expect(fedBy(it1.answerFeed(first), it1.nodes[0]!)).to.deep.equal(['mark 1']);
    const again = it1.waits(2);
    expect(attempts(it1, again)).to.deep.equal([]);
    expect(punctuated(again, it1)).to.deep.equal([{ id: 5, waiting: [0] }]);
  });

  it('waits for no node that has stopped', () => {
    const it1 = direct();
    it1.waits(1);
    const asks = attempts(it1, it1.punctuation('drain'));
    const effects = asks.map((ask) => it1.tell(ask.failed(new Error('it has stopped'))));
    expect(punctuated(effects.flat(), it1)).to.deep.equal([{ id: 5, waiting: [] }]);
  });
});

describe('the status of a pipe', () => {
  it('tells what it does, what waits, and the oldest open record of each worker', () => {
    const it1 = direct();
    expect(it1.status()).to.deep.equal({ holding: [], doing: 'idle', queued: 0, openRecords: 0, flushes: 0 });
    it1.items([4]);
    it1.items([3, 5], 2);
    it1.clock.move(30);
    it1.punctuation('flush');
    expect(it1.status()).to.deep.equal({
      holding: [
        { shardWorker: 1, ordinal: 4, state: 'unknown', forMs: 0 },
        { shardWorker: 2, ordinal: 3, state: 'queued', forMs: 30 },
      ],
      ...{ doing: 'feeding', queued: 2, openRecords: 3, flushes: 1 },
    });
    it1.waits(0);
    expect(it1.status()).to.include({ doing: 'waiting', flushes: 0 });
    expect(ofType(it1.stop(), 'fail')).to.deep.equal([]);
  });
});
