// The end of a chain in which a second node fails while the first failure drains.
import assert from 'node:assert/strict';
import type { AnyNode, PipeMessage } from '../../../src/api/pipe.js';
import { gate } from '../../support/gate.js';
import { nodeChain, type NodeChain } from '../../support/node-chain.js';

const failingAt = (value: unknown, log: string[], name: string): AnyNode => ({
  name,
  handleMessage: (_, message) => {
    if (message.value === value) throw new Error(`${name} fails`);
    return { outputs: [{ value: message.value, of: [message] }] };
  },
  terminate: () => log.push(name),
});

const allHaveEnded = (chain: NodeChain): boolean =>
  chain.refs.every((each) => chain.harness.endingOf(each as never)?.reason === 'normal');

describe('the end of a chain', () => {
  it('comes at once when a node behind fails, too, while the first failure drains', async () => {
    const log: string[] = [];
    const { open, opened } = gate();
    const slow: AnyNode = {
      ...failingAt(undefined, log, 'slow'),
      handleMessage: async (_, message) => {
        await opened;
        return { outputs: [{ value: message.value, of: [message] }] };
      },
    };
    const nodes = [failingAt(3, log, 'first'), slow, failingAt(2, log, 'last')];
    const chain = await nodeChain(nodes, { endsNodes: true, onFailure: 'crash' });
    await chain.feed(1, 2, 3);
    open();
    await chain.harness.settle();
    assert.equal(allHaveEnded(chain), true);
    assert.deepEqual(log.sort(), ['first', 'last', 'slow']);
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('comes when a node fails in its own last flush; what it had emitted goes through', async () => {
    const log: string[] = [];
    const keeping: AnyNode = {
      init: () => [],
      handleMessage: (kept: readonly PipeMessage[], message) =>
        message.value === 1
          ? { outputs: [{ value: 1, of: [message] }] }
          : { state: [...kept, message], keep: [message] },
      handleFlush: () => {
        throw new Error('no flush');
      },
      terminate: () => log.push('keeping'),
    };
    const nodes = [failingAt(3, log, 'first'), keeping, failingAt(undefined, log, 'last')];
    const chain = await nodeChain(nodes, { endsNodes: true, onFailure: 'crash' });
    await chain.feed(1, 2, 3);
    assert.equal(allHaveEnded(chain), true);
    assert.deepEqual(log, ['first', 'keeping', 'last']);
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('ends a state once that is ending when the node must stop', async () => {
    const log: string[] = [];
    const { open, opened } = gate();
    const forgetting: AnyNode = {
      handleMessage: (_, message) => ({ drop: [message], forget: true }),
      terminate: async () => {
        log.push('terminate');
        await opened;
      },
    };
    const chain = await nodeChain([forgetting, failingAt(undefined, [], 'last')]);
    await chain.feed(1);
    const hasEnded = await chain.stopAt(0);
    open();
    await chain.harness.settle();
    assert.equal(hasEnded(), true);
    assert.deepEqual(log, ['terminate']);
  });

  it('reports what the last flush of the last node has settled, before the node ends', async () => {
    const last: AnyNode = {
      init: () => [],
      handleMessage: (kept: readonly PipeMessage[], message) => ({ state: [...kept, message], keep: [message] }),
      handleFlush: (kept: readonly PipeMessage[]) => ({ state: [], outputs: [{ value: kept.length, of: kept }] }),
    };
    const chain = await nodeChain([last]);
    await chain.feed(1, 2);
    const hasEnded = await chain.end();
    assert.equal(hasEnded(), true);
    assert.equal(allHaveEnded(chain), true);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('does not wait for a next node that has crashed: what was queued for it stays open', async () => {
    const { opened } = gate();
    const passing: AnyNode = {
      handleMessage: (_, message) => ({ outputs: [{ value: message.value, of: [message] }] }),
    };
    const stuck: AnyNode = { handleMessage: () => opened.then(() => ({})) };
    const chain = await nodeChain([{ ...passing, maxQueueLen: 1 }, stuck]);
    await chain.feed(1, 2);
    const hasEnded = await chain.end();
    assert.equal(hasEnded(), false);
    await chain.harness.kill(chain.refs[1] as never, { error: new Error('crashed') });
    assert.equal(hasEnded(), true);
    assert.deepEqual(chain.settled(), []);
  });

  it('comes also if the flush of the end finds the next node gone', async () => {
    const log: string[] = [];
    const keeping: AnyNode = {
      maxQueueLen: 1,
      init: () => [],
      handleMessage: (kept: readonly PipeMessage[], message) => ({ state: [...kept, message], keep: [message] }),
      handleFlush: (kept: readonly PipeMessage[]) => ({
        state: [],
        outputs: kept.map((message) => ({ value: message.value, of: [message] })),
      }),
      terminate: () => log.push('terminate'),
    };
    const chain = await nodeChain([keeping, failingAt(undefined, [], 'last')]);
    await chain.feed(1, 2);
    await chain.harness.kill(chain.refs[1] as never, { error: new Error('crashed') });
    const hasEnded = await chain.end();
    assert.equal(hasEnded(), true);
    assert.deepEqual(log, ['terminate']);
    assert.deepEqual(chain.settled(), []);
  });
});
