// A keeper whose lease another writer has taken revokes its worker's tenure at once, and writes nothing more into the row. `me` holds the
// lease until another writer takes it.
import { expect } from 'chai';
import { KinactError } from '../../../src/api/errors.js';
import { driveKeeper, me, nonce, shardId } from '../../support/keeper-driver.js';

/** Lets `change` write to the row of a working keeper, and checks that the next renewal ends tenure and keeper. */
async function meets(change: (keeper: Awaited<ReturnType<typeof driveKeeper>>) => void) {
  const keeper = await driveKeeper();
  const tenure = await keeper.startShardWorker(1);
  await keeper.reportFrontier(tenure, '100');
  change(keeper);
  const before = keeper.row;
  await keeper.advance(3_000);
  expect(keeper.row, "nothing is written into another's row").to.deep.equal(before);
  expect(tenure).to.deep.include({ ended: true, deadline: 0 });
  expect(tenure.signal.aborted).to.equal(true);
  expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['revoked']);
  expect(keeper.ended).to.equal(true);
  expect(keeper.eventsOf('leaseLost')).to.have.length(1);
  expect(keeper.eventsOf('checkpoint')).to.deep.equal([]);
  expect(keeper.timers.size, 'no timer is left').to.equal(0);
  return keeper;
}

