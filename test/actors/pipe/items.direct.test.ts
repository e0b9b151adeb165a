// Items on their way into a pipe, and their dispositions on the way back, message by message.
import { expect } from 'chai';
import type { Ref } from '../../../actors/protocol/actor.js';
import type { Disposed, ShardWorkerDispositions } from '../../../actors/protocol/disposition.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import type { NodeRequest } from '../../../actors/protocol/pipe-messages.js';
import type { StageMessage } from '../../../actors/protocol/pipeline-messages.js';
import { itemOf } from '../../support/direct-reducer.js';
import { asked, counted, ofType, sent } from '../../support/direct.js';
import { direct, fedBy, type Effects } from '../../support/direct-pipe.js';

/** The credit and the dispositions that go back to a stage. */
function returned(effects: Effects, stage: Ref<StageMessage>): Pick<Disposed, 'credit' | 'dispositions'>[] {
  const disposed = sent(effects, stage).filter((message) => message.type === 'disposed');
  return disposed.map(({ credit, dispositions }) => ({ credit, dispositions }));
}

function settled(shardWorker: number, ...ordinals: number[]): ShardWorkerDispositions {
  return { shardWorker, ordinals, items: ordinals.map(() => 0) };
}

const ended = (shardWorker: number): ShardWorkerDispositions => ({ ...settled(shardWorker), ended: true });

