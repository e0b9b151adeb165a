// A held lease that no worker reads does not stay unnoticed: an event names the shard and the reason. A lease whose reads fail here
// is released if a peer is alive.
import { expect } from 'chai';
import { driveCoordinator, workerId, type CoordinatorDriver, holdingAll } from '../../support/coordinator-driver.js';
import { listedStream } from '../../support/listed-stream.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const failoverMs = 10_000;

const holding = (setup: Parameters<typeof driveCoordinator>[0] = {}): Promise<CoordinatorDriver> =>
  holdingAll({ failoverMs, ...setup });
const working = (driver: CoordinatorDriver, leaseKey: string, fence = 7): Promise<void> =>
  driver.news(leaseKey, { type: 'working', fence });

describe('a held lease that no worker reads', () => {
  it('is reported once after failoverMs, with the reason, and the pipeline gets the held leases again', async () => {
    const driver = await holding();
    await driver.subscribe();
    await working(driver, zero);
    await working(driver, one);
    await driver.harness.advance(60_000);
    expect(driver.harness.eventsOf('leaseUnread')).to.deep.equal([]);
    await driver.news(zero, {
      type: 'idle',
      fence: 7,
      openRecords: false,
      reason: 'the shard worker has ended: shardEnd',
    });
    await driver.harness.advance(failoverMs);
    expect(driver.status().unread).to.deep.equal([]);
    const heard = driver.heard.length;
    await driver.harness.advance(6_000);
    const [said, ...more] = driver.harness.eventsOf('leaseUnread');
    expect(said).to.deep.include({ source: 'orders', shardId: zero, reason: 'the shard worker has ended: shardEnd' });
    expect(said?.unreadMs).to.be.within(failoverMs, failoverMs + 6_000);
    expect(more).to.deep.equal([]);
    expect(driver.heard.length).to.be.above(heard);
    expect(driver.status().unread[0]).to.include({ leaseKey: zero });
    await working(driver, zero, 8);
    expect(driver.status().unread).to.deep.equal([]);
  });

  it('is not reported while a parent has not ended, or while everything is released', async () => {
    const stream = listedStream({ shards: 1 });
    const [left] = stream.split(zero);
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: zero, leaseOwner: 'peer' }),
      leaseRow({ leaseKey: left, parentShardIds: [zero] }),
    ]);
    const driver = driveCoordinator({ stream, store, failoverMs });
    await driver.started();
    await driver.taken(left);
    for (let beat = 0; beat < 10; beat += 1) {
      store.put({ ...store.row(zero), leaseCounter: store.row(zero).leaseCounter + 1 });
      await driver.harness.advance(3_000);
    }
    expect(driver.harness.eventsOf('leaseUnread')).to.deep.equal([]);
    const other = await holding();
    await other.releaseAll(60_000);
    await other.harness.advance(50_000);
    expect(other.harness.eventsOf('leaseUnread')).to.deep.equal([]);
  });

  it('is not reported while its end waits for a merge partner whose parent a peer still reads', async () => {
    const stream = listedStream();
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero }), leaseRow({ leaseKey: one, leaseOwner: 'peer' })]);
    const driver = driveCoordinator({ stream, store, failoverMs });
    await driver.started();
    await driver.taken(zero);
    await working(driver, zero);
    const [partner] = stream.split(one);
    const merged = stream.merge(zero, partner);
    await driver.news(zero, {
      type: 'idle',
      fence: 7,
      openRecords: false,
      reason: 'the shard worker has ended: shardEnd',
    });
    const children = [{ shardId: merged, parentShards: [zero, partner] }];
    for (let beat = 0; beat < 60; beat += 1) {
      store.put({ ...store.row(one), leaseCounter: store.row(one).leaseCounter + 1 });
      // Less often than every failoverMs, as a keeper asks after some time.
      if (beat % 5 === 0) expect(await driver.askEnd(zero, { children })).to.include({ type: 'blocked', waits: true });
      await driver.harness.advance(3_000);
    }
    expect(driver.harness.eventsOf('leaseUnread')).to.deep.equal([]);
    expect(driver.status().unread).to.deep.equal([]);
    expect(store.rows.has(merged)).to.equal(false);
  });

  it('is reported with the reason that the end of its shard is not proven', async () => {
    const stream = listedStream({ shards: 1 });
    const driver = await holding({ stream });
    await working(driver, zero);
    await driver.news(zero, {
      type: 'idle',
      fence: 7,
      openRecords: false,
      reason: 'the shard worker has ended: shardEnd',
    });
    stream.faults.listShards.push(...Array.from({ length: 40 }, () => new Error('not now')));
    await driver.askEnd(zero);
    stream.shards = [];
    stream.faults.listShards.length = 0;
    await driver.askEnd(zero);
    await driver.harness.advance(16_000);
    expect(driver.harness.eventsOf('leaseUnread')[0]?.reason).to.include('the end of the shard is not proven');
  });
});

