// Chains of nodes as actors: what is processed, what waits, what is settled, and when.
import assert from 'node:assert/strict';
import { retry } from '../../../src/options/retry-policy.js';
import { createHolding } from '../../../src/pipes/holding.js';
import type { AnyNode, Holding, NodeDefinition, PipeMessage } from '../../../src/api/pipe.js';
import { nodeChain } from '../../support/node-chain.js';
import { gate } from '../../support/gate.js';

const map = (f: (value: number) => unknown): AnyNode => ({
  name: 'map',
  handleMessage: (_, message) => ({ outputs: [{ value: f(message.value as number), of: [message] }] }),
});

/** Sums up `count` values. */
function summing(count: number): NodeDefinition<{ sum: number; held: Holding }, number, number> {
  const init = () => ({ sum: 0, held: createHolding() });
  return {
    name: 'sum',
    init,
    handleMessage: ({ sum, held }, message) => {
      const total = sum + message.value;
      if (held.messages + 1 < count) return { state: { sum: total, held }, keep: [{ message, in: held }] };
      return { state: init(), outputs: [{ value: total, of: [held, message] }] };
    },
    handleFlush: ({ sum, held }) =>
      held.messages === 0 ? {} : { state: init(), outputs: [{ value: sum, of: [held] }] },
  };
}

function collecting(values: unknown[]): AnyNode {
  return {
    name: 'sink',
    handleMessage: (_, message) => {
      values.push(message.value);
      return { drop: [message] };
    },
  };
}

