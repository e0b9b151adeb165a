// Which leases a coordinator takes, when, and when it gives them back: held only once written, parents before children, never above
// `maxLeases`. Keepers are stubs, and the table is in memory.
import { expect } from 'chai';
import { driveCoordinator, nonce, workerId, type CoordinatorDriver } from '../support/coordinator-driver.js';
import { listedStream } from '../support/listed-stream.js';
import { memoryLeaseStore } from '../support/memory-lease-store.js';
import type {
  LeaseCoordinatorMessage,
  CoordinatorStarted,
  ReleasedLease,
} from '../../actors/lease-coordinator/lease-coordinator.js';
import { writerPrefixOf, writerOf } from '../../src/core/writer-signature.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';
const peer = writerOf(writerPrefixOf('peer', 'x'), 1);

function released(driver: CoordinatorDriver, leaseKey: string, more: Partial<ReleasedLease> = {}): ReleasedLease {
  const { leaseOwner: _, ...row } = driver.store.row(leaseKey);
  driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
  return {
    source: 'orders',
    shardId: leaseKey,
    leaseKey,
    recordsLeft: 0,
    checkpoint: '42',
    subSequenceNumber: 0,
    released: true,
    ...more,
  };
}

async function holdingAll(setup: Parameters<typeof driveCoordinator>[0] = {}): Promise<CoordinatorDriver> {
  const driver = driveCoordinator(setup);
  await driver.started();
  await driver.takenAll();
  return driver;
}

