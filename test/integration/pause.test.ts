// `consumer.pause()` and `resume()`: nothing is read or handed out in between, what is in flight is finished and checkpointed, the
// leases stay, and nothing takes the pause for a fault.
import { expect } from 'chai';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { defineReducer } from '../../src/api/reducer.js';
import { retry } from '../../src/options/retry-policy.js';
import { gate } from '../support/gate.js';
import { textOf } from '../support/consumer-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const put = ({ stream }: VirtualConsumer, from: number, to: number): void => {
  for (let id = from; id < to; id += 1) stream.put({ partitionKey: `${id}`, data: `${id}` });
};
const sorted = ({ seen }: VirtualConsumer): number[] => seen.map((item) => Number(textOf(item))).sort((a, b) => a - b);
const numbers = (to: number): number[] => Array.from({ length: to }, (_, id) => id);

describe('a consumer that the application pauses', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it('hands out nothing more until it is resumed, and then every record once; it keeps its leases', async () => {
    const only = virtualConsumer(clock, { streamOptions: { shards: 3 } });
    const { consumer, heard } = only;
    await inVirtualTime(clock, consumer.start());
    put(only, 0, 30);
    await clock.advance(2_000);
    expect(sorted(only)).to.deep.equal(numbers(30));

    consumer.pause();
    consumer.pause();
    put(only, 30, 60);
    await clock.advance(600_000);
    expect(only.seen).to.have.length(30);
    expect(consumer.status().shards.map(({ doing }) => doing)).to.deep.equal(['paused', 'paused', 'paused']);
    expect(consumer.status().pausedForMs).to.equal(600_000);
    expect(consumer.ready()).to.deep.equal({
      ok: false,
      reasons: ['the application paused the consumer 600 s ago: no shard is read until it resumes it'],
    });
    expect(consumer.live().ok).to.equal(true);

    consumer.resume();
    consumer.resume();
    await clock.advance(2_000);
    expect(sorted(only)).to.deep.equal(numbers(60));
    expect(consumer.status().pausedForMs).to.equal(null);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    expect(heard('paused')).to.have.length(1);
    expect(heard('resumed')).to.deep.equal([{ forMs: 600_000 }]);
    for (const name of ['leaseLost', 'leaseUnread', 'warning', 'pipelineRestarted', 'noProgress'] as const)
      expect(heard(name), name).to.deep.equal([]);
    expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
  });

  it('finishes and checkpoints what is in flight', async () => {
    const { opened, open } = gate();
    const only = virtualConsumer(clock, { onItem: () => opened });
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 20);
    await clock.advance(1_000);
    only.consumer.pause();
    await clock.advance(1_000);
    open();
    await clock.advance(20_000);
    expect(sorted(only)).to.deep.equal(numbers(20));
    expect(only.heard('checkpoint').at(-1)?.sequenceNumber).to.equal(
      only.stream.recordsOf('shardId-000000000000').at(-1)?.sequenceNumber,
    );
    await inVirtualTime(clock, only.consumer.stop());
  });

  it('asks for a flush when it pauses: what waits for a fuller batch would wait until it is resumed', async () => {
    const flushed: number[] = [];
    const only = virtualConsumer(clock, {
      reducers: 1,
      watchdogMs: 10_000_000,
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number) => count + 1,
        batch: { size: 1_000, intervalMs: 3_000_000 },
        flush: (count) => (flushed.push(count), 0),
      }),
    });
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 7);
    await clock.advance(1_000);
    expect(flushed).to.deep.equal([]);
    only.consumer.pause();
    await clock.advance(1_000);
    expect(flushed).to.deep.equal([7]);
    await inVirtualTime(clock, only.consumer.stop());
  });

  it('is not ended by the watchdog, nor warned of, while a reducer waits for more items before it acknowledges', async () => {
    const held: (() => void)[] = [];
    const only = virtualConsumer(clock, {
      reducers: 1,
      maxPending: 4,
      watchdogMs: 20_000,
      reducer: defineReducer({
        init: () => 0,
        acknowledge: 'manual',
        reduce: (count: number, { token }, ctx) => {
          held.push(() => ctx.ack(token));
          if (held.length === 4) for (const ack of held.splice(0)) ack();
          return count + 1;
        },
      }),
    });
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 2);
    await clock.advance(1_000);
    only.consumer.pause();
    await clock.advance(200_000);
    // The time of the watchdog begins again, because the reducer could not get more items before.
    only.consumer.resume();
    await clock.advance(15_000);
    only.consumer.pause();
    put(only, 2, 20);
    await clock.advance(200_000);
    only.consumer.resume();
    await clock.advance(15_000);
    expect(only.consumer.status().restarts).to.equal(0);
    expect(only.heard('warning')).to.deep.equal([]);
    expect(held).to.have.length(0);
    await inVirtualTime(clock, only.consumer.stop());
  });

  it('is ended by the watchdog if a call of yours does not end: that is no effect of the pause', async () => {
    const only = virtualConsumer(clock, {
      watchdogMs: 20_000,
      callDeadlineMs: 1_000,
      onItem: () => new Promise(() => {}),
    });
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 1);
    await clock.advance(1_000);
    only.consumer.pause();
    await clock.advance(30_000);
    expect(only.consumer.status().restarts).to.equal(1);
    await inVirtualTime(clock, only.consumer.stop({ deadlineMs: 1_000 }));
  });

  it('may be paused before it starts, and stays paused over a restart and for shards that it takes later', async () => {
    let fails = true;
    const only = virtualConsumer(clock, {
      onItem: () => {
        if (fails) throw new Error('no');
      },
    });
    only.consumer.pause();
    put(only, 0, 10);
    await inVirtualTime(clock, only.consumer.start());
    await clock.advance(60_000);
    expect(only.seen).to.deep.equal([]);
    expect(only.heard('shardStarted')).to.deep.equal([]);

    only.consumer.resume();
    await clock.advance(100);
    only.consumer.pause();
    await clock.advance(10_000);
    expect(only.consumer.status().restarts, 'the first item has crashed').to.equal(1);
    fails = false;
    const before = only.seen.length;
    await clock.advance(60_000);
    only.stream.split('shardId-000000000000');
    put(only, 10, 20);
    await clock.advance(120_000);
    expect(only.seen).to.have.length(before);
    expect(only.heard('shardEnded'), 'the end of a shard waits').to.deep.equal([]);

    only.consumer.resume();
    await clock.advance(60_000);
    expect([...new Set(sorted(only))]).to.deep.equal(numbers(20));
    expect(only.heard('shardEnded')).to.have.length(1);
    expect((await inVirtualTime(clock, only.consumer.stop())).drained).to.equal(true);
  });

  it('does not end a shard whose end a read finds during the pause', async () => {
    const only = virtualConsumer(clock);
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 3);
    await clock.advance(1_000);
    only.consumer.pause();
    only.stream.split('shardId-000000000000');
    await clock.advance(60_000);
    expect(only.heard('shardEnded')).to.deep.equal([]);
    only.consumer.resume();
    await clock.advance(30_000);
    expect(only.heard('shardEnded')).to.have.length(1);
    await inVirtualTime(clock, only.consumer.stop());
  });

  it('stops as soon as what is in flight is done, drained', async () => {
    const only = virtualConsumer(clock);
    await inVirtualTime(clock, only.consumer.start());
    put(only, 0, 10);
    await clock.advance(1_000);
    only.consumer.pause();
    put(only, 10, 2_000);
    await clock.advance(1_000);
    const before = clock.now();
    expect((await inVirtualTime(clock, only.consumer.stop())).drained).to.equal(true);
    expect(clock.now() - before).to.be.below(3_000);
    only.consumer.resume();
    only.consumer.pause();
    expect(only.heard('resumed'), 'no effect after stop').to.deep.equal([]);
    expect(only.heard('paused')).to.have.length(1);
  });

  for (const waiting of [false, true])
    it(`hands over a shard of its own to a worker that is not paused${waiting ? ', with records fetched before the pause' : ''}`, async () => {
      const isSlow = { now: waiting };
      const onItem = (): unknown => (isSlow.now ? new Promise<void>((resolve) => clock.after(20, resolve)) : undefined);
      const options = { streamOptions: { shards: 2 }, maxPending: 5, onFailure: retry(), onItem };
      const first = virtualConsumer(clock, { ...options, workerId: 'one' });
      await inVirtualTime(clock, first.consumer.start());
      put(first, 0, 100);
      await clock.advance(500);
      first.consumer.pause();
      isSlow.now = false;
      put(first, 100, 120);
      await clock.advance(5_000);
      const seenFirst = first.seen.length;

      const second = virtualConsumer(clock, { ...options, stream: first.stream, workerId: 'two' });
      await inVirtualTime(clock, second.consumer.start());
      await clock.advance(60_000);
      expect(first.heard('leaseHandedOver')).to.have.length(1);
      expect(first.seen).to.have.length(seenFirst);
      expect(second.seen).to.have.length.above(0);

      first.consumer.resume();
      await clock.advance(30_000);
      const all = [...first.seen, ...second.seen].map((item) => Number(textOf(item))).sort((a, b) => a - b);
      expect(all, 'every record once').to.deep.equal(numbers(120));
      for (const { consumer } of [first, second])
        expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
    });
});
