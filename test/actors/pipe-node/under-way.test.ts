// States while something is under way: init, a timer, a failed call.
import assert from 'node:assert/strict';
import type { AnyNode, Holding, NodeDefinition } from '../../../src/api/pipe.js';
import type { NodeRequest } from '../../../actors/protocol/pipe-messages.js';
import { createHolding } from '../../../src/core/holding.js';
import { sink } from '../../../src/pipes/single-nodes.js';
import { gate } from '../../support/gate.js';
import { nodeChain } from '../../support/node-chain.js';

const byFirst: AnyNode = {
  name: 'demux',
  handleMessage: (_, message) => ({
    outputs: [{ value: message.value, of: [message], route: { add: String(message.value).slice(0, 1) } }],
  }),
};
describe('a state of a node', () => {
  it('whose init runs when the node must stop is ended, too', async () => {
    const { open, opened } = gate();
    const log: string[] = [];
    const node: AnyNode = {
      init: async ({ route }) => {
        log.push(`init ${route ?? '-'}`);
        if (route !== undefined) await opened;
      },
      handleMessage: (_, message) => ({ drop: [message] }),
      terminate: (_, { route }) => void log.push(`terminate ${route ?? '-'}`),
    };
    const chain = await nodeChain([byFirst, node, sink(() => undefined)]);
    await chain.feed('a');
    await chain.harness.ask<NodeRequest, void>(chain.refs[1] as never, (replyTo) => ({
      type: 'downstreamFailed',
      error: new Error('x'),
      replyTo,
    }));
    open();
    await chain.harness.settle();
    assert.deepEqual(log, ['init -', 'init a', 'terminate -', 'terminate a']);
  });

  it('whose timer is set again while its call waits is called when the new timer is due, and not before', async () => {
    const { open, opened } = gate();
    const log: string[] = [];
    const node: NodeDefinition<Holding, unknown, unknown> = {
      init: () => createHolding(),
      handleMessage: async (held, message) => {
        if (message.value === 'slow') await opened;
        return { keep: [{ message, in: held }], timerMs: 1_000 };
      },
      handleTimer: (held, { now }) => {
        log.push(`timer ${now}`);
        return now < 3_500 ? {} : { drop: [held] };
      },
    };
    const chain = await nodeChain([node as AnyNode]);
    const start = chain.harness.clock.wallNow();
    await chain.feed('a');
    await chain.feed('slow', 'b');
    await chain.harness.advance(1_500);
    open();
    await chain.harness.settle();
    assert.deepEqual(log, []);
    await chain.harness.advance(1_100);
    assert.equal(log.length, 1, String(start));
  });

  it('cannot keep a message in a holding that holds something of another state', async () => {
    const shared = createHolding();
    const node: AnyNode = {
      handleMessage: (_, message) => ({ keep: [{ message, in: shared }] }),
    };
    const chain = await nodeChain([byFirst, node, sink(() => undefined)]);
    await chain.feed('a', 'b');
    assert.equal(
      chain.reports.some((report) => report.type === 'nodeEnds'),
      true,
    );
  });
});
