// Symptom: a consumer that ended because its lease coordinator had crashed too often left every lease with its owner. Peers had to
// wait for the failover time. Cause: the actor that could have released the leases was dead. Rule: the leases are released before
// `closed` rejects. The same holds for a stop during a coordinator's restart (stop-unheard.test.ts).
import { expect } from 'chai';
import { expectNothingLost, ManualClock, nemesis, type FakeStream } from '../../src/testing/index.js';
import { textOf } from '../support/consumer-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a consumer whose lease coordinator has crashed too often', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  const rowsOf = (stream: FakeStream) => [...(stream.leases.get('orders')?.rows.values() ?? [])];
  const ids = (from: number, count: number): string[] => Array.from({ length: count }, (_, index) => `${from + index}`);
  const put = (stream: FakeStream, given: readonly string[]): void =>
    void stream.put(...given.map((id) => ({ partitionKey: id, data: id })));

  const killed = async (everyMs: number) => {
    const one = virtualConsumer(clock, { streamOptions: { shards: 3 } });
    await inVirtualTime(clock, one.consumer.start());
    await clock.advance(3_000);
    put(one.stream, ids(0, 30));
    await clock.advance(1_000);
    const closed = one.consumer.closed.catch((error: unknown) => error);
    const chaos = nemesis(one.consumer, { seed: 1 });
    for (let times = 0; times < 3; times += 1) {
      chaos.kill('lease-coordinator');
      await clock.advance(everyMs);
    }
    expect(await inVirtualTime(clock, closed)).to.include({ code: 'RESTART_INTENSITY' });
    return one;
  };

  // 5 ms: before the next coordinator has scanned the table. 1,000 ms: when it holds the leases again.
  for (const everyMs of [5, 1_000]) {
    it(`releases its leases at their frontiers, and a peer continues within 3 s (crashes every ${everyMs} ms)`, async () => {
      const one = await killed(everyMs);
      expect(rowsOf(one.stream).map(({ leaseOwner }) => leaseOwner)).to.deep.equal([undefined, undefined, undefined]);
      put(one.stream, ids(30, 30));
      const peer = virtualConsumer(clock, { stream: one.stream, workerId: 'peer' });
      await inVirtualTime(clock, peer.consumer.start());
      await clock.advance(3_000);
      expect(peer.seen.map(textOf)).to.have.members(ids(30, 30));
      expectNothingLost(ids(0, 60), [...one.seen, ...peer.seen].map(textOf));
      await inVirtualTime(clock, peer.consumer.stop());
      expect(clock.pending()).to.equal(0);
    });
  }
});

describe('a stop beside a lease coordinator that does not answer', () => {
  it('ends within 2 s after its deadline, and releases the leases, but reports that it has not drained', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      const one = virtualConsumer(clock, { streamOptions: { shards: 3 } });
      await inVirtualTime(clock, one.consumer.start());
      await clock.advance(3_000);
      const store = one.stream.leases.get('orders')!;
      const update = store.update.bind(store);
      store.update = (...given) => new Promise((resolve) => void clock.after(100, () => resolve(update(...given))));
      nemesis(one.consumer, { seed: 1 }).pause('lease-coordinator');
      const begun = clock.now();
      const { leases, drained } = await inVirtualTime(clock, one.consumer.stop({ deadlineMs: 2_000 }));
      expect(clock.now() - begun).to.be.below(4_000);
      expect(drained).to.equal(false);
      expect(leases.map(({ released }) => released)).to.deep.equal([true, true, true]);
      expect([...store.rows.values()].filter(({ leaseOwner }) => leaseOwner !== undefined)).to.deep.equal([]);
    } finally {
      clock.uninstall();
    }
  });
});

describe('a lease that a dead coordinator left behind', () => {
  const rowsOf = (stream: FakeStream) =>
    [...(stream.leases.get('orders')?.rows.values() ?? [])].map(({ leaseOwner }) => leaseOwner);

  it('stays with the peer that has taken it since, and is not reported as lost', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      const one = virtualConsumer(clock, { streamOptions: { shards: 3 } });
      await inVirtualTime(clock, one.consumer.start());
      await clock.advance(3_000);
      const lost: unknown[] = [];
      one.consumer.on('leaseLost', (data) => lost.push(data));
      const chaos = nemesis(one.consumer, { seed: 1 });
      // The next coordinator never reads the table, and the leases expire meanwhile.
      chaos.kill('lease-coordinator');
      chaos.hang('lease-coordinator');
      const peer = virtualConsumer(clock, { stream: one.stream, workerId: 'peer' });
      await inVirtualTime(clock, peer.consumer.start());
      await clock.advance(30_000);
      const { drained } = await inVirtualTime(clock, one.consumer.stop());
      expect(drained).to.equal(false);
      expect(rowsOf(one.stream)).to.deep.equal(['peer', 'peer', 'peer']);
      expect(lost).to.deep.equal([]);
      await inVirtualTime(clock, peer.consumer.stop());
    } finally {
      clock.uninstall();
    }
  });
});
