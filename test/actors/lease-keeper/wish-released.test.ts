// A keeper has asked for a lease, and then the holder releases the lease. The keeper takes the lease at once, but a stop
// does not wait for this take. `you` holds the lease; `me` asks for it, and is the keeper.
import { expect } from 'chai';
import { asking, free, seenRow } from '../../support/asking-keeper.js';
import type { LeaseTraffic, QueueEntry, TrafficPermit } from '../../../src/core/lease-traffic.js';
import { failoverMs } from '../../support/keeper-driver.js';
import { memoryLeaseStore } from '../../support/memory-lease-store.js';

describe('a keeper that has asked for a lease, after the holder has released it', () => {
  it('takes the lease within 1.1 s, even if the write that raises its wish hangs', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    expect(keeper.row.kinactWish).to.not.equal(undefined);
    store.script('wish', { type: 'holdBefore', until: new Promise<void>(() => {}) });
    await keeper.advance(failoverMs / 3 + 100);
    expect(keeper.status()).to.include({ writing: 'wish' });
    free(store);
    await keeper.advance(1_100);
    expect(keeper.row.leaseOwner, 'a look and a second later').to.equal('me');
  });

  it('ends within 5 s of a stop, without waiting for a permit to take the lease', async () => {
    let open = true;
    const permit: TrafficPermit = { end: () => {} };
    const traffic: LeaseTraffic = {
      join: (): QueueEntry => ({ kind: 'take', deadline: Infinity, renewalDue: Infinity }),
      leave: () => {},
      enter: () => (open ? permit : undefined),
      wait: () => new Promise(() => {}),
      moved: () => {},
      report: () => ({ takesWaiting: 0, oldestTakeMs: 0, perSecond: 0 }),
    };
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store, { traffic });
    open = false;
    free(store);
    await keeper.advance(1_500);
    expect(keeper.status()).to.include({ phase: 'taking' });
    expect(keeper.row.leaseOwner).to.equal(undefined);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    await keeper.advance(5_000);
    expect(keeper.ended, 'five seconds after the stop').to.equal(true);
  });

  it('ends without taking the lease when it is stopped, because the holder has not handed over', async () => {
    const store = memoryLeaseStore([seenRow]);
    const keeper = await asking(store);
    free(store);
    store.script('update', { type: 'failBefore' });
    await keeper.advance(1_001);
    expect(keeper.status()).to.include({ phase: 'taking' });
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    await keeper.advance(5_000);
    expect(keeper.ended).to.equal(true);
    expect(keeper.row.leaseOwner).to.equal(undefined);
  });
});
