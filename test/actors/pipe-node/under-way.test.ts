// States while something is under way: init, a timer, a failed call.
import assert from 'node:assert/strict';
import type { AnyNode, Holding, NodeDefinition } from '../../../src/api/pipe.js';
import type { NodeRequest } from '../../../actors/protocol/pipe-messages.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import { park } from '../../../src/options/park-policy.js';
import { createHolding } from '../../../src/pipes/holding.js';
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
    await chain.stopAt(1);
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

describe('a node', () => {
  it('processes a repeated feed once', async () => {
    const seen: unknown[] = [];
    const chain = await nodeChain([sink((value) => void seen.push(value))]);
    const replyTo = { question: 1_000_000 } as Extract<NodeRequest, { type: 'feed' }>['replyTo'];
    const entries = [new SentMessage('a', undefined, undefined, 1)];
    const [first] = chain.refs;
    assert.ok(first !== undefined);
    await chain.harness.tell(first, { type: 'feed', entries, replyTo });
    await chain.harness.tell(first, { type: 'feed', entries, replyTo });
    assert.deepEqual(seen, ['a']);
    assert.equal(chain.harness.counts.get('repeatedMessages'), 1);
  });

  it('under park calls the sink again until it keeps the item, settles the item then, and goes on', async () => {
    let parkings = 0;
    const refuse = (value: unknown): void => {
      if (value === 'bad') throw new Error('bad');
    };
    const onFailure = park(() => {
      parkings += 1;
      return parkings < 3 ? Promise.reject(new Error('full')) : Promise.resolve();
    });
    const chain = await nodeChain([sink(refuse)], { onFailure });
    await chain.feed('bad', 'good');
    assert.deepEqual(chain.settled(), []);
    await chain.harness.advance(60_000);
    assert.equal(parkings, 3);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('answers a drain when the sink of park has been called once more, whether it keeps the item or not', async () => {
    let parkings = 0;
    const onFailure = park(() => {
      parkings += 1;
      return parkings < 3 ? Promise.reject(new Error('full')) : Promise.resolve();
    });
    const fail = (): void => {
      throw new Error('bad');
    };
    const chain = await nodeChain([sink(fail)], { onFailure });
    await chain.feed('bad');
    const ask = () =>
      chain.harness.ask<NodeRequest, unknown>(chain.refs[0] as never, (replyTo) => ({ type: 'attemptNow', replyTo }));
    assert.deepEqual((await ask()).answer, { isWaiting: true });
    assert.equal(parkings, 2);
    assert.deepEqual((await ask()).answer, { isWaiting: false });
    assert.deepEqual(chain.settled(), ['1:1']);
  });
});
