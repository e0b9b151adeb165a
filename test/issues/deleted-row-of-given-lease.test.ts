// Symptom: a worker handed over or released a lease, and its row was deleted before another worker had taken it. The same worker
// created the row again at TRIM_HORIZON, and the whole shard was read once more. Cause: the coordinator used the row of its last
// scan, and a worker that holds every lease rarely scans. What its own keeper had written since then was forgotten with the keeper.
import { expect } from 'chai';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { leaseRow, memoryLeaseStore } from '../support/memory-lease-store.js';
import type { KeeperNews } from '../../actors/protocol/lease-messages.js';

const leaseKey = 'shardId-000000000000';
const at = { checkpoint: '4711', subSequenceNumber: 2 } as const;
const lease = { source: 'orders', shardId: leaseKey, leaseKey, recordsLeft: 0, ...at, released: true };

describe('a lease row that is deleted just after its holder gave up the lease', () => {
  const news: Readonly<Record<string, KeeperNews>> = {
    'handed over': { type: 'handedOver', to: 'other', at },
    'given back': { type: 'released', lease, reason: 'stopShard', coolDown: true },
  };
  for (const [how, said] of Object.entries(news))
    it(`is created again at the checkpoint that the holder left, not that of its last scan (${how})`, async () => {
      const store = memoryLeaseStore([leaseRow({ leaseKey })]);
      const driver = driveCoordinator({ store, failoverMs: 2_000 });
      await driver.started();
      await driver.takenAll();
      await driver.harness.advance(10_000);
      store.rows.delete(leaseKey);
      await driver.news(leaseKey, said);
      await driver.harness.advance(10_000);
      expect(store.row(leaseKey)).to.include({ checkpoint: '4711', checkpointSubSequenceNumber: 2 });
    });

  it('is created again at the checkpoint of the last scan if that is further', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey, checkpoint: '5000' })]);
    const driver = driveCoordinator({ store, failoverMs: 2_000 });
    await driver.started();
    await driver.takenAll();
    store.rows.delete(leaseKey);
    await driver.news(leaseKey, { type: 'handedOver', to: 'other', at });
    await driver.harness.advance(10_000);
    expect(store.row(leaseKey)).to.include({ checkpoint: '5000', checkpointSubSequenceNumber: 0 });
  });
});