describe('pipe nodes in a chain', () => {
  it('process messages in order, and settle each when the last node is done with it', async () => {
    const values: unknown[] = [];
    const chain = await nodeChain([map((n) => n + 1), map((n) => n * 10), collecting(values)]);
    const isProcessed = await chain.feed(1, 2, 3);
    assert.equal(isProcessed(), true);
    assert.deepEqual(values, [20, 30, 40]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3']);
  });

  it('settle the outputs of the last node at once', async () => {
    const chain = await nodeChain([map((n) => n)]);
    await chain.feed(1, 2);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('settle an aggregate with its output, and what it keeps with the next flush', async () => {
    const values: unknown[] = [];
    const chain = await nodeChain([summing(2), collecting(values)]);
    await chain.feed(1, 2, 3);
    assert.deepEqual(values, [3]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
    assert.equal(await chain.flush(), true);
    assert.deepEqual(values, [3, 3]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3']);
    assert.equal(chain.harness.counts.get('partialAggregates'), 1);
  });

  it('settle a message that was divided with the last of its shares (O3)', async () => {
    const values: unknown[] = [];
    const unfold: AnyNode = {
      handleMessage: (_, message) => ({
        outputs: (message.value as number[]).map((value) => ({ value, of: [message] })),
      }),
    };
    const chain = await nodeChain([unfold, summing(2), collecting(values)]);
    await chain.feed([1, 2, 3]);
    assert.deepEqual(values, [3]);
    assert.deepEqual(chain.settled(), []);
    await chain.flush();
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('settle at once what has no outputs, and what is hidden', async () => {
    const node: AnyNode = {
      handleMessage: (_, message) =>
        message.value === 1 ? { drop: [message] } : { outputs: [{ value: 0, of: [message], hidden: true }] },
    };
    const values: unknown[] = [];
    const chain = await nodeChain([node, collecting(values)]);
    await chain.feed(1, 2);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
    assert.deepEqual(values, []);
  });

  it('block: at most maxQueueLen messages wait, and one feed is under way at each hop (G4)', async () => {
    const { open, opened } = gate();
    const seen: unknown[] = [];
    const first: AnyNode = { ...map((n) => n), maxQueueLen: 1 };
    const slow: AnyNode = {
      handleMessage: async (_, message) => {
        seen.push(message.value);
        await opened;
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([first, slow]);
    const isProcessed = await chain.feed(1, 2, 3);
    assert.equal(isProcessed(), false);
    assert.deepEqual(seen, [1]);
    assert.equal(chain.status()[0]?.state, 'blocked');
    assert.equal(chain.status()[1]?.state, 'working');
    open();
    await chain.harness.settle();
    assert.equal(isProcessed(), true);
    assert.deepEqual(seen, [1, 2, 3]);
  });

  it('repeat a failed call with the same state, and hold what comes behind', async () => {
    let failures = 2;
    const states: number[] = [];
    const node: NodeDefinition<number, number, number> = {
      init: () => 0,
      handleMessage: (state, message) => {
        states.push(state);
        if (message.value === 2 && failures > 0) {
          failures -= 1;
          throw new Error('not yet');
        }
        return { state: state + 1, drop: [message] };
      },
    };
    const chain = await nodeChain([node], { onFailure: retry({ minMs: 100, maxMs: 100 }) });
    const isProcessed = await chain.feed(1, 2, 3);
    assert.equal(isProcessed(), false);
    assert.equal(chain.status()[0]?.state, 'waiting');
    assert.equal(chain.status()[0]?.failing?.attempts, 1);
    await chain.harness.advance(1_000);
    assert.equal(isProcessed(), true);
    assert.deepEqual(states, [0, 1, 1, 1, 2]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3']);
    assert.equal(chain.harness.eventsOf('itemRecovered').length, 1);
    assert.deepEqual(
      chain.reports.flatMap((report) => (report.type === 'nodeWaits' ? [report.isWaiting] : [])),
      [true, false],
    );
  });

  it('skip a message: it is settled, and reported', async () => {
    const node: AnyNode = {
      handleMessage: (_, message) => {
        if (message.value === 1) throw new Error('bad');
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([node], { onFailure: 'skip' });
    await chain.feed(1, 2);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
    assert.equal(chain.harness.eventsOf('recordSkipped').length, 1);
  });

  it('drain after a crash: what was emitted goes through, nothing more is called', async () => {
    const values: unknown[] = [];
    const node: AnyNode = {
      handleMessage: (_, message) => {
        if (message.value === 2) throw new Error('bad');
        return { outputs: [{ value: message.value, of: [message] }] };
      },
    };
    const chain = await nodeChain([node, summing(2), collecting(values)]);
    await chain.feed(1, 2, 3);
    const end = chain.reports.find((report) => report.type === 'nodeEnds');
    assert.match(String(end?.error), /bad/u);
    assert.deepEqual(values, []);
    const hasEnded = await chain.end();
    assert.equal(hasEnded(), true);
    assert.deepEqual(values, [1]);
    assert.deepEqual(chain.settled(), ['1:1']);
    for (const each of chain.refs) assert.equal(chain.harness.endingOf(each)?.reason, 'normal');
  });

  it('stop at once when the node below is gone: the queue is dropped, the call is aborted and waited for (G10)', async () => {
    const log: string[] = [];
    const { open, opened } = gate();
    const node: AnyNode = {
      handleMessage: async (_, message, { signal }) => {
        signal.addEventListener('abort', () => log.push('aborted'));
        await opened;
        log.push('returned');
        return { outputs: [{ value: message.value, of: [message] }] };
      },
      terminate: () => log.push('terminated'),
    };
    const chain = await nodeChain([node, map((n) => n)]);
    await chain.feed(1, 2);
    const hasEnded = await chain.stopAt(0);
    assert.equal(hasEnded(), false);
    assert.deepEqual(log, ['aborted']);
    open();
    await chain.harness.settle();
    assert.equal(hasEnded(), true);
    assert.deepEqual(log, ['aborted', 'returned', 'terminated']);
    assert.deepEqual(chain.settled(), []);
  });

  it('drop what belongs to a lost lease: a queued message, and a part of an aggregate', async () => {
    const values: unknown[] = [];
    const lost: string[] = [];
    const node: NodeDefinition<PipeMessage<number>[], number, number> = {
      init: () => [],
      handleMessage: (kept, message) => ({ state: [...kept, message], keep: [message] }),
      handleFlush: (kept) => ({ state: [], outputs: [{ value: kept.length, of: kept }] }),
      handleLost: (kept, { lease, messages }) => {
        lost.push(`${lease.shardId}: ${messages.length}`);
        return kept.filter((message) => !messages.includes(message));
      },
    };
    const chain = await nodeChain([node, collecting(values)]);
    await chain.feedOf(1, 1, 2);
    await chain.feedOf(2, 3);
    await chain.lose(1);
    assert.deepEqual(lost, ['shardId-1: 2']);
    await chain.flush();
    assert.deepEqual(values, [1]);
    assert.deepEqual(chain.settled(), ['2:3']);
  });

  it('count an output that holds a part of a lost lease, if the state cannot subtract it', async () => {
    const values: unknown[] = [];
    const chain = await nodeChain([summing(5), collecting(values)]);
    await chain.feedOf(1, 1);
    await chain.feedOf(2, 10);
    await chain.lose(1);
    await chain.flush();
    assert.deepEqual(values, [11]);
    assert.deepEqual(chain.settled(), ['2:2']);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
  });

  it('compare the deadline with the clock before every call', async () => {
    const { open, opened } = gate();
    const seen: unknown[] = [];
    const slow: AnyNode = {
      handleMessage: async (_, message) => {
        seen.push(message.value);
        await opened;
        return { drop: [message] };
      },
    };
    const chain = await nodeChain([slow]);
    await chain.feed(1, 2);
    (chain.tenures[1] as { deadline: number }).deadline = 0;
    open();
    await chain.harness.settle();
    assert.deepEqual(seen, [1]);
  });
});
