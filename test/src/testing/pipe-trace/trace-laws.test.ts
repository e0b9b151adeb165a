// The laws of a trace: a right pipe keeps them, and each broken one breaks the law that is about it.
import assert from 'node:assert/strict';
import type { AnyNode, NodeContext, NodeDefinition, PipeMessage } from '../../../../src/api/pipe.js';
import { aggregate } from '../../../../src/pipes/aggregate.js';
import { map, sink } from '../../../../src/pipes/single-nodes.js';
import { aggregationExactness } from '../../../../src/testing/pipe-trace/aggregation-exactness.js';
import { messageConservation } from '../../../../src/testing/pipe-trace/message-conservation.js';
import { messageOrder } from '../../../../src/testing/pipe-trace/message-order.js';
import { createPipeTrace, type PipeTraceOptions } from '../../../../src/testing/pipe-trace/pipe-trace.js';
import { initTerminate, stateContinuity } from '../../../../src/testing/pipe-trace/state-continuity.js';
import { tracePipe } from '../../../../src/testing/pipe-trace/trace-pipe.js';
import type { TracePoint } from '../../../../src/testing/pipe-trace/trace-point.js';
import { nodeChain } from '../../../support/node-chain.js';

const place = (value: unknown): number => value as number;
/** Behind `sum` the numbers do not rise. */
const placeBefore = (value: unknown, { index }: TracePoint): number | undefined =>
  index < 2 ? place(value) : undefined;
const sum = (values: readonly unknown[]): unknown =>
  values.reduce((one, other) => (one as number) + (other as number), 0);
const exact = (points: readonly TracePoint[]): void =>
  aggregationExactness(points, { node: 'sum', make: sum, count: 2 });

/** Runs six numbers through the nodes, and ends the pipe. */
async function ran(nodes: readonly AnyNode[], options: PipeTraceOptions = {}): Promise<readonly TracePoint[]> {
  const trace = createPipeTrace(options);
  const chain = await nodeChain(tracePipe({ nodes }, trace).nodes, { onFailure: 'skip' });
  await chain.feed(1, 2, 3, 4, 5);
  await chain.flush();
  await chain.harness.ask(chain.refs[0] as never, (replyTo) => ({ type: 'upstreamFailed', replyTo }) as never);
  return trace.points;
}

type Kept = readonly PipeMessage<number>[];

/** Sums up two values. */
const summing = (more: Partial<NodeDefinition<Kept, number, number>> = {}): AnyNode => {
  const emit = (kept: Kept) => ({
    state: [],
    outputs: kept.length === 0 ? [] : [{ value: sum(kept.map(({ value }) => value)) as number, of: kept }],
  });
  const node: NodeDefinition<Kept, number, number> = {
    name: 'sum',
    init: () => [],
    handleMessage: (kept, message) =>
      kept.length === 1 ? emit([...kept, message]) : { state: [...kept, message], keep: [message] },
    handleFlush: emit,
    ...more,
  };
  return node as AnyNode;
};

const passing = map((value: number) => value) as AnyNode;
const ending = sink(() => {}) as AnyNode;

describe('the laws of a trace', () => {
  it('hold for nodes that are right', async () => {
    const library = aggregate<number, unknown>({ name: 'sum', count: 2 }, sum) as AnyNode;
    for (const node of [summing(), library]) {
      const points = await ran([passing, node, ending]);
      messageConservation(points, { input: [1, 2, 3, 4, 5] });
      messageOrder(points, { place: placeBefore });
      exact(points);
      stateContinuity(points);
      initTerminate(points);
    }
  });

  const broken: [string, AnyNode, (points: readonly TracePoint[]) => void, RegExp][] = [
    [
      'leaves a message out',
      { handleMessage: (_, message) => (message.value === 3 ? {} : { drop: [message] }) },
      messageConservation,
      /neither out, nor kept, nor dropped/u,
    ],
    ['never emits what it keeps', summing({ handleFlush: () => ({}) }), messageConservation, /keeps message/u],
    [
      'repeats a value',
      { handleMessage: (_, message) => ({ outputs: [1, 2].map(() => ({ value: message.value, of: [message] })) }) },
      (points) => messageOrder(points, { place }),
      /1 comes after 1/u,
    ],
    [
      'swaps two values',
      summing({
        handleMessage: (kept, message) =>
          kept.length === 1
            ? { state: [], outputs: [message, ...kept].map((each) => ({ value: each.value, of: [each] })) }
            : { state: [message], keep: [message] },
      }),
      (points) => messageOrder(points, { place }),
      /1 comes after 2/u,
    ],
    [
      'merges only what came last',
      summing({
        handleMessage: (kept, message) =>
          kept.length === 1
            ? { state: [], outputs: [{ value: message.value, of: [...kept, message] }] }
            : { state: [message], keep: [message] },
      }),
      exact,
      /not what its messages make/u,
    ],
    [
      'emits one message too late',
      summing({
        handleMessage: (kept, message) =>
          kept.length === 2
            ? { state: [], outputs: [{ value: 6, of: [...kept, message] }] }
            : { state: [...kept, message], keep: [message] },
      }),
      exact,
      /3 messages instead of 2/u,
    ],
    [
      'emits one message too early',
      summing({ handleMessage: (_, message) => ({ outputs: [{ value: message.value, of: [message] }] }) }),
      exact,
      /1 messages instead of 2/u,
    ],
    [
      'keeps enough for an output',
      summing({
        handleMessage: (kept, message) => ({ state: [...kept, message], keep: [message] }),
        handleFlush: () => ({}),
      }),
      exact,
      /keeps 5 messages/u,
    ],
  ];
  for (const [what, node, law, expected] of broken)
    it(`are broken by a node that ${what}`, async () => {
      const points = await ran([passing, node, ending]);
      assert.throws(() => law(points), expected);
    });

  it('are broken by a state that changes before the call has failed', async () => {
    const node: AnyNode = {
      init: () => ({ count: 0 }),
      handleMessage: (state: { count: number }, message) => {
        state.count += 1;
        if (message.value === 3) throw new Error('after the change');
        return { drop: [message] };
      },
    };
    const snapshot = (state: unknown): unknown => (state as { count: number }).count;
    const continuous = (await ran([node], { snapshot })).filter(({ phase }) => phase !== 'threw');
    assert.throws(() => stateContinuity(continuous), /overlap|has changed/u);
  });

  it('say when an input is missing, and when the aggregate has another name', async () => {
    const points = await ran([passing, ending]);
    assert.throws(() => messageConservation(points, { input: [1, 6] }), /an input has not come to the first node: 6/u);
    assert.throws(() => exact(points), /no node of this name/u);
  });
});