describe('a keeper whose row another writer has changed', () => {
  it('loses the lease to a Java worker, which leaves kinactWriter unchanged, and ends', async () => {
    const keeper = await meets(({ store }) => store.takeAs(shardId, 'java'));
    expect(keeper.newsOf('lost')).to.deep.equal([{ type: 'lost', reason: 'taken by java', retake: false }]);
    expect(keeper.eventsOf('leaseLost')[0]).to.deep.equal({
      source: 'orders',
      shardId,
      leaseKey: shardId,
      reason: 'taken by java',
    });
  });

  it('loses the lease before its deadline when an unreadable row names another owner', async () => {
    const keeper = await meets(({ store }) => {
      store.takeAs(shardId, 'java');
      const error = new KinactError('MALFORMED_LEASE', 'garbage', { data: { leaseKey: shardId, leaseOwner: 'java' } });
      store.script('update', { type: 'failBefore', error }, shardId);
    });
    expect(keeper.newsOf('lost')[0]).to.deep.include({ reason: 'taken by java; its row cannot be read' });
  });

  it('keeps its tenure until the deadline if an unreadable row names this worker or no owner', async () => {
    for (const owner of [{ leaseOwner: me }, {}]) {
      const keeper = await driveKeeper();
      const tenure = await keeper.startShardWorker(1);
      const error = new KinactError('MALFORMED_LEASE', 'garbage', { data: { leaseKey: shardId, ...owner } });
      for (let again = 0; again < 99; again += 1) keeper.store.script('update', { type: 'failBefore', error }, shardId);
      await keeper.advance(3_000);
      expect([tenure.ended, keeper.ended]).to.deep.equal([false, false]);
      await keeper.advance(60_000);
      expect(tenure.ended).to.equal(true);
    }
  });

  it('gives a lease up at once if its release meets an unreadable row: neither a stop nor anything else waits for that', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    const error = new KinactError('MALFORMED_LEASE', 'garbage', { data: { leaseKey: shardId, leaseOwner: me } });
    for (let again = 0; again < 99; again += 1) keeper.store.script('update', { type: 'failBefore', error }, shardId);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    expect(keeper.ended, 'its records are drained first').to.equal(false);
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    await keeper.untilIdle();
    expect(keeper.ended).to.equal(true);
    const [released] = keeper.newsOf('released');
    expect(released?.lease).to.include({ released: false, problem: 'garbage' });
    expect(keeper.eventsOf('warning')[0]).to.have.property('message').that.includes('its row cannot be read');
    expect(keeper.eventsOf('leaseReleased')).to.deep.equal([]);
  });

  it('reports a hand-over by a KCL 3 leader, and names the new owner', async () => {
    const keeper = await meets(({ store, row }) =>
      store.put({ ...row, leaseOwner: 'next', checkpointOwner: me, leaseCounter: 99 }),
    );
    expect(keeper.newsOf('lost')[0]?.reason).to.equal('handed over to next by a KCL 3 leader');
  });

  it('reports a hand-over by a KCL 3 leader that has named no new owner yet', async () => {
    const keeper = await meets(({ store, row: { leaseOwner: _owner, ...row } }) =>
      store.put({ ...row, checkpointOwner: me, leaseCounter: 99 }),
    );
    expect(keeper.newsOf('lost')[0]?.reason).to.equal('handed over to nobody by a KCL 3 leader');
  });

  it('loses the lease when another worker owns a row created again with the same counter', async () => {
    for (const signed of [{ kinactWriter: 'n2/1' }, {}]) {
      const keeper = await meets(({ store, row: { leaseCounter } }) =>
        store.put({ leaseKey: shardId, leaseOwner: 'you', leaseCounter, ...signed }),
      );
      expect(keeper.newsOf('lost')[0]).to.deep.include({ reason: 'taken by you' });
    }
  });

  it('keeps the lease if only kinactWriter was removed from the row, and writes it again', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    const { kinactWriter, ...stripped } = keeper.row;
    keeper.store.rows.set(shardId, stripped);
    await keeper.advance(4_000);
    expect(keeper.row).to.include({ leaseOwner: me, kinactWriter });
    expect(keeper.row.leaseCounter).to.be.above(stripped.leaseCounter);
    expect([tenure.ended, keeper.ended]).to.deep.equal([false, false]);
  });

  it('gives up with WORKER_ID_IN_USE when another process with its worker id has taken the lease', async () => {
    const keeper = await meets(({ store }) => store.takeAs(shardId, me, 'n2/1'));
    expect(keeper.newsOf('workerIdInUse')).to.deep.equal([{ type: 'workerIdInUse', current: keeper.row }]);
    expect(keeper.eventsOf('leaseLost')[0]).to.have.property('reason').that.contains('WORKER_ID_IN_USE');
  });

  it('reports the lease for retaking when another keeper of this process has taken it', async () => {
    const keeper = await meets(({ store }) => store.takeAs(shardId, me, `${nonce}/8`));
    expect(keeper.newsOf('lost')[0]).to.deep.include({ retake: true });
  });

  it('does not mistake a Java worker’s take after a lost reply for its own write', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    keeper.store.script('update', { type: 'failBefore' });
    keeper.store.script('update', { type: 'meanwhile', act: () => keeper.store.takeAs(shardId, 'java') });
    await keeper.advance(4_000);
    expect(keeper.row, 'the counter is the one that the lost write would have left').to.deep.include({
      leaseCounter: 7,
      leaseOwner: 'java',
      checkpoint: 'TRIM_HORIZON',
    });
    expect(keeper.newsOf('lost')).to.have.length(1);
    expect(tenure.ended).to.equal(true);
  });

  it('refuses a tenure when the renewal before it shows the loss', async () => {
    const keeper = await driveKeeper();
    keeper.store.script('update', { type: 'meanwhile', act: () => keeper.store.takeAs(shardId, 'java') });
    expect(await keeper.askForTenure(1)).to.deep.equal({ type: 'refused', reason: 'taken by java' });
  });

  it('waits for the last onCheckpoint before it ends, and grants no tenure meanwhile', async () => {
    let settle = (): void => undefined;
    const keeper = await driveKeeper({ onCheckpoint: () => new Promise<void>((resolve) => (settle = resolve)) });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    await keeper.advance(3_000);
    keeper.store.takeAs(shardId, 'java');
    await keeper.advance(3_000);
    expect(keeper.newsOf('lost')).to.have.length(1);
    expect(keeper.ended).to.equal(false);
    expect(await keeper.askForTenure(2)).to.deep.equal({ type: 'refused', reason: 'the lease is no longer held' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 1_000 });
    settle();
    await keeper.untilIdle();
    expect(keeper.ended).to.equal(true);
    expect(keeper.newsOf('released')).to.deep.equal([]);
  });
});