describe('the leases a coordinator takes', () => {
  it('are sent to each subscriber, whenever it subscribes, and after every change with a higher version', async () => {
    const driver = driveCoordinator();
    await driver.subscribe();
    expect(driver.heard).to.deep.equal([{ type: 'held', table: 'memory', version: 0, leases: [] }]);
    await driver.started();
    await driver.taken(zero);
    expect(
      driver.heard.at(-1)!.leases.map((lease) => lease.leaseKey),
      'one is only being taken',
    ).to.deep.equal([zero]);
    await driver.taken(one);
    expect(driver.heard.map((held) => held.version)).to.deep.equal([0, 1, 2]);
    const { ref } = driver.keeper(one);
    expect(driver.heard.at(-1)!.leases.map((lease) => lease.leaseKey)).to.have.members([zero, one]);
    expect(driver.heard.at(-1)!.leases.find((lease) => lease.leaseKey === one)).to.deep.equal({
      leaseKey: one,
      shardId: one,
      source: 'orders',
      keeper: ref,
      startable: true,
    });
    await driver.subscribe();
    expect(driver.heard.at(-1)).to.deep.equal(driver.heard.at(-2));
    await driver.news(zero, { type: 'lost', reason: 'stolen', retake: false });
    expect(driver.heard.at(-1)!.leases.map((lease) => lease.leaseKey)).to.deep.equal([one]);
  });

  it('are no longer sent to a subscriber that has died', async () => {
    const driver = driveCoordinator();
    const subscriber = await driver.subscribe();
    await driver.harness.kill(subscriber);
    await driver.started();
    await driver.takenAll();
    expect(driver.heard).to.have.length(1);
    expect(driver.harness.counts.get('deadLetter')).to.equal(undefined);
  });

  it('are held only once the take is written', async () => {
    const driver = driveCoordinator();
    await driver.subscribe();
    await driver.started();
    expect(driver.status().held).to.equal(0);
    await driver.news(zero, { type: 'notTaken', reason: 'somebody was quicker', retake: false });
    expect(driver.heard).to.have.length(1);
  });

  it('are not taken twice while a keeper is at it', async () => {
    const driver = await holdingAll();
    await driver.harness.advance(20_000);
    expect(driver.keepers).to.have.length(2);
  });

  it('are taken within two seconds of being seen free', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, leaseOwner: 'peer', kinactWriter: peer });
    const driver = await holdingAll({ store });
    for (let beat = 0; beat < 8; beat++) {
      await driver.harness.advance(3_000);
      store.renewAs(zero, peer);
    }
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.deep.equal([one]);
    const { leaseOwner: _, ...free } = store.row(zero);
    store.put({ ...free, leaseCounter: free.leaseCounter + 1 });
    await driver.harness.advance(2_000);
    expect(driver.keeper(zero).args.seen.leaseCounter).to.equal(free.leaseCounter + 1);
  });

  it('are taken as soon as their counter has stood still for failoverMs, and no sooner', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, leaseOwner: 'peer', kinactWriter: peer });
    store.put({ leaseKey: one });
    const driver = await holdingAll({ store });
    await driver.harness.advance(10_000);
    expect(driver.keepers).to.have.length(1);
    await driver.harness.advance(60);
    expect(driver.keepers).to.have.length(2);
  });

  it('are looked for once a second beside others, and rarely when all are its own', async () => {
    const alone = await holdingAll();
    await alone.harness.advance(10_000);
    const before = alone.scans();
    await alone.harness.advance(50_000);
    expect(alone.scans() - before).to.be.within(8, 13);
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, leaseOwner: 'java' });
    const beside = await holdingAll({ store, failoverMs: 100_000 });
    const first = beside.scans();
    await beside.harness.advance(50_000);
    expect(beside.scans() - first).to.be.within(44, 56);
  });

  it('are looked for soon after one was lost, for somebody has joined', async () => {
    const driver = await holdingAll();
    await driver.harness.advance(5_500);
    const before = driver.scans();
    driver.store.takeAs(zero, 'peer', peer);
    await driver.news(zero, { type: 'lost', reason: 'stolen', retake: false });
    await driver.harness.advance(1_000);
    expect(driver.scans()).to.equal(before + 1);
  });

  it('never exceed maxLeases, and a warning says once that free ones are left for it', async () => {
    const driver = driveCoordinator({ stream: listedStream({ shards: 5 }), maxLeases: 2 });
    await driver.started();
    await driver.takenAll();
    await driver.harness.advance(30_000);
    expect(driver.keepers).to.have.length(2);
    expect(driver.harness.eventsOf('warning').map((event) => event.message)).to.have.length(1);
  });

  it('are never scanned for twice at once, and a failed scan is repeated with back-off', async () => {
    const driver = await holdingAll();
    let answer: (value?: unknown) => void = () => undefined;
    driver.store.script('scan', { type: 'holdBefore', until: new Promise((resolve) => (answer = resolve)) });
    await driver.harness.advance(60_000);
    const during = driver.scans();
    await driver.harness.tell(driver.coordinator, { type: 'scanDue' });
    await driver.harness.advance(60_000);
    expect(driver.scans()).to.equal(during);
    driver.store.script('scan', { type: 'failBefore' });
    answer();
    await driver.harness.advance(30_000);
    expect(driver.scans()).to.be.above(during + 2);
    expect(driver.harness.eventsOf('retrying').map((event) => event.operation)).to.deep.equal([
      'scan of the lease table',
    ]);
  });

  it('include at once those that an earlier process of the same name left behind', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, leaseOwner: workerId, kinactWriter: writerOf(writerPrefixOf(workerId, 'before'), 3) });
    store.put({ leaseKey: one });
    const driver = await holdingAll({ store });
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.have.members([zero, one]);
  });

  it('do not include those a living twin writes under the same name', async () => {
    const driver = await holdingAll();
    const twin = writerOf(writerPrefixOf(workerId, 'twin'), 1);
    const current = driver.store.takeAs(zero, workerId, twin);
    await driver.news(zero, { type: 'workerIdInUse', current });
    expect(driver.harness.eventsOf('warning')[0]).to.have.nested.property('error.code', 'WORKER_ID_IN_USE');
    for (let beat = 0; beat < 20; beat++) {
      await driver.harness.advance(3_000);
      driver.store.renewAs(zero, twin);
    }
    expect(driver.keepers).to.have.length(2);
  });

  it('include those of a keeper that crashed, read again, and later each time', async () => {
    const driver = await holdingAll();
    const gaps: number[] = [];
    for (let crash = 0; crash < 4; crash++) {
      const before = driver.keepers.length;
      await driver.harness.kill(driver.keeper(zero).ref, { reason: 'crash', error: new Error('bug') });
      const from = driver.harness.clock.now();
      while (driver.keepers.length === before) await driver.harness.advance(100);
      gaps.push(driver.harness.clock.now() - from);
      await driver.taken(zero);
    }
    expect(gaps[0]).to.be.at.most(2_200);
    expect(gaps[3]).to.be.at.least(7_000);
  });

  it('include those that a keeper says are this process’s own, without waiting for the next round', async () => {
    const driver = await holdingAll();
    await driver.harness.advance(5_200);
    await driver.news(zero, {
      type: 'lost',
      reason: 'another keeper of this process',
      retake: true,
    });
    await driver.harness.advance(300);
    expect(driver.keepers).to.have.length(3);
  });

  it('do not include one given up for a failure, for a time that doubles up to a cap', async () => {
    const driver = await holdingAll({ coolDownMs: 10_000, coolDownCapMs: 35_000 });
    const gaps: number[] = [];
    for (let failure = 0; failure < 4; failure++) {
      const before = driver.keepers.length;
      await driver.news(zero, { type: 'released', lease: released(driver, zero), reason: 'stopShard', coolDown: true });
      const from = driver.harness.clock.now();
      expect(driver.status().leases[0]!.coolDownMs).to.be.above(9_000);
      while (driver.keepers.length === before) await driver.harness.advance(200);
      gaps.push(driver.harness.clock.now() - from);
      await driver.taken(zero);
    }
    gaps.forEach((gap, index) =>
      expect(gap).to.be.within([10_000, 20_000, 35_000, 35_000][index]!, [16_000, 26_000, 41_000, 41_000][index]!),
    );
  });

  it('forgive after a shard was read for longer than the cap', async () => {
    const driver = await holdingAll({ coolDownMs: 10_000, coolDownCapMs: 35_000 });
    for (let failure = 0; failure < 2; failure++) {
      await driver.news(zero, { type: 'released', lease: released(driver, zero), reason: 'stopShard', coolDown: true });
      await driver.harness.advance(45_000);
      await driver.taken(zero);
    }
    await driver.news(zero, { type: 'working', fence: 9 });
    await driver.harness.advance(36_000);
    await driver.news(zero, { type: 'released', lease: released(driver, zero), reason: 'stopShard', coolDown: true });
    expect(driver.status().leases[0]!.coolDownMs).to.equal(10_000);
  });

  it('are shown with owner, counter, checkpoint and fence, and the age of the scan', async () => {
    const driver = await holdingAll();
    await driver.news(zero, { type: 'working', fence: 77 });
    await driver.harness.advance(500);
    const status = driver.status();
    expect(status).to.include({ table: 'memory', phase: 'running', held: 2, startable: 2, foreignOwners: false });
    expect(status.scanAgeMs).to.equal(500);
    expect(status.leases[0]).to.deep.include({
      leaseKey: zero,
      owner: workerId,
      counter: driver.store.row(zero).leaseCounter,
      checkpoint: 'TRIM_HORIZON',
    });
    expect(status.leases[0]!.here).to.deep.include({ phase: 'held', fence: 77, startable: true, awaits: [] });
    await driver.news(zero, { type: 'idle', fence: 1, openRecords: false, reason: 'pipeline restarts' });
    expect(driver.status().leases[0]!.here!.fence).to.equal(undefined);
  });

  it('count news of a keeper that has been replaced, and change nothing by it', async () => {
    const driver = await holdingAll();
    const old = driver.keeper(zero);
    await driver.harness.kill(old.ref);
    await driver.harness.advance(6_000);
    await driver.harness.tell(driver.coordinator, {
      type: 'keeperNotice',
      keeper: old.ref,
      leaseKey: zero,
      news: { type: 'ended', childShardIds: [] },
    });
    await driver.harness.tell(driver.coordinator, {
      type: 'keeperNotice',
      keeper: old.ref,
      leaseKey: 'nobody',
      news: { type: 'idle', fence: 1, openRecords: false, reason: '' },
    });
    expect(driver.harness.counts.get('staleKeeperNotice')).to.equal(2);
    expect(driver.keeper(zero)).to.not.equal(old);
    expect(driver.status().leases[0]!.here!.phase).to.equal('taking');
  });
});

