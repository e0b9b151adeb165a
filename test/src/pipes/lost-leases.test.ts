// What the nodes that come with kinact remember of messages, and what a lost lease takes out of that.
import assert from 'node:assert/strict';
import { retry } from '../../../src/options/retry-policy.js';
import type { AnyNode } from '../../../src/api/pipe.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import type { Aggregation } from '../../../src/pipes/folded-parts.js';
import { assembleChunks } from '../../../src/pipes/assemble-chunks.js';
import { sink, tap } from '../../../src/pipes/single-nodes.js';
import { gate } from '../../support/gate.js';
import { nodeChain } from '../../support/node-chain.js';
import { tenureOf } from '../../support/direct.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import type { Tenure } from '../../../actors/protocol/tenure.js';

describe('when a lease is lost', () => {
  it('assembleChunks makes an object again under the next lease, because the first one was lost behind it', async () => {
    const { open, opened } = gate();
    const seen: unknown[] = [];
    const chain = await nodeChain([
      assembleChunks<{ id: string; index: number }, string>({
        chunk: (value) => ({ ...value, total: 2 }),
        maxAgeMs: 60_000,
        concat: (values) => values.map(({ id, index }) => `${id}${index}`).join(),
      }) as AnyNode,
      tap(() => opened),
      sink((value) => void seen.push(value)),
    ]);
    await chain.feedOf(1, { id: 'x', index: 1 }, { id: 'x', index: 2 }, { id: 'y', index: 1 }, { id: 'y', index: 2 });
    await chain.lose(1);
    open();
    await chain.harness.settle();
    assert.deepEqual(chain.settled(), []);
    // The same shard again, in the same process.
    (chain.tenures as Tenure[])[1] = { ...tenureOf(1), shardWorkerNumber: 11, fence: 99 };
    await chain.feedOf(1, { id: 'x', index: 1 }, { id: 'x', index: 2 }, { id: 'y', index: 1 }, { id: 'y', index: 2 });
    assert.deepEqual(chain.settled(), ['11:5', '11:6', '11:7', '11:8']);
    assert.deepEqual(seen, ['x1,x2', 'y1,y2']);
  });

  it('a custom aggregate does not emit a message that it has pushed, and that was lost before it was kept', async () => {
    const seen: unknown[] = [];
    let fails = true;
    const chain = await nodeChain(
      [
        aggregate<string, string, string[]>(
          { count: 2, intervalMs: 60_000 },
          {
            init: () => [],
            push: (state, value) => (state.push(value), 'keep'),
            output: (state) => {
              if (fails) throw new Error('no');
              return state.join();
            },
            merge: (states) => states.flat(),
          },
        ) as AnyNode,
        sink((value) => void seen.push(value)),
      ],
      { onFailure: retry({ minMs: 1_000, maxMs: 1_000 }) },
    );
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'lost');
    fails = false;
    await chain.lose(2);
    await chain.feedOf(1, 'b');
    assert.deepEqual(seen, ['a,b']);
  });

  it('a custom aggregate does not emit a rejected message that was lost before it was kept, here and in the next node', async () => {
    const { open, opened } = gate();
    const made: string[] = [];
    const chain = await nodeChain([
      {
        name: 'three',
        handleMessage: (_: unknown, message) => ({
          outputs: ['1', '2', '3'].map((number) => ({ value: `${String(message.value)}${number}`, of: [message] })),
        }),
      },
      aggregate<string, string, string[]>(
        { intervalMs: 60_000 },
        {
          init: () => [],
          push: (state, value) => (state.length === 0 ? (state.push(value), 'keep') : 'reject'),
          output: async (state) => {
            if (state.includes('a2')) await opened;
            made.push(state.join());
            return state.join();
          },
          merge: (states) => states.flat(),
        },
      ) as AnyNode,
      aggregate<string, string>({ count: 10, intervalMs: 60_000 }, (values) => values.join()) as AnyNode,
      sink(() => undefined),
    ]);
    // The next node has `a1`. While `a2` is emitted, the lease is lost: the next node notes that for all shares of `a`.
    await chain.feedOf(1, 'a');
    await chain.lose(1);
    open();
    await chain.harness.settle();
    await chain.feedOf(2, 'b');
    await chain.flush();
    assert.deepEqual(made, ['a1', 'a2', 'b1', 'b2', 'b3']);
    assert.deepEqual(chain.settled(), ['2:2']);
  });

  it('an aggregate keeps a message that stands for nothing', async () => {
    const custom: Aggregation<string[], string, string> = {
      init: () => [],
      push: (state, value) => (state.push(value), 'keep'),
      output: (state) => state.join(),
      merge: (states) => states.flat(),
    };
    for (const how of [custom, (values: readonly string[]) => values.join()]) {
      const seen: unknown[] = [];
      const chain = await nodeChain([
        aggregate<string, string, string[]>({ intervalMs: 60_000 }, how as typeof custom) as AnyNode,
        sink((value) => void seen.push(value)),
      ]);
      await chain.feedEntries([new SentMessage('of nothing', undefined, undefined, 1)]);
      await chain.feedOf(1, 'lost');
      await chain.lose(1);
      await chain.flush();
      assert.deepEqual(seen, ['of nothing']);
    }
  });
});
