// Crashes that are injected, orders that are forced, and a run with its check.
import assert from 'node:assert/strict';
import type { AnyNode } from '../../../../src/api/pipe.js';
import { retry } from '../../../../src/options/retry-policy.js';
import { map, sink } from '../../../../src/pipes/single-nodes.js';
import { checkTrace } from '../../../../src/testing/pipe-trace/check-trace.js';
import { InjectedCrash } from '../../../../src/testing/pipe-trace/crash-injection.js';
import { always, periodic, random, recoverAfter } from '../../../../src/testing/pipe-trace/crash-scenario.js';
import { messageConservation } from '../../../../src/testing/pipe-trace/message-conservation.js';
import { createPipeTrace, type PipeTrace } from '../../../../src/testing/pipe-trace/pipe-trace.js';
import { tracePipe } from '../../../../src/testing/pipe-trace/trace-pipe.js';
import type { TracePoint } from '../../../../src/testing/pipe-trace/trace-point.js';
import { createDice } from '../../../sim/dice.js';
import { gate } from '../../../support/gate.js';
import { nodeChain, type NodeChain } from '../../../support/node-chain.js';

const shape = (scenario: (occurrence: number) => boolean, count = 12): string =>
  Array.from({ length: count }, (_, at) => (scenario(at + 1) ? 'x' : '.')).join('');

describe('a crash scenario', () => {
  it('is a function of a counter', () => {
    assert.equal(shape(always()), 'xxxxxxxxxxxx');
    assert.equal(shape(recoverAfter(3)), 'xxx.........');
    assert.equal(shape(periodic({ period: 4, duty: 0.75 })), '...x...x...x');
    assert.equal(shape(periodic({ period: 4, duty: 0.5, phase: 1 })), '.xx..xx..xx.');
    assert.equal(shape(periodic({ period: 3, duty: 0 })), 'xxxxxxxxxxxx');
    assert.equal(shape(periodic({ period: 3, duty: 1 })), '............');
  });

  it('at random repeats with its dice', () => {
    const drawn = (seed: number): string =>
      shape(
        random(0.5, () => createDice(seed).next()),
        1,
      );
    assert.equal(drawn(1), drawn(1));
    assert.equal(shape(random(0, Math.random)), '............');
    assert.equal(shape(random(1, () => 0.999)), 'xxxxxxxxxxxx');
  });

  it('refuses what is out of range', () => {
    assert.throws(() => recoverAfter(0), /failures/u);
    assert.throws(() => periodic({ period: 0, duty: 1 }), /period/u);
    assert.throws(() => periodic({ period: 1, duty: 2 }), /duty/u);
    assert.throws(() => periodic({ period: 1, duty: 1, phase: -1 }), /phase/u);
    assert.throws(() => random(2, Math.random), /probability/u);
    assert.throws(() => random(1, 7 as never), /random/u);
  });
});

const passing = map((value: number) => value) as AnyNode;

async function started(trace: PipeTrace, nodes: readonly AnyNode[]): Promise<NodeChain> {
  return nodeChain(tracePipe({ nodes }, trace).nodes, {
    onFailure: retry({ minMs: 1, maxMs: 1, attempts: 5, then: 'skip' }),
  });
}

describe('injectCrash', () => {
  it('makes calls fail, and tells how often', async () => {
    const trace = createPipeTrace();
    const seen: number[] = [];
    const crashes = trace.injectCrash({ node: 'sink', callback: 'handleMessage' }, recoverAfter(2));
    const chain = await started(trace, [passing, sink((value: number) => void seen.push(value)) as AnyNode]);
    await chain.feed(1, 2);
    await chain.harness.advance(100);
    assert.deepEqual(seen, [1, 2]);
    assert.deepEqual([crashes.seen, crashes.fired], [4, 2]);
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
    const threw = trace.points.filter(({ phase }) => phase === 'threw');
    assert.equal(
      threw.every(({ error, wasDone }) => error instanceof InjectedCrash && !wasDone),
      true,
    );
    messageConservation(trace.points, { input: [1, 2] });
  });

  it('after the return: the work is done, and comes again', async () => {
    const trace = createPipeTrace();
    const seen: number[] = [];
    trace.injectCrash(
      { index: 1, callback: 'handleMessage', phase: 'returned' },
      periodic({ period: 2, duty: 0.5, phase: 1 }),
    );
    const chain = await started(trace, [passing, sink(async (value: number) => void seen.push(value)) as AnyNode]);
    await chain.feed(1, 2);
    await chain.harness.advance(100);
    assert.deepEqual(seen, [1, 1, 2, 2]);
    assert.equal(trace.points.filter(({ wasDone }) => wasDone).length, 2);
  });

  it('can be stopped, and selects by node, value, attempt or a function', async () => {
    const trace = createPipeTrace();
    const byValue = trace.injectCrash({ node: 'map/0', callback: 'handleMessage', value: 2, attempt: 1 }, always());
    const byFunction = trace.injectCrash(({ value }) => value === 3, always());
    const chain = await started(trace, [passing]);
    await chain.feed(1, 2, 3);
    byFunction.stop();
    await chain.harness.advance(100);
    assert.deepEqual([byValue.seen, byValue.fired], [1, 1]);
    assert.equal(byFunction.fired, byFunction.seen);
    assert.deepEqual(chain.settled(), ['1:1', '1:2', '1:3']);
    assert.throws(() => trace.injectCrash({}, 'always' as never), /scenario/u);
  });
});