describe('parents before children', () => {
  /** Two parents merged into shard 2: 0 and 1 have rows, 2 is theirs. */
  function merged(parentsOwner?: string): {
    store: ReturnType<typeof memoryLeaseStore>;
    stream: ReturnType<typeof listedStream>;
  } {
    const stream = listedStream();
    stream.merge(zero, one);
    const store = memoryLeaseStore();
    for (const leaseKey of [zero, one]) {
      store.put({ leaseKey, ...(parentsOwner === undefined ? {} : { leaseOwner: parentsOwner, kinactWriter: peer }) });
    }
    store.put({ leaseKey: two, parentShardIds: [zero, one] });
    return { store, stream };
  }

  it('a child is held and not startable until both parents have ended, and its keeper is informed', async () => {
    const driver = await holdingAll(merged());
    expect(driver.startable()).to.have.members([zero, one]);
    expect(driver.keeper(two).args.waiting).to.equal(true);
    await driver.end(zero, [two]);
    expect(driver.startable()).to.have.members([one]);
    expect(driver.status().leases[2]!.here!.awaits).to.deep.equal([one]);
    await driver.end(one, [two]);
    expect(driver.startable()).to.deep.equal([two]);
    expect(driver.keeper(two).told).to.deep.equal([{ type: 'mayStart' }]);
  });

  it('the end of a parent in this process starts its child without any read of the table', async () => {
    const driver = await holdingAll(merged());
    await driver.end(zero, [two]);
    const before = driver.store.calls.length;
    await driver.end(one, [two]);
    expect(driver.startable()).to.deep.equal([two]);
    expect(driver.store.calls.slice(before)).to.deep.equal([]);
  });

  it('the end of a parent elsewhere is seen within two seconds, and believed only from a consistent read', async () => {
    const { store, stream } = merged('peer');
    const driver = await holdingAll({ store, stream, failoverMs: 100_000 });
    expect(driver.status().leases[2]!.here!.awaits).to.have.members([zero, one]);
    const picture = [...store.rows.values()].map((row) =>
      row.leaseKey === two ? row : { ...row, checkpoint: 'SHARD_END' },
    );
    store.staleScan(picture);
    await driver.harness.advance(5_000);
    expect(driver.startable(), 'the scan is not to be trusted').to.deep.equal([]);
    store.staleScan(undefined);
    for (const leaseKey of [zero, one]) store.put({ ...store.row(leaseKey), checkpoint: 'SHARD_END' });
    await driver.harness.advance(2_000);
    expect(driver.startable()).to.deep.equal([two]);
  });

  it('does not poll consistent reads while the scan shows a parent at work', async () => {
    const { store, stream } = merged('peer');
    const driver = await holdingAll({ store, stream, failoverMs: 100_000 });
    const before = store.calls.filter((call) => call.operation === 'get').length;
    await driver.harness.advance(20_000);
    expect(store.calls.filter((call) => call.operation === 'get').length).to.equal(before);
  });

  it('a parent without a row holds nobody back, and neither does anything once the child has been read', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: one, leaseOwner: 'peer', kinactWriter: peer });
    store.put({ leaseKey: two, parentShardIds: [zero] });
    store.put({ leaseKey: 'shardId-000000000003', parentShardIds: [one], checkpoint: '4711' });
    const stream = listedStream({ shards: 1 });
    stream.shards = [];
    const driver = await holdingAll({ store, stream, failoverMs: 100_000 });
    expect(driver.startable()).to.have.members([two, 'shardId-000000000003']);
  });

  it('a parent whose row cannot be read is not known to have ended', async () => {
    const { store, stream } = merged();
    store.rows.delete(one);
    store.malformed.push({ leaseKey: one, reason: 'garbage' });
    const { KinactError } = await import('../../src/api/errors.js');
    const get = store.get.bind(store);
    store.get = (leaseKey, signal) =>
      leaseKey === one ? Promise.reject(new KinactError('MALFORMED_LEASE', 'garbage')) : get(leaseKey, signal);
    const driver = await holdingAll({ store, stream });
    await driver.end(zero, [two]);
    await driver.harness.advance(5_000);
    expect(driver.status().leases.find((lease) => lease.leaseKey === two)!.here!.awaits).to.deep.equal([one]);
  });

  it('a read of the parents that fails is repeated', async () => {
    const { store, stream } = merged();
    for (const leaseKey of [zero, one])
      store.put({ ...store.row(leaseKey), checkpoint: 'SHARD_END', childShardIds: [two] });
    store.script('get', { type: 'failBefore' });
    const driver = await holdingAll({ store, stream });
    expect(driver.startable()).to.deep.equal([]);
    await driver.harness.advance(2_000);
    expect(driver.startable()).to.deep.equal([two]);
  });

  it('the children of a shard that ended here are taken at once, unless somebody has them', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    await driver.harness.advance(2_500);
    const [left, right] = stream.split(zero);
    driver.store.put({ leaseKey: left, parentShardIds: [zero] });
    driver.store.put({ leaseKey: right, parentShardIds: [zero], leaseOwner: 'peer', kinactWriter: peer });
    await driver.end(zero, [left, right]);
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.deep.equal([zero, left]);
    await driver.taken(left);
    expect(driver.startable()).to.deep.equal([left]);
  });

  it('children that could not be read are found by the next scan', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    const [left] = stream.split(zero);
    driver.store.put({ leaseKey: left, parentShardIds: [zero] });
    driver.store.script('get', { type: 'failBefore' });
    await driver.end(zero, [left]);
    expect(driver.keepers).to.have.length(1);
    await driver.harness.advance(7_000);
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.include(left);
  });
});

