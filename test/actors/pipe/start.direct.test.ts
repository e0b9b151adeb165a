// The start of a pipe and of its nodes, and the end of a node that nothing asked to end.
import { expect } from 'chai';
import type { Ending } from '../../../actors/protocol/actor.js';
import { asked, counted, ofType, sent } from '../../support/direct.js';
import { direct, unstarted, type Effects } from '../../support/direct-pipe.js';

const crash = (error: Error): Ending => ({ reason: 'crash', error, orphans: [] });

describe('the start of a pipe', () => {
  it('starts the nodes from the last to the first, and each gets the next one', () => {
    const { first, tell, made, nodes, self } = unstarted();
    expect(ofType(first, 'spawn').map(({ name, shutdownMs }) => [name, shutdownMs])).to.deep.equal([['0/sink/2', 400]]);
    const second = tell({ type: 'nodeStarted', node: 2, ref: nodes[2]! });
    expect(ofType(second, 'spawn').map(({ name }) => name)).to.deep.equal(['0/node/1']);
    const third = tell({ type: 'nodeStarted', node: 1, ref: nodes[1]! });
    expect(ofType(third, 'spawn').map(({ name }) => name)).to.deep.equal(['0/map/0']);
    expect(made.map(({ index, name, next, pipeRef }) => [index, name, next, pipeRef])).to.deep.equal([
      [2, 'sink/2', undefined, self],
      [1, 'node/1', nodes[2], self],
      [0, 'map/0', nodes[1], self],
    ]);
    expect(made[0]).to.include({ pipe: 0, timeoutMs: 1_000, application: 'orders-app', onFailure: 'crash' });
  });

  it('has started, and joins every stage with its credit, when the first node has started', () => {
    const { tell, nodes, stages, self } = unstarted();
    const early = [2, 1].flatMap((node) => tell({ type: 'nodeStarted', node, ref: nodes[node]! }));
    expect(ofType(early, 'started')).to.deep.equal([]);
    for (const stage of stages) expect(sent(early, stage)).to.deep.equal([]);
    const last = tell({ type: 'nodeStarted', node: 0, ref: nodes[0]! });
    expect(ofType(last, 'started')).to.have.length(1);
    for (const stage of stages)
      expect(sent(last, stage)).to.deep.equal([{ type: 'join', reducer: 0, ref: self, credit: 7 }]);
    expect(tell({ type: 'nodeStarted', node: 0, ref: nodes[0]! }), 'repeated').to.deep.equal([]);
  });

  it('fails with the error of a node that cannot start', () => {
    const { tell } = unstarted();
    const error = new Error('init has failed');
    const effects = tell({ type: 'nodeDown', node: 2, how: crash(error) });
    expect(ofType(effects, 'fail').map((each) => each.error)).to.deep.equal([error]);
    expect(ofType(effects, 'spawn')).to.deep.equal([]);
  });

  it('fails with the error of a node that crashes, and names one that ends without a reason', () => {
    const error = new Error('a bug');
    const effects = direct().tell({ type: 'nodeDown', node: 1, how: crash(error) });
    expect(ofType(effects, 'fail').map((each) => each.error)).to.deep.equal([error]);
    const [silent] = ofType(
      direct().tell({ type: 'nodeDown', node: 1, how: { reason: 'normal', orphans: [] } }),
      'fail',
    );
    expect(silent?.error.message).to.match(/^Node map\/1 of pipe\/0#1 has ended/);
  });
});

describe('the reports of nodes to a pipe', () => {
  it('are counted and dropped if they are repeated, each node for itself', () => {
    const { items, tell, tenures, stage } = direct();
    items([0, 1]);
    const settled = [{ tenure: tenures[1]!, stage, ordinals: [0], items: [0] }];
    expect(sent(tell({ type: 'settled', node: 0, number: 1, settled }), stage)).to.have.length(1);
    const again = tell({ type: 'settled', node: 0, number: 1, settled });
    expect(counted(again)).to.deep.equal({ repeatedMessages: 1 });
    expect(sent(again, stage)).to.deep.equal([]);
    const other = tell({ type: 'settled', node: 1, number: 1, settled: [{ ...settled[0]!, ordinals: [1] }] });
    expect(sent(other, stage)).to.have.length(1);
  });
});

describe('a pipe whose first nodes have not started', () => {
  it('asks those that have for an attempt, and for the end if one fails', () => {
    const it1 = unstarted();
    const typesOf = (effects: Effects) =>
      it1.nodes.map((node) => asked(effects, node).map(({ question }) => question.type));
    it1.tell({ type: 'nodeStarted', node: 2, ref: it1.nodes[2]! });
    expect(typesOf(it1.tell({ type: 'hurry' }))).to.deep.equal([[], [], ['attemptNow']]);
    const error = new Error('its timer has failed');
    expect(typesOf(it1.tell({ type: 'nodeEnds', node: 2, number: 1, error }))).to.deep.equal([
      [],
      [],
      ['upstreamFailed'],
    ]);
    const [failed] = ofType(it1.tell({ type: 'nodeDrained', node: 2 }), 'fail');
    expect(failed?.error).to.equal(error);
  });
});
