// A node that is another one on every route: what the actor does depends on the callbacks of the node that was built, and not on those of
// the whole. Above all a state that is not told of a lost lease still names what it keeps.
import assert from 'node:assert/strict';
import type { AnyNode, Holding, NodeDefinition, PipeMessage } from '../../../src/api/pipe.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { routeDependent } from '../../../src/pipes/route-dependent.js';
import { demux } from '../../../src/pipes/routes.js';
import { sink } from '../../../src/pipes/single-nodes.js';
import { retry } from '../../../src/options/retry-policy.js';
import { nodeChain, type NodeChain, type NodeChainOptions } from '../../support/node-chain.js';

type Kept = readonly PipeMessage[];

const keeper = (more: Partial<NodeDefinition<Kept>> = {}): AnyNode => ({
  init: () => [],
  handleMessage: (kept: Kept, message) => ({ state: [...kept, message], keep: [message] }),
  handleFlush: (kept: Kept) =>
    kept.length === 0 ? {} : { state: [], outputs: [{ value: kept.map(({ value }) => value).join(), of: kept }] },
  ...more,
});

interface Sum {
  readonly sum: number;
  readonly held: readonly Holding[];
}

/** One holding for each message, and one output for all of them. */
const holder: NodeDefinition<Sum, number, number> = {
  init: () => ({ sum: 0, held: [] }),
  handleMessage: ({ sum, held }, message) => {
    const holding = createHolding();
    return { state: { sum: sum + message.value, held: [...held, holding] }, keep: [{ message, in: holding }] };
  },
  handleFlush: ({ sum, held }) => ({
    state: { sum: 0, held: [] },
    outputs: held.length === 0 ? [] : [{ value: sum, of: held }],
  }),
};

interface Made {
  readonly chain: NodeChain;
  readonly seen: unknown[];
}

async function made(node: AnyNode, options: NodeChainOptions = {}): Promise<Made> {
  const seen: unknown[] = [];
  const nodes = [demux(() => 'r'), routeDependent(() => node), sink((value) => void seen.push(value))] as AnyNode[];
  return { chain: await nodeChain(nodes, options), seen };
}

/** Two messages of two leases, of which the first is lost. */
async function halfLost(node: AnyNode, options: NodeChainOptions = {}): Promise<Made> {
  const both = await made(node, options);
  await both.chain.feedOf(1, 1);
  await both.chain.feedOf(2, 2);
  await both.chain.lose(1);
  return both;
}

const policies = {
  skip: { onFailure: 'skip' },
  retry: { onFailure: retry({ minMs: 10, maxMs: 10 }) },
  crash: { onFailure: 'crash' },
} as const;

const nested: AnyNode = routeDependent(() => keeper());