describe('the laws of a trace, with a broken runtime', () => {
  const context: NodeContext = {
    ...{ node: 'node/0', pipe: 0, route: undefined, attempt: 1, now: 0 },
    signal: new AbortController().signal,
  };
  const contextOf = (index: number, attempt = 1): NodeContext => ({ ...context, node: `node/${index}`, attempt });
  const messageOf = (value: unknown): PipeMessage => ({
    ...{ value, route: undefined, item: undefined, lease: undefined, leases: [], sizeBytes: 1 },
  });
  type Called = Record<'init' | 'handleMessage' | 'terminate', (...args: unknown[]) => unknown>;
  interface Hand {
    readonly first: Called;
    readonly second: Called;
    readonly one: unknown;
    readonly two: unknown;
  }
  /** Calls two traced nodes by hand. */
  const byHand = (act: (hand: Hand) => void): readonly TracePoint[] => {
    const trace = createPipeTrace();
    const [first, second] = tracePipe({ nodes: [passing, ending] }, trace).nodes as unknown as [Called, Called];
    const two = second.init(contextOf(1));
    const one = first.init(contextOf(0));
    act({ first, second, one, two });
    return trace.points;
  };
  const take = (node: Called, state: unknown, message: PipeMessage, index: number, attempt = 1): unknown =>
    (node.handleMessage(state, message, contextOf(index, attempt)) as { state: unknown }).state;

  const cases: [string, (hand: Hand) => void, (points: readonly TracePoint[]) => void, RegExp][] = [
    [
      'loses a message between two nodes',
      ({ first, one }) => void take(first, one, messageOf(1), 0),
      messageConservation,
      /an output has not come to node\/1/u,
    ],
    [
      'makes a message up',
      ({ second, two }) => void take(second, two, messageOf(1), 1),
      (points) => messageConservation(points, { mayLose: true }),
      /was not sent by node\/0/u,
    ],
    [
      'hands out another value',
      ({ first, second, one, two }) => {
        take(first, one, messageOf(1), 0);
        take(second, two, messageOf(2), 1);
      },
      messageConservation,
      /an output has not come|was not sent/u,
    ],
    [
      'swaps two messages',
      ({ first, second, one, two }) => {
        const next = take(first, one, messageOf(1), 0);
        take(first, next, messageOf(2), 0);
        take(second, take(second, two, messageOf(2), 1), messageOf(1), 1);
      },
      (points) => messageConservation(points, { mayLose: true }),
      /not in this order/u,
    ],
    [
      'hands out a message again that is done',
      ({ first, one }) => {
        const message = messageOf(1);
        take(first, take(first, one, message, 0), message, 0);
      },
      (points) => messageConservation(points, { mayLose: true }),
      /comes again, and it is out/u,
    ],
    [
      'loses a state',
      ({ first, one }) => {
        take(first, one, messageOf(1), 0);
        take(first, one, messageOf(2), 0);
      },
      stateContinuity,
      /version 0, and not 1/u,
    ],
    [
      'never calls terminate',
      ({ first, one }) => void first.terminate(one, contextOf(0)),
      initTerminate,
      /never called/u,
    ],
    [
      'calls terminate twice',
      ({ first, second, one, two }) => {
        first.terminate(one, contextOf(0));
        second.terminate(two, contextOf(1));
        second.terminate(two, contextOf(1));
      },
      initTerminate,
      /the state is ended/u,
    ],
    [
      'calls an ended state',
      ({ first, second, one, two }) => {
        first.terminate(one, contextOf(0));
        second.terminate(two, contextOf(1));
        take(second, two, messageOf(1), 1);
      },
      initTerminate,
      /handleMessage is called, and the state is ended/u,
    ],
  ];
  for (const [what, act, law, expected] of cases)
    it(`find one that ${what}`, () => assert.throws(() => law(byHand(act)), expected));
});
