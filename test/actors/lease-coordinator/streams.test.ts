// Every shard gets a row in the end: the shard sync finds new shards and deleted rows, the audit finds hash keys that no row covers.
// The clean-up removes only ended rows whose children have begun.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver, holdingAll } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';

const warnings = (driver: CoordinatorDriver): string[] =>
  driver.harness.eventsOf('warning').map((event) => event.message);

describe('shard sync', () => {
  it('creates a row for a shard without a lease within 72 s', async () => {
    const driver = await holdingAll();
    driver.stream.shards = [...driver.stream.shards, { shardId: two, startingSequenceNumber: '9000' }];
    await driver.harness.advance(72_000);
    expect(driver.store.row(two).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('creates a deleted row again after failoverMs, and warns at the next scan', async () => {
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: zero, leaseOwner: 'java' }),
      leaseRow({ leaseKey: one, leaseOwner: 'java' }),
    ]);
    const driver = await holdingAll({ store, failoverMs: 100_000 });
    await driver.harness.advance(5_000);
    store.rows.delete(one);
    await driver.harness.advance(2_500);
    expect(warnings(driver)).to.have.length(1);
    await driver.harness.advance(97_000);
    expect(store.rows.has(one), 'a holder that may be there has its time').to.equal(false);
    await driver.harness.advance(3_000);
    expect(store.row(one)).to.deep.include({ checkpoint: 'TRIM_HORIZON', leaseCounter: 1_700_000_500_000 });
    expect(warnings(driver)).to.deep.equal([
      `The lease row ${one} was deleted: the shard sync looks for its shard again.`,
    ]);
  });

  it('leaves missing rows to their holders for failoverMs after the start of a coordinator', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero, checkpoint: '17' })]);
    const driver = driveCoordinator({ store, stream: listedStream({ shards: 3 }), failoverMs: 20_000 });
    await driver.started();
    await driver.taken(zero);
    await driver.harness.advance(5_000);
    expect([...store.rows.keys()]).to.deep.equal([zero]);
    store.put({ leaseKey: one, checkpoint: '18', leaseOwner: 'other' });
    await driver.harness.advance(14_000);
    expect(store.rows.has(two)).to.equal(false);
    await driver.harness.advance(2_000);
    expect(store.row(one)).to.deep.include({ checkpoint: '18', leaseOwner: 'other' });
    expect(store.row(two).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('creates a missing row no sooner if a doubt about the stream makes it due early', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero, checkpoint: '17' })]);
    const driver = driveCoordinator({ store, failoverMs: 20_000 });
    await driver.started();
    await driver.taken(zero);
    await driver.harness.advance(10_000);
    const listed = driver.stream.filters.length;
    await driver.news(zero, { type: 'streamDoubted' });
    await driver.harness.advance(8_000);
    expect(driver.stream.filters).to.have.length.above(listed);
    expect(store.rows.has(one)).to.equal(false);
    await driver.harness.advance(4_000);
    expect(store.row(one).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('creates a missing row at LATEST with the smallest `kinactLatestAt` of the other rows', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero, checkpoint: '17', kinactLatestAt: 1_600_000_000_000 })]);
    const stream = listedStream({ shards: 3 });
    store.put({ leaseKey: two, checkpoint: '18', kinactLatestAt: 1_650_000_000_000 });
    const driver = driveCoordinator({ store, stream, sources: [{ source: stream, initialPosition: 'LATEST' }] });
    await driver.started();
    await driver.harness.advance(11_000);
    expect(store.row(one)).to.deep.include({ checkpoint: 'LATEST', kinactLatestAt: 1_600_000_000_000 });
    expect(warnings(driver)).to.deep.equal([]);
  });

  it('creates a missing row at TRIM_HORIZON, with a warning, if no row has a `kinactLatestAt`', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero, checkpoint: '17' })]);
    const stream = listedStream();
    const driver = driveCoordinator({ store, stream, sources: [{ source: stream, initialPosition: 'LATEST' }] });
    await driver.started();
    await driver.harness.advance(11_000);
    expect(store.row(one).checkpoint).to.equal('TRIM_HORIZON');
    expect(store.row(one).kinactLatestAt).to.equal(undefined);
    expect(driver.harness.eventsOf('warning')[0]).to.have.property('error').that.is.instanceOf(Error);
  });

  it('creates a missing child row at TRIM_HORIZON after the parent has ended, and warns', async () => {
    const stream = listedStream({ shards: 1 });
    stream.split(zero);
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: zero, checkpoint: 'SHARD_END', kinactLatestAt: 1_600_000_000_000 }),
      leaseRow({ leaseKey: one, checkpoint: '17', parentShardIds: [zero] }),
    ]);
    const driver = driveCoordinator({ store, stream });
    await driver.started();
    await driver.harness.advance(11_000);
    expect(store.row(two)).to.deep.include({
      checkpoint: 'TRIM_HORIZON',
      parentShardIds: [zero],
      kinactLatestAt: 1_600_000_000_000,
    });
    expect(warnings(driver)[0]).to.include(two);
  });

  it('creates no child rows of a shard that is still read', async () => {
    const driver = await holdingAll();
    driver.stream.split(zero);
    await driver.harness.advance(130_000);
    expect([...driver.store.rows.keys()]).to.have.members([zero, one]);
  });

  it('leaves a shard with a malformed row alone, and reports the row once for each reason', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: one })]);
    store.malformed.push({ leaseKey: zero, reason: 'leaseCounter is missing' });
    const driver = await holdingAll({ store });
    await driver.harness.advance(200_000);
    expect(store.rows.has(zero)).to.equal(false);
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.deep.equal([one]);
    store.malformed[0] = { leaseKey: zero, reason: 'checkpoint is missing' };
    await driver.harness.advance(10_000);
    expect(driver.harness.eventsOf('malformedLease')).to.deep.equal([
      { table: 'memory', leaseKey: zero, reason: 'leaseCounter is missing' },
      { table: 'memory', leaseKey: zero, reason: 'checkpoint is missing' },
    ]);
    expect(driver.status().malformed).to.deep.equal([
      { leaseKey: zero, reason: 'checkpoint is missing', isOurs: true },
    ]);
  });

  it('is repeated after failures, while the held leases stay held', async () => {
    const driver = await holdingAll();
    for (let fault = 0; fault < 3; fault++) driver.stream.faults.listShards.push(new Error('throttled'));
    await driver.harness.advance(90_000);
    expect(driver.stream.faults.listShards).to.deep.equal([]);
    expect(driver.harness.eventsOf('retrying').map((event) => event.operation)).to.deep.equal([
      'shard sync',
      'shard sync',
      'shard sync',
    ]);
    expect(driver.status().held).to.equal(2);
  });
});

