// A take is conditional on the row that the keeper saw. If the reply is lost, or the table refuses the take, the current row shows whether
// this keeper has the lease. `me` takes the lease, in some tests from `you`.
import { expect } from 'chai';
import { driveKeeper, failoverMs, me, nonce, shardId, writer } from '../../support/keeper-driver.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';

const seenRow = leaseRow({ leaseKey: shardId, leaseCounter: 4 });

describe('a keeper that takes a lease', () => {
  it('writes on condition of the counter, owner and writer that it saw, and reports the row', async () => {
    const keeper = await driveKeeper();
    expect(keeper.store.calls[0]).to.deep.include({
      operation: 'update',
      expected: { counter: 4, owner: null, writer: null },
      change: { leaseOwner: me, failoverMs },
      writer,
    });
    expect(keeper.row).to.deep.include({
      leaseOwner: me,
      leaseCounter: 5,
      ownerSwitchesSinceCheckpoint: 0,
      kinactWriter: writer,
      kinactFailover: `${failoverMs} ${writer}`,
    });
    expect(keeper.news).to.deep.equal([{ type: 'taken', row: keeper.row }]);
    expect(keeper.eventsOf('leaseTaken')).to.deep.equal([{ source: 'orders', shardId, leaseKey: shardId, counter: 5 }]);
  });

  it('counts the change of owner, and names the previous owner', async () => {
    const keeper = await driveKeeper({
      seenRow: leaseRow({ leaseKey: shardId, leaseOwner: 'you', ownerSwitchesSinceCheckpoint: 2 }),
    });
    expect(keeper.row).to.deep.include({ leaseOwner: me, ownerSwitchesSinceCheckpoint: 3 });
    expect(keeper.eventsOf('leaseTaken')[0]).to.deep.include({ from: 'you' });
  });

  it('adds kinactLatestAt to a Java worker’s row at LATEST, and warns once', async () => {
    const keeper = await driveKeeper({
      seenRow: leaseRow({ leaseKey: shardId, checkpoint: 'LATEST' }),
      serviceTimeMs: 2_123,
    });
    expect(keeper.row).to.deep.include({ checkpoint: 'LATEST', kinactLatestAt: 123 });
    expect(keeper.eventsOf('warning')).to.have.length(1);
    const tenure = await keeper.startShardWorker(1);
    expect(tenure.start).to.deep.equal({ type: 'atTimestamp', timestampMs: 123 });
  });

  it('sets kinactLatestAt to the local time less two seconds if the service time is unknown', async () => {
    const keeper = await driveKeeper({ seenRow: leaseRow({ leaseKey: shardId, checkpoint: 'LATEST' }) });
    expect(keeper.row.kinactLatestAt).to.equal(keeper.clock.wall - 2_000);
  });

  it('does not take a row that was created again with the same counter and another owner', async () => {
    for (const before of [{}, { leaseOwner: 'java' }]) {
      const seenRow = leaseRow({ leaseKey: shardId, leaseCounter: 4, ...before });
      for (const signed of [{ kinactWriter: 'n2/1' }, {}]) {
        const store = memoryLeaseStore([seenRow]);
        const held = leaseRow({ leaseKey: shardId, leaseCounter: 4, leaseOwner: 'you', ...signed });
        store.script('update', { type: 'meanwhile', act: () => void store.rows.set(shardId, held) });
        const keeper = await driveKeeper({ store, seenRow });
        expect(keeper.news).to.deep.equal([{ type: 'notTaken', reason: 'taken by you', retake: false }]);
        expect(keeper.row).to.deep.equal(held);
      }
    }
  });

  it('ends without the lease when another worker takes it first', async () => {
    const store = memoryLeaseStore([seenRow]);
    store.script('update', { type: 'meanwhile', act: () => store.takeAs(shardId, 'you') });
    const keeper = await driveKeeper({ store, seenRow });
    expect(keeper.news).to.deep.equal([{ type: 'notTaken', reason: 'taken by you', retake: false }]);
    expect(keeper.ended).to.equal(true);
    expect(keeper.events).to.deep.equal([]);
  });

  it('ends when the row is gone, and does not create it again', async () => {
    const store = memoryLeaseStore();
    const keeper = await driveKeeper({ store, seenRow });
    expect(keeper.newsOf('notTaken')).to.deep.equal([{ type: 'notTaken', reason: 'the row is gone', retake: false }]);
    expect(store.rows.size).to.equal(0);
  });

  it('takes the lease at once from an earlier keeper of this process', async () => {
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: shardId, leaseCounter: 9, leaseOwner: me, kinactWriter: `${nonce}/3`, checkpoint: '50' }),
    ]);
    const keeper = await driveKeeper({ store, seenRow });
    expect(keeper.newsOf('taken')).to.have.length(1);
    expect(keeper.row).to.deep.include({ leaseCounter: 10, kinactWriter: writer, ownerSwitchesSinceCheckpoint: 0 });
    expect((await keeper.startShardWorker(1)).start).to.deep.equal({
      type: 'after',
      position: { sequenceNumber: '50', subSequenceNumber: 0 },
    });
    expect(keeper.eventsOf('checkpoint'), "an earlier keeper's checkpoint is no news").to.deep.equal([]);
  });

  it('leaves the lease to the coordinator when an earlier keeper keeps writing', async () => {
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: shardId, leaseCounter: 9, leaseOwner: me, kinactWriter: `${nonce}/3` }),
    ]);
    for (let times = 0; times < 9; times++)
      store.script('update', { type: 'meanwhile', act: () => store.renewAs(shardId) });
    const keeper = await driveKeeper({ store, seenRow });
    expect(keeper.newsOf('notTaken')).to.have.length(1);
    expect(keeper.newsOf('notTaken')[0]).to.deep.include({ retake: true });
    expect(keeper.ended).to.equal(true);
  });

  it('does not take a row in which an earlier keeper of this process has ended the shard', async () => {
    const store = memoryLeaseStore();
    const seenRow = store.put({ leaseKey: shardId, leaseOwner: me, leaseCounter: 4, kinactWriter: `${nonce}/6` });
    const end = { checkpoint: 'SHARD_END', leaseCounter: 5, leaseOwner: me, kinactWriter: `${nonce}/6` };
    store.script('update', { type: 'meanwhile', act: () => store.put({ leaseKey: shardId, ...end }) });
    const keeper = await driveKeeper({ store, seenRow });
    expect(keeper.newsOf('notTaken')[0]).to.deep.include({ reason: 'the shard has ended', retake: false });
    expect(store.row(shardId).leaseCounter).to.equal(5);
  });

  it('recovers a take whose reply was lost, without moving the deadline', async () => {
    const store = memoryLeaseStore([leaseRow({ leaseKey: shardId, leaseCounter: 4, leaseOwner: 'you' })]);
    store.script('update', { type: 'failAfter' });
    const keeper = await driveKeeper({ store, seenRow: store.row(shardId) });
    expect(keeper.news).to.deep.equal([]);
    expect(keeper.eventsOf('retrying')).to.have.length(1);
    store.script('update', { type: 'meanwhile', act: () => expect(keeper.state.timing.liveUntil).to.equal(0) });
    await keeper.advance(1_000);
    expect(keeper.newsOf('taken')).to.have.length(1);
    expect(keeper.eventsOf('leaseTaken')[0]).to.deep.include({ from: 'you' });
    expect(keeper.row.leaseCounter, 'the take once, one renewal').to.equal(6);
    expect(keeper.row.ownerSwitchesSinceCheckpoint).to.equal(1);
  });

  it('retries a failing take with growing back-off, one write at a time, until it succeeds', async () => {
    const store = memoryLeaseStore([seenRow]);
    for (let times = 0; times < 4; times++) store.script('update', { type: 'failBefore' });
    const keeper = await driveKeeper({ store, seenRow });
    await keeper.advance(9_000);
    const delays = keeper.events.flatMap((event) => (event.name === 'retrying' ? [event.data.delayMs] : []));
    expect(delays).to.have.length(4);
    expect(delays).to.deep.equal([...delays].sort((a, b) => a - b));
    expect(keeper.newsOf('taken')).to.have.length(1);
  });

  it('backs off as well if each take succeeds but the table answers with an error', async () => {
    const store = memoryLeaseStore([seenRow]);
    const { update } = store;
    let calls = 0;
    store.update = async (...args) => {
      calls += 1;
      const outcome = await update(...args);
      if (outcome.type === 'written') throw new Error('InternalServerError');
      return outcome;
    };
    const keeper = await driveKeeper({ store, seenRow });
    await keeper.advance(9_000);
    const delays = keeper.events.flatMap((event) => (event.name === 'retrying' ? [event.data.delayMs] : []));
    expect(delays).to.deep.equal([...delays].sort((a, b) => a - b));
    expect(calls).to.be.within(10, 40);
  });

  it('reports a worker id in use when another process holds the lease under that id', async () => {
    const store = memoryLeaseStore([
      leaseRow({ leaseKey: shardId, leaseCounter: 9, leaseOwner: me, kinactWriter: 'n2/1' }),
    ]);
    const keeper = await driveKeeper({ store, seenRow });
    expect(keeper.news).to.deep.equal([{ type: 'workerIdInUse', current: store.row(shardId) }]);
    expect(keeper.ended).to.equal(true);
    expect(keeper.eventsOf('leaseLost'), 'nothing was held').to.deep.equal([]);
  });

  it('releases a lease at once if the release was asked for during the take', async () => {
    const store = memoryLeaseStore([seenRow]);
    let answer = (): void => undefined;
    store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    const keeper = await driveKeeper({ store, seenRow });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    answer();
    await keeper.untilIdle();
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, recordsLeft: 0 });
    expect(keeper.row).to.not.have.property('leaseOwner');
  });

  it('gives up the take when the deadline of a release has passed', async () => {
    const store = memoryLeaseStore([seenRow]);
    store.script('update', { type: 'holdBefore', until: new Promise(() => undefined) });
    const keeper = await driveKeeper({ store, seenRow });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    await keeper.advance(2_000);
    expect(keeper.newsOf('notTaken')[0]).to.deep.include({ reason: 'released before it was taken', retake: false });
    expect(keeper.ended).to.equal(true);
  });
});
