// A holder that gets wishes keeps the promises of the hand-over. It ignores a wish that the asking worker does not raise. It does not
// deliver drained records again, and does not report a lease that was taken by force as handed over. The keeper holds the lease; `other`
// asks for it.
import { expect } from 'chai';
import type { LeaseTraffic, QueueEntry, TrafficPermit } from '../../../src/core/lease-traffic.js';
import { wishText } from '../../../src/core/lease-wish.js';
import { driveKeeper, failoverMs, writer, type KeeperDriver, type KeeperSetup } from '../../support/keeper-driver.js';
import type { LeaseRow } from '../../../src/core/lease.js';

const asker = { workerId: 'other', writer: 't1/1', failoverMs };

function leaveWish(keeper: KeeperDriver, number: number, by: Partial<typeof asker> = {}): void {
  const text = wishText({ ...asker, ...by, number, holder: writer });
  keeper.store.rows.set(keeper.row.leaseKey, { ...keeper.row, kinactWish: text });
}

function withdrawWish(keeper: KeeperDriver): void {
  const { kinactWish: _wish, kinactAnswer: _answer, ...rest } = keeper.row;
  keeper.store.rows.set(keeper.row.leaseKey, rest as LeaseRow);
}

const drains = (keeper: KeeperDriver): number =>
  [...keeper.controls.values()].flat().filter(({ type }) => type === 'pause').length;

async function held(setup: KeeperSetup = {}): Promise<KeeperDriver> {
  const keeper = await driveKeeper({ handOverMs: failoverMs, ...setup });
  await keeper.startShardWorker(1);
  return keeper;
}

