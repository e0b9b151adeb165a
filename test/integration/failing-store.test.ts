// A consumer with the default policy while its store is down, and while one record always fails: what `status()`, `ready()` and a stop
// say, and that nothing restarts, ends or is lost.
import { expect } from 'chai';
import { defineReducer } from '../../src/api/reducer.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { retry } from '../../src/options/retry-policy.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualOptions } from '../support/virtual-consumer.js';
import { textOf } from '../support/consumer-harness.js';

const ids = (count: number): string[] => Array.from({ length: count }, (_, place) => `${place}`);

describe('a consumer under the default policy', () => {
  const clock = new ManualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  /** A consumer whose calls fail for the records that `fails` names. */
  async function started(fails: (id: string) => boolean, more: VirtualOptions = {}) {
    const done: string[] = [];
    const only = virtualConsumer(clock, {
      onFailure: retry(),
      onItem: (item) => {
        if (fails(textOf(item))) throw new Error('connect ECONNREFUSED');
        done.push(textOf(item));
      },
      ...more,
    });
    await inVirtualTime(clock, only.consumer.start());
    return { ...only, done };
  }

  it('waits out an outage of its store: no restart, no end, and every record once', async () => {
    let isDown = false;
    const { consumer, stream, done, heard } = await started(() => isDown);
    for (const id of ids(50)) stream.put({ partitionKey: id, data: id });
    await clock.advance(5_000);
    isDown = true;
    for (const id of ids(200)) stream.put({ partitionKey: id, data: `later ${id}` });
    for (let waited = 0; heard('outageStarted').length === 0; waited += 10) {
      expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
      expect(waited).to.be.below(5_000);
      await clock.advance(10);
    }
    expect(consumer.ready().reasons.join()).to.match(
      /^an outage has lasted for 0 s( \(in 2 reducers\))?: key '\d+' is tried: connect ECONNREFUSED$/,
    );
    await clock.advance(30_000);
    expect(consumer.ready().reasons[0]).to.match(
      /^an outage has lasted for \d\d s \(in 2 reducers\): key '\d+' is tried: /,
    );
    await clock.advance(30_000);
    expect(heard('outageStarted')).to.have.length(2);
    isDown = false;
    await clock.advance(60_000);
    expect(done).to.have.length(250);
    expect(new Set(done).size).to.equal(250);
    expect(consumer.status().restarts).to.equal(0);
    expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
    expect(heard('outageEnded')).to.have.length(2);
    const { drained } = await inVirtualTime(clock, consumer.stop());
    expect(drained).to.equal(true);
  });

  it('names in `status()` and `ready()` the key that one bad record holds, and goes on with all others', async () => {
    const { consumer, stream, done } = await started((id) => id === '7');
    for (const id of ids(100)) stream.put({ partitionKey: `k${Number(id) % 20}`, data: id });
    await clock.advance(70_000);
    // Of its key k7, the records 27, 47, 67 and 87 wait behind it.
    expect(done).to.have.length(95);
    const [reason] = consumer.ready().reasons;
    expect(reason).to.match(
      /^key 'k7' \(record \d+ of fake\/shardId-0+\) has waited for \d+ s, after \d+ failed attempts: connect ECONN/,
    );
    const [shard] = consumer.status().shards;
    expect(shard?.oldestOpen).to.include({ doing: 'waiting' });
    await inVirtualTime(clock, consumer.stop());
  });

  it('stops soon, without waiting for its deadline, and reports that it has not drained', async () => {
    const { consumer, stream, heard } = await started((id) => id === '7');
    for (const id of ids(20)) stream.put({ partitionKey: id, data: id });
    await clock.advance(5_000);
    const before = clock.now();
    const { drained, leases, waiting } = await inVirtualTime(clock, consumer.stop());
    expect(clock.now() - before).to.be.below(5_000);
    expect(drained).to.equal(false);
    expect(leases[0]).to.include({ released: true });
    expect(leases[0]?.recordsLeft).to.equal(1);
    const [, , , , , , , { sequenceNumber } = { sequenceNumber: '' }] = stream.recordsOf('shardId-000000000000');
    const [left, ...others] = waiting;
    expect(others).to.deep.equal([]);
    expect(left).to.include({
      source: 'fake',
      shardId: 'shardId-000000000000',
      sequenceNumber,
      key: '7',
      at: 'reduce',
    });
    expect(left).to.include({ error: 'connect ECONNREFUSED' });
    expect(left?.forMs).to.be.within(4_000, 6_000);
    expect(heard('warning').map(({ message }) => message)[0]).to.match(
      /^the stop has not drained: 1 records of fake\/shardId-0+ come again elsewhere; key '7' \(record \d+ of .* after \d+ failed attempts: connect ECONNREFUSED$/,
    );
  });

  it('names in the report of a stop what waits behind a failing item, and in a flush, also if the deadline cuts the drain', async () => {
    const flushing = virtualConsumer(clock, {
      onFailure: retry(),
      reducers: 1,
      reducer: defineReducer({
        init: () => 0,
        reduce: (count: number) => count + 1,
        batch: { size: 2 },
        flush: () => {
          throw new Error('read-only');
        },
      }),
    });
    await inVirtualTime(clock, flushing.consumer.start());
    for (const id of ids(5)) flushing.stream.put({ partitionKey: id, data: id });
    await clock.advance(5_000);
    const flushed = await inVirtualTime(clock, flushing.consumer.stop());
    const named = flushed.waiting.map(({ key, at, attempts, error }) => [key, at, attempts > 0, error]);
    expect(named.sort()).to.deep.equal([
      ['0', 'flush', true, 'read-only'],
      ['1', 'flush', true, 'read-only'],
      ['2', 'reduce', false, 'read-only'],
      ['3', 'reduce', false, 'read-only'],
      ['4', 'reduce', false, 'read-only'],
    ]);

    const { consumer, stream } = await started(() => true, {
      reducers: 1,
      onItem: (item) => {
        if (textOf(item) === '9') return new Promise(() => {});
        throw new Error('no');
      },
    });
    for (const id of ['0', '1', '2', '9']) stream.put({ partitionKey: id === '9' ? '9' : 'k', data: id });
    await clock.advance(1_000);
    const cut = await inVirtualTime(clock, consumer.stop({ deadlineMs: 3_000 }));
    expect(cut.drained).to.equal(false);
    expect(cut.waiting.map(({ key, attempts }) => [key, attempts > 0])).to.deep.equal([
      ['k', true],
      ['k', false],
      ['k', false],
      ['9', false],
    ]);
  });

  it('is not ended by the watchdog while records wait', async () => {
    const { consumer, stream } = await started((id) => id === '7', { watchdogMs: 10_000 });
    for (const id of ids(20)) stream.put({ partitionKey: id, data: id });
    await clock.advance(300_000);
    expect(consumer.status().restarts).to.equal(0);
    await inVirtualTime(clock, consumer.stop());
  });

  it('reads on until `maxPending` records are open, and then no more', async () => {
    const { consumer, stream, done } = await started((id) => id === '0', { maxPending: 10, maxBytes: 10_000_000 });
    for (const id of ids(2_000)) stream.put({ partitionKey: id, data: id });
    await clock.advance(60_000);
    // The span: 64 × maxPending records follow the oldest open one.
    expect(done).to.have.length(639);
    await inVirtualTime(clock, consumer.stop());
  });
});

describe('a lease that is asked for while its shard has a record that waits', () => {
  it('is refused soon, and its holder reads on', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      let isDown = true;
      const onItem = (item: Parameters<NonNullable<VirtualOptions['onItem']>>[0]): void => {
        if (isDown && textOf(item) === '0') throw new Error('down');
      };
      const first = virtualConsumer(clock, {
        onFailure: retry(),
        onItem,
        streamOptions: { shards: 2 },
        workerId: 'one',
      });
      await inVirtualTime(clock, first.consumer.start());
      for (const id of ids(40)) first.stream.put({ partitionKey: id, data: id });
      await clock.advance(5_000);
      const second = virtualConsumer(clock, { onFailure: retry(), onItem, stream: first.stream, workerId: 'two' });
      await inVirtualTime(clock, second.consumer.start());
      await clock.advance(60_000);
      const held = (of: typeof first): number => of.consumer.status().shards.length;
      expect(held(first) + held(second)).to.equal(2);
      isDown = false;
      await clock.advance(120_000);
      const counts = new Map<string, number>();
      for (const item of [...first.seen, ...second.seen]) counts.set(textOf(item), (counts.get(textOf(item)) ?? 0) + 1);
      expect([...counts].filter(([id, times]) => id !== '0' && times > 1)).to.deep.equal([]);
      expect(counts.size).to.equal(40);
      for (const { consumer } of [first, second])
        expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
    } finally {
      clock.uninstall();
    }
  });
});
