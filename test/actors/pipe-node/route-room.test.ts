// Room for a new route: which of the states ends if there are as many as may be.
import assert from 'node:assert/strict';
import type { AnyNode, NodeDefinition, PipeMessage } from '../../../src/api/pipe.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import { nodeChain, type NodeChain, type NodeChainOptions } from '../../support/node-chain.js';

const byFirst: AnyNode = {
  name: 'demux',
  handleMessage: (_, message) => ({
    outputs: [{ value: message.value, of: [message], route: { add: String(message.value).slice(0, 1) } }],
  }),
};

interface Scene {
  readonly chain: NodeChain;
  readonly ended: (string | undefined)[];
  readonly flushed: (string | undefined)[];
}

type Kept = readonly PipeMessage<string>[];

/** A value with `+` is kept, and one with `-` emits what is kept. */
async function scene({
  onFailure = 'crash',
  ...more
}: Partial<NodeDefinition<Kept, string>> & Pick<NodeChainOptions, 'onFailure'> = {}): Promise<Scene> {
  const ended: Scene['ended'] = [];
  const flushed: Scene['flushed'] = [];
  const { handleFlush } = more;
  const node: NodeDefinition<Kept, string> = {
    name: 'keeper',
    maxRoutes: 2,
    init: () => [],
    handleMessage: (kept, message) => {
      if (message.value.includes('+')) return { keep: [message], state: [...kept, message] };
      return message.value.includes('-') ? { drop: [message, ...kept], state: [] } : { drop: [message] };
    },
    terminate: (_, { route }) => void ended.push(route),
    ...more,
    ...(handleFlush === undefined
      ? {}
      : { handleFlush: (kept, context) => (flushed.push(context.route), handleFlush(kept, context)) }),
  };
  return { chain: await nodeChain([byFirst, node as AnyNode], { onFailure }), ended, flushed };
}

const routesOf = ({ chain }: Scene): number => chain.status()[1]!.routes;

describe('room for a new route', () => {
  it('passes over a state that keeps something and has no flush, and ends the oldest that can end', async () => {
    const it = await scene();
    await it.chain.feed('a+', 'b', 'c', 'd', 'e');
    assert.deepEqual(it.ended, ['b', 'c', 'd']);
    assert.equal(routesOf(it), 2);
    assert.deepEqual(it.chain.settled(), ['1:2', '1:3', '1:4', '1:5']);
  });

  it('does not end a state that keeps something after its flush', async () => {
    const it = await scene({ handleFlush: () => ({}) });
    await it.chain.feed('a+', 'b', 'c', 'd');
    assert.deepEqual([it.ended, it.flushed], [['b', 'c'], ['a']]);
    await it.chain.feed('a-');
    assert.deepEqual(it.chain.settled(), ['1:2', '1:3', '1:4', '1:5', '1:1']);
  });

  it('exceeds the bound if no state can end, and asks none of them again before it is used', async () => {
    const it = await scene({ handleFlush: () => ({}) });
    await it.chain.feed('a+', 'b+', 'c+', 'd+', 'e+');
    assert.equal(routesOf(it), 5);
    assert.deepEqual(it.flushed, ['a', 'b', 'c', 'd']);
    assert.deepEqual(it.ended, []);
  });

  it('looks at a state again when it was used', async () => {
    const it = await scene();
    await it.chain.feed('a+', 'b', 'c', 'a-', 'd');
    assert.deepEqual(it.ended, ['b', 'c']);
    await it.chain.feed('e');
    assert.deepEqual(it.ended, ['b', 'c', 'a']);
  });

  it('looks at a state again when what it kept was lost, and first', async () => {
    const it = await scene({ handleLost: () => [] });
    await it.chain.feedOf(2, 'a+');
    await it.chain.feed('b', 'c');
    await it.chain.lose(2);
    await it.chain.feed('d');
    assert.deepEqual(it.ended, ['b', 'a']);
    assert.equal(routesOf(it), 2);
  });

  it('looks at a state again when a failed call has settled what it kept', async () => {
    const it = await scene({
      handleMessage: (kept, message) => {
        if (message.value.includes('+')) return { keep: [message], state: [...kept, message] };
        if (message.value.includes('-')) throw new NodeFailure(new Error('all'), { of: [message, ...kept], state: [] });
        return { drop: [message] };
      },
      onFailure: 'skip',
    });
    await it.chain.feed('a+', 'b', 'c', 'a-', 'd', 'e');
    assert.deepEqual(it.ended, ['b', 'c', 'a']);
    assert.equal(routesOf(it), 2);
  });
});
