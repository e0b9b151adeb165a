// An item is settled when the application acknowledges it, in any order; a repeated acknowledgement changes nothing. An acknowledgement
// after the loss of the lease settles nothing. A raw `behaviour` follows the same rules.
import { expect } from 'chai';
import type { OnFailure } from '../../../src/api/failure-policy.js';
import { defineReducer, type Item, type ReducerContext, type ReducerMessage } from '../../../src/api/reducer.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { gate } from '../../support/gate.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';

const start = pipelines();
const one = { reducers: 1 };

interface Handed {
  readonly item: Item;
  readonly ctx: ReducerContext;
}

/** A reducer that acknowledges nothing by itself. */
function manual(handed: Handed[]) {
  return defineReducer({
    init: () => 0,
    acknowledge: 'manual',
    reduce: (n: number, item, ctx) => (handed.push({ item, ctx }), n),
  });
}

async function handedOut(count: number, onFailure: OnFailure = 'crash', options: object = {}) {
  const stream = fakeStream();
  const numbers = putNumbered(stream, count);
  const handed: Handed[] = [];
  const pipeline = start({ ...one, definition: manual(handed), reducer: { onFailure }, ...options });
  const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
  await pipeline.clock.advance(10);
  const frontier = (): number => numbers.indexOf(keeper.frontiers.at(-1)?.position.sequenceNumber ?? 'none');
  const ack = (index: number): void => handed[index]!.ctx.ack(handed[index]!.item.token);
  const fail = (index: number): void => handed[index]!.ctx.fail(handed[index]!.item.token, new Error('no'));
  return { stream, numbers, handed, pipeline, keeper, shardWorker, frontier, ack, fail };
}

