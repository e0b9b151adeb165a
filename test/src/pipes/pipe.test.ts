// The builder: immutable, and what it makes is frozen.
import { expect } from 'chai';
import type { PipeMessage } from '../../../src/api/pipe.js';
import { batchSink } from '../../../src/pipes/batch-sink.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { map, sink } from '../../../src/pipes/single-nodes.js';
import { ran, settledIds, valuesOf } from '../../support/naive-items.js';

describe('pipe()', () => {
  it('chains the nodes in order, and names them', () => {
    const made = pipe<number>()
      .map((n) => n)
      .filter(() => true)
      .mapFilter((n) => n)
      .tap(() => {})
      .unfold((n) => [n])
      .demux(String)
      .routeDependent(() => map((n: number) => n))
      .aggregate({ count: 2 })
      .join()
      .assembleChunks({ chunk: () => ({ id: 1, index: 1, total: 1 }), maxAgeMs: 1, concat: () => 1 })
      .node(defineNode({ handleMessage: () => ({}) }))
      .to(() => {});
    const names = 'map filter mapFilter tap unfold demux routeDependent aggregate join assembleChunks  sink'.split(' ');
    expect(made.nodes.map(({ name }) => name ?? '')).to.deep.equal(names);
  });

  it('is immutable: two pipes may share their first nodes', () => {
    const first = pipe<number>().map((n) => n + 1);
    const one = first.filter(() => true).end();
    const other = first.end();
    expect(one.nodes).to.have.length(2);
    expect(other.nodes).to.have.length(1);
    expect(one.nodes[0]).to.equal(other.nodes[0]);
    for (const frozen of [first, one, one.nodes, ...one.nodes]) expect(Object.isFrozen(frozen)).to.equal(true);
  });

  it('checks and freezes nodes that were not made by defineNode', () => {
    const made = pipe<number>()
      .node({ handleMessage: (_, message: PipeMessage<number>) => ({ drop: [message] }) })
      .end();
    expect(Object.isFrozen(made.nodes[0])).to.equal(true);
    expect(() => pipe().node({ handleMesage: () => ({}) } as never)).to.throw('did you mean handleMessage?');
    expect(() => pipe().to(undefined as never)).to.throw('pipe: expected a node or a function that ends it');
    expect(() =>
      pipe().to(
        sink(() => 0),
        { name: 'x' },
      ),
    ).to.throw('pipe: expected no options behind a node, which has its own, got an object');
    expect(() => pipe().to(() => 0, { nam: 'x' } as never)).to.throw('sink.nam: ');
  });

  it('needs a node', () => {
    expect(() => pipe().end()).to.throw('pipe: expected at least one node, got none');
  });

  it('ends in a function, or in a node', async () => {
    const written: unknown[] = [];
    const write = (value: unknown): unknown => written.push(value);
    await ran(pipe<number>().to(write).nodes, [1, 2]);
    await ran(pipe<number>().to(batchSink({ size: 2 }, async (values) => void write(values))).nodes, [3, 4]);
    expect(written).to.deep.equal([1, 2, [3, 4]]);
  });

  it('runs the pipe of tenants', async () => {
    interface Order {
      readonly tenant: string;
      readonly cents: number;
    }
    const written: unknown[] = [];
    const { nodes } = pipe<Order>()
      .filter(({ cents }) => cents > 0)
      .demux((order) => order.tenant)
      .aggregate({ count: 2, intervalMs: 5_000 }, (orders) => orders.map(({ tenant, cents }) => `${tenant}${cents}`))
      .join()
      .to((batch) => void written.push(batch));
    const orders = ['a1', 'b0', 'b2', 'a3', 'c4'].map((text) => ({ tenant: text[0]!, cents: Number(text[1]) }));
    const naive = await ran(nodes, orders);
    expect(written).to.deep.equal([['a1', 'a3']]);
    expect(settledIds(naive)).to.deep.equal([1, 2, 4]);
    await naive.advance(5_000);
    expect(written).to.deep.equal([['a1', 'a3'], ['b2'], ['c4']]);
    expect(settledIds(naive)).to.deep.equal([1, 2, 3, 4, 5]);
    expect(valuesOf(naive)).to.deep.equal([]);
  });
});
