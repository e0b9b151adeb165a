// Symptom: a lease table that took 260 ms for each write, or for a while, cost a worker of 60 leases or more every one of them
// within ten seconds; one that is that far away was never given more than 25. Cause: the queue of the table took every answer above
// failoverMs / 40 for a sign that requests queue there, and sent two at a time, whatever the leases that were held needed.
import { expect } from 'chai';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { leaseRow, memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import type { LeaseStore } from '../../src/api/ports.js';

const shards = 120;

describe('a lease table that takes long to answer, but carries whatever is sent to it', function () {
  this.timeout(20_000);
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  for (const [what, tookMs] of [
    ['from the start', [400, 400]],
    ['after a while', [10, 400]],
  ] as const) {
    it(`${what}: all shards are read within 20 s, and no lease is lost`, async () => {
      let ms: number = tookMs[0];
      const stream = fakeStream({ clock, shards });
      const inner = memoryLeaseStore(stream.shardIds().map((shardId) => leaseRow({ leaseKey: shardId })));
      const answered = (): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
      const store: LeaseStore = {
        ...inner,
        update: (...args) => answered().then(() => inner.update(...args)),
        wish: (...args) => answered().then(() => inner.wish(...args)),
        describeLease: (...args) => answered().then(() => inner.describeLease(...args)),
      };
      const source = { ...stream.source, openLeases: () => store };
      const { consumer, heard } = virtualConsumer(clock, { stream: { ...stream, source } });
      await inVirtualTime(clock, consumer.start());
      await clock.advance(20_000);
      ms = tookMs[1];
      await clock.advance(20_000);
      expect([heard('shardStarted').length, heard('leaseLost').length]).to.deep.equal([shards, 0]);
      expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
      await inVirtualTime(clock, consumer.stop());
    });
  }
});
