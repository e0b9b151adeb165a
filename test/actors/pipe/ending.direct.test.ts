// A node ends its pipe: what is drained, what is stopped, and what the pipe fails with at last.
import { expect } from 'chai';
import { ofType, sent } from '../../support/direct.js';
import { deadlines, direct, fedBy, type Effects } from '../../support/direct-pipe.js';

type Direct = ReturnType<typeof direct>;

const errorsOf = (effects: Effects): readonly Error[] => ofType(effects, 'fail').map(({ error }) => error);

const questions = (it1: Direct, effects: Effects) =>
  it1.nodes.map((_, index) => it1.askedOf(effects, index).map(({ question }) => (question as { type: string }).type));

describe('a pipe that one of its nodes ends', () => {
  const error = new Error('the true reason');

  it('stops the nodes before, and lets the node and those behind drain, until its deadline', () => {
    const it1 = direct(4);
    const effects = it1.fromNode(2, { type: 'nodeEnds', error });
    expect(questions(it1, effects)).to.deep.equal([['downstreamFailed'], ['downstreamFailed'], ['upstreamFailed'], []]);
    expect(deadlines(effects)).to.deep.equal([400, 400, 400]);
    const [stopped] = it1.askedOf(effects, 0);
    expect((stopped!.question as unknown as { error: Error }).error).to.equal(error);
    expect(errorsOf(effects)).to.deep.equal([]);
  });

  it('reports what is settled meanwhile, and fails with the true error when the last node has answered', () => {
    const it1 = direct();
    it1.items([0, 1]);
    const effects = it1.fromNode(1, { type: 'nodeEnds', error });
    expect(it1.status().doing).to.equal('ending');
    expect(sent(it1.settle(2, [0]), it1.stage)).to.have.length(1);
    const [before] = it1.askedOf(effects, 0).slice(-1);
    const [itself] = it1.askedOf(effects, 1);
    expect(errorsOf(it1.tell(before!.answered(undefined)))).to.deep.equal([]);
    expect(it1.tell({ type: 'nodeDown', node: 2, how: { reason: 'normal', orphans: [] } })).to.deep.equal([]);
    expect(errorsOf(it1.tell(itself!.answered(undefined)))).to.deep.equal([error]);
  });

  it('fails when the time is over, though a node has not answered', () => {
    const it1 = direct();
    const effects = it1.fromNode(0, { type: 'nodeEnds', error });
    const [itself] = it1.askedOf(effects, 0);
    expect(errorsOf(it1.tell(itself!.failed(new Error('ASK_TIMEOUT'))))).to.deep.equal([error]);
  });

  it('feeds nothing more, answers no punctuation, and makes no other node wait', () => {
    const it1 = direct();
    const first = it1.items([0]);
    it1.items([1]);
    it1.fromNode(1, { type: 'nodeEnds', error });
    it1.punctuation('flush');
    expect(fedBy(it1.answerFeed(first), it1.nodes[0]!)).to.deep.equal([]);
    expect(sent(it1.waits(0), it1.stage).map(({ type }) => type)).to.not.include('punctuated');
  });

  it('fails with PIPE_EXITED if the node has only asked for the end', () => {
    const it1 = direct();
    const effects = it1.fromNode(0, { type: 'nodeEnds' });
    const [itself] = it1.askedOf(effects, 0);
    const [failed] = errorsOf(it1.tell(itself!.answered(undefined)));
    expect(failed).to.include({ code: 'PIPE_EXITED' });
    expect(failed?.message).to.equal('Node map/0 of pipe/0#1 has asked for the end of the pipe.');
  });

  it('stops the nodes between, too, if one behind fails while it drains; the first reason stays', () => {
    const it1 = direct(4);
    it1.fromNode(1, { type: 'nodeEnds', error });
    it1.clock.move(100);
    const second = it1.fromNode(3, { type: 'nodeEnds', error: new Error('another') });
    expect(questions(it1, second)).to.deep.equal([[], ['downstreamFailed'], ['downstreamFailed'], ['upstreamFailed']]);
    expect(deadlines(second)).to.deep.equal([300, 300, 300]);
    expect(it1.fromNode(0, { type: 'nodeEnds', error: new Error('a node before') })).to.deep.equal([]);
    const over = [0, 1, 2, 3].map((node) => it1.tell({ type: 'nodeDrained', node }));
    expect(over.map(errorsOf)).to.deep.equal([[], [], [], [error]]);
  });

  it('does not take the end of a node that drains for a crash', () => {
    const it1 = direct();
    it1.fromNode(1, { type: 'nodeEnds', error });
    it1.tell({ type: 'nodeDown', node: 0, how: { reason: 'normal', orphans: [] } });
    const last = it1.tell({ type: 'nodeDown', node: 1, how: { reason: 'crash', error: new Error('x'), orphans: [] } });
    expect(errorsOf(last)).to.deep.equal([error]);
  });

  it('fails with the failure of a node, and not with PIPE_EXITED, if one fails while the pipe only exits', () => {
    const it1 = direct();
    it1.fromNode(1, { type: 'nodeEnds' });
    it1.fromNode(1, { type: 'nodeEnds', error });
    const over = [0, 1].map((node) => it1.tell({ type: 'nodeDrained', node }));
    expect(over.map(errorsOf)).to.deep.equal([[], [error]]);

    const it2 = direct();
    it2.fromNode(0, { type: 'nodeEnds' });
    const down = it2.tell({ type: 'nodeDown', node: 0, how: { reason: 'crash', error, orphans: [] } });
    expect(errorsOf(down)).to.deep.equal([error]);
  });
});

