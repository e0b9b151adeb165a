// For how long a coordinator has known that a shard has no reader: its own lease without a worker, a free lease, or that of a dead owner.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const failoverMs = 10_000;

/** A coordinator that may hold one lease and takes `zero`; `one` is left to others. */
async function beside(other: Parameters<typeof leaseRow>[0]): Promise<CoordinatorDriver> {
  const rows = [leaseRow({ leaseKey: zero }), leaseRow(other)];
  const driver = driveCoordinator({ failoverMs, maxLeases: 1, store: memoryLeaseStore(rows) });
  await driver.started();
  await driver.taken(zero);
  await driver.news(zero, { type: 'working', fence: 7 });
  return driver;
}

describe('the shard that has had no reader for the longest time', () => {
  it('is a lease that is free, from when this worker first saw that', async () => {
    const driver = await beside({ leaseKey: one });
    await driver.harness.advance(7_000);
    const { longestUnread } = driver.status();
    expect(longestUnread?.leaseKey).to.equal(one);
    expect(longestUnread?.ms).to.be.within(7_000, 9_000);
  });

  it('is a free lease also while this worker tries to take it', async () => {
    const driver = driveCoordinator({
      failoverMs,
      store: memoryLeaseStore([zero, one].map((leaseKey) => leaseRow({ leaseKey }))),
    });
    await driver.started();
    await driver.taken(zero);
    await driver.news(zero, { type: 'working', fence: 7 });
    await driver.harness.advance(7_000);
    expect(driver.status().leases.find(({ leaseKey }) => leaseKey === one)?.here?.phase).to.equal('taking');
    const { longestUnread } = driver.status();
    expect(longestUnread?.leaseKey).to.equal(one);
    expect(longestUnread?.ms).to.be.within(7_000, 9_000);
  });

  it('is the lease of an owner that has died, from its last renewal', async () => {
    const driver = await beside({ leaseKey: one, leaseOwner: 'peer', leaseCounter: 5 });
    await driver.harness.advance(failoverMs - 1_000);
    expect(driver.status().longestUnread, 'it may be alive').to.equal(undefined);
    await driver.harness.advance(5_000);
    expect(driver.status().longestUnread?.leaseKey).to.equal(one);
    expect(driver.status().longestUnread?.ms).to.be.within(14_000, 16_000);
  });

  it('is a lease that is held here, once its worker has been gone for failoverMs', async () => {
    const driver = driveCoordinator({ failoverMs });
    await driver.started();
    await driver.takenAll();
    for (const leaseKey of [zero, one]) await driver.news(leaseKey, { type: 'working', fence: 7 });
    await driver.harness.advance(60_000);
    expect(driver.status().longestUnread).to.equal(undefined);
    await driver.news(zero, { type: 'idle', fence: 7, openRecords: false, reason: 'it has gone' });
    await driver.harness.advance(failoverMs + 5_000);
    expect(driver.status().longestUnread).to.deep.equal({ leaseKey: zero, ms: failoverMs + 5_000 });
  });

  it('is also one whose pipeline waits before it restarts, although that is an excuse in `ready()`', async () => {
    const driver = driveCoordinator({ failoverMs });
    await driver.started();
    await driver.takenAll();
    for (const leaseKey of [zero, one]) await driver.news(leaseKey, { type: 'working', fence: 7 });
    await driver.news(zero, { type: 'idle', fence: 7, openRecords: false, reason: 'it has gone' });
    await driver.harness.tell(driver.coordinator, { type: 'pipelineDelayed', forMs: 30_000 });
    await driver.harness.advance(failoverMs + 5_000);
    expect(driver.status().unread).to.deep.equal([]);
    expect(driver.status().longestUnread).to.deep.equal({ leaseKey: zero, ms: failoverMs + 5_000 });
  });

  it('is one that has ended, as long as its children wait for SHARD_END', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = driveCoordinator({ stream, failoverMs });
    await driver.started();
    await driver.takenAll();
    await driver.news(zero, { type: 'working', fence: 7 });
    stream.split(zero);
    await driver.news(zero, { type: 'idle', fence: 7, openRecords: false, reason: 'the shard has ended' });
    expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
    await driver.harness.advance(40_000);
    expect(driver.status().unread).to.deep.equal([]);
    expect(driver.status().longestUnread).to.deep.equal({ leaseKey: zero, ms: 40_000 });
  });

  it('is none that has ended, or that waits for a parent: the parent counts', async () => {
    const stream = listedStream({ shards: 1 });
    const [left, right] = stream.split(zero);
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: zero, leaseOwner: 'peer' }),
      leaseRow({ leaseKey: left, parentShardIds: [zero] }),
      leaseRow({ leaseKey: right, parentShardIds: [zero], checkpoint: 'SHARD_END' }),
    ]);
    const driver = driveCoordinator({ stream, store, failoverMs, maxLeases: 1 });
    await driver.started();
    for (let beat = 0; beat < 8; beat += 1) {
      store.put({ ...store.row(zero), leaseCounter: store.row(zero).leaseCounter + 1 });
      await driver.harness.advance(3_000);
    }
    expect(driver.status().longestUnread).to.equal(undefined);
    await driver.harness.advance(30_000);
    expect(driver.status().longestUnread?.leaseKey).to.equal(zero);
  });
});
