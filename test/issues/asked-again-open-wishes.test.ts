// Symptom: a worker had more than four open wishes. Cause: when the cool-down of wishes that it could not withdraw was over, it
// asked again, beside four other wishes. Rule: at most four wishes of a worker are open at a time.
import { expect } from 'chai';
import type { ManualClock } from '../../src/testing/index.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a worker whose wishes were refused and could not be withdrawn', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('has at most four open wishes', async () => {
    const a = virtualConsumer(clock, {
      streamOptions: { shards: 24 },
      workerId: 'a',
      reducers: 64,
      onItem: () => new Promise<void>((resolve) => void clock.after(25_000, resolve)),
    });
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    const store = a.stream.leases.get('orders')!;
    for (let index = 0; index < 100; index++) a.stream.put({ partitionKey: `key-${index}`, data: 'x' });
    await clock.advance(1_000);
    const { wish } = store;
    store.wish = (leaseKey, seen, wished, signal) =>
      wished.text === null ? Promise.reject(new Error('throttled')) : wish(leaseKey, seen, wished, signal);
    const b = virtualConsumer(clock, { stream: a.stream, workerId: 'b' });
    await inVirtualTime(clock, b.consumer.start());
    let most = 0;
    for (let passed = 0; passed < 60_000; passed += 100) {
      await clock.advance(100);
      const [table] = b.consumer.status().leases;
      const { leases } = table!.state as { leases: { here?: { phase: string } }[] };
      most = Math.max(most, leases.filter(({ here }) => here?.phase === 'wishing').length);
    }
    await inVirtualTime(clock, Promise.all([a.consumer.stop(), b.consumer.stop()]), 120_000);
    expect(most).to.equal(4);
  });
});
