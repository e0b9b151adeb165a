// Which leases a coordinator takes, and when it takes and releases them. A lease counts as held only after its take is written,
// children wait for their parents, and `maxLeases` is never exceeded. Keepers are stubs, and the table is in memory.
import { expect } from 'chai';
import {
  driveCoordinator,
  nonce,
  workerId,
  type CoordinatorDriver,
  holdingAll,
} from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore } from '../../support/memory-lease-store.js';
import type {
  LeaseCoordinatorMessage,
  CoordinatorStarted,
  ReleaseOutcome,
} from '../../../actors/lease-coordinator/lease-coordinator.js';
import { writerPrefixOf, writerOf } from '../../../src/core/writer-signature.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';
const peer = writerOf(writerPrefixOf('peer', 'x'), 1);

function released(driver: CoordinatorDriver, leaseKey: string, more: Partial<ReleaseOutcome> = {}): ReleaseOutcome {
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

describe('a coordinator that takes leases', () => {
  it('sends its held leases to a subscriber at once, and after every change with a higher version', async () => {
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
    const held = { leaseKey: one, shardId: one, source: 'orders', keeper: ref, startable: true };
    const change = { since: 1, gone: [] };
    expect(driver.heard.at(-1)).to.deep.equal({ type: 'held', table: 'memory', version: 2, change, leases: [held] });
    await driver.subscribe();
    const { leases, ...all } = driver.heard.at(-1)!;
    expect(all, 'a new subscriber hears of all').to.deep.equal({ type: 'held', table: 'memory', version: 2 });
    expect(leases.map((lease) => lease.leaseKey)).to.have.members([zero, one]);
    await driver.news(zero, { type: 'lost', reason: 'stolen', retake: false });
    expect(driver.heard.at(-1)).to.deep.include({ version: 3, change: { since: 2, gone: [zero] }, leases: [] });
  });

  it('sends nothing more to a subscriber that has died', async () => {
    const driver = driveCoordinator();
    const subscriber = await driver.subscribe();
    await driver.harness.kill(subscriber);
    await driver.started();
    await driver.takenAll();
    expect(driver.heard).to.have.length(1);
    expect(driver.harness.counts.get('deadLetter')).to.equal(undefined);
  });

  it('counts a lease as held only after the take is written', async () => {
    const driver = driveCoordinator();
    await driver.subscribe();
    await driver.started();
    expect(driver.status().held).to.equal(0);
    await driver.news(zero, { type: 'notTaken', reason: 'somebody was quicker', retake: false });
    expect(driver.heard).to.have.length(1);
  });

  it('starts no second keeper for a lease that has one', async () => {
    const driver = await holdingAll();
    await driver.harness.advance(20_000);
    expect(driver.keepers).to.have.length(2);
  });

  it('takes a lease within two seconds after its owner has released it', async () => {
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
    expect(driver.keeper(zero).args.seenRow.leaseCounter).to.equal(free.leaseCounter + 1);
  });

  it('takes a lease as soon as its counter has stood still for failoverMs, and no sooner', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, leaseOwner: 'peer', kinactWriter: peer });
    store.put({ leaseKey: one });
    const driver = await holdingAll({ store });
    await driver.harness.advance(10_000);
    expect(driver.keepers).to.have.length(1);
    await driver.harness.advance(60);
    expect(driver.keepers).to.have.length(2);
  });

  it('scans every second beside other owners, and every five seconds if it owns all leases', async () => {
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

  it('scans within a second after it has lost a lease, because another worker has joined', async () => {
    const driver = await holdingAll();
    await driver.harness.advance(5_500);
    const before = driver.scans();
    driver.store.takeAs(zero, 'peer', peer);
    await driver.news(zero, { type: 'lost', reason: 'stolen', retake: false });
    await driver.harness.advance(1_000);
    expect(driver.scans()).to.equal(before + 1);
  });

  it('takes no more than maxLeases, and warns once that free leases are left', async () => {
    const driver = driveCoordinator({ stream: listedStream({ shards: 5 }), maxLeases: 2 });
    await driver.started();
    await driver.takenAll();
    await driver.harness.advance(30_000);
    expect(driver.keepers).to.have.length(2);
    expect(driver.harness.eventsOf('warning').map((event) => event.message)).to.have.length(1);
  });

  it('makes one scan at a time, and repeats a failed scan with back-off', async () => {
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

  it('takes at once the leases that an earlier process with its worker id left behind', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero, leaseOwner: workerId, kinactWriter: writerOf(writerPrefixOf(workerId, 'before'), 3) });
    store.put({ leaseKey: one });
    const driver = await holdingAll({ store });
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.have.members([zero, one]);
  });

  it('reports WORKER_ID_IN_USE, and leaves the lease to a living process with its worker id', async () => {
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

  it('takes the lease of a crashed keeper again, later after each crash', async () => {
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

  it('takes a lost lease again within 300 ms if its keeper reports `retake`', async () => {
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

  it('leaves a lease alone after a failure, for a cool-down that doubles up to a cap', async () => {
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

  it('resets the cool-down after the shard was read for longer than the cap', async () => {
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

  it('shows owner, counter, checkpoint and fence of each lease, and the age of the scan', async () => {
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

  it('counts reports of a replaced keeper, and otherwise ignores them', async () => {
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

describe('the lease of a child shard', () => {
  /** Shards 0 and 1 are merged into shard 2, and all three have rows. */
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

  it('is held but not startable until both parents have ended, and then its keeper gets `startAllowed`', async () => {
    const driver = await holdingAll(merged());
    expect(driver.startable()).to.have.members([zero, one]);
    expect(driver.keeper(two).args.mayNotStart).to.equal(true);
    await driver.end(zero, [two]);
    expect(driver.startable()).to.have.members([one]);
    expect(driver.status().leases[2]!.here!.awaits).to.deep.equal([one]);
    await driver.end(one, [two]);
    expect(driver.startable()).to.deep.equal([two]);
    expect(driver.keeper(two).told).to.deep.equal([{ type: 'startAllowed' }]);
  });

  it('becomes startable without a read of the table when its last parent ends in this process', async () => {
    const driver = await holdingAll(merged());
    await driver.end(zero, [two]);
    const before = driver.store.calls.length;
    await driver.end(one, [two]);
    expect(driver.startable()).to.deep.equal([two]);
    expect(driver.store.calls.slice(before)).to.deep.equal([]);
  });

  it('becomes startable within two seconds after its parents end elsewhere, by a consistent read only', async () => {
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

  it('causes no consistent reads while the scans show that its parents are still read', async () => {
    const { store, stream } = merged('peer');
    const driver = await holdingAll({ store, stream, failoverMs: 100_000 });
    const before = store.calls.filter((call) => call.operation === 'get').length;
    await driver.harness.advance(20_000);
    expect(store.calls.filter((call) => call.operation === 'get').length).to.equal(before);
  });

  it('is startable if its parent has no row, or if the child itself has been read', async () => {
    const store = memoryLeaseStore();
    store.put({ leaseKey: one, leaseOwner: 'peer', kinactWriter: peer });
    store.put({ leaseKey: two, parentShardIds: [zero] });
    store.put({ leaseKey: 'shardId-000000000003', parentShardIds: [one], checkpoint: '4711' });
    const stream = listedStream({ shards: 1 });
    stream.shards = [];
    const driver = await holdingAll({ store, stream, failoverMs: 100_000 });
    expect(driver.startable()).to.have.members([two, 'shardId-000000000003']);
  });

  it('waits for a parent whose row is malformed', async () => {
    const { store, stream } = merged();
    store.rows.delete(one);
    store.malformed.push({ leaseKey: one, reason: 'garbage' });
    const { KinactError } = await import('../../../src/api/errors.js');
    const get = store.get.bind(store);
    store.get = (leaseKey, signal) =>
      leaseKey === one ? Promise.reject(new KinactError('MALFORMED_LEASE', 'garbage')) : get(leaseKey, signal);
    const driver = await holdingAll({ store, stream });
    await driver.end(zero, [two]);
    await driver.harness.advance(5_000);
    expect(driver.status().leases.find((lease) => lease.leaseKey === two)!.here!.awaits).to.deep.equal([one]);
  });

  it('becomes startable after a failed read of its parents has been repeated', async () => {
    const { store, stream } = merged();
    for (const leaseKey of [zero, one])
      store.put({ ...store.row(leaseKey), checkpoint: 'SHARD_END', childShardIds: [two] });
    store.script('get', { type: 'failBefore' });
    const driver = await holdingAll({ store, stream });
    expect(driver.startable()).to.deep.equal([]);
    await driver.harness.advance(2_000);
    expect(driver.startable()).to.deep.equal([two]);
  });

  it('is taken at once when its parent ends in this process, unless a peer owns it', async () => {
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

  it('is taken after the next scan if the read at the end of its parent fails', async () => {
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

describe('a coordinator that releases everything', () => {
  it('tells each keeper, takes no more leases, and answers after the last keeper has reported', async () => {
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

  it('answers at the deadline, with the last known state of leases whose keepers have not reported', async () => {
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
      recordsLeft: 'unknown',
      checkpoint: 'TRIM_HORIZON',
      subSequenceNumber: 0,
      released: false,
    });
    expect(second.later()).to.deep.equal(later());
  });

  it('answers at once if no lease is held', async () => {
    const driver = driveCoordinator({ store: memoryLeaseStore(), maxLeases: 0 });
    await driver.started();
    expect((await driver.releaseAll(5_000)).later()).to.deep.equal([]);
  });

  it('ends a start that is under way with STOPPED', async () => {
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

describe('the writer signatures of a keeper', () => {
  it('begin with the nonce of the process', async () => {
    const driver = await holdingAll();
    expect(driver.keeper(zero).args.writerPrefix).to.equal(nonce);
  });
});