describe('a lease without a living owner that no worker takes', () => {
  it('causes one warning that names its shard, but not before 80 s', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: zero }), leaseRow({ leaseKey: one, leaseOwner: 'dead' })]);
    const driver = await holding({ store, maxLeases: 1 });
    const said = (): (string | undefined)[] =>
      driver.harness
        .eventsOf('warning')
        .filter(({ message }) => message.startsWith('Nobody reads'))
        .map(({ shardId }) => shardId);
    await driver.harness.advance(60_000 + 2 * failoverMs);
    expect(said()).to.deep.equal([]);
    await driver.harness.advance(120_000);
    const [held] = driver.status().leases.map(({ leaseKey }) => leaseKey);
    expect(said()).to.deep.equal([held === zero ? one : zero]);
  });
});

describe('a row at SHARD_END whose shard is open', () => {
  it('is reported after two listings a minute apart, and shown only until its checkpoint changes', async () => {
    const driver = await holding();
    driver.store.put({ ...driver.store.row(one), checkpoint: 'SHARD_END' });
    await driver.news(one, { type: 'ended', childShardIds: [] });
    await driver.harness.advance(66_000);
    expect(driver.harness.eventsOf('leaseContradiction')).to.deep.equal([]);
    await driver.harness.advance(70_000);
    const place = { source: 'orders', shardId: one, leaseKey: one, table: 'memory' };
    expect(driver.harness.eventsOf('leaseContradiction').map(({ remedy: _, ...event }) => event)).to.deep.equal([
      place,
    ]);
    expect(driver.status().contradictions).to.deep.equal([one]);
    driver.store.put({ ...driver.store.row(one), checkpoint: 'TRIM_HORIZON' });
    await driver.harness.advance(70_000);
    expect(driver.status().contradictions).to.deep.equal([]);
  });

  it('is not reported if a later listing shows the shard closed', async () => {
    const stream = listedStream();
    const driver = await holding({ stream });
    driver.store.put({ ...driver.store.row(zero), checkpoint: 'SHARD_END' });
    await driver.news(zero, { type: 'ended', childShardIds: [] });
    await driver.harness.advance(70_000);
    stream.split(zero);
    await driver.harness.advance(300_000);
    expect(driver.harness.eventsOf('leaseContradiction')).to.deep.equal([]);
  });
});

