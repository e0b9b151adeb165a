// The calls of an origin, one message at a time: who is answered, and what with.
import { expect } from 'chai';
import type { Effect, ReplyTo } from '../../../actors/protocol/actor.js';
import {
  createOffsets,
  pipeOrigin,
  type CallAnswer,
  type OriginMessage,
} from '../../../actors/pipe-origin/pipe-origin.js';
import { address, answers, handClock, ref, sent, stepped } from '../../support/direct.js';

function origin() {
  const self = ref<OriginMessage>('origin');
  const pipe = ref<any>('pipe');
  const it = stepped(
    pipeOrigin({
      ...{ name: 'orders', clock: handClock(), offsets: createOffsets(0), callDeadlineMs: 0 },
      signal: new AbortController().signal,
      makePipe: () => ({ kind: 'pipe' }) as never,
    }),
    self,
  );
  let number = 0;
  return {
    ...it,
    pipe,
    starts: () => it.tell({ type: 'pipeStarted', pipe }),
    feed: (...values: number[]): ReplyTo<CallAnswer> => {
      const replyTo = address<CallAnswer>(self);
      const fed = values.map((value) => ({ value, key: 'k' }));
      it.tell({ type: 'feed', values: fed, deadlineMs: 50, replyTo });
      return replyTo;
    },
    credit: (credit: number): readonly Effect<OriginMessage>[] => {
      number += 1;
      return it.tell({ type: 'disposed', reducer: 0, number, credit, dispositions: [] });
    },
  };
}

describe('the calls of an origin', () => {
  it('answers `open` at once when the pipe has started', () => {
    const it1 = origin();
    const [early, late] = [address<void>(ref('outside')), address<void>(ref('outside'))];
    expect(answers(it1.tell({ type: 'open', replyTo: early }), early)).to.deep.equal([]);
    expect(answers(it1.starts(), early)).to.have.length(1);
    expect(answers(it1.tell({ type: 'open', replyTo: late }), late)).to.have.length(1);
  });

  it('withdraws the overdue call alone: those beside it have their turn', () => {
    const it1 = origin();
    const [first, second] = [it1.feed(1), it1.feed(2)];
    const overdue = it1.tell({ type: 'overdue', call: 2 });
    expect(answers(overdue, second)).to.deep.equal([{ type: 'overdue', begun: false, offset: -1 }]);
    expect(answers(overdue, first)).to.deep.equal([]);
    expect(sent(it1.starts(), it1.pipe)).to.have.length(1);
    expect(answers(it1.credit(1), first)).to.deep.equal([{ type: 'done', offset: 0 }]);
  });

  it('answers a feed once: neither a credit behind it, nor the end, answers what was overdue', () => {
    const it1 = origin();
    it1.starts();
    const fed = it1.feed(1, 2);
    expect(answers(it1.tell({ type: 'overdue', call: 1 }), fed)).to.deep.equal([
      { type: 'overdue', begun: true, offset: 1 },
    ]);
    expect(it1.status()).to.deep.equal({ waiting: 1 });
    expect(answers(it1.stop(), fed)).to.deep.equal([]);
    expect(answers(it1.credit(2), fed)).to.deep.equal([]);
    expect(it1.credit(1)).to.deep.equal([]);
    expect(it1.status()).to.deep.equal({ waiting: 0 });
  });
});