describe('the audit of hash keys', () => {
  const half = '170141183460469231731687303715884105728';
  const hole = { table: 'memory', startingHashKey: half, endingHashKey: '340282366920938463463374607431768211455' };

  it('reports a hole that it has seen three times, and causes a listing of the shards', async () => {
    const driver = await holdingAll();
    driver.store.put({ ...driver.store.row(one), checkpoint: 'SHARD_END' });
    await driver.harness.advance(246_000);
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
    const listings = driver.stream.filters.length;
    await driver.harness.advance(130_000);
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([hole]);
    expect(driver.stream.filters.length).to.be.above(listings);
  });

  it('forgets a hole that was closed in between', async () => {
    const driver = await holdingAll();
    const row = driver.store.row(one);
    for (const checkpoint of ['SHARD_END', 'SHARD_END', '17', 'SHARD_END', 'SHARD_END']) {
      driver.store.put({ ...row, checkpoint });
      await driver.harness.advance(122_000);
    }
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
  });

  it('fills in the hash range of rows that have none, and reports no hole there', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero })]);
    const { startingHashKey: _, endingHashKey: __, ...bare } = leaseRow({ leaseKey: one });
    store.rows.set(one, bare);
    const driver = await holdingAll({ store });
    expect(driver.keeper(one).args.hashKeyRange).to.deep.equal({
      startingHashKey: half,
      endingHashKey: hole.endingHashKey,
    });
    store.script('updateMeta', { type: 'failBefore' });
    await driver.harness.advance(126_000);
    expect(store.row(one).startingHashKey).to.equal(undefined);
    expect(driver.harness.eventsOf('retrying').map((event) => event.operation)).to.deep.equal([
      'back-filling hash ranges',
    ]);
    await driver.harness.advance(126_000);
    expect(store.row(one)).to.deep.include({ startingHashKey: half, endingHashKey: hole.endingHashKey });
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
  });

  it('counts a malformed row as covering the hash keys of its shard', async () => {
    const store = memoryLeaseStore();
    const driver = await holdingAll({ store });
    store.rows.delete(one);
    store.malformed.push({ leaseKey: one, reason: 'garbage' }, { leaseKey: 'unheard-of', reason: 'garbage' });
    await driver.harness.advance(500_000);
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
  });

  it('reports no hole for a source without hash keys', async () => {
    const driver = await holdingAll({ stream: listedStream({ hashRanges: false }) });
    await driver.harness.advance(500_000);
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
  });
});

describe('clean-up', () => {
  it('removes an ended row after its children have begun, unless the row has changed meanwhile', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    const children = stream.split(zero);
    driver.store.put({ leaseKey: zero, checkpoint: 'SHARD_END', childShardIds: children, kinactLatestAt: 5 });
    for (const leaseKey of children) driver.store.put({ leaseKey, parentShardIds: [zero] });
    await driver.harness.advance(130_000);
    expect(driver.store.rows.has(zero), 'children not begun').to.equal(true);
    for (const leaseKey of children) driver.store.put({ ...driver.store.row(leaseKey), checkpoint: '17' });
    driver.store.script('delete', { type: 'meanwhile', act: () => driver.store.renewAs(zero) });
    await driver.harness.advance(72_000);
    expect(driver.store.rows.has(zero), 'written to meanwhile').to.equal(true);
    await driver.harness.advance(72_000);
    expect(driver.store.rows.has(zero)).to.equal(false);
    expect(driver.harness.counts.get('leaseRowsRemoved')).to.equal(1);
    expect(driver.store.row(children[0]).kinactLatestAt, 'what LATEST was outlives the row').to.equal(5);
  });

  it('lists no shards while no row has ended, and is repeated after a failure', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream, shardSyncIntervalMs: 1e9 });
    await driver.harness.advance(200_000);
    expect(stream.filters).to.have.length(1);
    driver.store.put({ leaseKey: 'forgotten', checkpoint: 'SHARD_END' });
    stream.faults.listShards.push(new Error('throttled'));
    await driver.harness.advance(72_000);
    expect(driver.harness.eventsOf('retrying').map((event) => event.operation)).to.deep.equal([
      'clean-up of ended leases',
    ]);
    await driver.harness.advance(72_000);
    expect(driver.store.rows.has('forgotten')).to.equal(false);
    expect(warnings(driver), 'a clean deletion alarms nobody').to.deep.equal([]);
  });
});