describe('a shard whose reads fail', () => {
  const released = (driver: CoordinatorDriver, leaseKey: string): boolean =>
    driver.keeper(leaseKey).told.some((message) => message.type === 'release');
  const give = async (driver: CoordinatorDriver, leaseKey: string): Promise<void> => {
    const { leaseOwner: _, ...row } = driver.store.row(leaseKey);
    driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
    const { checkpoint, checkpointSubSequenceNumber: subSequenceNumber } = row;
    const place = { source: 'orders', shardId: leaseKey, leaseKey };
    const lease = { ...place, recordsLeft: 0, checkpoint, subSequenceNumber, released: true };
    await driver.news(leaseKey, { type: 'released', coolDown: false, reason: 'reads', lease });
  };
  /** Two leases are held here; a living peer holds the third. */
  async function besidePeer(): Promise<{ driver: CoordinatorDriver; beat: (ms: number) => Promise<void> }> {
    const stream = listedStream({ shards: 3 });
    const third = leaseRow({ leaseKey: 'shardId-000000000002', leaseOwner: 'peer' });
    const driver = driveCoordinator({
      stream,
      store: memoryLeaseStore([leaseRow({ leaseKey: zero }), leaseRow({ leaseKey: one }), third]),
      failoverMs,
    });
    await driver.started();
    await driver.takenAll();
    const beat = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 2_000) {
        for (const row of driver.store.rows.values())
          if (row.leaseOwner === 'peer') driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
        await driver.harness.advance(2_000);
      }
    };
    await beat(4_000);
    return { driver, beat };
  }
  const keepersOf = (driver: CoordinatorDriver, leaseKey: string): number =>
    driver.keepers.filter(({ args }) => args.leaseKey === leaseKey).length;

  it('is released after a minute beside a living peer, and kept if no other worker is there', async () => {
    const { driver } = await besidePeer();
    await driver.news(zero, { type: 'readsFail', forMs: 59_000 });
    expect(released(driver, zero)).to.equal(false);
    await driver.news(zero, { type: 'readsFail', forMs: 61_000 });
    expect(released(driver, zero)).to.equal(true);
    const alone = await holding();
    await alone.harness.advance(3_000);
    await alone.news(zero, { type: 'readsFail', forMs: 600_000 });
    expect(released(alone, zero)).to.equal(false);
  });

  it('makes the worker leave the whole source alone for a minute, without a steal', async () => {
    const { driver, beat } = await besidePeer();
    for (const shard of [zero, one]) {
      await driver.news(shard, { type: 'readsFail', forMs: 61_000 });
      await give(driver, shard);
      driver.store.takeAs(shard, 'peer', 'peer/1');
    }
    const before = driver.keepers.length;
    await beat(56_000);
    expect(driver.keepers.length, 'nothing is stolen').to.equal(before);
    await beat(20_000);
    expect(driver.keepers.length).to.be.above(before);
  });

  it('is taken again after 2 × failoverMs without an owner, because the service may be down', async () => {
    const { driver, beat } = await besidePeer();
    await driver.news(zero, { type: 'readsFail', forMs: 61_000 });
    await give(driver, zero);
    await beat(2 * failoverMs - 4_000);
    expect(keepersOf(driver, zero)).to.equal(1);
    await beat(10_000);
    expect(keepersOf(driver, zero)).to.equal(2);
  });

  it('is taken again as soon as a read of its source succeeds here', async () => {
    const { driver, beat } = await besidePeer();
    await driver.news(zero, { type: 'readsFail', forMs: 61_000 });
    await give(driver, zero);
    await beat(4_000);
    expect(keepersOf(driver, zero)).to.equal(1);
    await driver.news(one, { type: 'readsWork' });
    await beat(4_000);
    expect(keepersOf(driver, zero)).to.equal(2);
    expect(driver.store.row(one).leaseOwner).to.equal(workerId);
  });

  it('cools down alone if other shards of its source are read here', async () => {
    const { driver, beat } = await besidePeer();
    await driver.news(one, { type: 'readsWork' });
    await driver.news(zero, { type: 'readsFail', forMs: 61_000 });
    await give(driver, zero);
    await beat(6_000);
    expect(keepersOf(driver, zero)).to.equal(1);
    expect(driver.status().leases.find(({ leaseKey }) => leaseKey === zero)?.coolDownMs).to.be.above(0);
    await beat(10_000);
    expect(keepersOf(driver, zero)).to.equal(2);
  });
});

describe('a shard whose reads fail while other shards of its source are read', () => {
  it('is taken again within 2 × failoverMs + 10 s, however often it was released before', async () => {
    const third = leaseRow({ leaseKey: 'shardId-000000000002', leaseOwner: 'peer' });
    const driver = driveCoordinator({
      stream: listedStream({ shards: 3 }),
      store: memoryLeaseStore([leaseRow({ leaseKey: zero }), leaseRow({ leaseKey: one }), third]),
      failoverMs,
    });
    await driver.started();
    await driver.takenAll();
    const keepersOf = (): number => driver.keepers.filter(({ args }) => args.leaseKey === zero).length;
    const beat = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 2_000) {
        for (const row of driver.store.rows.values())
          if (row.leaseOwner === 'peer') driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
        await driver.harness.advance(2_000);
        await driver.news(one, { type: 'readsWork' });
      }
    };
    await beat(4_000);
    const unowned: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      await driver.news(zero, { type: 'readsFail', forMs: 61_000 });
      const { leaseOwner: _, ...row } = driver.store.row(zero);
      driver.store.put({ ...row, leaseCounter: row.leaseCounter + 1 });
      const lease = {
        source: 'orders',
        shardId: zero,
        leaseKey: zero,
        recordsLeft: 0,
        checkpoint: row.checkpoint,
        subSequenceNumber: 0,
        released: true,
      };
      await driver.news(zero, { type: 'released', coolDown: false, reason: 'reads', lease });
      const before = keepersOf();
      let ms = 0;
      for (; keepersOf() === before && ms < 700_000; ms += 2_000) await beat(2_000);
      unowned.push(ms);
      if (keepersOf() > before) await driver.taken(zero);
    }
    // While the lease has no owner, no worker reads the shard, and `ready()` of no worker shows it.
    expect(Math.max(...unowned), `unowned for ${unowned.join(', ')} ms`).to.be.below(2 * failoverMs + 10_000);
  });
});
