// Symptom: items of a key came from a merged shard while older items of one of its parents were unread. Cause: the lease row of
// that parent had been deleted, and a parent without a row does not hold a child back. So the child began before the parent's
// holder had created the row again. Later symptom: if that holder was dead, no worker read the rest of the parent, although workers
// had seen the row (seed 120400).
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { leaseRow, memoryLeaseStore, type MemoryLeaseStore } from '../support/memory-lease-store.js';

const ended = 'shardId-000000000000';
const parent = 'shardId-000000000001';
const child = 'shardId-000000000002';
const failoverMs = 3_000;

describe('a child of a shard whose lease row is deleted', () => {
  let store: MemoryLeaseStore;
  let driver: CoordinatorDriver;
  const renewing = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      store.renewAs(parent);
      await driver.harness.advance(500);
    }
  };
  const parentEnds = async (): Promise<void> => {
    store.put({ ...store.row(parent), checkpoint: 'SHARD_END', childShardIds: [child] });
    await driver.news(parent, { type: 'ended', childShardIds: [child] });
    await driver.harness.advance(2_000);
  };
  beforeEach(async () => {
    const stream = listedStream();
    stream.merge(ended, parent);
    store = memoryLeaseStore([
      leaseRow({ leaseKey: ended, checkpoint: 'SHARD_END', childShardIds: [child] }),
      leaseRow({ leaseKey: parent, leaseOwner: 'other', kinactWriter: 'other/1', checkpoint: '4711' }),
      leaseRow({ leaseKey: child, parentShardIds: [ended, parent] }),
    ]);
    driver = driveCoordinator({ store, stream, failoverMs, maxLeases: 1 });
    await driver.started();
    await driver.taken(child);
    await driver.subscribe();
    await renewing(2_000);
    expect(driver.startable()).to.deep.equal([]);
  });

  it('waits until the holder of the parent has created the row again, and the parent has ended', async () => {
    const { leaseCounter } = store.row(parent);
    store.rows.delete(parent);
    await driver.harness.advance(failoverMs - 500);
    expect(driver.startable(), 'while the holder may live').to.deep.equal([]);
    const kept = { leaseOwner: 'other', kinactWriter: 'other/1', checkpoint: '4712' };
    store.put({ leaseKey: parent, leaseCounter: leaseCounter + 3, ...kept });
    await renewing(2 * failoverMs);
    expect(driver.startable(), 'while the parent is read').to.deep.equal([]);
    store.put({ ...store.row(parent), checkpoint: 'SHARD_END', childShardIds: [child] });
    await driver.harness.advance(2_000);
    expect(driver.startable()).to.deep.equal([child]);
  });

  it('waits for the end of the parent, even if it is taken after the parent row was deleted', async () => {
    store.rows.delete(parent);
    await driver.harness.advance(1_200);
    await driver.news(child, { type: 'lost', reason: 'stolen and released', retake: true });
    await driver.harness.advance(500);
    await driver.taken(child);
    expect(driver.keepers).to.have.length(2);
    expect(driver.startable()).to.deep.equal([]);
    await driver.harness.advance(2 * failoverMs);
    expect(driver.startable()).to.deep.equal([parent]);
    await parentEnds();
    expect(driver.startable()).to.deep.equal([child]);
  });

  it('waits even if the first listing after the holder’s time omits the parent, whose row is then restored', async () => {
    const { stream } = driver;
    const complete = stream.shards;
    store.rows.delete(parent);
    stream.shards = complete.filter(({ shardId }) => shardId !== parent);
    await driver.harness.advance(2 * failoverMs);
    expect(store.rows.has(parent), 'while the listing omits it').to.equal(false);
    expect(driver.startable(), 'while the listing omits it').to.deep.equal([]);
    stream.shards = complete;
    await driver.harness.advance(2 * failoverMs);
    expect(store.row(parent).checkpoint).to.equal('4711');
    expect(driver.startable()).to.deep.equal([parent]);
  });

  it('starts if two listings a failover time apart lack the parent, whose row then stays deleted', async () => {
    const { stream } = driver;
    stream.shards = stream.shards.filter(({ shardId }) => shardId !== parent);
    store.rows.delete(parent);
    await driver.harness.advance(4 * failoverMs);
    expect(store.rows.has(parent)).to.equal(false);
    expect(driver.startable()).to.deep.equal([child]);
  });

  it('waits for the parent, which this worker reads from its last seen checkpoint after the holder’s time', async () => {
    store.rows.delete(parent);
    await driver.harness.advance(2 * failoverMs + 1_500);
    expect(store.row(parent).checkpoint).to.equal('4711');
    // This worker reads the parent in spite of `maxLeases` 1, because no other worker is there.
    expect(driver.startable()).to.deep.equal([parent]);
    await parentEnds();
    expect(driver.startable()).to.deep.equal([child]);
  });

  it('stays without a row, like the parent, if its own children have begun', async () => {
    const grandchildren = driver.stream.split(child);
    store.rows.delete(parent);
    store.rows.delete(child);
    for (const leaseKey of grandchildren)
      store.put(leaseRow({ leaseKey, checkpoint: '5000', parentShardIds: [child] }));
    await driver.harness.advance(2 * failoverMs + 1_500);
    expect([parent, child].filter((leaseKey) => store.rows.has(leaseKey))).to.deep.equal([]);
  });

  it('gets its row back, like the parent, if its own children have not begun', async () => {
    const grandchildren = driver.stream.split(child);
    store.rows.delete(parent);
    store.rows.delete(child);
    for (const leaseKey of grandchildren) store.put(leaseRow({ leaseKey, parentShardIds: [child] }));
    await driver.harness.advance(2 * failoverMs + 1_500);
    expect([store.row(parent).checkpoint, store.row(child).checkpoint]).to.deep.equal(['4711', 'TRIM_HORIZON']);
  });

  it('leaves the parent row deleted if it has begun: the parent may have been cleaned up', async () => {
    store.rows.delete(parent);
    store.put({ ...store.row(child), checkpoint: '4800', leaseCounter: store.row(child).leaseCounter + 1 });
    await driver.harness.advance(2 * failoverMs + 1_500);
    expect(store.rows.has(parent)).to.equal(false);
  });
});
