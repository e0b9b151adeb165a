// What a consumer says about its lag: of each shard, and in one figure for the application. An item and the calls of a reducer say when
// the record was fetched, and how far that read was behind.
import { expect } from 'chai';
import { createConsumer, type Consumer } from '../../../src/consumer/consumer.js';
import { lagOf, shardsOf } from '../../../src/consumer/actor-status.js';
import type { ConsumerOptions } from '../../../src/api/options.js';
import { defineReducer, type FlushContext, type Item, type ReducerMessage } from '../../../src/api/reducer.js';
import type { ActorSnapshot } from '../../../src/api/status.js';
import { fakeStream, type FakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';

const minute = 60_000;

async function running(
  reducer: ConsumerOptions['reducer'],
  check: (on: { clock: ManualClock; stream: FakeStream; consumer: Consumer }) => Promise<void>,
  more: Partial<ConsumerOptions> = {},
): Promise<void> {
  const clock = new ManualClock();
  clock.install();
  const stream = fakeStream({ clock });
  const consumer = createConsumer({
    ...{ application: 'orders', source: stream.source, reducers: 1, reducer, logger: false as const },
    runtime: { clock, timers: clock },
    ...more,
  });
  const started = consumer.start();
  await clock.advance(5_000);
  await started;
  try {
    await check({ clock, stream, consumer });
  } finally {
    const stopped = consumer.stop({ deadlineMs: 1_000 });
    await clock.advance(2 * minute);
    await stopped;
    clock.uninstall();
  }
}

describe('the lag of a consumer', () => {
  it('is 0 on an idle stream, follows the oldest unsettled record, and lets checkpoints come later', async () => {
    let open: (() => void) | undefined;
    const reducer = defineReducer({
      init: () => 0,
      reduce: async (count: number) => {
        await new Promise<void>((resolve) => (open = resolve));
        return count + 1;
      },
    });
    await running(reducer, async ({ clock, stream, consumer }) => {
      const lag = () => consumer.status().lag;
      expect(lag()).to.deep.equal({ maxMillisBehindLatest: 0, checkpointAgeMs: 0, unread: null });
      await clock.advance(minute);
      stream.put({ partitionKey: 'a', data: '1' });
      await clock.advance(2_000);
      stream.put({ partitionKey: 'b', data: '2' });
      await clock.advance(3_000);
      expect(consumer.status().shards[0]).to.include({ lagMs: 5_000, checkpointAgeMs: 5_000, millisBehindLatest: 0 });
      expect(lag(), 'reading keeps up').to.include({ maxMillisBehindLatest: 0, checkpointAgeMs: 5_000 });
      open!();
      await clock.advance(1);
      const [shard] = consumer.status().shards;
      expect(shard!.lagMs, 'the second').to.equal(3_001);
      expect(shard!.checkpointAgeMs, 'the first is not durable yet').to.equal(5_001);
      open!();
      await clock.advance(1);
      expect(consumer.status().shards[0]!.lagMs).to.equal(0);
      expect(lag().checkpointAgeMs).to.be.above(5_000);
      await clock.advance(10_000);
      expect(lag()).to.deep.equal({ maxMillisBehindLatest: 0, checkpointAgeMs: 0, unread: null });
    });
  });

  it('is never 0 while the pipeline is down with a record unsettled: unknown first, then the time without a reader', async () => {
    const reducer = defineReducer({ init: () => 0, reduce: () => Promise.reject(new Error('no disk')) as never });
    const check: Parameters<typeof running>[1] = async ({ clock, stream, consumer }) => {
      consumer.closed.catch(() => {});
      stream.put({ partitionKey: 'a', data: '1' });
      const known: number[] = [];
      let down = 0;
      for (let passed = 0; passed < 2 * minute; passed += 250) {
        await clock.advance(250);
        const { lag, shards, state } = consumer.status();
        if (state !== 'running' || shards.length > 0) continue;
        down += 1;
        known.push(...[lag.checkpointAgeMs, lag.maxMillisBehindLatest].flatMap((ms) => ms ?? []));
      }
      expect(down, 'looks while the pipeline was down').to.be.above(100);
      expect(known.length, 'looks at which the lease had long had no reader').to.be.above(10);
      expect(Math.min(...known)).to.be.above(9_000);
    };
    await running(reducer, check, { onFailure: 'crash', callDeadlineMs: 60_000 });
  });

  it('counts a shard that no worker reads, in both figures', () => {
    const actor = (kind: string, state: object): ActorSnapshot => ({
      ...{ path: `${kind}/0#1`, kind, phase: 'running', state, queued: 0, effects: [], children: [] },
    });
    const figures = (...tree: readonly ActorSnapshot[]) => lagOf(tree, shardsOf(tree));
    const shardWorker = { source: 's', shardId: 'a', lagMs: 7_000, readLagMs: 2_000 };
    const seen = { table: 'orders', scanAgeMs: 1, startable: 0 };
    expect(figures(), 'nothing is known').to.include({ maxMillisBehindLatest: null, checkpointAgeMs: null });
    expect(figures(actor('lease-coordinator', { table: 'orders' })), 'no scan yet').to.include({
      checkpointAgeMs: null,
    });
    expect(figures(actor('lease-coordinator', seen)), 'no lease').to.include({ checkpointAgeMs: 0 });
    expect(figures(actor('lease-coordinator', { ...seen, startable: 1 })), 'its worker is to come').to.include({
      ...{ maxMillisBehindLatest: null, checkpointAgeMs: null },
    });
    const keeper = actor('lease-keeper', { source: 's', shardId: 'a', uncheckpointedMs: 9_000 });
    expect(figures(actor('lease-coordinator', seen), actor('shard-worker', shardWorker), keeper)).to.deep.equal({
      ...{ maxMillisBehindLatest: 2_000, checkpointAgeMs: 9_000, unread: null },
    });
    expect(figures(actor('lease-coordinator', { ...seen, startable: 1 }), keeper), 'its worker is gone').to.include({
      ...{ maxMillisBehindLatest: null, checkpointAgeMs: 9_000 },
    });
    const longestUnread = { leaseKey: 'b', ms: 40_000 };
    expect(
      figures(actor('lease-coordinator', { ...seen, longestUnread }), actor('shard-worker', shardWorker)),
    ).to.deep.equal({
      ...{ maxMillisBehindLatest: 40_000, checkpointAgeMs: 40_000 },
      unread: { table: 'orders', leaseKey: 'b', forMs: 40_000 },
    });
  });
});

describe('what a reducer learns about the read of a record', () => {
  type Told = Pick<FlushContext, 'fetchedAt' | 'millisBehindLatest'>;
  const told = ({ fetchedAt, millisBehindLatest }: Told): Told => ({ fetchedAt, millisBehindLatest });

  /** Two records come by one read, and a third by another. The fake stream says 1 ms behind while a shard has more. */
  const play = async (reducer: ConsumerOptions['reducer']): Promise<number> => {
    let firstAt = 0;
    await running(reducer, async ({ clock, stream }) => {
      await clock.advance(minute);
      firstAt = clock.wallNow();
      stream.put({ partitionKey: 'a', data: '1' }, { partitionKey: 'a', data: '2' });
      await clock.advance(300);
      stream.put({ partitionKey: 'a', data: '3' });
      await clock.advance(5_000);
    });
    return firstAt;
  };

  it('is on each item, and for `flush` and `process` the earliest fetch of all items of the call', async () => {
    const items: Told[] = [];
    const flushes: Told[] = [];
    const firstAt = await play(
      defineReducer({
        init: () => 0,
        reduce: (count: number, item) => (items.push(told(item)), count + 1),
        flush: (_, context) => void flushes.push(told(context)),
        batch: { intervalMs: 1_000 },
      }),
    );
    expect(items).to.deep.equal([0, 0, 300].map((ms) => ({ fetchedAt: firstAt + ms, millisBehindLatest: 0 })));
    expect(flushes).to.deep.equal([{ fetchedAt: firstAt, millisBehindLatest: 0 }]);

    const batches: Told[] = [];
    const from = await play(
      defineReducer({
        process: (_: readonly Item[], context) => void batches.push(told(context)),
        batch: { size: 10, intervalMs: 1_000 },
      }),
    );
    expect(batches).to.deep.equal([{ fetchedAt: from, millisBehindLatest: 0 }]);
  });

  it('is on the items of a raw behaviour', async () => {
    const items: Told[] = [];
    const firstAt = await play(
      defineReducer({
        init: () => 0,
        behaviour: (state: number, message: ReducerMessage, context) => {
          if (message.type !== 'items') return state;
          for (const item of message.items) {
            items.push(told(item));
            context.ack(item.token);
          }
          return state;
        },
      }),
    );
    expect(items.map(({ fetchedAt }) => fetchedAt - firstAt)).to.deep.equal([0, 0, 300]);
  });
});
