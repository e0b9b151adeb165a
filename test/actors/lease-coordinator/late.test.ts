// A coordinator ignores what comes too late: a report of a replaced keeper, a scan during a release, a result of a failed source.
// It forgets what it no longer needs.
import { expect } from 'chai';
import type { LeaseCoordinatorMessage, ShardEndPlan } from '../../../actors/lease-coordinator/lease-coordinator.js';
import { driveCoordinator, holdingAll } from '../../support/coordinator-driver.js';
import { gate } from '../../support/gate.js';
import { listedStream } from '../../support/listed-stream.js';
import { memoryLeaseStore } from '../../support/memory-lease-store.js';
import { KinactError } from '../../../src/api/errors.js';
import type { StreamDescription } from '../../../src/api/ports.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const two = 'shardId-000000000002';

describe('a coordinator that gets a late message', () => {
  it('ignores messages about a keeper of another incarnation', async () => {
    const driver = await holdingAll();
    const { ref } = driver.keeper(zero);
    const before = JSON.stringify(driver.status());
    await driver.harness.tell(driver.coordinator, {
      type: 'keeperSpawned',
      leaseKey: zero,
      incarnation: 99,
      keeper: ref,
    });
    await driver.harness.tell(driver.coordinator, {
      type: 'keeperDown',
      leaseKey: zero,
      incarnation: 99,
      how: { reason: 'crash', orphans: [] },
    });
    await driver.harness.tell(driver.coordinator, {
      type: 'parentsRead',
      leaseKey: zero,
      incarnation: 99,
      awaited: ['x'],
    });
    expect(JSON.stringify(driver.status())).to.equal(before);
  });

  it('tells a keeper that starts during a release to release, within the time that is left', async () => {
    const driver = driveCoordinator();
    await driver.started();
    await driver.releaseAll(5_000);
    await driver.harness.advance(1_000);
    const { ref, args, told } = driver.keeper(zero);
    told.length = 0;
    await driver.harness.tell(driver.coordinator, {
      type: 'keeperSpawned',
      leaseKey: zero,
      incarnation: Number(args.writer.split('.').at(-1)),
      keeper: ref,
    });
    expect(told).to.deep.equal([{ type: 'release', reason: 'stopping', deadlineMs: 4_000 }]);
  });

  it('takes a lease again, without a cool-down, after its keeper stopped without a report', async () => {
    const driver = await holdingAll();
    await driver.harness.kill(driver.keeper(zero).ref, { reason: 'shutdown' });
    await driver.harness.advance(2_000);
    expect(driver.keepers).to.have.length(3);
    expect(driver.status().leases[0]!.coolDownMs).to.equal(undefined);
  });

  it('ignores timers and results that belong to another phase', async () => {
    const driver = await holdingAll();
    const before = driver.scans();
    await driver.harness.tell(driver.coordinator, { type: 'startOverdue' });
    await driver.harness.tell(driver.coordinator, { type: 'releaseOverdue' });
    await driver.harness.tell(driver.coordinator, { type: 'openTableAgain' });
    await driver.harness.tell(driver.coordinator, { type: 'openStreamAgain', stream: 0 });
    await driver.harness.tell(driver.coordinator, { type: 'openTableFailed', error: new Error('late') });
    await driver.harness.tell(driver.coordinator, { type: 'openStreamFailed', stream: 0, error: new Error('late') });
    await driver.harness.tell(driver.coordinator, { type: 'tableOpened' });
    expect(driver.status().phase).to.equal('running');
    expect(driver.harness.eventsOf('retrying')).to.deep.equal([]);
    expect(driver.scans()).to.be.at.most(before + 1);
    await driver.releaseAll(5_000);
    await driver.harness.tell(driver.coordinator, { type: 'scanDue' });
    expect(driver.scans()).to.be.at.most(before + 1);
  });

  it('makes one more shard sync if a doubt about the stream comes during a sync', async () => {
    const stream = listedStream();
    const { describe } = stream;
    let described = 0;
    let answered = Promise.resolve();
    const slow = { ...stream, describe: (signal: AbortSignal) => (described++, answered.then(() => describe(signal))) };
    const driver = await holdingAll({ stream: Object.assign(stream, { describe: slow.describe }) });
    const late = gate();
    answered = late.opened;
    await driver.harness.advance(70_000);
    const before = described;
    await driver.news(zero, { type: 'streamDoubted' });
    late.open();
    await driver.harness.advance(6_000);
    expect(described).to.equal(before + 1);
    await driver.harness.advance(30_000);
    expect(described).to.equal(before + 1);
  });

  it('takes nothing if a scan or the description of the stream returns after the release began', async () => {
    const scanning = driveCoordinator();
    const scan = gate();
    scanning.store.script('scan', { type: 'holdAfter', until: scan.opened });
    await scanning.harness.settle();
    await scanning.releaseAll(5_000);
    scan.open();
    await scanning.harness.advance(10_000);
    expect(scanning.keepers).to.deep.equal([]);
    const stream = listedStream();
    const table = gate();
    const describe = stream.describe.bind(stream);
    stream.describe = (signal): Promise<StreamDescription> => table.opened.then(() => describe(signal));
    const opening = driveCoordinator({ stream });
    await opening.releaseAll(5_000);
    table.open();
    await opening.harness.advance(10_000);
    expect(opening.scans()).to.equal(0);
  });

  it('ignores a scan or a shard sync that returns after its source has failed', async () => {
    const driver = driveCoordinator();
    const scan = gate();
    driver.store.script('scan', { type: 'holdAfter', until: scan.opened });
    expect(await driver.started()).to.equal(undefined);
    const error = new KinactError('STREAM_CHANGED', 'no');
    await driver.harness.tell(driver.coordinator, { type: 'syncFailed', stream: 0, error });
    expect(await driver.started()).to.deep.equal({ type: 'failed', error });
    scan.open();
    await driver.harness.advance(5_000);
    await driver.harness.tell(driver.coordinator, {
      type: 'synced',
      stream: 0,
      result: {
        shards: [],
        isComplete: true,
        created: [],
        postponed: false,
        handledDeletedKeys: [],
        doubtful: [],
        unstamped: [],
        inconsistent: undefined,
        shardsWithDeletedRow: [],
        unanchored: [],
        placement: undefined,
      },
    });
    expect(driver.stream.filters).to.deep.equal([]);
    expect((await driver.releaseAll(1_000)).later()).to.deep.equal([]);
    expect(driver.status().phase).to.equal('failed');
  });

  it('reads the parents of a lease once at a time, and ignores an answer that is outdated', async () => {
    const stream = listedStream();
    stream.merge(zero, one);
    const store = memoryLeaseStore();
    for (const leaseKey of [zero, one]) store.put({ leaseKey });
    store.put({ leaseKey: two, parentShardIds: [zero, one] });
    const driver = driveCoordinator({ store, stream });
    await driver.started();
    await driver.taken(zero);
    await driver.taken(one);
    const read = gate();
    store.script('get', { type: 'holdAfter', until: read.opened }, zero);
    await driver.taken(two);
    const reads = (): number => store.calls.filter((call) => call.operation === 'get' && call.leaseKey === zero).length;
    await driver.end(zero, [two]);
    await driver.harness.advance(6_000);
    expect(reads()).to.equal(1);
    await driver.end(one, [two]);
    expect(driver.startable()).to.deep.equal([two]);
    read.open();
    await driver.harness.settle();
    expect(driver.startable(), 'the stale answer names zero').to.deep.equal([two]);
  });

  it('does not make a lease startable that was lost while its parents were read', async () => {
    const stream = listedStream({ shards: 1 });
    stream.split(zero);
    const store = memoryLeaseStore();
    store.put({ leaseKey: zero });
    store.put({ leaseKey: one, parentShardIds: [zero] });
    store.put({ leaseKey: two, parentShardIds: [zero], checkpoint: '5' });
    const driver = driveCoordinator({ store, stream });
    await driver.started();
    const read = gate();
    store.script('get', { type: 'holdAfter', until: read.opened }, zero);
    await driver.taken(one);
    await driver.news(one, { type: 'lost', reason: 'stolen', retake: false });
    read.open();
    await driver.harness.settle();
    expect(driver.startable()).to.not.include(one);
  });

  it('answers `blocked` about the end of a shard whose lease was lost meanwhile', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    stream.split(zero);
    const get = gate();
    driver.store.script('get', { type: 'holdAfter', until: get.opened });
    driver.store.script('create', { type: 'failBefore' });
    const asked = await driver.harness.ask(driver.coordinator, (replyTo) => ({
      type: 'askShardEnd' as const,
      leaseKey: zero,
      notFound: false,
      children: [{ shardId: one, parentShards: [zero] }],
      replyTo,
    }));
    await driver.news(zero, { type: 'lost', reason: 'stolen', retake: false });
    get.open();
    await driver.harness.settle();
    expect(asked.later()).to.include({ type: 'blocked' });
    expect(driver.harness.eventsOf('retrying')[0]).to.not.have.property('shardId');
  });

  it('answers `blocked` to every verdict on a lease that is gone, without `trimmed` or `warning`', async () => {
    const driver = await holdingAll();
    for (const result of [
      { type: 'blocked', reason: 'x', needsSync: true, absent: [], waits: false },
      { type: 'readOn', reason: 'x', certain: true },
      { type: 'changed', rowStream: 'a', liveStream: 'b' },
      { type: 'ready', childShardIds: [], childless: true, gone: true, mayHaveLost: true },
    ] as const) {
      const asked = await driver.harness.ask<LeaseCoordinatorMessage, ShardEndPlan>(driver.coordinator, (replyTo) => ({
        type: 'shardEndJudged' as const,
        question: { type: 'askShardEnd' as const, leaseKey: 'gone', notFound: false, replyTo },
        result,
      }));
      expect(asked.later()).to.include({ type: 'blocked' });
    }
    expect(driver.harness.eventsOf('trimmed')).to.deep.equal([]);
    expect(driver.harness.eventsOf('warning')).to.deep.equal([]);
  });

  it('does not take children that have ended, exceed maxLeases or cool down when their parent ends', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream, maxLeases: 1 });
    const [left, right] = stream.split(zero);
    driver.store.put({ leaseKey: left, parentShardIds: [zero], checkpoint: 'SHARD_END' });
    driver.store.put({ leaseKey: right, parentShardIds: [zero] });
    await driver.end(zero, [left, right]);
    expect(driver.keepers.map(({ args }) => args.leaseKey)).to.deep.equal([zero, right]);
    await driver.taken(right);
    await driver.news(right, {
      type: 'released',
      coolDown: true,
      reason: 'stopShard',
      lease: {
        source: 'orders',
        shardId: right,
        leaseKey: right,
        recordsLeft: 0,
        checkpoint: '1',
        subSequenceNumber: 0,
        released: true,
      },
    });
    const { leaseOwner: _, ...free } = driver.store.row(right);
    driver.store.put(free);
    await driver.harness.tell(driver.coordinator, { type: 'childrenRead', rows: [free] });
    expect(driver.keepers, 'cooling down').to.have.length(2);
    await driver.harness.advance(20_000);
    expect(driver.keepers).to.have.length(3);
    await driver.harness.tell(driver.coordinator, { type: 'childrenRead', rows: [{ ...free, leaseKey: 'another' }] });
    expect(driver.keepers, 'no room').to.have.length(3);
  });

  it('takes children that were read late neither twice nor during a release', async () => {
    const driver = await holdingAll();
    const { leaseOwner: _, ...row } = driver.store.row(zero);
    await driver.harness.tell(driver.coordinator, { type: 'childrenRead', rows: [row] });
    expect(driver.keepers).to.have.length(2);
    await driver.releaseAll(5_000);
    await driver.harness.tell(driver.coordinator, { type: 'childrenRead', rows: [{ ...row, leaseKey: two }] });
    expect(driver.keepers).to.have.length(2);
  });

  it('passes `kinactLatestAt` on to the children of a shard whose row no scan has shown', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holdingAll({ stream });
    const [left] = stream.split(zero);
    driver.store.put({ leaseKey: left, parentShardIds: [zero], kinactLatestAt: 77 });
    await driver.end(zero, [left]);
    await driver.taken(left);
    const [grandchild] = stream.split(left);
    await driver.askEnd(left);
    expect(driver.store.row(grandchild).kinactLatestAt).to.equal(77);
  });
});

