// Symptom: the shard of a dead holder stayed unread for another `failoverMs`. Cause: its row still had the wish of a crashed keeper
// of this process. So the worker resumed the wish, and asked the dead holder instead of taking the expired lease. Rule: an expired
// lease is taken, even if the row has a wish of this process.
import { expect } from 'chai';
import { actorsOf, crash } from '../../supervision/index.js';
import { failoverText } from '../../src/core/lease-failover.js';
import { writerPrefixOf, writerOf } from '../../src/core/writer-signature.js';
import type { ManualClock } from '../../src/testing/index.js';
import { inVirtualTime, virtualClock } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a lease of a dead holder, with the wish of a crashed keeper in its row', () => {
  let clock: ManualClock;
  beforeEach(() => (clock = virtualClock()));
  afterEach(() => clock.uninstall());

  it('is taken when it has expired, not another failoverMs later', async () => {
    const a = virtualConsumer(clock, { streamOptions: { shards: 3 }, workerId: 'a' });
    await inVirtualTime(clock, a.consumer.start());
    await clock.advance(3_000);
    await inVirtualTime(clock, a.consumer.stop());
    const store = a.stream.leases.get('orders')!;
    const writer = writerOf(writerPrefixOf('ghost', 'dead'), 1);
    for (const row of store.rows.values())
      store.put({ ...row, leaseOwner: 'ghost', kinactWriter: writer, kinactFailover: failoverText(10_000, writer) });
    const b = virtualConsumer(clock, { stream: a.stream, workerId: 'b' });
    await inVirtualTime(clock, b.consumer.start());
    const began = clock.now();
    const isAsked = (): boolean => [...store.rows.values()].some(({ kinactWish }) => kinactWish !== undefined);
    await clock.advanceUntil(isAsked, 5_000);
    await clock.advance(9_900 - (clock.now() - began));
    const keepers = actorsOf(b.consumer.runtime).filter(({ path }) => path.startsWith('lease-keeper/'));
    expect(keepers.length).to.be.above(0);
    for (const keeper of keepers) crash(keeper, new Error('a test'));
    const isTaken = (): boolean => [...store.rows.values()].every(({ leaseOwner }) => leaseOwner === 'b');
    await clock.advanceUntil(isTaken, 60_000);
    const tookMs = clock.now() - began;
    await inVirtualTime(clock, b.consumer.stop());
    expect(tookMs).to.be.below(20_000);
  });
});
