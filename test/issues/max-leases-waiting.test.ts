// Symptom: a worker at `maxLeases` held a lease forever that waited for a parent of a dead holder, and read nothing. Cause: a
// waiting lease counted against the limit like a lease that is read.
import { expect } from 'chai';
import { driveCoordinator } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const failoverMs = 10_000;

describe('a worker at maxLeases whose leases all wait for a parent', () => {
  it('takes the lease of the parent after its owner has died', async () => {
    const stream = listedStream({ shards: 2 });
    const child = stream.merge(zero, one);
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: zero, checkpoint: 'SHARD_END' }),
      leaseRow({ leaseKey: one, leaseOwner: 'peer' }),
      leaseRow({ leaseKey: child, parentShardIds: [zero, one] }),
    ]);
    const driver = driveCoordinator({ stream, store, failoverMs, maxLeases: 1 });
    await driver.started();
    await driver.takenAll();
    await driver.harness.advance(4_000);
    const told = driver.harness.events.length;
    await driver.harness.advance(3_600_000);
    const taken = driver.keepers.map(({ args }) => args.leaseKey);
    const events = driver.harness.events.slice(told).map((e) => `${e.name} ${JSON.stringify(e.data).slice(0, 120)}`);
    expect(
      taken,
      `in an hour; told: ${events.join(' | ')}; unread ${JSON.stringify(driver.status().unread)}; released ${JSON.stringify(driver.keeper(child).told)}`,
    ).to.include(one);
  });
});