describe('a lease coordinator', () => {
  it('forgets ended shards and cool-downs after their rows are gone', async () => {
    const stream = listedStream({ shards: 2 });
    const driver = await holdingAll({ stream });
    await driver.end(zero);
    await driver.news(one, {
      type: 'workerIdInUse',
      current: { ...driver.store.row(one), kinactWriter: undefined } as never,
    });
    expect(driver.harness.eventsOf('warning')[0]!.message).to.include('kinactWriter absent');
    driver.store.rows.clear();
    stream.shards = [];
    await driver.harness.advance(30_000);
    expect(driver.status().leases).to.deep.equal([]);
  });

  it('does not warn when a row of a stream that it does not read is deleted', async () => {
    const store = memoryLeaseStore();
    const foreign = `123456789012:elsewhere:1700000000:${zero}`;
    store.put({ leaseKey: foreign });
    store.put({ leaseKey: 'bare-and-undescribed' });
    const driver = await holdingAll({ store, multiStream: true });
    store.rows.delete(foreign);
    await driver.harness.advance(10_000);
    expect(driver.harness.eventsOf('warning')).to.deep.equal([]);
  });

  it('shows no leases and no age of the scan in its status before the first scan', () => {
    const driver = driveCoordinator();
    expect(driver.status()).to.deep.include({
      phase: 'opening',
      scanAgeMs: undefined,
      foreignOwners: false,
      leases: [],
    });
  });

  it('fills in no hash range in a row whose shard is not listed', async () => {
    const driver = await holdingAll();
    const { startingHashKey: _, endingHashKey: __, ...bare } = { ...driver.store.row(one), leaseKey: 'unlisted' };
    driver.store.rows.set('unlisted', bare);
    await driver.harness.advance(130_000);
    expect(driver.store.calls.filter((call) => call.operation === 'updateMeta')).to.deep.equal([]);
  });

  it('repeats a take within 300 ms if its keeper reports `retake`', async () => {
    const driver = driveCoordinator();
    await driver.started();
    driver.store.takeAs(zero, 'me', driver.keeper(zero).args.writer);
    await driver.news(zero, { type: 'notTaken', reason: 'own', retake: true });
    await driver.harness.advance(300);
    expect(driver.keepers).to.have.length(3);
  });

  it('repeats a take ever more rarely while `retake` is reported, and soon again a minute after success', async () => {
    const driver = driveCoordinator();
    await driver.started();
    const refusedFor = async (ms: number): Promise<number> => {
      const before = driver.keepers.length;
      for (let at = 0; at < ms; at += 50) {
        const { writer } = driver.keeper(zero).args;
        driver.store.takeAs(zero, 'me', writer);
        await driver.news(zero, { type: 'notTaken', reason: 'own', retake: true });
        await driver.harness.advance(50);
      }
      return driver.keepers.length - before;
    };
    // 250, 500, 1,000, 2,000, 4,000 ms, and from then on failoverMs.
    expect(await refusedFor(10_000)).to.be.within(4, 7);
    expect(await refusedFor(30_000)).to.be.within(2, 5);
    await driver.taken(zero);
    await driver.harness.advance(70_000);
    driver.store.takeAs(zero, 'me', driver.keeper(zero).args.writer);
    const before = driver.keepers.length;
    await driver.news(zero, { type: 'lost', reason: 'own', retake: true });
    await driver.harness.advance(300);
    expect(driver.keepers).to.have.length(before + 1);
  });

  it('gives its keepers new signatures after a restart, and takes its own leases back at once', async () => {
    const first = await holdingAll();
    await first.harness.kill(first.coordinator);
    const second = driveCoordinator({ harness: first.harness, store: first.store, stream: first.stream });
    await second.started();
    const writers = [...first.keepers, ...second.keepers].map(({ args }) => args.writer);
    expect(second.keepers, 'what it owned before is taken back at once').to.have.length(2);
    expect(new Set(writers).size).to.equal(4);
  });
});