describe('a holder that is asked for its lease', () => {
  it('drains only once for a wish that the asking worker does not raise, and keeps the lease', async () => {
    const keeper = await held();
    const { shared: tenure } = keeper.state.tenure!;
    // The asking worker dies at once. One call of the application takes longer than a failover time.
    leaveWish(keeper, 1);
    await keeper.advance(2.5 * failoverMs);
    expect(drains(keeper), 'told to pause').to.equal(1);
    await keeper.reportFrontier(tenure, '7');
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    await keeper.advance(failoverMs);
    expect(keeper.row.leaseOwner, 'after a wish of three failover times ago').to.equal('me');
  });

  it('keeps the lease and checkpoints the frontier if the wish is withdrawn before the hand-over is written', async () => {
    const keeper = await held();
    const { shared: tenure } = keeper.state.tenure!;
    leaveWish(keeper, 1);
    // A renewal has seen and answered the wish, and the drain takes long: the wish will soon be too old to count.
    await keeper.advance(failoverMs / 3 + 1_000);
    expect(drains(keeper)).to.equal(1);
    const seenAt = keeper.state.receivedWish!.seenAt;
    await keeper.advance(seenAt + failoverMs - 100 - keeper.clock.now);
    await keeper.reportFrontier(tenure, '7');
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdBefore', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    expect(keeper.status()).to.include({ writing: 'handOver' });
    // The table is slow for 200 ms. Meanwhile the asking worker withdraws its wish, and the pipeline asks for a tenure.
    withdrawWish(keeper);
    await keeper.advance(200);
    await keeper.askForTenure(2);
    answer();
    await keeper.untilIdle();
    expect(keeper.newsOf('lost').map(({ reason }) => reason)).to.deep.equal([]);
    expect(keeper.ended).to.equal(false);
    await keeper.advance(failoverMs / 3);
    expect(keeper.row.checkpoint, 'everything up to 7 is settled').to.equal('7');
  });

  it('does not report a stop as drained if the lease was taken by force at an older checkpoint', async () => {
    const keeper = await held();
    const { shared: tenure } = keeper.state.tenure!;
    leaveWish(keeper, 1);
    await keeper.advance(failoverMs / 3 + 1_000);
    await keeper.reportFrontier(tenure, '7');
    // The hand-over and all later writes are lost on their way. The asking worker takes the lease, whose counter stands still.
    for (let lost = 0; lost < 40; lost++) keeper.store.script('update', { type: 'failBefore' });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    await keeper.advance(failoverMs / 2);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 30_000 });
    withdrawWish(keeper);
    keeper.store.takeAs(keeper.row.leaseKey, asker.workerId, asker.writer);
    await keeper.advance(5 * failoverMs);
    expect(keeper.row.checkpoint, 'records before 7 come again').to.equal('TRIM_HORIZON');
    const drained = keeper.newsOf('released').filter(({ lease }) => lease.released && lease.recordsLeft === 0);
    expect(drained, 'released, nothing left').to.deep.equal([]);
  });

  it('finds its hand-over in the row after a lost reply, and reports `leaseHandedOver`', async () => {
    const keeper = await held();
    const { shared: tenure } = keeper.state.tenure!;
    leaveWish(keeper, 1);
    await keeper.advance(failoverMs / 3 + 1_000);
    await keeper.reportFrontier(tenure, '7');
    keeper.store.script('update', { type: 'failAfter' });
    for (let lost = 0; lost < 12; lost++) keeper.store.script('update', { type: 'failBefore' });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    await keeper.advance(5 * failoverMs);
    expect(keeper.row).to.include({ leaseOwner: 'other', checkpoint: '7' });
    expect(keeper.eventsOf('leaseLost')).to.deep.equal([]);
    expect(keeper.eventsOf('leaseHandedOver')).to.have.length(1);
  });

  it('neither creates a deleted row again nor grants a tenure if it may have handed over', async () => {
    const keeper = await held();
    const { shared: tenure } = keeper.state.tenure!;
    leaveWish(keeper, 1);
    await keeper.advance(failoverMs / 3 + 1_000);
    await keeper.reportFrontier(tenure, '7');
    // The hand-over reaches the row, and the reply is lost. The new owner reads on. Then the row is deleted, and only the new owner
    // may create it again.
    keeper.store.script('update', {
      type: 'failAfter',
    });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    expect(keeper.row.leaseOwner).to.equal('other');
    keeper.store.takeAs(keeper.row.leaseKey, asker.workerId, asker.writer);
    keeper.store.rows.delete(keeper.state.lease.row.leaseKey);
    await keeper.advance(failoverMs / 3);
    const answer = await keeper.askForTenure(2);
    expect(answer?.type, 'a tenure beside the new owner, from 7 on').to.not.equal('granted');
    expect(keeper.store.rows.size, 'rows made by who has handed over').to.equal(0);
  });

  it('sends a hand-over at most twice in a row if the table keeps refusing it', async () => {
    const keeper = await held();
    const { shared: tenure } = keeper.state.tenure!;
    leaveWish(keeper, 1);
    await keeper.advance(failoverMs / 3 + 1_000);
    const { store } = keeper;
    const update = store.update.bind(store);
    let refused = 0;
    // The table refuses a correct write, as some tables do (seed 400260).
    store.update = (...args) => {
      if (args[1].change.handOver === undefined || refused >= 100) return update(...args);
      refused += 1;
      return Promise.resolve({ type: 'refused', current: keeper.row });
    };
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    expect(refused).to.be.at.most(2);
  });

  it('does not hand the lease over while an onCheckpoint call for the shard runs', async () => {
    let running = 0;
    const keeper = await held({
      onCheckpoint: () => {
        running += 1;
        return new Promise<void>(() => {});
      },
    });
    const { shared: tenure } = keeper.state.tenure!;
    await keeper.reportFrontier(tenure, '7');
    leaveWish(keeper, 1);
    await keeper.advance(failoverMs / 3 + 1_000);
    expect(running, 'calls that run').to.equal(1);
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    expect(keeper.row.leaseOwner, 'beside a call that runs').to.equal('me');
  });

  it('queues its hand-over as a renewal, with the deadline of the lease, once a renewal is due', async () => {
    const entries: QueueEntry[] = [];
    let open = true;
    const permit: TrafficPermit = { end: () => {} };
    const traffic: LeaseTraffic = {
      join: () => {
        const entry: QueueEntry = { kind: 'take', deadline: Infinity, renewalDue: Infinity };
        entries.push(entry);
        return entry;
      },
      leave: () => {},
      enter: () => (open ? permit : undefined),
      wait: () => new Promise(() => {}),
      moved: () => {},
      report: () => ({ takesWaiting: 0, oldestTakeMs: 0, perSecond: 0 }),
    };
    const keeper = await held({ traffic });
    const { shared: tenure } = keeper.state.tenure!;
    leaveWish(keeper, 1);
    await keeper.advance(failoverMs / 3 + 1_000);
    await keeper.reportFrontier(tenure, '7');
    // From now on the renewals of other leases take every permit. After a take by force, the new owner would start at an old checkpoint.
    open = false;
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    await keeper.advance(failoverMs - 1_500);
    expect(keeper.state.timing.liveUntil - keeper.clock.now, 'left of the lease').to.be.below(1_000);
    expect(entries[0]).to.include({ kind: 'renew', deadline: keeper.state.timing.liveUntil });
  });
});
