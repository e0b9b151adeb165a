// A consumer cares for its lease table over minutes and hours, in virtual time. The tests are about holes, missing hash ranges,
// the clean-up of ended shards, and workers that join and stop by the dozen.
import { expect } from 'chai';
import type { StreamSource } from '../../src/api/ports.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import type { MemoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { textOf } from '../support/consumer-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { seeded, virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const idOf = (index: number): string => `shardId-${String(index).padStart(12, '0')}`;

describe('a consumer that cares for its lease table', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  const put = (stream: FakeStream, count: number, from = 0): void =>
    void stream.put(
      ...Array.from({ length: count }, (_, index) => ({ partitionKey: `k${from + index}`, data: `${from + index}` })),
    );
  const seen = (...all: readonly VirtualConsumer[]): Set<string> =>
    new Set(all.flatMap((each) => each.seen.map(textOf)));
  const table = (stream: FakeStream): MemoryLeaseStore => stream.leases.get('orders') as MemoryLeaseStore;
  /** The stream with this `listShards` instead of its own. */
  const listing = (stream: FakeStream, listShards: StreamSource['listShards']): FakeStream => {
    const port: StreamSource = { ...stream.port, listShards };
    return { ...stream, source: { ...stream.source, open: () => port } };
  };

  it('reports a hole in the hash keys that lasts, and creates the missing row in a full sync', async () => {
    const stream = fakeStream({ shards: 2, clock });
    let blind = false;
    // The listing fails for a while. So no shard sync can create the missing row, and only the audit sees the hole.
    const only = virtualConsumer(clock, {
      stream: listing(stream, (filter, signal) =>
        blind ? Promise.reject(new Error('the service is away')) : stream.port.listShards(filter, signal),
      ),
    });
    await inVirtualTime(clock, only.consumer.start());
    await clock.advance(5_000);
    await inVirtualTime(clock, only.consumer.stop());
    const next = virtualConsumer(clock, {
      stream: listing(stream, (filter, signal) =>
        blind ? Promise.reject(new Error('the service is away')) : stream.port.listShards(filter, signal),
      ),
      leases: { maxLeases: 1 },
    });
    await inVirtualTime(clock, next.consumer.start());
    await clock.advance(5_000);
    blind = true;
    const [free] = [...table(stream).rows.values()].filter(({ leaseOwner }) => leaseOwner === undefined);
    table(stream).rows.delete(free?.leaseKey ?? '');
    put(stream, 100);
    await clock.advance(3 * 121_000);
    expect(next.heard('leaseHole').length).to.be.at.least(1);
    expect(next.heard('leaseHole')[0]).to.deep.include({
      table: 'orders',
      startingHashKey: free?.startingHashKey,
      endingHashKey: free?.endingHashKey,
    });
    blind = false;
    await clock.advance(130_000);
    expect(table(stream).rows.has(free?.leaseKey ?? '')).to.equal(true);
    const second = virtualConsumer(clock, { stream, workerId: 'second' });
    await inVirtualTime(clock, second.consumer.start());
    await clock.advance(20_000);
    expect(seen(next, second).size).to.equal(100);
    for (const { consumer } of [next, second]) await inVirtualTime(clock, consumer.stop());
  });

  it('reads the shard of a row without hash range, and adds the range in the audit', async () => {
    const stream = fakeStream({ shards: 1, clock });
    const before = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, before.consumer.start());
    await clock.advance(2_000);
    await inVirtualTime(clock, before.consumer.stop());
    const { startingHashKey, endingHashKey, ...bare } = table(stream).row(idOf(0));
    table(stream).rows.set(idOf(0), bare);
    put(stream, 10);
    const after = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, after.consumer.start());
    await clock.advance(2_000);
    expect(seen(after).size).to.equal(10);
    await clock.advance(125_000);
    expect(table(stream).row(idOf(0))).to.include({ startingHashKey, endingHashKey });
    await inVirtualTime(clock, after.consumer.stop());
  });

  it('removes the row of an ended shard once its children are read, and reads nothing twice', async () => {
    const stream = fakeStream({ shards: 1, clock });
    const only = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, only.consumer.start());
    put(stream, 20);
    await clock.advance(2_000);
    stream.split(idOf(0));
    put(stream, 40, 20);
    await clock.advance(10_000);
    expect(table(stream).row(idOf(0)).checkpoint).to.equal('SHARD_END');
    await clock.advance(150_000);
    expect([...table(stream).rows.keys()].toSorted()).to.deep.equal([idOf(1), idOf(2)]);
    await clock.advance(600_000);
    expect([...table(stream).rows.keys()].toSorted(), 'and does not come back').to.deep.equal([idOf(1), idOf(2)]);
    await inVirtualTime(clock, only.consumer.stop());
    const next = virtualConsumer(clock, { stream });
    await inVirtualTime(clock, next.consumer.start());
    await clock.advance(10_000);
    expect(next.seen).to.deep.equal([]);
    expect(only.seen).to.have.length(60);
    await inVirtualTime(clock, next.consumer.stop());
  });

  it('loses nothing and keeps the order of keys while workers join and stop during splits', async () => {
    const stream = fakeStream({ shards: 4, clock });
    const random = seeded(42);
    const order: string[] = [];
    const all: VirtualConsumer[] = [];
    const join = (): VirtualConsumer => {
      const made = virtualConsumer(clock, {
        stream,
        workerId: `w${all.length}`,
        runtime: { random },
        onItem: (item) => void order.push(textOf(item)),
      });
      all.push(made);
      void made.consumer.start();
      return made;
    };
    let count = 0;
    join();
    join();
    for (let round = 0; round < 40; round += 1) {
      stream.put(...Array.from({ length: 25 }, () => ({ partitionKey: `k${count % 40}`, data: `${count++}` })));
      const chance = random.next();
      const running = all.filter(({ consumer }) => consumer.status().state === 'running');
      if (chance < 0.2) join();
      else if (chance < 0.35 && running.length > 1) void running[0]?.consumer.stop({ deadlineMs: 1_000 });
      else if (chance < 0.5) {
        const open = stream.shardIds().filter((shardId) => table(stream).rows.get(shardId)?.leaseOwner !== undefined);
        const shardId = open[Math.floor(random.next() * open.length)];
        try {
          if (shardId !== undefined) stream.split(shardId);
        } catch {
          // The consumer was already closed.
        }
      }
      await clock.advance(3_000 + random.next() * 5_000);
    }
    await clock.advance(60_000);
    expect(seen(...all).size).to.equal(count);
    for (const { consumer } of all) await inVirtualTime(clock, consumer.stop());
    // The row of an ended shard keeps its owner until the clean-up removes the row.
    for (const row of table(stream).rows.values())
      if (row.checkpoint !== 'SHARD_END') expect(row.leaseOwner, row.leaseKey).to.equal(undefined);
    const last = new Map<number, number>();
    const first = new Set<string>();
    for (const id of order) {
      if (first.has(id)) continue;
      first.add(id);
      const key = Number(id) % 40;
      expect(Number(id), `key ${key}`).to.be.above(last.get(key) ?? -1);
      last.set(key, Number(id));
    }
  });
});
