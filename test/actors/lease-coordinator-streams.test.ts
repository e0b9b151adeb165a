// Every shard gets a row in the end: shard sync finds new shards and deleted rows, the audit finds hash keys that no row covers.
// Clean-up removes only ended rows whose children are under way.
import { expect } from 'chai';
import { driveCoordinator, type CoordinatorDriver } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';

async function holdingAll(setup: Parameters<typeof driveCoordinator>[0] = {}): Promise<CoordinatorDriver> {
  const driver = driveCoordinator(setup);
  await driver.started();
  await driver.takenAll();
  return driver;
}

const warnings = (driver: CoordinatorDriver): string[] =>
  driver.harness.eventsOf('warning').map((event) => event.message);

describe('shard sync', () => {
  it('finds a shard without a lease within a minute', async () => {
    const driver = await holdingAll();
    driver.stream.shards = [...driver.stream.shards, { shardId: two, startingSequenceNumber: '9000' }];
    await driver.harness.advance(72_000);
    expect(driver.store.row(two).checkpoint).to.equal('TRIM_HORIZON');
  });

  it('finds a row that somebody deleted with the next scan, says so, and makes it again after failoverMs', async () => {
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

  it('by a coordinator that has just started leaves rows that are missing to their holders for failoverMs, and takes the others', async () => {
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

  it('makes what is missing no sooner where something else asks for it', async () => {
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

  it('at LATEST starts a shard whose row is gone where the stream started, not now', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero, checkpoint: '17', kinactLatestAt: 1_600_000_000_000 })]);
    const stream = listedStream({ shards: 3 });
    store.put({ leaseKey: two, checkpoint: '18', kinactLatestAt: 1_650_000_000_000 });
    const driver = driveCoordinator({ store, stream, sources: [{ source: stream, initialPosition: 'LATEST' }] });
    await driver.started();
    await driver.harness.advance(11_000);
    expect(store.row(one)).to.deep.include({ checkpoint: 'LATEST', kinactLatestAt: 1_600_000_000_000 });
    expect(warnings(driver)).to.deep.equal([]);
  });

  it('at LATEST starts it at TRIM_HORIZON, with an error event, where no row says when LATEST was', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero, checkpoint: '17' })]);
    const stream = listedStream();
    const driver = driveCoordinator({ store, stream, sources: [{ source: stream, initialPosition: 'LATEST' }] });
    await driver.started();
    await driver.harness.advance(11_000);
    expect(store.row(one).checkpoint).to.equal('TRIM_HORIZON');
    expect(store.row(one).kinactLatestAt).to.equal(undefined);
    expect(driver.harness.eventsOf('warning')[0]).to.have.property('error').that.is.instanceOf(Error);
  });

  it('makes a child whose row somebody deleted after its parent had ended, from its first record on, and says so', async () => {
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

  it('makes no child of a shard that is still read: its worker will', async () => {
    const driver = await holdingAll();
    driver.stream.split(zero);
    await driver.harness.advance(130_000);
    expect([...driver.store.rows.keys()]).to.have.members([zero, one]);
  });

  it('leaves a shard alone whose row cannot be read, tells of it once for each reason, and shows it', async () => {
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
    expect(driver.status().malformed).to.deep.equal([{ leaseKey: zero, reason: 'checkpoint is missing' }]);
  });

  it('that fails is repeated with back-off, and held leases do not notice', async () => {
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

  it('reports a hole that it has seen three times, and has the shards listed', async () => {
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

  it('fills in the hash range of rows that have none, and sees no hole there', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero })]);
    const { startingHashKey: _, endingHashKey: __, ...bare } = leaseRow({ leaseKey: one });
    store.rows.set(one, bare);
    const driver = await holdingAll({ store });
    expect(driver.keeper(one).args.hashKeyRange).to.deep.equal({
      startingHashKey: half,
      endingHashKey: hole.endingHashKey,
    });
    store.script('describeLease', { type: 'failBefore' });
    await driver.harness.advance(126_000);
    expect(store.row(one).startingHashKey).to.equal(undefined);
    expect(driver.harness.eventsOf('retrying').map((event) => event.operation)).to.deep.equal([
      'back-filling hash ranges',
    ]);
    await driver.harness.advance(126_000);
    expect(store.row(one)).to.deep.include({ startingHashKey: half, endingHashKey: hole.endingHashKey });
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
  });

  it('takes an unreadable row as covering its shard', async () => {
    const store = memoryLeaseStore();
    const driver = await holdingAll({ store });
    store.rows.delete(one);
    store.malformed.push({ leaseKey: one, reason: 'garbage' }, { leaseKey: 'unheard-of', reason: 'garbage' });
    await driver.harness.advance(500_000);
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
  });

  it('is not made for a source that has no hash keys', async () => {
    const driver = await holdingAll({ stream: listedStream({ hashRanges: false }) });
    await driver.harness.advance(500_000);
    expect(driver.harness.eventsOf('leaseHole')).to.deep.equal([]);
  });
});

describe('clean-up', () => {
  it('removes ended rows once their children are under way, unless somebody has written to them', async () => {
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

  it('lists no shards while no row has ended, and is repeated when it failed', async () => {
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