describe('forceOrdering', () => {
  it('holds a call until another has returned', async () => {
    const trace = createPipeTrace();
    const { open, opened } = gate();
    const slow: AnyNode = {
      name: 'slow',
      handleMessage: async (_, message) => {
        await opened;
        return { drop: [message] };
      },
    };
    trace.forceOrdering(
      { node: 'map', callback: 'handleMessage', value: 2 },
      { node: 'slow', callback: 'handleMessage', value: 1 },
    );
    const chain = await started(trace, [passing, slow]);
    await chain.feed(1);
    await chain.feed(2);
    const texts = (): string[] =>
      trace.points
        .filter(({ callback }) => callback === 'handleMessage')
        .map(({ index, phase, value }) => `${index} ${phase} ${String(value)}`);
    assert.deepEqual(texts(), ['0 called 1', '0 returned 1', '1 called 1']);
    open();
    await chain.harness.settle();
    assert.deepEqual(texts().slice(3), ['1 returned 1', '0 called 2', '0 returned 2', '1 called 2', '1 returned 2']);
    assert.doesNotThrow(() => trace.checkOrders());
    assert.deepEqual(chain.settled(), ['1:1', '1:2']);
  });

  it('fails when the other never comes: after so many steps, at an abort, and at the end of the run', async () => {
    const afterSteps = createPipeTrace();
    afterSteps.forceOrdering({ index: 1, value: 1 }, { node: 'nobody' }, { steps: 3 });
    const chain = await started(afterSteps, [passing, passing]);
    await chain.feed(1);
    await chain.feed(2, 3, 4, 5);
    assert.throws(() => afterSteps.checkOrders(), /never came \(3 steps\).*map\/1 handleMessage called/u);
    assert.equal(chain.settled().length, 5);

    const aborted = createPipeTrace();
    aborted.forceOrdering({ callback: 'handleMessage' }, { node: 'nobody' });
    const late = await nodeChain(tracePipe({ nodes: [{ ...passing, timeoutMs: 100 }] }, aborted).nodes, {
      onFailure: 'skip',
    });
    await late.feed(1);
    await late.harness.advance(200);
    assert.throws(() => aborted.checkOrders(), /the call was aborted/u);
    assert.deepEqual(late.settled(), ['1:1']);

    const held = createPipeTrace();
    held.forceOrdering({ callback: 'handleMessage' }, { node: 'nobody' });
    await (await started(held, [passing])).feed(1);
    assert.throws(() => held.checkOrders(), /the run is over/u);
  });
});

describe('checkTrace', () => {
  const run = async (trace: PipeTrace): Promise<string[]> => {
    const chain = await started(trace, [passing]);
    await chain.feed(1, 2);
    return chain.settled();
  };

  it('checks the whole trace once the run is over, and returns its result', async () => {
    const checked: (readonly TracePoint[])[] = [];
    const result = await checkTrace(run, (settled, points) => {
      assert.deepEqual(settled, ['1:1', '1:2']);
      messageConservation(points, { input: [1, 2] });
      checked.push(points);
    });
    assert.deepEqual(result, ['1:1', '1:2']);
    assert.equal(checked[0]?.length, 6);
  });

  it('shows the last points when the check, the run or an order fails', async () => {
    const failing = checkTrace(run, () => assert.fail('not so'), { tail: 2 });
    await assert.rejects(failing, (error: Error) => {
      const [first, second, ...lines] = error.message.split('\n');
      assert.equal(first, 'not so');
      assert.equal(second, 'The last 2 of 6 trace points:');
      assert.match(lines.join('\n'), /^#4 .*\n#5 .* out 2 of/u);
      return error.cause instanceof assert.AssertionError;
    });
    await assert.rejects(
      checkTrace(
        () => Promise.reject(new Error('no run')),
        () => {},
      ),
      /no run\nThe last 0 of 0 trace points:/u,
    );
    const inVain = checkTrace(
      (trace) => {
        trace.forceOrdering({ value: 2 }, { node: 'nobody' });
        return run(trace);
      },
      () => {},
    );
    await assert.rejects(inVain, /forceOrdering: this point was held/u);
  });
});
