// What a state keeps when a lease ends, when a flush fails as a whole, and in which order states are flushed.
import assert from 'node:assert/strict';
import type { AnyNode, Holding, NodeDefinition } from '../../../src/api/pipe.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { demuxed, keeping, type Kept } from '../../support/logging-nodes.js';
import { nodeChain, type NodeChain } from '../../support/node-chain.js';

function ending(values: unknown[]): AnyNode {
  return {
    name: 'sink',
    handleMessage: (_, message) => {
      values.push(message.value);
      return { drop: [message] };
    },
  };
}

describe('what a state keeps', () => {
  it('is flushed in the order in which the states began to keep, also within a millisecond', async () => {
    const values: unknown[] = [];
    const chain = await nodeChain([demuxed, keeping([]), ending(values)]);
    await chain.feed('a1', 'b1');
    await chain.flush();
    await chain.feed('b2', 'a2');
    await chain.flush();
    assert.deepEqual(values, ['a1', 'b1', 'b2', 'a2']);
  });

  it('stays in a state without handleLost: the messages may be named, and the output is counted', async () => {
    const values: unknown[] = [];
    const chain = await nodeChain([keeping([]), ending(values)], { onFailure: 'crash' });
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    assert.equal(await chain.flush(), true);
    assert.deepEqual(values, ['a,b']);
    assert.deepEqual(chain.settled(), ['2:2']);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
  });

  it('is sent on no more when all of its leases are gone, also without handleLost: it would come late', async () => {
    const values: unknown[] = [];
    const oneByOne = (kept: Kept) => ({
      state: [],
      outputs: kept.map((message) => ({ value: message.value, of: [message] })),
    });
    const chain = await nodeChain([keeping([], { handleFlush: oneByOne }), ending(values)]);
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    assert.equal(await chain.flush(), true);
    assert.deepEqual(values, ['b']);
    assert.deepEqual(chain.settled(), ['2:2']);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), undefined);
  });

  for (const live of [true, false])
    it(`stays lost if it is moved into a holding later, ${live ? 'with what is not lost' : 'alone'}`, async () => {
      const values: unknown[] = [];
      const moving: NodeDefinition<{ kept: Kept; held: Holding }, string, string> = {
        init: () => ({ kept: [], held: createHolding() }),
        handleMessage: ({ kept, held }, message) =>
          message.value === 'move'
            ? { state: { kept: [], held }, keep: kept.map((each) => ({ message: each, in: held })), drop: [message] }
            : { state: { kept: [...kept, message], held }, keep: [message] },
        handleFlush: ({ held }) => ({ outputs: [{ value: 'all', of: [held] }] }),
      };
      const chain = await nodeChain([moving as AnyNode, ending(values)]);
      await chain.feedOf(1, 'a');
      if (live) await chain.feedOf(2, 'b');
      await chain.lose(1);
      await chain.feedOf(3, 'move');
      await chain.flush();
      assert.deepEqual(values, live ? ['all'] : []);
      assert.deepEqual(chain.settled(), live ? ['3:3', '2:2'] : ['3:2']);
      assert.equal(chain.harness.counts.get('foldedAfterLoss'), live ? 1 : undefined);
    });

  it('is taken out in every node that has a share of a divided message, and in every state', async () => {
    const lost: string[] = [];
    const divide: AnyNode = {
      handleMessage: (_, message) => ({
        outputs: ['a', 'b', 'c', 'd'].map((value) => ({ value, of: [message], route: { add: value } })),
      }),
    };
    const lossy = (name: string, passes: readonly string[]): AnyNode => {
      const node = keeping([], {
        handleLost: (kept, { messages }) => {
          lost.push(`${name} ${messages.map(({ value }) => value as string).join()}`);
          return kept.filter((message) => !messages.includes(message));
        },
      });
      return {
        ...node,
        handleMessage: (kept: Kept, message, context) =>
          passes.includes(message.value as string)
            ? { outputs: [{ value: message.value, of: [message] }] }
            : node.handleMessage(kept, message, context),
      };
    };
    const values: unknown[] = [];
    const chain = await nodeChain([divide, lossy('first', ['a', 'b']), lossy('second', []), ending(values)]);
    await chain.feedOf(1, 'x');
    await chain.feedOf(2, 'y');
    await chain.lose(1);
    assert.deepEqual(lost.sort(), ['first c', 'first d', 'second a', 'second b']);
    await chain.flush();
    assert.deepEqual(values, ['a', 'b', 'c', 'd']);
    assert.deepEqual(chain.settled(), ['2:2']);
  });

  it('is handed to handleLost once, when several leases of one message end together', async () => {
    const [values, lost]: [unknown[], string[]] = [[], []];
    const pairing = keeping([], {
      handleMessage: (kept, message) =>
        kept.length === 0
          ? { state: [message], keep: [message] }
          : { state: [], outputs: [{ value: 'pair', of: [...kept, message] }] },
    });
    const keeper = keeping([], {
      handleLost: (kept, { messages }) => {
        lost.push(messages.map(({ value }) => value as string).join());
        return kept.filter((message) => !messages.includes(message));
      },
    });
    const chain = await nodeChain([pairing, keeper, ending(values)]);
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    (chain.tenures[1] as { ended: boolean }).ended = true;
    await chain.lose(2);
    assert.deepEqual(
      lost.filter((each) => each !== ''),
      ['pair'],
    );
    assert.equal(await chain.flush(), true);
    assert.deepEqual(values, []);
  });

  it('is settled when a flush fails as a whole and is skipped; the state ends once, and a new one is made', async () => {
    const [log, values]: [string[], unknown[]] = [[], []];
    let isBroken = true;
    const flush: NonNullable<NodeDefinition<Kept, string, string>['handleFlush']> = (kept) => {
      if (isBroken) throw new Error('broken');
      return { state: [], outputs: [{ value: kept.map(({ value }) => value).join(), of: kept }] };
    };
    const chain = await nodeChain([keeping(log, { handleFlush: flush }), ending(values)], { onFailure: 'skip' });
    await chain.feed('a', 'b');
    assert.equal(await chain.flush(), true);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
    assert.equal(chain.harness.counts.get('skippedItems'), 2);
    isBroken = false;
    await chain.feed('c');
    await chain.flush();
    assert.deepEqual(values, ['c']);
    assert.deepEqual(log, ['init -', 'terminate - 2', 'init -']);
  });

  it('is nothing of a message whose lease has ended while init made the state of its route', async () => {
    const [log, values]: [string[], unknown[]] = [[], []];
    const chain: NodeChain = await nodeChain([
      demuxed,
      keeping(log, {
        init: async ({ route }) => {
          log.push(`init ${route ?? '-'}`);
          if (route === 'a') await chain.lose(1);
          return [];
        },
      }),
      ending(values),
    ]);
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.flush();
    assert.deepEqual(log, ['init -', 'init a', 'init b']);
    assert.deepEqual(values, ['b']);
  });
});
