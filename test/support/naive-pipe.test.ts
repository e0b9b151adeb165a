// The naive pipe is a model, so it must itself be right: what it refuses, and what it does with failures, routes and ends.
import { expect } from 'chai';
import type { AnyNode, Holding, NodeResult, PipeMessage } from '../../src/api/pipe.js';
import { NodeFailure } from '../../src/api/pipe-failure.js';
import { createHolding } from '../../src/pipes/holding.js';
import { itemsOf, one, ran, settledIds, two, valuesOf } from './naive-items.js';
import { naivePipe } from './naive-pipe.js';

const nodeOf = (handleMessage: (message: PipeMessage) => NodeResult): AnyNode => ({
  handleMessage: (_, message) => handleMessage(message),
});
const pass = nodeOf((message) => ({ outputs: [{ value: message.value, of: [message] }] }));

/** Keeps everything in one holding, and emits it at a flush. */
const holding: AnyNode = {
  init: () => createHolding(),
  handleMessage: (held: Holding, message) => ({ keep: [{ message, in: held }] }),
  handleFlush: (held: Holding) => ({ outputs: [{ value: held.messages, of: [held] }] }),
};

async function refusal(...nodes: AnyNode[]): Promise<string> {
  return ran(nodes, [1, 2]).then(
    () => 'none',
    (error: Error) => error.message,
  );
}

describe('the naive pipe', () => {
  it('refuses results that break the contract', async () => {
    expect(await refusal(nodeOf(() => ({})))).to.contain('the message is left out');
    expect(await refusal(nodeOf((m) => ({ keep: [m], drop: [m] })))).to.contain('more than one of');
    expect(await refusal(nodeOf((m) => ({ outputs: [{ value: 1, of: [m, m] }] })))).to.contain('names something twice');
    expect(await refusal(nodeOf((m) => ({ outputs: [{ value: 1, of: [m], route: 'remove' }] })))).to.contain('no head');
    let first: PipeMessage | undefined;
    const again = nodeOf((message) => ({
      drop: [message, ...(first === undefined ? [] : [first])],
      state: (first = message),
    }));
    expect(await refusal(again)).to.contain('a message that is not here');
    expect(await refusal(nodeOf((message) => ({ keep: [message], forget: true })))).to.contain('is forgotten');
  });

  it('settles an item with the last of its shares, through nested splits', async () => {
    const split = nodeOf((message) => ({ outputs: [1, 2, 3].map((value) => ({ value, of: [message] })) }));
    const pipe = await naivePipe([split, split, pass]);
    pipe.offer(...itemsOf([0]));
    await pipe.step(0);
    for (let calls = 0; calls < 3; calls += 1) await pipe.step(1);
    for (let calls = 0; calls < 8; calls += 1) await pipe.step(2);
    expect(settledIds(pipe)).to.deep.equal([]);
    await pipe.step(2);
    expect(settledIds(pipe)).to.deep.equal([1]);
  });

  it('settles hidden outputs at once, and shares out the bytes', async () => {
    const node = nodeOf((message) => ({
      outputs: [
        { value: 1, of: [message], hidden: true },
        { value: 2, of: [message] },
      ],
    }));
    const pipe = await naivePipe([node, holding]);
    pipe.offer(...itemsOf([0], { sizeBytes: 10 }));
    await pipe.run();
    expect(settledIds(pipe)).to.deep.equal([]);
    pipe.flush(7);
    await pipe.run();
    expect(pipe.sent.map(({ value, sizeBytes }) => [value, sizeBytes])).to.deep.equal([[1, 5]]);
    expect(settledIds(pipe)).to.deep.equal([1]);
    expect(pipe.flushed).to.deep.equal([7]);
  });

  it('holds the node while a call waits for another attempt, and drops the call of a lost lease', async () => {
    const failing = nodeOf((message) => {
      if (message.value === 1) throw new Error('down');
      return { outputs: [{ value: message.value, of: [message] }] };
    });
    const pipe = await naivePipe([failing], { onFailure: () => 'retry' });
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }));
    for (let calls = 0; calls < 5; calls += 1) await pipe.step(0);
    expect(pipe.isWaiting(0)).to.equal(true);
    expect(valuesOf(pipe)).to.deep.equal([]);
    pipe.lose(one);
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([2]);
  });

  it('repeats the call with the new state unless the failure names its message', async () => {
    const states: unknown[] = [];
    const node: AnyNode = {
      init: () => 'old',
      handleMessage: (state: string, message) => {
        states.push(state);
        if (state === 'old') throw new NodeFailure(new Error('held'), { of: [], state: 'new' });
        return { drop: [message] };
      },
    };
    const pipe = await ran([node], [1], { onFailure: () => 'skip' });
    expect(states).to.deep.equal(['old', 'new']);
    expect(settledIds(pipe)).to.deep.equal([1]);
  });

  it('counts an output that contains what was lost', async () => {
    const pipe = await naivePipe([holding]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }));
    await pipe.run();
    pipe.lose(one);
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([2]);
    expect(pipe.foldedAfterLoss).to.equal(1);
    expect(settledIds(pipe)).to.deep.equal([2]);
  });

  it('ends with an exit: the node flushes, those behind drain, and what waits before it stays open', async () => {
    const exiting: AnyNode = {
      ...holding,
      handleMessage: (held: Holding, message) => ({ keep: [{ message, in: held }], exit: message.value === 2 }),
    };
    const pipe = await naivePipe([pass, exiting, pass]);
    pipe.offer(...itemsOf([1, 2, 3]));
    for (const node of [0, 0, 0, 1, 1]) await pipe.step(node);
    await pipe.run();
    expect(pipe.hasEnded).to.equal(true);
    expect(valuesOf(pipe)).to.deep.equal([2]);
    expect(settledIds(pipe)).to.deep.equal([1, 2]);
    const calls = pipe.trace.filter(({ type }) => type === 'init' || type === 'terminate');
    expect(calls.filter(({ type }) => type === 'terminate')).to.have.length(3);
  });
});
