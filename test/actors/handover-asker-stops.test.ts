// A keeper has asked for a lease, which then becomes free (issue 8). It takes the lease at once, and a stop does not wait for that.
// `you` holds the lease; `me` asks for it, and is the keeper.
import { expect } from 'chai';
import { asking, free, seen } from '../support/asking-keeper.js';
import type { LeaseTraffic, TrafficOrder, TrafficPermit } from '../../src/core/lease-traffic.js';
import { failoverMs } from '../support/keeper-driver.js';
import { memoryLeaseStore } from '../support/memory-lease-store.js';

describe('a keeper that has asked for a lease which its holder has released', () => {
  it('takes the lease at once, even if the write that raises its wish hangs', async () => {
    const store = memoryLeaseStore([seen]);
    const keeper = await asking(store);
    expect(keeper.row.kinactWish).to.not.equal(undefined);
    store.script('wish', { type: 'holdBefore', until: new Promise<void>(() => {}) });
    await keeper.advance(failoverMs / 3 + 100);
    expect(keeper.status()).to.include({ writing: 'wish' });
    free(store);
    await keeper.advance(1_100);
    expect(keeper.row.leaseOwner, 'a look and a second later').to.equal('me');
  });

  it('does not wait for a permit when it is stopped, because it would only give the lease back', async () => {
    let open = true;
    const permit: TrafficPermit = { end: () => {} };
    const traffic: LeaseTraffic = {
      join: (): TrafficOrder => ({ kind: 'take', deadline: Infinity, renewalDue: Infinity }),
      leave: () => {},
      enter: () => (open ? permit : undefined),
      wait: () => new Promise(() => {}),
      moved: () => {},
      report: () => ({ takesWaiting: 0, oldestTakeMs: 0, perSecond: 0 }),
    };
    const store = memoryLeaseStore([seen]);
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

  it('does not take the lease when it is stopped, because nobody has handed it over', async () => {
    const store = memoryLeaseStore([seen]);
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