describe('a node that depends on the route', () => {
  for (const [name, options] of Object.entries(policies)) {
    for (const [what, node] of Object.entries({ messages: keeper(), 'messages, two routes deep,': nested }))
      it(`keeps ${what} of a lost lease in a state that is not told of it, under ${name}`, async () => {
        const { chain, seen } = await halfLost(node, options);
        assert.equal(await chain.flush(), true);
        assert.deepEqual(seen, ['1,2']);
        assert.deepEqual(chain.settled(), ['2:2']);
        assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
        assert.equal(chain.harness.counts.get('skippedItems'), undefined);
      });

    it(`counts what is folded into a state that is not told of a lost lease, under ${name}`, async () => {
      const { chain, seen } = await halfLost(holder as AnyNode, options);
      assert.equal(await chain.flush(), true);
      assert.deepEqual(seen, [3]);
      assert.deepEqual(chain.settled(), ['2:2']);
      assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
    });
  }

  it('tells a built node that can subtract, and counts nothing', async () => {
    const lost: unknown[] = [];
    const node = keeper({
      handleLost: (kept, { messages }) => {
        lost.push(...messages.map(({ value }) => value));
        return kept.filter((each) => !messages.includes(each));
      },
    });
    const { chain, seen } = await halfLost(node);
    assert.equal(await chain.flush(), true);
    assert.deepEqual([lost, seen], [[1], ['2']]);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), undefined);
  });

  it('asks per route: one state subtracts, and the other does not', async () => {
    const seen: unknown[] = [];
    const subtracting = keeper({
      handleLost: (kept, { messages }) => kept.filter((each) => !messages.includes(each)),
    });
    const chain = await nodeChain([
      demux((value) => String(value).slice(0, 1)) as AnyNode,
      routeDependent((route) => (route === 'a' ? keeper() : subtracting)) as AnyNode,
      sink((value) => void seen.push(value)) as AnyNode,
    ]);
    await chain.feedOf(1, 'a1', 'b1');
    await chain.feedOf(2, 'a2', 'b2');
    await chain.lose(1);
    await chain.flush();
    assert.deepEqual(seen, ['a1,a2', 'b2']);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
  });

  it('is not flushed for a room or a mark if the built node has no flush, and then the route is as idle as any', async () => {
    const ended: unknown[] = [];
    const calls: unknown[] = [];
    const { handleFlush: _, ...silent } = keeper({
      handleMessage: (_kept, message) => ({ drop: [message] }),
      terminate: () => void ended.push('ended'),
    });
    const node = routeDependent(() => silent as AnyNode, { routeIdleMs: 1_000 });
    const chain = await nodeChain([
      demux(() => 'r'),
      {
        ...node,
        handleFlush: (state, context) => {
          calls.push(context.route);
          return node.handleFlush!(state, context);
        },
      },
    ] as AnyNode[]);
    await chain.feed(1);
    await chain.harness.advance(900);
    await chain.flush();
    assert.deepEqual(calls, []);
    await chain.harness.advance(200);
    assert.deepEqual(ended, ['ended']);
  });

  it('has no call for a timer that the built node does not handle', async () => {
    const calls: unknown[] = [];
    const { handleFlush: _, ...silent } = keeper({
      handleMessage: (_kept, message) => ({ drop: [message], timerMs: 100 }),
    });
    const node = routeDependent(() => silent as AnyNode);
    const chain = await nodeChain([
      demux(() => 'r'),
      { ...node, handleTimer: (state, context) => (calls.push(context.route), node.handleTimer!(state, context)) },
    ] as AnyNode[]);
    await chain.feed(1);
    await chain.harness.advance(200);
    assert.deepEqual(calls, []);
  });

  for (const nothing of [undefined, null])
    it(`leaves a message open, with a warning, if the built node returns ${nothing}`, async () => {
      const { chain } = await made(keeper({ handleMessage: () => nothing as never }), policies.skip);
      await chain.feed(1);
      assert.deepEqual(chain.settled(), []);
      const warnings = chain.harness.events.filter(({ name }) => name === 'warning');
      assert.equal(warnings.length, 1);
    });

  for (const wrong of ['text', 7, []])
    it(`refuses the result ${JSON.stringify(wrong)} of a built node as of any`, async () => {
      const { chain } = await made(keeper({ handleMessage: () => wrong as never }), policies.skip);
      await chain.feed(1);
      const [skipped] = chain.harness.eventsOf('recordSkipped');
      assert.match(String(skipped?.error), /The result of routeDependent\/1 must be an object/);
    });

  it('takes a result whose members are inherited, as a plain node does', async () => {
    class Answer {
      readonly state: unknown;
      readonly #message: PipeMessage;
      constructor(state: unknown, message: PipeMessage) {
        this.state = state;
        this.#message = message;
      }
      get drop(): readonly PipeMessage[] {
        return [this.#message];
      }
    }
    const { chain } = await made(keeper({ handleMessage: (_, message) => new Answer([], message) as never }));
    await chain.feed(1);
    assert.deepEqual(chain.settled(), ['1:1']);
  });
});