describe('the items of a pipe', () => {
  it('are fed to the first node as messages that stand for them, with the bytes of their records', () => {
    const { items, nodes, tenures, stage } = direct();
    const effects = items([0, 1]);
    const [feed] = asked<unknown, NodeRequest>(effects, nodes[0]!);
    if (feed?.question.type !== 'feed') throw new Error('a feed');
    const messages = feed.question.entries.filter((entry) => SentMessage.isMessage(entry));
    expect(messages.map(({ value, route, sizeBytes }) => ({ value, route, sizeBytes }))).to.deep.equal(
      [0, 1].map((value) => ({ value, route: undefined, sizeBytes: 2 })),
    );
    expect(messages.map((message) => SentMessage.itemOf(message))).to.deep.equal(
      [0, 1].map((n) => itemOf(n, tenures[1]!, stage)),
    );
  });

  it('wait while a feed is open, and go on with its answer, at most 256 entries at a time', () => {
    const { items, nodes, answerFeed } = direct();
    const first = items([0]);
    expect(fedBy(items([1]), nodes[0]!)).to.deep.equal([]);
    items(Array.from({ length: 300 }, (_, at) => at + 2));
    const second = answerFeed(first);
    expect(fedBy(second, nodes[0]!)).to.have.length(256).and.include(1).and.include(256);
    expect(fedBy(answerFeed(second), nodes[0]!))
      .to.have.length(45)
      .and.include(301);
  });

  it('give their credit back when the first node has processed them, to the stage that sent them', () => {
    const { items, stages, answerFeed } = direct();
    const first = items([0]);
    expect(returned(first, stages[0])).to.deep.equal([]);
    items([1, 2], 1, stages[1]);
    const second = answerFeed(first);
    expect(returned(second, stages[0])).to.deep.equal([{ credit: 1, dispositions: [] }]);
    expect(returned(second, stages[1])).to.deep.equal([]);
    expect(returned(answerFeed(second), stages[1])).to.deep.equal([{ credit: 2, dispositions: [] }]);
  });

  it('give no credit twice if the answer to a feed is repeated', () => {
    const { items, stage, answerFeed } = direct();
    const first = items([0]);
    answerFeed(first);
    items([1]);
    expect(returned(answerFeed(first), stage)).to.deep.equal([]);
  });

  it('are counted and dropped if the stage repeats its message, whatever another stage has sent', () => {
    const { tell, tenures, stages, nodes, answerFeed } = direct();
    const message = { type: 'items' as const, number: 4, items: [itemOf(0, tenures[1]!, stages[0])] };
    const first = tell({ ...message, stage: stages[0] });
    expect(counted(tell({ ...message, stage: stages[0] }))).to.deep.equal({ repeatedMessages: 1 });
    tell({ ...message, number: 1, stage: stages[1] });
    expect(fedBy(answerFeed(first), nodes[0]!)).to.deep.equal([0]);
  });

  it('are not fed if their tenure is late: they are dropped, and the stage learns that it has ended', () => {
    const { items, tenures, nodes, stage, answerFeed, status } = direct();
    const first = items([0]);
    items([1, 2], 2);
    tenures[2]!.deadline = 0;
    const effects = answerFeed(first);
    expect(fedBy(effects, nodes[0]!)).to.deep.equal([]);
    expect(returned(effects, stage)).to.deep.equal([{ credit: 3, dispositions: [ended(2)] }]);
    expect(tenures[2]!.ended).to.equal(true);
    expect(status().openRecords).to.equal(1);
    const late = items([3], 2);
    expect(returned(late, stage), 'one that comes later').to.deep.equal([{ credit: 1, dispositions: [ended(2)] }]);
    items([4]);
    const behind = items([5], 2);
    expect(returned(behind, stage), 'during a feed').to.deep.equal([{ credit: 1, dispositions: [ended(2)] }]);
  });

  it('are settled by stage, worker, ordinal and place, whichever node reports them', () => {
    const { items, fromNode, settle, stages, tenures, progress } = direct();
    items([0, 1]);
    items([0], 2);
    items([7], 1, stages[1]);
    expect(returned(settle(1, [1]), stages[0])).to.deep.equal([{ credit: 0, dispositions: [settled(1, 1)] }]);
    const effects = fromNode(2, {
      type: 'settled',
      settled: [
        { tenure: tenures[1]!, stage: stages[0], ordinals: [0], items: [0] },
        { tenure: tenures[2]!, stage: stages[0], ordinals: [0], items: [0] },
        { tenure: tenures[1]!, stage: stages[1], ordinals: [7], items: [0] },
      ],
    });
    expect(returned(effects, stages[0])).to.deep.equal([{ credit: 0, dispositions: [settled(1, 0), settled(2, 0)] }]);
    expect(returned(effects, stages[1])).to.deep.equal([{ credit: 0, dispositions: [settled(1, 7)] }]);
    expect(progress.settled).to.equal(4);
  });

  it('keep their record open until the last item of it is settled', () => {
    const { fromStage, fromNode, tenures, stage, status } = direct();
    const tenure = tenures[1]!;
    fromStage({ type: 'items', items: [itemOf(3, tenure, stage, 0), itemOf(3, tenure, stage, 1)] });
    expect(status().openRecords).to.equal(1);
    const one = (item: number): Effects =>
      fromNode(2, { type: 'settled', settled: [{ tenure, stage, ordinals: [3], items: [item] }] });
    one(1);
    expect(status().openRecords).to.equal(1);
    expect(returned(one(0), stage)[0]?.dispositions).to.deep.equal([settled(1, 3)]);
    expect(status()).to.deep.include({ openRecords: 0, holding: [] });
  });

  it('are not settled twice: what is not open is counted', () => {
    const { items, settle, stage } = direct();
    items([0]);
    settle(0, [0]);
    const effects = settle(1, [0]);
    expect(counted(effects)).to.deep.equal({ staleSettles: 1 });
    expect(returned(effects, stage).flatMap(({ dispositions }) => dispositions[0]?.ordinals)).to.deep.equal([]);
  });

  it('are not settled once their tenure has ended; the stage learns that', () => {
    const { items, settle, stage, tenures, progress } = direct();
    items([0]);
    tenures[1]!.ended = true;
    expect(returned(settle(1, [0]), stage)).to.deep.equal([{ credit: 0, dispositions: [ended(1)] }]);
    expect(progress.settled).to.equal(0);
  });

  it('of a revoked worker are dropped and forgotten, and every node gets to know', () => {
    const { items, revoked, answerFeed, settle, nodes, stage, status } = direct();
    const first = items([0]);
    items([1], 2);
    items([2, 3]);
    const effects = revoked(1);
    expect(returned(effects, stage)).to.deep.equal([{ credit: 2, dispositions: [] }]);
    for (const node of nodes) expect(sent(effects, node)).to.deep.equal([{ type: 'revoked', shardWorker: 1 }]);
    expect(status()).to.include({ openRecords: 1, queued: 1 });
    const next = answerFeed(first);
    expect(fedBy(next, nodes[0]!)).to.deep.equal([1]);
    expect(returned(next, stage), 'credit of what was under way').to.deep.equal([{ credit: 1, dispositions: [] }]);
    expect(returned(settle(2, [0]), stage)[0]?.dispositions[0]?.ordinals).to.deep.equal([]);
  });

  it('whose tenure a node has ended are reported when the node goes on, or at the next heartbeat', () => {
    const it1 = direct();
    it1.items([0]);
    it1.waits(1);
    it1.tenures[1]!.ended = true;
    expect(returned(it1.waits(1, false), it1.stage)).to.deep.equal([{ credit: 0, dispositions: [ended(1)] }]);
    const it2 = direct();
    it2.items([0]);
    it2.tenures[1]!.ended = true;
    expect(returned(it2.tell({ type: 'heartbeat' }), it2.stage)).to.deep.equal([
      { credit: 0, dispositions: [ended(1)] },
    ]);
    expect(it2.tell({ type: 'heartbeat' })).to.deep.equal([]);
  });
});

describe('while a failed call holds a node, the items of a pipe', () => {
  it('give their credit back at once, and not again later', () => {
    const { items, waits, answerFeed, stage, nodes } = direct();
    const first = items([0, 1]);
    items([2]);
    expect(returned(waits(1), stage)).to.deep.equal([{ credit: 3, dispositions: [] }]);
    expect(returned(items([3, 4]), stage)).to.deep.equal([{ credit: 2, dispositions: [] }]);
    const second = answerFeed(first);
    expect(fedBy(second, nodes[0]!)).to.deep.equal([2, 3, 4]);
    waits(1, false);
    const third = items([5]);
    expect(ofType(third, 'send')).to.deep.equal([]);
    const fourth = answerFeed(second);
    expect(returned(fourth, stage)).to.deep.equal([]);
    expect(returned(answerFeed(fourth), stage)).to.deep.equal([{ credit: 1, dispositions: [] }]);
  });

  it('give it back once, though a second node begins to wait, and though they are revoked', () => {
    const { items, waits, revoked, stage } = direct();
    items([0]);
    items([1, 2]);
    waits(0);
    expect(returned(waits(2), stage)).to.deep.equal([]);
    expect(returned(revoked(1), stage)).to.deep.equal([]);
  });
});
