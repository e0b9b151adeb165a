// The bounds of a queue in messages and in bytes, the end that a flush or a timer asks for, nested routes, and what is folded on its way.
import assert from 'node:assert/strict';
import type { AnyNode, PipeMessage } from '../../../src/api/pipe.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { demux, join } from '../../../src/pipes/routes.js';
import { map } from '../../../src/pipes/single-nodes.js';
import { gate } from '../../support/gate.js';
import { nodeChain, type NodeChain } from '../../support/node-chain.js';
import type { Tenure } from '../../../actors/protocol/tenure.js';

/** Waits in its first call. */
function held(seen: unknown[] = []): { readonly node: AnyNode; readonly open: () => void } {
  const { open, opened } = gate();
  const node: AnyNode = {
    handleMessage: async (_, message) => {
      seen.push(message.value);
      await opened;
      return { drop: [message] };
    },
  };
  return { node, open };
}

const sized = (sizeBytes: number, copies: number, bounds: Partial<AnyNode>): AnyNode => ({
  ...bounds,
  handleMessage: (_, message) => ({
    outputs: Array.from({ length: copies }, (_each, value) => ({ value, of: [message], sizeBytes })),
  }),
});

describe('the queue of a node', () => {
  it('is bounded in bytes: no call is made while it has as many', async () => {
    let calls = 0;
    const { handleMessage, ...rest } = sized(6, 1, { maxQueueBytes: 10 });
    const counting: AnyNode = { ...rest, handleMessage: (...args) => ((calls += 1), handleMessage(...args)) };
    const { node, open } = held();
    const chain = await nodeChain([counting, node]);
    const isProcessed = await chain.feed(1, 2, 3, 4, 5, 6);
    // One is with the next node, and two wait.
    assert.deepEqual([calls, chain.status()[0]?.queuedBytes, chain.status()[0]?.state], [3, 12, 'blocked']);
    open();
    await chain.harness.settle();
    assert.deepEqual([calls, isProcessed()], [6, true]);
  });

  it('sends a list of outputs on in pieces of maxQueueLen', async () => {
    const seen: unknown[] = [];
    const { node, open } = held(seen);
    const chain = await nodeChain([sized(1, 10, { maxQueueLen: 3 }), node]);
    await chain.feed('a');
    assert.deepEqual([chain.status()[1]?.waiting, chain.status()[0]?.queued], [3, 7]);
    open();
    await chain.harness.settle();
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(chain.settled(), ['1:1']);
  });

  it('sends a list of outputs on in pieces of maxQueueBytes, and one that is larger alone', async () => {
    for (const [sizeBytes, waiting] of [
      [4, 2],
      [5, 2],
      [11, 1],
    ] as const) {
      const { node, open } = held();
      const chain = await nodeChain([sized(sizeBytes, 5, { maxQueueBytes: 10 }), node]);
      await chain.feed('a');
      assert.deepEqual([chain.status()[1]?.waiting, chain.status()[0]?.queued], [waiting, 5 - waiting]);
      open();
      await chain.harness.settle();
      assert.deepEqual(chain.settled(), ['1:1']);
    }
  });
});

const exiting = (callback: 'handleFlush' | 'handleTimer', log: string[]): AnyNode => ({
  init: () => [],
  handleMessage: (kept: readonly PipeMessage[], message) => ({
    state: [...kept, message],
    keep: [message],
    ...(callback === 'handleTimer' ? { timerMs: 100 } : {}),
  }),
  [callback]: (kept: readonly PipeMessage[]) => ({
    outputs: kept.map((message) => ({ value: message.value, of: [message] })),
    state: [],
    exit: true,
  }),
  terminate: () => log.push('exiting'),
});

const ends = ({ reports }: NodeChain): object[] =>
  reports.flatMap((report) => (report.type === 'nodeEnds' ? [{ node: report.node, error: report.error }] : []));

describe('the exit', () => {
  for (const callback of ['handleFlush', 'handleTimer'] as const)
    it(`may be asked for by ${callback}: what it emits drains, and all nodes end`, async () => {
      const log: string[] = [];
      const seen: unknown[] = [];
      const last: AnyNode = {
        handleMessage: (_, message) => (seen.push(message.value), { drop: [message] }),
        terminate: () => log.push('last'),
      };
      const chain = await nodeChain([exiting(callback, log), last], { endsNodes: true });
      await chain.feed('a', 'b');
      if (callback === 'handleFlush') await chain.flush();
      else await chain.harness.advance(200);
      assert.deepEqual(ends(chain), [{ node: 0, error: undefined }]);
      assert.deepEqual(seen, ['a', 'b']);
      assert.deepEqual(chain.settled(), ['1:1', '1:2']);
      assert.deepEqual(log, ['exiting', 'last']);
    });
});

describe('nested routes', () => {
  it('lose their newest head in a join, and keep the others', async () => {
    const seen: string[] = [];
    const look = (name: string): AnyNode =>
      map((value, message, { route }) => (seen.push(`${name} ${message.route} ${route}`), value)) as AnyNode;
    const chain = await nodeChain([
      ...[demux(() => 'outer'), look('1'), demux(() => 'inner'), look('2')],
      ...[join(), look('3'), join(), look('4')],
    ] as AnyNode[]);
    await chain.feed('a');
    assert.deepEqual(seen, ['1 outer outer', '2 inner inner', '3 outer outer', '4 undefined undefined']);
    assert.deepEqual(chain.settled(), ['1:1']);
  });
});

describe('an output of two leases of which one is lost', () => {
  const pairs = aggregate({ count: 2, intervalMs: 60_000 }) as AnyNode;

  it('is counted once while it is queued', async () => {
    const { node, open } = held();
    const chain = await nodeChain([{ ...pairs, maxQueueLen: 1 }, node]);
    await chain.feedOf(3, 'a', 'b');
    await chain.feedOf(1, 'c');
    await chain.feedOf(2, 'd');
    assert.equal(chain.status()[0]?.queued, 1);
    await chain.lose(1);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
    open();
    await chain.harness.settle();
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
    assert.deepEqual(chain.settled(), ['3:1', '3:2', '2:4']);
  });

  it('is counted once if its lease is late just before its call', async () => {
    const { node, open } = held();
    const once: AnyNode = { handleMessage: (_, message) => ({ outputs: [{ value: 0, of: [message] }] }) };
    const chain = await nodeChain([pairs, once, node]);
    await chain.feedOf(3, 'a', 'b');
    await chain.feedOf(1, 'c');
    await chain.feedOf(2, 'd');
    (chain.tenures[1] as Tenure & { deadline: number }).deadline = 0;
    open();
    await chain.harness.settle();
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
    assert.deepEqual(chain.settled(), ['3:1', '3:2', '2:4']);
  });
});
