// `pause` and `resume` of a source or a shard: only that is read no further, in this process alone, and everybody can see why.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { defineReducer } from '../../../src/api/reducer.js';
import { isKinactError } from '../../../src/api/errors.js';
import type { KinactEvent } from '../../../src/api/events.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import type { ManualClock } from '../../../src/testing/manual-clock.js';
import { actorsOf, crash } from '../../../supervision/index.js';
import { inVirtualTime, virtualClock } from '../../support/virtual.js';

const shard = (index: number): string => `shardId-00000000000${index}`;

describe('a pause of a source or of a shard', () => {
  let clock: ManualClock;
  let orders: FakeStream;
  let refunds: FakeStream;
  let consumers: Consumer[];
  let seen: string[];
  beforeEach(() => {
    clock = virtualClock();
    [orders, refunds] = ['orders', 'refunds'].map((name) =>
      fakeStream({ name, application: `${name}-app`, clock, shards: 2 }),
    ) as [FakeStream, FakeStream];
    consumers = [];
    seen = [];
  });
  afterEach(async () => {
    for (const consumer of consumers) await inVirtualTime(clock, consumer.stop());
    clock.uninstall();
  });

  const made = (workerId = 'a'): Consumer => {
    const consumer = createConsumer({
      logger: false,
      application: 'unused',
      workerId,
      source: [orders.source, refunds.source],
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number, { source, shardId }) => {
          seen.push(`${workerId} ${source} ${shardId.at(-1)}`);
          return count + 1;
        },
      }),
      runtime: { clock, timers: clock },
    }) as unknown as Consumer;
    consumers.push(consumer);
    return consumer;
  };
  const put = (): void => {
    const middle = 2n ** 127n;
    for (const stream of [orders, refunds])
      for (const explicitHashKey of ['1', String(middle + 1n)])
        stream.put({ partitionKey: 'k', data: 'x', explicitHashKey });
  };
  const read = async (): Promise<string[]> => {
    seen.length = 0;
    put();
    await clock.advance(3_000);
    return [...seen].sort();
  };
  const doing = ({ status }: { status: () => ReturnType<Consumer['status']> }): string[] =>
    status()
      .shards.filter(({ doing: what }) => what === 'paused')
      .map(({ source, shardId }) => `${source} ${shardId.at(-1)}`)
      .sort();

  it('stops the reading of just that, and says so by ready(), status() and events', async () => {
    const consumer = made();
    const events: KinactEvent[] = [];
    for (const name of ['paused', 'resumed'] as const)
      consumer.on(name, (data) => void events.push({ name, data } as KinactEvent));
    await inVirtualTime(clock, consumer.start());
    expect(await read()).to.deep.equal(['a orders 0', 'a orders 1', 'a refunds 0', 'a refunds 1']);

    consumer.pause({ source: 'orders' });
    consumer.pause({ source: 'refunds', shardId: shard(1) });
    consumer.pause({ source: 'refunds', shardId: shard(1) });
    expect(await read()).to.deep.equal(['a refunds 0']);
    expect(doing({ status: () => consumer.status() })).to.deep.equal(['orders 0', 'orders 1', 'refunds 1']);
    const { pausedForMs, paused } = consumer.status();
    expect(pausedForMs).to.equal(null);
    expect(paused).to.deep.equal([
      { source: 'orders', forMs: 3_000 },
      { source: 'refunds', shardId: shard(1), forMs: 3_000 },
    ]);
    expect(consumer.ready().reasons).to.deep.equal([
      'the application paused the source orders 3 s ago: it is not read here until it is resumed',
      `the application paused shard ${shard(1)} of refunds 3 s ago: it is not read here until it is resumed`,
    ]);

    consumer.resume({ source: 'refunds' });
    expect(consumer.status().paused, 'another pause').to.have.length(2);
    consumer.resume({ source: 'refunds', shardId: shard(1) });
    consumer.resume({ source: 'orders' });
    await clock.advance(3_000);
    expect([...seen].sort()).to.deep.equal(['a orders 0', 'a orders 1', 'a refunds 0', 'a refunds 1']);
    expect(consumer.ready().ok).to.equal(true);
    expect(
      events.map(({ name, data }) => [
        name,
        (data as { source?: string }).source,
        (data as { shardId?: string }).shardId,
      ]),
    ).to.deep.equal([
      ['paused', 'orders', undefined],
      ['paused', 'refunds', shard(1)],
      ['resumed', 'refunds', shard(1)],
      ['resumed', 'orders', undefined],
    ]);
    expect((events[0] as { data: { message: string } }).data.message).to.equal(
      'the application has paused the source orders: no shard of it is read here until it resumes it',
    );
  });

  it('holds beside the pause of the process, over a restart, and from before the start', async () => {
    const consumer = made();
    consumer.pause({ source: 'orders', shardId: shard(0) });
    consumer.pause();
    await inVirtualTime(clock, consumer.start());
    expect(await read()).to.deep.equal([]);
    consumer.resume();
    await clock.advance(3_000);
    expect([...seen].sort()).to.deep.equal(['a orders 1', 'a refunds 0', 'a refunds 1']);
    crash(
      actorsOf(consumer.runtime).find(({ path }) => path.startsWith('stage/'))!,
      new Error('killed'),
    );
    await clock.advance(3_000);
    expect(await read()).to.deep.equal(['a orders 1', 'a refunds 0', 'a refunds 1']);
  });

  it('is of this process: a shard that is handed over is read by the other one', async () => {
    const consumer = made('a');
    await inVirtualTime(clock, consumer.start());
    await clock.advance(2_000);
    consumer.pause({ source: 'orders' });
    await inVirtualTime(clock, made('b').start());
    await clock.advance(30_000);
    const both = await read();
    expect(both.filter((each) => each.includes('orders'))).to.have.length(1);
    expect(both.find((each) => each.includes('orders'))).to.match(/^b orders/);
    expect(both.filter((each) => each.includes('refunds'))).to.have.length(2);
  });

  it('is refused for a source that there is not, and ends with the removal of its source', async () => {
    const consumer = made();
    const messageOf = (call: () => void): string | undefined => {
      try {
        call();
        return undefined;
      } catch (error) {
        if (!isKinactError(error) || error.code !== 'INVALID_OPTION') throw error;
        return error.message;
      }
    };
    const refused = (part: unknown): string | undefined => {
      const message = messageOf(() => consumer.pause(part as never));
      expect(messageOf(() => consumer.resume(part as never))).to.equal(message);
      return message;
    };
    for (const wrong of [
      { source: 'nothing' },
      {},
      null,
      { source: 'orders', shardId: 7 },
      { source: 'orders', shard: 'x' },
    ])
      expect(refused(wrong), JSON.stringify(wrong)).to.be.a('string');
    expect(refused({ source: 'nothing' })).to.include("'orders', 'refunds'");
    await inVirtualTime(clock, consumer.start());
    consumer.pause({ source: 'orders' });
    expect((await inVirtualTime(clock, consumer.removeSource('orders'))).drained).to.equal(true);
    expect(consumer.status().paused).to.deep.equal([]);
    expect(consumer.ready().ok).to.equal(true);
    await inVirtualTime(clock, consumer.addSource(orders.source as never));
    expect(await read()).to.deep.equal(['a orders 0', 'a orders 1', 'a refunds 0', 'a refunds 1']);
  });
});
