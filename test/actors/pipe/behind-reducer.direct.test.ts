// A pipe behind a reducer: what it is fed, and what it tells the reducer.
import { expect } from 'chai';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import type { PipeFeed, PipeNews } from '../../../actors/protocol/pipe-feed.js';
import { counted, ref, sent } from '../../support/direct.js';
import { direct, fedBy, type Effects } from '../../support/direct-pipe.js';
import { itemOf } from '../../support/direct-reducer.js';

function behind(more: object = {}) {
  const it = direct(2, { isBehindReducer: true, stages: [], ...more });
  const reducer = ref<PipeNews>('reducer/0#9');
  let number = 0;
  const fromReducer = (message: object, given = (number += 1)): Effects =>
    it.tell({ ...message, number: given, reducer } as PipeFeed);
  const messageOf = (ordinal: number, shardWorker: number): SentMessage =>
    new SentMessage(ordinal, itemOf(ordinal, it.tenures[shardWorker]!, it.stage), undefined, 10);
  return {
    ...it,
    emits: (ordinals: readonly number[], shardWorker = 1) =>
      fromReducer({ type: 'emitted', messages: ordinals.map((each) => messageOf(each, shardWorker)) }),
    emitsOfNothing: () =>
      fromReducer({ type: 'emitted', messages: [new SentMessage('nothing', undefined, undefined, 10)] }),
    repeats: (ordinals: readonly number[]) =>
      fromReducer({ type: 'emitted', messages: ordinals.map((each) => messageOf(each, 1)) }, number),
    marks: (mark: number, kind: 'flush' | 'drain') => fromReducer({ type: 'emittedMark', mark, kind }),
    loses: (shardWorker: number) => {
      it.tenures[shardWorker]!.ended = true;
      return fromReducer({ type: 'emittedLost', shardWorker });
    },
    /** What the reducer is told, without numbers. */
    news: (effects: Effects) =>
      sent(effects, reducer).map((news) => {
        const { type } = news;
        if (type === 'markPassed') return { type, mark: news.mark };
        const settled = news.settled.flatMap(({ ordinals }) => ordinals);
        return { type, taken: news.taken, takenBytes: news.takenBytes, settled };
      }),
  };
}

describe('a pipe behind a reducer', () => {
  it('tells it what the first node has processed, and what is settled', () => {
    const it = behind();
    const fed = it.emits([1, 2]);
    expect(it.news(it.answerFeed(fed))).to.deep.equal([{ type: 'pipeNews', taken: 2, takenBytes: 20, settled: [] }]);
    expect(it.news(it.settle(1, [2]))).to.deep.equal([{ type: 'pipeNews', taken: 0, takenBytes: 0, settled: [2] }]);
  });

  it('takes a message of it once', () => {
    const it = behind();
    it.emits([1]);
    const again = it.repeats([1]);
    expect(counted(again)).to.deep.equal({ repeatedMessages: 1 });
    expect(it.status().queued).to.equal(0);
  });

  it('gives back the room of what is dropped with its lease before it was fed', () => {
    const it = behind();
    const first = it.emits([1], 1);
    it.emits([2, 3], 1);
    it.emits([4], 2);
    const lost = it.loses(1);
    expect(it.news(lost)).to.deep.equal([{ type: 'pipeNews', taken: 2, takenBytes: 20, settled: [] }]);
    expect(counted(lost)).to.deep.equal({ droppedMessages: 2 });
    const next = it.answerFeed(first);
    expect(fedBy(next, it.nodes[0]!)).to.have.length(1);
    expect(it.news(next)).to.deep.equal([{ type: 'pipeNews', taken: 1, takenBytes: 10, settled: [] }]);
  });

  it('tells that a failed call holds a node before it answers a mark', () => {
    const it = behind();
    it.emits([1]);
    it.marks(7, 'flush');
    const waits = it.waits(0);
    expect(it.news(waits).map(({ type }) => type)).to.deep.equal(['pipeNews', 'markPassed']);
  });
});

describe('what waits in a pipe behind a reducer when a stop gives its shard up', () => {
  it('is noted by its item; a message that stands for nothing is not', () => {
    const leftItems = { isStopping: true, noted: new Map() };
    const it = behind({ leftItems });
    it.emits([0]);
    it.emitsOfNothing();
    it.emits([1]);
    it.stop();
    expect([...leftItems.noted.values()].map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(['1']);
  });
});