describe('releasing everything', () => {
  it('tells each keeper, takes nothing any more, and answers when the last one has spoken', async () => {
    const driver = await holdingAll();
    const { later } = await driver.releaseAll(20_000);
    for (const leaseKey of [zero, one])
      expect(driver.keeper(leaseKey).told.at(-1)).to.deep.equal({
        type: 'release',
        reason: 'stopping',
        deadlineMs: 20_000,
      });
    await driver.news(zero, { type: 'released', lease: released(driver, zero), reason: 'stopping', coolDown: false });
    expect(later()).to.equal(undefined);
    await driver.news(one, {
      type: 'released',
      lease: released(driver, one, { recordsLeft: 3 }),
      reason: 'stopping',
      coolDown: false,
    });
    expect(later()!.map((lease) => [lease.leaseKey, lease.recordsLeft, lease.released])).to.deep.equal([
      [zero, 0, true],
      [one, 3, true],
    ]);
    await driver.harness.advance(30_000);
    expect(driver.keepers).to.have.length(2);
    expect((await driver.releaseAll(1)).later(), 'asked again').to.have.length(2);
  });

  it('answers by the deadline at the latest, with what was last known of those who did not speak', async () => {
    const driver = await holdingAll();
    const { later } = await driver.releaseAll(5_000);
    const second = await driver.releaseAll(9_000);
    await driver.news(zero, { type: 'released', lease: released(driver, zero), reason: 'stopping', coolDown: false });
    await driver.harness.advance(4_999);
    expect(later()).to.equal(undefined);
    await driver.harness.advance(1);
    expect(later()).to.deep.include({
      source: 'orders',
      shardId: one,
      leaseKey: one,
      recordsLeft: -1,
      checkpoint: 'TRIM_HORIZON',
      subSequenceNumber: 0,
      released: false,
    });
    expect(second.later()).to.deep.equal(later());
  });

  it('is answered at once when nothing is held', async () => {
    const driver = driveCoordinator({ store: memoryLeaseStore(), maxLeases: 0 });
    await driver.started();
    expect((await driver.releaseAll(5_000)).later()).to.deep.equal([]);
  });

  it('during the start ends the start', async () => {
    const stream = listedStream();
    stream.faults.describe.push(new Error('down'));
    const driver = driveCoordinator({ stream });
    const asked = await driver.harness.ask<LeaseCoordinatorMessage, CoordinatorStarted>(
      driver.coordinator,
      (replyTo) => ({
        type: 'awaitStart',
        replyTo,
      }),
    );
    expect((await driver.releaseAll(5_000)).later()).to.deep.equal([]);
    expect(asked.later()).to.have.nested.property('error.code', 'STOPPED');
    await driver.harness.advance(30_000);
    expect(driver.keepers).to.deep.equal([]);
  });

  it('does not take the children of a shard that ends meanwhile', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    const [left, right] = stream.split(zero);
    for (const leaseKey of [left, right]) driver.store.put({ leaseKey, parentShardIds: [zero] });
    const { later } = await driver.releaseAll(5_000);
    await driver.end(zero, [left, right]);
    expect(later()).to.deep.equal([]);
    expect(driver.keepers).to.have.length(1);
  });
});

describe('signatures', () => {
  it('of this process are those its own keepers are given', async () => {
    const driver = await holdingAll();
    expect(driver.keeper(zero).args.writerPrefix).to.equal(nonce);
  });
});
