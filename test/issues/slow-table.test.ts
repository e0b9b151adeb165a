// Symptom: a worker of 60 or more leases lost all of them within ten seconds on a table that took 260 ms for each write. A short
// time of such slow writes was enough. A worker that was always that far from its table never got more than 25 leases. Cause: the
// table's queue took every answer slower than failoverMs / 40 as a sign that requests queue at the table. It sent only two at a
// time, whatever the held leases needed.
import { expect } from 'chai';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { leaseRow, memoryLeaseStore } from '../../src/testing/memory-lease-store.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';
import type { LeaseStore } from '../../src/api/ports.js';

const shards = 120;

describe('a lease table that is slow to answer, but carries any number of writes', function () {
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
    it(`has all shards started within 40 s, and no lease lost (slow ${what})`, async () => {
      let ms: number = tookMs[0];
      const stream = fakeStream({ clock, shards });
      const inner = memoryLeaseStore(stream.shardIds().map((shardId) => leaseRow({ leaseKey: shardId })));
      const answered = (): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
      const store: LeaseStore = {
        ...inner,
        update: (...args) => answered().then(() => inner.update(...args)),
        wish: (...args) => answered().then(() => inner.wish(...args)),
        updateMeta: (...args) => answered().then(() => inner.updateMeta(...args)),
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
