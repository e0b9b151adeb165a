// Routes: demux adds a head, join removes it, and each node has one state per route.
import { expect } from 'chai';
import { NonRetryableError } from '../../../src/api/failure-policy.js';
import type { AnyNode, NodeDefinition } from '../../../src/api/pipe.js';
import { aggregate } from '../../../src/pipes/aggregate.js';
import { assembleChunks } from '../../../src/pipes/assemble-chunks.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { routeDependent } from '../../../src/pipes/route-dependent.js';
import { demux, join } from '../../../src/pipes/routes.js';
import { itemsOf, one, ran, settledIds, two, valuesOf } from '../../support/naive-items.js';
import { naivePipe } from '../../support/naive-pipe.js';

const parity = (n: number): string => (n % 2 === 0 ? 'even' : 'odd');

describe('routes', () => {
  it('demux adds a head, and join removes the newest', async () => {
    const pipe = await ran([demux(parity), demux(String), join(), demux(() => 'last')], [1, 2]);
    expect(pipe.sent.map(({ heads }) => heads)).to.deep.equal([
      ['odd', 'last'],
      ['even', 'last'],
    ]);
  });

  it('demux and join refuse for good what they cannot do', async () => {
    for (const node of [demux(() => 7 as never), demux((async () => 'a') as never), join()] as AnyNode[]) {
      const errors: unknown[] = [];
      const pipe = await ran([node], [1], { onFailure: (error) => (errors.push(error), 'skip') });
      expect(errors[0]).to.be.instanceOf(NonRetryableError);
      expect(settledIds(pipe)).to.deep.equal([1]);
    }
  });

  it('the bounds of a demux are those of the nodes behind, up to its join', () => {
    const { nodes } = pipe<number>()
      .demux(parity, { maxRoutes: 3, routeIdleMs: 50, timeoutMs: 7 })
      .map((n) => n)
      .demux(String, { maxRoutes: 9, routeIdleMs: 60 })
      .aggregate({ count: 2, routeIdleMs: 70 })
      .aggregate({ count: 2, maxRoutes: 8 })
      .join()
      .node(join())
      .end();
    expect(nodes.map(({ maxRoutes, routeIdleMs, timeoutMs }) => [maxRoutes, routeIdleMs, timeoutMs])).to.deep.equal([
      [undefined, undefined, 7],
      [3, 50, undefined],
      [3, 50, undefined],
      [9, 70, undefined],
      [8, 60, undefined],
      [9, 60, undefined],
      [3, 50, undefined],
    ]);
  });

  it('a join without a demux before it is refused where the pipe is made, unless a node of your own may add a route', () => {
    const refused = [
      () => pipe().join(),
      () =>
        pipe()
          .demux(() => 'a')
          .join()
          .map(String)
          .join(),
    ];
    for (const make of refused) expect(make).to.throw('join: expected a demux before it');
    const own: AnyNode = { handleMessage: (_, { value }) => ({ outputs: [{ value, of: [], route: { add: 'a' } }] }) };
    expect(pipe().node(own).join().end().nodes).to.have.length(2);
    expect(
      pipe()
        .demux(() => 'a')
        .routeDependent(() => own)
        .join()
        .join()
        .end().nodes,
    ).to.have.length(4);
  });

  it('a route beyond the bound flushes the least recently used one', async () => {
    const { nodes } = pipe<number>().demux(String, { maxRoutes: 2 }).aggregate({ count: 9 }).join().end();
    const naive = await ran(nodes, [1, 2, 3]);
    expect(valuesOf(naive)).to.deep.equal([[1]]);
    expect(naive.routes(1)).to.deep.equal([[], ['2'], ['3']]);
  });

  it('an idle route that holds nothing is ended', async () => {
    const { nodes } = pipe<number>().demux(String, { routeIdleMs: 50 }).aggregate({ count: 2, intervalMs: 500 }).end();
    const naive = await ran(nodes, [1, 1, 2]);
    await naive.advance(50);
    expect(naive.routes(1)).to.deep.equal([[], ['2']]);
  });
});

