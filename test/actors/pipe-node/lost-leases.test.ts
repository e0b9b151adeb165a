// What a state keeps of a lease that is lost, or late, while calls run, wait and fail.
import assert from 'node:assert/strict';
import type { NodeRequest } from '../../../actors/protocol/pipe-messages.js';
import { retry } from '../../../src/options/retry-policy.js';
import type { AnyNode, PipeMessage } from '../../../src/api/pipe.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { map, sink } from '../../../src/pipes/single-nodes.js';
import { gate } from '../../support/gate.js';
import { nodeChain } from '../../support/node-chain.js';
import type { Tenure } from '../../../actors/protocol/tenure.js';

const byFirst: AnyNode = {
  name: 'demux',
  handleMessage: (_, message) => ({
    outputs: [{ value: message.value, of: [message], route: { add: String(message.value).slice(0, 1) } }],
  }),
};
const late = (tenure: Tenure | undefined): void => void ((tenure as { deadline: number }).deadline = 0);

describe('what a state keeps of a lost lease', () => {
  it('is not given to the timer of a state, though nobody has said that the lease is lost', async () => {
    const written: unknown[] = [];
    const chain = await nodeChain([
      batchSink({ size: 10, intervalMs: 1_000 }, (values) => void written.push(...values)),
    ]);
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    late(chain.tenures[1]);
    await chain.harness.advance(1_100);
    assert.deepEqual(written, ['b']);
    assert.deepEqual(chain.settled(), ['2:2']);
  });

  it('is not given to a flush', async () => {
    const written: unknown[] = [];
    const chain = await nodeChain([
      batchSink({ size: 10, intervalMs: 1_000 }, (values) => void written.push(...values)),
    ]);
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    late(chain.tenures[1]);
    await chain.flush();
    assert.deepEqual(written, ['b']);
  });

  it('is not given to a call with a message of another lease', async () => {
    const written: unknown[] = [];
    const chain = await nodeChain([
      batchSink({ size: 3, intervalMs: 1_000 }, (values) => void written.push(...values)),
    ]);
    await chain.feedOf(1, 'a');
    late(chain.tenures[1]);
    await chain.feedOf(2, 'b', 'c', 'd');
    assert.deepEqual(written, ['b', 'c', 'd']);
  });

  it('is not given to a call that is repeated', async () => {
    const written: unknown[] = [];
    let fails = true;
    const chain = await nodeChain(
      [
        batchSink({ size: 10, intervalMs: 1_000 }, (values) => {
          if (fails) throw new Error('no');
          written.push(...values);
        }),
      ],
      { onFailure: retry({ minMs: 1_000, maxMs: 1_000 }) },
    );
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.harness.advance(1_100);
    fails = false;
    late(chain.tenures[1]);
    await chain.harness.advance(1_100);
    assert.deepEqual(written, ['b']);
  });

  it('is not brought back by a verdict on another part of the state', async () => {
    const seen: unknown[] = [];
    const { open, opened } = gate();
    const chain = await nodeChain(
      [
        aggregate<string, string>({ intervalMs: 60_000, perLease: true }, (values) => {
          if (values.includes('bad')) throw new Error('bad');
          return values.join();
        }) as AnyNode,
        sink((value) => void seen.push(value)),
      ],
      {
        onFailure: (async () => {
          await opened;
          return 'skip';
        }) as never,
      },
    );
    await chain.feedOf(1, 'bad');
    await chain.feedOf(2, 'b');
    await chain.feedOf(3, 'c');
    await chain.flush();
    await chain.lose(2);
    open();
    await chain.harness.settle();
    assert.deepEqual(seen, ['c']);
    assert.deepEqual(chain.settled().toSorted(), ['1:1', '3:3']);
  });

  it('makes no failure of the flush that fails with it', async () => {
    const { open, opened } = gate();
    const chain = await nodeChain([
      batchSink({ size: 10, intervalMs: 1_000 }, async () => {
        await opened;
        throw new Error('aborted');
      }),
    ]);
    await chain.feedOf(1, 'a');
    await chain.harness.advance(1_100);
    await chain.lose(1);
    open();
    await chain.harness.settle();
    assert.equal(
      chain.reports.some((report) => report.type === 'nodeEnds'),
      false,
    );
  });

  it('leaves room in the queue', async () => {
    const { open, opened } = gate();
    const chain = await nodeChain([map((value) => value) as AnyNode, sink(() => opened)]);
    await chain.feed('a');
    await chain.feed('b', 'c');
    await chain.feedOf(2, 'd');
    const figures = () => [chain.status()[0]!.queued, chain.status()[0]!.queuedBytes];
    assert.deepEqual(figures(), [3, 3]);
    await chain.lose(1);
    assert.deepEqual(figures(), [1, 1]);
    open();
    await chain.harness.settle();
    assert.deepEqual(figures(), [0, 0]);
    assert.deepEqual(chain.settled(), ['1:1', '2:4']);
  });

  it('does not keep an idle route alive', async () => {
    const log: string[] = [];
    const node: AnyNode = {
      routeIdleMs: 1_000,
      handleMessage: (_, message) => ({ keep: [message] }),
      handleLost: () => [],
      terminate: (_, { route }) => void log.push(`terminate ${route ?? '-'}`),
    };
    const chain = await nodeChain([byFirst, node, sink(() => undefined)]);
    await chain.feed('a');
    await chain.harness.advance(5_000);
    await chain.lose(1);
    await chain.harness.advance(5_000);
    assert.deepEqual(log, ['terminate a']);
  });

  it('ends the node if handleLost throws, though a policy has not answered about another call', async () => {
    const { open, opened } = gate();
    const node: AnyNode = {
      handleMessage: async (_, message: PipeMessage) => {
        if (message.value === 'bad') {
          await opened;
          throw new Error('bad');
        }
        return { keep: [message] };
      },
      handleLost: () => {
        throw new Error('lost');
      },
    };
    const chain = await nodeChain([node], {
      endsNodes: true,
      onFailure: (() => new Promise(() => undefined)) as never,
    });
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'bad');
    await chain.lose(1);
    open();
    await chain.harness.settle();
    assert.notEqual(chain.harness.endingOf(chain.refs[0] as never), undefined);
  });

  it('ends the node if handleLost returns a promise, which would be the state from then on', async () => {
    const later = (): Promise<unknown> => Promise.reject(new Error('nobody waits for it'));
    const chain = await nodeChain([
      { handleMessage: (_, message) => ({ keep: [message] }), handleLost: () => later() },
    ]);
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    const [ended] = chain.reports.filter(({ type }) => type === 'nodeEnds') as { readonly error?: Error }[];
    assert.match(String(ended?.error?.message), /node\/0: handleLost must return the state, got a promise/);
    assert.deepEqual(chain.settled(), []);
  });

  it('is no part of what a skip settles', async () => {
    const { open, opened } = gate();
    const chain = await nodeChain(
      [
        aggregate({ count: 2, intervalMs: 60_000 }) as AnyNode,
        sink(() => {
          throw new Error('no');
        }),
      ],
      {
        onFailure: (async () => {
          await opened;
          return 'skip';
        }) as never,
      },
    );
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    open();
    await chain.harness.settle();
    assert.deepEqual(chain.settled(), ['2:2']);
    assert.equal(chain.harness.counts.get('skippedItems'), 1);
  });

  it('does not make a drain believe that the call which still waits for an attempt has succeeded', async () => {
    const chain = await nodeChain(
      [
        batchSink({ size: 10, intervalMs: 1_000 }, () => {
          throw new Error('no');
        }),
      ],
      { onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) },
    );
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.harness.advance(1_100);
    late(chain.tenures[1]);
    const asked = await chain.harness.ask<NodeRequest, unknown>(chain.refs[0] as never, (replyTo) => ({
      type: 'attemptNow',
      replyTo,
    }));
    assert.deepEqual(asked.answer, { isWaiting: true });
  });

  it('has no shard to stop: a call about nothing any more is given up under stopShard, and not repeated without end', async () => {
    for (const callback of ['handleFlush', 'handleMessage'] as const) {
      let calls = 0;
      const fails = (): never => {
        calls += 1;
        if (calls > 20) throw new Error('without end');
        throw new Error('no');
      };
      const keeps: AnyNode = {
        handleMessage: (_, message) => ({ keep: [message] }),
        handleFlush: fails,
      };
      const chain = await nodeChain([callback === 'handleFlush' ? keeps : { handleMessage: fails }], {
        onFailure: 'stopShard',
      });
      if (callback === 'handleFlush') {
        await chain.feedOf(1, 'a');
        await chain.lose(1);
        assert.equal(await chain.flush(), true);
      } else
        assert.equal(
          (await chain.feedEntries([new SentMessage('stands for nothing', undefined, undefined, 1)]))(),
          true,
        );
      assert.ok(calls <= 2, `${callback}: ${calls} calls`);
    }
  });
});

describe('a NodeFailure that names nothing', () => {
  for (const held of ['nothing', 'an empty holding'] as const)
    it(`is refused, and under skip everything is settled (${held})`, async () => {
      let calls = 0;
      const node: AnyNode = {
        handleMessage: (_, message) => ({ keep: [message] }),
        handleFlush: () => {
          calls += 1;
          if (calls > 20) throw new Error('without end');
          throw new NodeFailure(new Error('no'), {
            of: held === 'nothing' ? [] : [createHolding()],
            state: undefined,
          });
        },
      };
      const chain = await nodeChain([node], { onFailure: 'skip' });
      await chain.feedOf(1, 'a', 'b');
      assert.equal(await chain.flush(), true);
      assert.equal(calls, 1);
      assert.deepEqual(chain.settled(), ['1:1', '1:2']);
    });
});
