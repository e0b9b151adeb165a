// Since when a coordinator counts a shard as unread: what begins that time again, and what does not.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { leaseRow, memoryLeaseStore, type MemoryLeaseStore } from '../../support/memory-lease-store.js';
import type { ChildShard } from '../../../src/api/ports.js';
import type { TableHistory } from '../../../actors/lease-coordinator/options.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';
const failoverMs = 10_000;

/** A stream of one shard whose reader answers also when the shard is idle, as those of the AWS services do. */
const answering = () => Object.assign(listedStream({ shards: 1 }), { answersIdle: true as const });
const idle = (reason = 'it has gone') => ({ type: 'idle', fence: 7, openRecords: false, reason }) as const;
const unreadMs = (driver: CoordinatorDriver): number => driver.status().longestUnread?.ms ?? 0;

/** Another worker takes the lease over, and renews it once. */
async function takenByPeer(driver: CoordinatorDriver, store: MemoryLeaseStore): Promise<void> {
  const row = store.row(zero);
  store.put({ ...row, leaseOwner: 'peer', leaseCounter: row.leaseCounter + 1 });
  await driver.news(zero, { type: 'lost', reason: 'a peer has it', retake: false });
  await driver.harness.advance(1_000);
  store.put({ ...store.row(zero), leaseCounter: row.leaseCounter + 2 });
  await driver.harness.advance(1_000);
}

describe('the time for which a shard has been unread', () => {
  it('counts while the end of the shard waits for the row of its merge partner', async () => {
    const stream = listedStream();
    const driver = driveCoordinator({ stream, failoverMs });
    await driver.started();
    await driver.takenAll();
    for (const leaseKey of [zero, one]) await driver.news(leaseKey, { type: 'working', fence: 7 });
    await driver.harness.advance(5_000);
    stream.merge(zero, one);
    driver.store.rows.delete(one);
    await driver.news(zero, idle('the shard has ended'));
    const children: ChildShard[] = [{ shardId: two, parentShards: [zero, one] }];
    for (let asked = 0; asked < 5; asked += 1) {
      driver.store.rows.delete(one);
      expect(await driver.askEnd(zero, { children })).to.include({ type: 'blocked', waits: true });
      await driver.harness.advance(3_000);
    }
    expect(driver.status().unread, 'it is no fault').to.deep.equal([]);
    expect(driver.status().longestUnread?.leaseKey).to.equal(zero);
    expect(unreadMs(driver)).to.be.within(15_000, 19_000);
  });

  it('goes on after the end is durable: the children have waited for it', async () => {
    const stream = answering();
    const driver = driveCoordinator({ stream, failoverMs });
    await driver.started();
    await driver.takenAll();
    await driver.news(zero, { type: 'working', fence: 7 });
    await driver.news(zero, { type: 'readsWork' });
    stream.split(zero);
    await driver.news(zero, idle('the shard has ended'));
    expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
    await driver.harness.advance(40_000);
    await driver.end(zero, [one, two]);
    expect(unreadMs(driver)).to.be.within(40_000, 42_000);
    await driver.harness.advance(500);
    for (const leaseKey of [one, two]) {
      await driver.taken(leaseKey);
      await driver.news(leaseKey, { type: 'working', fence: 8 });
    }
    expect(unreadMs(driver)).to.be.within(40_000, 42_000);
    await driver.news(one, { type: 'readsWork' });
    expect(driver.status().longestUnread?.leaseKey).to.equal(two);
    await driver.news(two, { type: 'readsWork' });
    expect(driver.status().longestUnread).to.equal(undefined);
  });

  it('goes on if the lease is lost while its end waits, and its records are read again', async () => {
    const stream = answering();
    const driver = driveCoordinator({ stream, failoverMs });
    await driver.started();
    await driver.takenAll();
    await driver.news(zero, { type: 'working', fence: 7 });
    await driver.news(zero, { type: 'readsWork' });
    stream.split(zero);
    await driver.news(zero, idle('the shard has ended'));
    expect(await driver.askEnd(zero)).to.include({ type: 'ready' });
    await driver.harness.advance(30_000);
    await driver.news(zero, { type: 'lost', reason: 'the hook is stuck', retake: true });
    await driver.harness.advance(2_000);
    await driver.taken(zero);
    await driver.news(zero, { type: 'working', fence: 8 });
    await driver.news(zero, { type: 'readsWork' });
    await driver.news(zero, { type: 'advanced', fence: 8 });
    expect(unreadMs(driver)).to.be.within(32_000, 34_000);
  });

  it('is not begun again by workers that read nothing, by a release and a new take, or by a restart', async () => {
    const tableHistory: TableHistory = { longestFailoverMs: 0, failoverReported: false };
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero })]);
    const setup = { store, stream: answering(), failoverMs, tableHistory, maxLeases: 1 };
    const first = driveCoordinator(setup);
    const { harness } = first;
    await first.started();
    await first.taken(zero);
    for (let tries = 0; tries < 3; tries += 1) {
      await first.news(zero, { type: 'working', fence: 7 });
      await harness.advance(8_000);
      await first.news(zero, idle());
    }
    expect(unreadMs(first)).to.be.within(24_000, 26_000);

    store.put({ ...leaseRow({ leaseKey: zero }), leaseCounter: store.row(zero).leaseCounter + 1 });
    const lease = { leaseKey: zero, checkpoint: 'TRIM_HORIZON', subSequenceNumber: 0 };
    await first.news(zero, { type: 'released', reason: 'x', coolDown: false, lease: lease as never });
    expect(unreadMs(first)).to.be.within(24_000, 26_000);
    await harness.advance(4_000);
    await first.taken(zero);
    expect(unreadMs(first)).to.be.within(28_000, 31_000);

    await harness.kill(first.coordinator);
    const second = driveCoordinator({ ...setup, harness, isSuccessor: true });
    expect(unreadMs(second), 'before its first scan').to.be.within(28_000, 31_000);
    await second.started();
    await harness.advance(3_000);
    expect(unreadMs(second)).to.be.within(31_000, 35_000);
    await second.news(zero, { type: 'taken', row: store.row(zero) });
    await second.news(zero, { type: 'working', fence: 9 });
    expect(unreadMs(second)).to.be.within(31_000, 35_000);
    await second.news(zero, { type: 'readsWork' });
    expect(second.status().longestUnread).to.equal(undefined);
  });

  it('ends when another worker holds the lease, and goes on over a restart if that worker has died', async () => {
    const tableHistory: TableHistory = { longestFailoverMs: 0, failoverReported: false };
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero })]);
    const setup = { store, stream: answering(), failoverMs, tableHistory };
    const first = driveCoordinator(setup);
    const { harness } = first;
    await first.started();
    await first.taken(zero);
    await harness.advance(20_000);
    expect(unreadMs(first)).to.be.within(20_000, 22_000);
    await takenByPeer(first, store);
    expect(first.status().longestUnread).to.equal(undefined);
    await harness.advance(failoverMs + 5_000);
    expect(unreadMs(first)).to.be.within(13_000, 17_000);

    await harness.kill(first.coordinator);
    const second = driveCoordinator({ ...setup, harness, isSuccessor: true });
    await second.started();
    await harness.advance(2_000);
    expect(unreadMs(second)).to.be.within(15_000, 20_000);
  });
});