describe('manual acknowledgement', () => {
  it('settles items in any order, and keeps the frontier before the oldest open item', async () => {
    const { pipeline, frontier, ack, keeper } = await handedOut(5);
    expect(frontier()).to.equal(-1);
    for (const index of [4, 2, 1]) ack(index);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(-1);
    ack(0);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(2);
    ack(3);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(4);
    expect(keeper.frontiers).to.have.length(2);
  });

  it('counts a repeated acknowledgement, and changes nothing', async () => {
    const { pipeline, frontier, ack } = await handedOut(3);
    for (const index of [0, 0, 0]) ack(index);
    await pipeline.clock.advance(1);
    ack(0);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(0);
    expect(pipeline.counters()['strayAcknowledgements']).to.equal(3);
  });

  it('does not complete a record by repeated acknowledgements of some of its items', async () => {
    const { pipeline, frontier, ack } = await handedOut(2, 'crash', {
      stage: { extract: () => ['a', 'b', 'c'].map((key) => ({ key, value: new Uint8Array() })) },
    });
    for (const index of [2, 2, 1, 1, 1]) ack(index);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(-1);
    ack(0);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(0);
  });

  it('reports the position of the record when its items are acknowledged in reverse order', async () => {
    const { pipeline, keeper, numbers, ack } = await handedOut(1, 'crash', {
      stage: { extract: () => ['a', 'b', 'c'].map((key) => ({ key, value: new Uint8Array() })) },
    });
    for (const index of [2, 1, 0]) ack(index);
    await pipeline.clock.advance(1);
    expect(keeper.frontiers.map(({ position }) => position)).to.deep.equal([
      { sequenceNumber: numbers[0], subSequenceNumber: 0 },
    ]);
  });

  it('counts invalid tokens, and settles nothing for them', async () => {
    const { pipeline, frontier, handed } = await handedOut(2);
    const { ctx } = handed[0]!;
    for (const token of [undefined, null, 7, 'x', {}, { idempotencyKey: handed[0]!.item.token.idempotencyKey }]) {
      ctx.ack(token as never);
      ctx.fail(token as never, new Error('no'));
    }
    await pipeline.clock.advance(1);
    expect(pipeline.counters()['strayAcknowledgements']).to.equal(12);
    expect(frontier()).to.equal(-1);
  });

  it('is ignored after the lease is lost, and the open items count as folded after loss', async () => {
    const { pipeline, keeper, frontier, ack } = await handedOut(4);
    ack(0);
    await pipeline.clock.advance(1);
    keeper.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(1);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(3);
    for (const index of [0, 1, 2, 3]) ack(index);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(0);
    expect(pipeline.counters()['strayAcknowledgements']).to.equal(4);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(3);
  });

  it('counts as folded after loss, once, if the tenure has died before `revoked` arrives', async () => {
    const { pipeline, keeper, frontier, ack } = await handedOut(2);
    keeper.tenures[0]!.ended = true;
    ack(0);
    await pipeline.clock.advance(1);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(1);
    expect(frontier()).to.equal(-1);
    keeper.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(1);
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(2);
  });

  it('skips the item at ctx.fail under the policy `skip`', async () => {
    const { pipeline, frontier, fail, numbers } = await handedOut(2, 'skip');
    fail(0);
    await pipeline.clock.advance(1);
    expect(frontier()).to.equal(0);
    const [skipped] = pipeline.events.filter(({ name }) => name === 'recordSkipped') as any[];
    expect(skipped.data).to.include({ sequenceNumber: numbers[0], key: 'k0' });
    expect(skipped.data.error.message).to.equal('no');
  });

  it('crashes the reducer at ctx.fail under the policy `crash`', async () => {
    const { pipeline, fail, frontier } = await handedOut(2);
    const ending = pipeline.ending(pipeline.reducers[0]!);
    fail(1);
    await pipeline.clock.advance(1);
    const { error } = (await ending) as { error: any };
    expect(error.code).to.equal('PROCESSING_FAILED');
    expect(error.message).to.match(/^ack failed for record /);
    expect(frontier()).to.equal(-1);
  });

  it('stops the shard at ctx.fail under the policy `stopShard`', async () => {
    const { pipeline, fail, keeper } = await handedOut(2, 'stopShard');
    fail(1);
    await pipeline.clock.advance(1);
    expect(keeper.ends.map(({ type }) => type)).to.deep.equal(['stopShard']);
  });

  it('runs no policy at ctx.fail after the lease has ended', async () => {
    let asked = 0;
    const { pipeline, fail, keeper } = await handedOut(2, () => ((asked += 1), 'crash'));
    keeper.tenures[0]!.deadline = 0;
    fail(1);
    await pipeline.clock.advance(1);
    expect(asked).to.equal(0);
    expect(keeper.ends.map(({ type }) => type)).to.deep.equal(['tenureEnded']);
  });

  it('takes effect inside reduce before reduce has returned', async () => {
    const stream = fakeStream();
    putNumbered(stream, 1);
    const held = gate();
    const pipeline = start({
      ...one,
      definition: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (n: number, item, ctx) => {
          ctx.ack(item.token);
          return held.opened.then(() => n);
        },
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(keeper.frontiers).to.have.length(1);
    held.open();
  });

  it('is not done by a flush, which still ends the batch', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 4);
    let last: Item | undefined;
    const pipeline = start({
      ...one,
      definition: defineReducer<number>({
        init: () => 0,
        batch: { size: 2 },
        acknowledge: 'manual',
        reduce: (n, item) => ((last = item), n + 1),
        flush: (_, ctx) => ctx.ack(last!.token),
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(1);
    expect(keeper.frontiers).to.deep.equal([]);
    expect(pipeline.status(pipeline.reducers[0]!)).to.include({ unacknowledged: 2, unflushed: 0 });
    expect(numbers).to.have.length(4);
  });
});

describe('a raw behaviour', () => {
  type Raw = ReducerMessage;

  function raw(log: Raw[], act: (message: Raw, ctx: ReducerContext) => unknown = () => undefined) {
    return defineReducer<number>({
      init: () => 0,
      behaviour: async (n, message, ctx) => {
        log.push(message);
        await act(message, ctx);
        return n + 1;
      },
    });
  }

  it('receives items and heartbeats one message at a time, and acknowledges through ctx', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 5);
    const log: Raw[] = [];
    let under = 0;
    const pipeline = start({
      ...one,
      definition: raw(log, async (message, ctx) => {
        under += 1;
        expect(under).to.equal(1);
        await pipeline.sleep(10);
        under -= 1;
        if (message.type === 'items') for (const { token } of message.items) ctx.ack(token);
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(100);
    expect(log.map(({ type }) => type)).to.deep.equal(['items']);
    expect((log[0] as unknown as { items: readonly Item[] }).items.map(numberOf)).to.deep.equal([0, 1, 2, 3, 4]);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[4]);
    await pipeline.clock.advance(3_000);
    expect(log.map(({ type }) => type)).to.deep.equal(['items', 'heartbeat', 'heartbeat', 'heartbeat']);
  });

  it('receives one heartbeat after a long call, however many came during the call', async () => {
    const stream = fakeStream();
    putNumbered(stream, 1);
    const log: Raw[] = [];
    const held = gate();
    const pipeline = start({ ...one, definition: raw(log, (message) => (message.type === 'items' ? held.opened : 0)) });
    pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10_500);
    expect(log.map(({ type }) => type)).to.deep.equal(['items']);
    held.open();
    await pipeline.clock.advance(1);
    expect(log.map(({ type }) => type)).to.deep.equal(['items', 'heartbeat']);
  });

  it('receives `flush` for a full ledger and `drain` at the end, even after it ignored the `flush`', async () => {
    const stream = fakeStream();
    putNumbered(stream, 4);
    const log: Raw[] = [];
    const open: Item[] = [];
    const pipeline = start({
      ...one,
      shardWorker: { maxPending: 4 },
      definition: raw(log, (message, ctx) => {
        if (message.type === 'items') open.push(...message.items);
        if (message.type === 'drain') for (const { token } of open) ctx.ack(token);
      }),
    });
    const { keeper, shardWorker } = pipeline.read(stream.port, shard0);
    const ending = pipeline.ending(shardWorker);
    await pipeline.clock.advance(10);
    expect(log.map(({ type }) => type)).to.deep.equal(['items', 'flush']);
    expect(keeper.frontiers).to.have.length(0);
    keeper.control({ type: 'drain' });
    await pipeline.clock.advance(10);
    expect(log.map(({ type }) => type)).to.deep.equal(['items', 'flush', 'drain', 'drain', 'revoked']);
    expect((await ending).reason).to.equal('normal');
    expect(keeper.ends).to.deep.equal([{ type: 'drained', open: 0 }]);
  });

  it('receives `revoked` after the items of a lost lease, and its late acknowledgements are ignored', async () => {
    const stream = fakeStream();
    putNumbered(stream, 3);
    const log: Raw[] = [];
    const pipeline = start({
      ...one,
      definition: raw(log, (message, ctx) => {
        if (message.type !== 'revoked') return;
        for (const { token } of (log[0] as unknown as { items: readonly Item[] }).items) ctx.ack(token);
      }),
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    keeper.control({ type: 'revoked', reason: 'test' });
    await pipeline.clock.advance(10);
    const { source, fence } = keeper.tenures[0]!;
    expect(log.at(-1)).to.deep.equal({ type: 'revoked', source, shardId: shard0, fence });
    expect(pipeline.counters()['foldedAfterLoss']).to.equal(3);
    expect(keeper.frontiers).to.deep.equal([]);
  });

  it('skips only the items that it had not acknowledged when it failed', async () => {
    const stream = fakeStream();
    const numbers = putNumbered(stream, 4);
    const pipeline = start({
      ...one,
      definition: defineReducer<number>({
        init: () => 0,
        behaviour: (n, message, ctx) => {
          if (message.type !== 'items') return n;
          for (const { token } of message.items.slice(0, 3)) ctx.ack(token);
          throw new Error('bad');
        },
      }),
      reducer: { onFailure: 'skip' },
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(pipeline.counters()['skippedItems']).to.equal(1);
    expect(pipeline.counters()['strayAcknowledgements']).to.equal(undefined);
    const skipped = pipeline.events.filter(({ name }) => name === 'recordSkipped') as any[];
    expect(skipped.map(({ data }) => data.sequenceNumber)).to.deep.equal([numbers[3]]);
    expect(keeper.frontiers.at(-1)?.position.sequenceNumber).to.equal(numbers[3]);
  });

  it('warns or crashes, by policy, when it fails at a heartbeat', async () => {
    for (const onFailure of ['skip', 'stopShard', 'crash'] as const) {
      const pipeline = start({
        ...one,
        definition: raw([], () => Promise.reject(new Error('beat'))),
        reducer: { onFailure },
      });
      await pipeline.clock.advance(1_001);
      const names = pipeline.events.map(({ name }) => name);
      expect(names, onFailure).to.deep.equal([onFailure === 'crash' ? 'actorCrashed' : 'warning']);
      await pipeline.stop();
    }
  });

  it('stops the shards of its items when it fails under stopShard', async () => {
    const stream = fakeStream();
    putNumbered(stream, 4);
    const pipeline = start({
      ...one,
      definition: raw([], (message) => (message.type === 'items' ? Promise.reject(new Error('bad')) : 0)),
      reducer: { onFailure: 'stopShard' },
    });
    const { keeper } = pipeline.read(stream.port, shard0);
    await pipeline.clock.advance(10);
    expect(keeper.ends.map(({ type }) => type)).to.deep.equal(['stopShard']);
  });
});