describe('routeDependent', () => {
  const counted = (route: string): NodeDefinition<unknown, number, readonly number[]> =>
    aggregate<number>({ count: route === 'odd' ? 2 : 3 });

  it('builds one node for each route, with a state of its own', async () => {
    const built: string[] = [];
    const node = routeDependent((route) => (built.push(route), counted(route)));
    const pipe = await ran([demux(parity), node], [1, 2, 3, 4, 5, 6]);
    expect(built).to.deep.equal(['odd', 'even']);
    expect(valuesOf(pipe)).to.deep.equal([
      [1, 3],
      [2, 4, 6],
    ]);
  });

  it('passes flushes, timers and lost leases on to it', async () => {
    const pipe = await naivePipe([demux(parity), routeDependent(counted)]);
    pipe.offer(...itemsOf([1]), ...itemsOf([2], { from: 2, of: two }));
    await pipe.run();
    pipe.lose(one);
    pipe.flush();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal([[2]]);
    pipe.offer(...itemsOf([3], { from: 3, of: two }));
    await pipe.run();
    await pipe.advance(1_000);
    expect(valuesOf(pipe)).to.deep.equal([[2], [3]]);
  });

  it('ends what it has built, and initializes it', async () => {
    const calls: string[] = [];
    const node = routeDependent((route) => ({
      init: async () => (calls.push(`init ${route}`), route),
      handleMessage: (state: string, message) => ({ state: `${state}!`, outputs: [{ value: state, of: [message] }] }),
      terminate: (state) => calls.push(`terminate ${state}`),
    }));
    const pipe = await ran([demux(parity), node], [1, 3, 2]);
    pipe.stop();
    await pipe.run();
    expect(valuesOf(pipe)).to.deep.equal(['odd', 'odd!', 'even']);
    expect(calls).to.deep.equal(['init odd', 'init even', 'terminate odd!!', 'terminate even!']);
    expect(pipe.hasEnded).to.equal(true);
  });

  it('puts the state of a failure back into its route', async () => {
    const make = (values: readonly number[]): number => {
      if (values.includes(1)) throw new Error('one');
      return values.length;
    };
    const node = routeDependent(() => aggregate({ count: 2 }, make));
    const pipe = await ran([demux(parity), node], [1, 3, 5, 7], { onFailure: () => 'skip' });
    expect(valuesOf(pipe)).to.deep.equal([2]);
    expect(settledIds(pipe)).to.deep.equal([1, 2, 3, 4]);
  });

  it('fails for good on the main route, and fails the message whose node it cannot build', async () => {
    const errors: unknown[] = [];
    const onFailure = (error: unknown): 'skip' => (errors.push(error), 'skip');
    await ran([routeDependent(counted)], [1], { onFailure });
    expect(errors[0]).to.be.instanceOf(NonRetryableError);
    const wrong = routeDependent(() => ({ handleMesage: () => ({}) }) as never);
    const pipe = await ran([demux(parity), wrong], [1, 2], { onFailure });
    expect((errors[1] as Error).message).to.contain('did you mean handleMessage?');
    expect(settledIds(pipe)).to.deep.equal([1, 2]);
  });

  it('takes nodes of several kinds', async () => {
    const chunks = assembleChunks<number, readonly number[]>({
      chunk: (n) => ({ id: 'x', index: n / 2, total: 2 }),
      maxAgeMs: 100,
      concat: (values) => values,
    });
    const pipe = await ran(
      [demux(parity), routeDependent((route) => (route === 'odd' ? counted(route) : chunks))],
      [2, 1, 3, 4],
    );
    expect(valuesOf(pipe)).to.deep.equal([
      [1, 3],
      [2, 4],
    ]);
  });
});
