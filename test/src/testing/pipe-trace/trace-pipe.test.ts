// A traced pipe does what the pipe does, and leaves a point for each call.
import assert from 'node:assert/strict';
import { NodeFailure } from '../../../../src/api/pipe-failure.js';
import type { AnyNode, PipeMessage } from '../../../../src/api/pipe.js';
import { createHolding } from '../../../../src/pipes/holding.js';
import { retry } from '../../../../src/options/retry-policy.js';
import { routeDependent } from '../../../../src/pipes/route-dependent.js';
import { demux } from '../../../../src/pipes/routes.js';
import { map } from '../../../../src/pipes/single-nodes.js';
import { pipe } from '../../../../src/pipes/pipe.js';
import { createPipeTrace } from '../../../../src/testing/pipe-trace/pipe-trace.js';
import { messageConservation } from '../../../../src/testing/pipe-trace/message-conservation.js';
import { pointText } from '../../../../src/testing/pipe-trace/trace-point.js';
import { initTerminate, stateContinuity } from '../../../../src/testing/pipe-trace/state-continuity.js';
import { tracePipe } from '../../../../src/testing/pipe-trace/trace-pipe.js';
import { nodeChain } from '../../../support/node-chain.js';

describe('tracePipe', () => {
  it('leaves points of every callback, with the node, the route, the values and the item', async () => {
    const seen: unknown[] = [];
    const orders = pipe<string>()
      .demux((value) => value.slice(0, 1))
      .aggregate({ count: 2 }, (values) => values.join())
      .join()
      .to((value) => void seen.push(value));
    const trace = createPipeTrace();
    const chain = await nodeChain(tracePipe(orders, trace).nodes);
    await chain.feed('a1', 'b1', 'a2');
    assert.deepEqual(seen, ['a1,a2']);
    const lines = trace.points.filter(({ index }) => index === 1).map(pointText);
    assert.deepEqual(
      lines.map((line) => line.replace(/#\d+/u, '#')),
      [
        '# pipe 0.1 aggregate/1 init called, state 0.0',
        '# pipe 0.1 aggregate/1 init returned, state 3.0',
        '# pipe 0.1 aggregate/1 init called, state 0.0, route a',
        '# pipe 0.1 aggregate/1 init returned, state 5.0, route a',
        '# pipe 0.1 aggregate/1 handleMessage called, state 5.0, route a, message 4 = "a1", item shardId-1/1',
        '# pipe 0.1 aggregate/1 handleMessage returned, state 5.1, route a, message 4 = "a1", item shardId-1/1, keep 4 in 5',
        '# pipe 0.1 aggregate/1 init called, state 0.0, route b',
        '# pipe 0.1 aggregate/1 init returned, state 6.0, route b',
        '# pipe 0.1 aggregate/1 handleMessage called, state 6.0, route b, message 6 = "b1", item shardId-1/2',
        '# pipe 0.1 aggregate/1 handleMessage returned, state 6.1, route b, message 6 = "b1", item shardId-1/2, keep 6 in 7',
        '# pipe 0.1 aggregate/1 handleMessage called, state 5.1, route a, message 8 = "a2", item shardId-1/3',
        '# pipe 0.1 aggregate/1 handleMessage returned, state 5.2, route a, message 8 = "a2", item shardId-1/3, out "a1,a2" of 5+8',
      ],
    );
    assert.deepEqual(
      trace.points.map(({ number }) => number),
      [...trace.points.keys()],
    );
  });

  it('has no callback that the node lacks, and keeps its bounds', () => {
    const node: AnyNode = { name: 'plain', maxRoutes: 7, handleMessage: (_, message) => ({ drop: [message] }) };
    const [traced] = tracePipe({ nodes: [node] }, createPipeTrace()).nodes;
    assert.equal(traced?.maxRoutes, 7);
    assert.equal(traced?.name, 'plain');
    for (const name of ['handleFlush', 'handleTimer', 'handleLost'] as const) assert.equal(traced?.[name], undefined);
  });

  it('asks a node that depends on the route for the callbacks of the node that it has built', async () => {
    const keeper: AnyNode = {
      init: () => [],
      handleMessage: (kept: readonly PipeMessage[], message) => ({ state: [...kept, message], keep: [message] }),
      handleFlush: (kept: readonly PipeMessage[]) =>
        kept.length === 0 ? {} : { state: [], outputs: [{ value: kept.length, of: kept }] },
    };
    const nodes = [demux(() => 'r'), routeDependent(() => keeper)] as AnyNode[];
    const chain = await nodeChain(tracePipe({ nodes }, createPipeTrace()).nodes);
    await chain.feedOf(1, 'a');
    await chain.feedOf(2, 'b');
    await chain.lose(1);
    await chain.flush();
    assert.deepEqual(chain.settled(), ['2:2']);
    assert.equal(chain.harness.counts.get('foldedAfterLoss'), 1);
  });

  it('passes on a refused result, a result without a state, and the state of a NodeFailure', async () => {
    const results: unknown[] = [7, [], undefined, { drop: [{}] }];
    const errors: string[] = [];
    const states: unknown[] = [];
    const node: AnyNode = {
      init: () => 'first',
      handleMessage: (state: string, message) => {
        states.push(state);
        const at = message.value as number;
        if (at < 4) return results[at] as never;
        if (at === 4) return { drop: [message] };
        if (at === 5) return { state: 'second', drop: [message] };
        if (at === 6) throw new NodeFailure(new Error('sixth'), { of: [message], state: 'third' });
        return { drop: [message] };
      },
    };
    const untraced = [...errors];
    const onFailure = (error: unknown) => {
      errors.push((error as Error).message);
      return 'skip' as const;
    };
    const run = async (nodes: readonly AnyNode[]): Promise<unknown> => {
      errors.length = 0;
      states.length = 0;
      const chain = await nodeChain(nodes, { onFailure });
      await chain.feed(0, 1, 2, 3, 4, 5, 6, 7);
      return [chain.settled(), [...errors], [...states]];
    };
    assert.deepEqual(untraced, []);
    const plain = await run([node]);
    const traced = await run(tracePipe({ nodes: [node] }, createPipeTrace()).nodes);
    assert.deepEqual(traced, plain);
    assert.deepEqual(states.slice(-3), ['first', 'second', 'third']);
  });

  it('numbers states, and tells the runs of a pipe apart', async () => {
    const trace = createPipeTrace();
    const keeping: AnyNode = {
      init: () => [],
      handleMessage: (kept: readonly PipeMessage[], message) => ({ state: [...kept, message], keep: [message] }),
      handleFlush: (kept: readonly PipeMessage[]) => ({
        state: [],
        outputs: kept.map((message) => ({ value: message.value, of: [message] })),
        forget: true,
      }),
    };
    const { nodes } = tracePipe({ nodes: [keeping, map((value: number) => value) as AnyNode] }, trace);
    for (let run = 1; run <= 2; run += 1) {
      const chain = await nodeChain(nodes);
      await chain.feed(1, 2);
      await chain.flush();
      await chain.feed(3);
      await chain.flush();
      await chain.harness.ask(chain.refs[0] as never, (replyTo) => ({ type: 'upstreamFailed', replyTo }) as never);
    }
    assert.deepEqual([...new Set(trace.points.map(({ run }) => run))], [1, 2]);
    assert.equal(trace.points.filter(({ callback, phase }) => callback === 'init' && phase === 'returned').length, 6);
    messageConservation(trace.points, { input: [1, 2, 3, 1, 2, 3] });
    initTerminate(trace.points);
    stateContinuity(trace.points);
  });

  it('notes async calls when they end, retries, and a lost lease', async () => {
    const trace = createPipeTrace({ snapshot: (state) => (state as { count: number }).count });
    let failures = 2;
    const node: AnyNode = {
      name: 'counting',
      init: async () => ({ count: 0, held: createHolding() }),
      handleMessage: async ({ count, held }: { count: number; held: ReturnType<typeof createHolding> }, message) => {
        await Promise.resolve();
        if (message.value === 2 && (failures -= 1) >= 0) throw new Error('later');
        return { state: { count: count + 1, held }, keep: [{ message, in: held }] };
      },
      handleLost: (state: object) => ({ ...state, count: 0 }),
    };
    const chain = await nodeChain(tracePipe({ nodes: [node] }, trace).nodes, {
      onFailure: retry({ minMs: 1, maxMs: 1 }),
    });
    await chain.feed(1, 2);
    await chain.harness.advance(10);
    await chain.lose(1);
    assert.deepEqual(
      trace.points.map(
        ({ callback, phase, attempt, snapshot }) => `${callback} ${phase} ${attempt} ${String(snapshot)}`,
      ),
      [
        'init called 1 undefined',
        'init returned 1 0',
        'handleMessage called 1 0',
        'handleMessage returned 1 1',
        'handleMessage called 1 1',
        'handleMessage threw 1 1',
        'handleMessage called 2 1',
        'handleMessage threw 2 1',
        'handleMessage called 3 1',
        'handleMessage returned 3 2',
        'handleLost called 1 2',
        'handleLost returned 1 0',
      ],
    );
    stateContinuity(trace.points);
    initTerminate(trace.points, { hasEnded: false });
    assert.throws(() => initTerminate(trace.points), /terminate of the state was never called/u);
  });
});
