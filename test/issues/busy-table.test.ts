// Symptom: on a table that carries 100 writes a second, one of 300 shards was started in 49 s. Cause: every take was sent at once.
// The takes queued at the table or in the client's sockets until their time limit, which had already begun, and were sent again.
// (This model has neither sockets nor reads. In it, the symptom needs a table of 90 writes a second.)
import { expect } from 'chai';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { leaseRow, memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { narrowStore, type Narrow, type NarrowStore } from '../support/narrow-store.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const shards = 300;

describe('a lease table that carries few writes', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  async function start(
    kind: Narrow['kind'],
    writesPerSecond: number,
  ): Promise<VirtualConsumer & { table: NarrowStore }> {
    const stream = fakeStream({ clock, shards });
    const rows = stream.shardIds().map((shardId) => leaseRow({ leaseKey: shardId }));
    const requestTimeoutMs = 10_000 / 3;
    const table = narrowStore(memoryLeaseStore(rows), { kind, writesPerSecond, clock, requestTimeoutMs });
    const source = { ...stream.source, openLeases: () => table };
    const made = virtualConsumer(clock, { stream: { ...stream, source } });
    await inVirtualTime(clock, made.consumer.start());
    return { ...made, table };
  }

  it('carries the leases of at least 250 shards at 80 writes a second, without a loss (queues)', async () => {
    const { consumer, heard, table } = await start('queues', 80);
    await clock.advance(60_000);
    expect(heard('shardStarted').length).to.be.within(250, 280);
    expect(heard('leaseLost')).to.deep.equal([]);
    expect(table.timedOut()).to.equal(0);
    await inVirtualTime(clock, consumer.stop());
  });

  for (const kind of ['queues', 'refuses'] as const) {
    it(`carries all 300 leases within two minutes at 100 writes a second, without a loss (${kind})`, async () => {
      const { consumer, heard } = await start(kind, 100);
      const read = (): number => consumer.status().shards.filter(({ doing }) => doing === 'reading').length;
      await clock.advanceUntil(() => heard('shardStarted').length === shards, 120_000);
      expect(read()).to.equal(shards);
      await clock.advance(30_000);
      expect(heard('leaseLost')).to.deep.equal([]);
      expect(heard('shardStarted')).to.have.length(shards);
      expect(read()).to.equal(shards);
      expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
      await inVirtualTime(clock, consumer.stop());
    });

    it(`leaves leases without an owner at 50 writes a second, reports them, and loses none (${kind})`, async () => {
      const { consumer, heard } = await start(kind, 50);
      await clock.advance(120_000);
      const started = heard('shardStarted').length;
      expect(heard('leaseLost')).to.deep.equal([]);
      expect(started).to.be.within(130, 175);
      expect(consumer.status().shards.filter(({ doing }) => doing === 'reading')).to.have.length(started);
      expect(heard('leaseTableBusy')).to.have.length(1);
      expect(heard('leaseTableBusy')[0]!.leases).to.be.within(shards - 200, shards);
      expect(consumer.ready().reasons.join()).to.match(/is too slow: \d+ leases have no owner/);
      await inVirtualTime(clock, consumer.stop());
    });
  }
});
