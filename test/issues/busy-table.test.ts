// Symptom: of 300 shards on a table that carries 100 writes a second one was started in 49 s. Cause: every take was sent at once;
// they queued, at the table or in the client's sockets, until their time limit, which counted from there, and were sent again.
// (In this model, which has neither sockets nor reads, it took a table of 90 a second for that.)
import { expect } from 'chai';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { leaseRow, memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { narrowStore } from '../support/narrow-store.js';
import type { Narrow, NarrowStore } from '../support/narrow-store.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import type { VirtualConsumer } from '../support/virtual-consumer.js';

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

  it('of 80 a second, and queues: as many are read as it carries, instead of none', async () => {
    const { consumer, heard, table } = await start('queues', 80);
    await clock.advance(60_000);
    expect(heard('shardStarted').length).to.be.within(250, 280);
    expect(heard('leaseLost')).to.deep.equal([]);
    expect(table.timedOut()).to.equal(0);
    await inVirtualTime(clock, consumer.stop());
  });

  for (const kind of ['queues', 'refuses'] as const) {
    it(`of 100 a second, and ${kind}: all of 300 shards are read within two minutes, and no lease is lost`, async () => {
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

    it(`of 50 a second, and ${kind}: nothing is lost, the rest stays without an owner, and an event says so`, async () => {
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