describe('a pipe whose origin has ended it', () => {
  const error = new Error('the true reason');
  const normal = { reason: 'normal', orphans: [] } as const;

  it('first feeds all that has come, and then lets the first node drain, for as long as it takes', () => {
    const it1 = direct();
    const first = it1.items([0]);
    it1.items([1]);
    expect(it1.askedOf(it1.tell({ type: 'upstreamFailed' }), 0)).to.deep.equal([]);
    const second = it1.answerFeed(first);
    expect(fedBy(second, it1.nodes[0]!)).to.have.length(1);
    const effects = it1.answerFeed(second);
    expect(questions(it1, effects)).to.deep.equal([['upstreamFailed'], [], []]);
    expect(deadlines(effects)).to.deep.equal([undefined]);
  });

  it('ends without a failure when each node has ended without one, and not when the first has answered', () => {
    const it1 = direct();
    const [asked] = it1.askedOf(it1.tell({ type: 'upstreamFailed' }), 0);
    expect(it1.tell(asked!.answered(undefined))).to.deep.equal([]);
    const ends = [2, 0, 1].map((node) => ofType(it1.tell({ type: 'nodeDown', node, how: normal }), 'end').length);
    expect(ends).to.deep.equal([0, 0, 1]);

    const it2 = direct(1);
    const [failing] = it2.askedOf(it2.tell({ type: 'upstreamFailed' }), 0);
    expect(it2.tell(failing!.failed(new Error('ACTOR_STOPPED')))).to.deep.equal([]);
  });

  it('fails if a node crashes while it drains, also if those before it have drained', () => {
    const it1 = direct();
    const [asked] = it1.askedOf(it1.tell({ type: 'upstreamFailed' }), 0);
    it1.tell(asked!.answered(undefined));
    it1.tell({ type: 'nodeDown', node: 0, how: normal });
    const down = it1.tell({ type: 'nodeDown', node: 1, how: { reason: 'crash', error, orphans: [] } });
    expect(errorsOf(down)).to.deep.equal([error]);
  });

  it('ends as any other if the policy of a node says crash meanwhile, within callDeadlineMs', () => {
    const it1 = direct();
    it1.tell({ type: 'upstreamFailed' });
    const effects = it1.fromNode(1, { type: 'nodeEnds', error });
    expect(questions(it1, effects)).to.deep.equal([['downstreamFailed'], ['upstreamFailed'], []]);
    expect(deadlines(effects)).to.deep.equal([400, 400]);
    const over = [0, 1].map((node) => it1.tell({ type: 'nodeDrained', node }));
    expect(over.map(errorsOf)).to.deep.equal([[], [error]]);
  });

  it('lets the first node drain within callDeadlineMs if it is the one that fails', () => {
    const it1 = direct();
    it1.tell({ type: 'upstreamFailed' });
    const effects = it1.fromNode(0, { type: 'nodeEnds', error });
    expect(questions(it1, effects)).to.deep.equal([['upstreamFailed'], [], []]);
    expect(errorsOf(it1.tell({ type: 'nodeDrained', node: 0 }))).to.deep.equal([error]);
  });
});
