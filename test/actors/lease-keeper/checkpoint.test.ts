// A checkpoint in the row never goes back, and the keeper calls `onCheckpoint` only when the checkpoint is durable. The tests script lost
// replies and vanished rows; what the keeper does then depends on the row that it finds. `me` holds the lease, and `you` is another worker.
import { expect } from 'chai';
import { driveKeeper, me, shardId, writer } from '../../support/keeper-driver.js';
import { leaseRow, memoryLeaseStore } from '../../support/memory-lease-store.js';

describe('a keeper that writes checkpoints', () => {
  it('writes the frontier with the next renewal, and reports it only once it is durable', async () => {
    const heard: unknown[] = [];
    const keeper = await driveKeeper({ onCheckpoint: (at) => heard.push(at) });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100', { subSequenceNumber: 2 });
    expect(keeper.row.checkpoint).to.equal('TRIM_HORIZON');
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.advance(3_000);
    expect(keeper.row).to.deep.include({
      checkpoint: '100',
      checkpointSubSequenceNumber: 2,
      leaseCounter: 7,
      leaseOwner: me,
    });
    expect(heard, 'the table has not answered').to.deep.equal([]);
    answer();
    await keeper.untilIdle();
    expect(heard).to.deep.equal([{ source: 'orders', shardId, sequenceNumber: '100', subSequenceNumber: 2 }]);
    expect(keeper.eventsOf('checkpoint')).to.deep.equal([
      { source: 'orders', shardId, sequenceNumber: '100', subSequenceNumber: 2 },
    ]);
    await keeper.advance(6_000);
    expect(heard, 'once').to.have.length(1);
  });

  it('never writes a checkpoint lower than the row', async () => {
    const keeper = await driveKeeper({
      seenRow: leaseRow({ leaseKey: shardId, checkpoint: '200', checkpointSubSequenceNumber: 5 }),
    });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '200', { subSequenceNumber: 4 });
    await keeper.advance(10_000);
    expect(keeper.store.calls.every(({ change }) => change?.checkpoint === undefined)).to.equal(true);
    await keeper.reportFrontier(tenure, '199', { subSequenceNumber: 9 });
    expect(keeper.counts.get('frontierNotAhead')).to.equal(1);
  });

  it('renews without a checkpoint until checkpointIntervalMs is over', async () => {
    const keeper = await driveKeeper({ checkpointIntervalMs: 10_000 });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    await keeper.advance(9_999);
    expect(keeper.row.checkpoint).to.equal('TRIM_HORIZON');
    expect(keeper.row.leaseCounter).to.equal(9);
    await keeper.advance(3_000);
    expect(keeper.row.checkpoint).to.equal('100');
    await keeper.reportFrontier(tenure, '101');
    await keeper.advance(9_000);
    expect(keeper.row.checkpoint).to.equal('100');
  });

  it('counts and reports an onCheckpoint that throws or rejects, and continues', async () => {
    for (const onCheckpoint of [
      (): never => {
        throw new Error('sync');
      },
      () => Promise.reject(new Error('async')),
    ]) {
      const keeper = await driveKeeper({ onCheckpoint });
      const tenure = await keeper.startShardWorker(1);
      await keeper.reportFrontier(tenure, '100');
      await keeper.advance(3_000);
      await keeper.reportFrontier(tenure, '101');
      await keeper.advance(3_000);
      expect(keeper.counts.get('onCheckpointFailed')).to.equal(2);
      expect(keeper.eventsOf('warning')).to.have.length(2);
      expect(keeper.row.checkpoint).to.equal('101');
      expect(tenure.ended).to.equal(false);
    }
  });

  it('recovers a renewal whose reply was lost, and reports the checkpoint that the row has', async () => {
    const heard: string[] = [];
    const keeper = await driveKeeper({ onCheckpoint: (at) => heard.push(at.sequenceNumber) });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.advance(3_000);
    await keeper.reportFrontier(tenure, '101');
    expect(heard).to.deep.equal([]);
    await keeper.advance(1_500);
    expect(heard).to.deep.equal(['100', '101']);
    expect(keeper.row.checkpoint).to.equal('101');
    expect(keeper.newsOf('lost')).to.deep.equal([]);
    expect(tenure.ended).to.equal(false);
  });

  it('sends a checkpoint again when only an earlier write without that checkpoint took effect', async () => {
    const heard: string[] = [];
    const keeper = await driveKeeper({ onCheckpoint: (at) => heard.push(at.sequenceNumber) });
    const tenure = await keeper.startShardWorker(1);
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.advance(3_000);
    await keeper.reportFrontier(tenure, '100');
    const after: string[] = [];
    const note = () => after.push(`${keeper.row.leaseCounter} ${keeper.row.checkpoint} ${heard.length}`);
    keeper.store.script('update', { type: 'failBefore' });
    keeper.store.script('update', { type: 'meanwhile', act: note });
    keeper.store.script('update', { type: 'meanwhile', act: note });
    await keeper.advance(1_000);
    expect(after, 'refused, then sent again').to.deep.equal(['7 TRIM_HORIZON 0', '7 TRIM_HORIZON 0']);
    expect(heard).to.deep.equal(['100']);
    expect(keeper.row).to.deep.include({ checkpoint: '100', leaseCounter: 8, leaseOwner: me, kinactWriter: writer });
  });

  it('sends a checkpoint of unknown outcome again without waiting for checkpointIntervalMs', async () => {
    const keeper = await driveKeeper({ checkpointIntervalMs: 3_000 });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    keeper.store.script('update', { type: 'failBefore' });
    await keeper.advance(3_300);
    expect(keeper.row.checkpoint).to.equal('100');
  });

  it('keeps to checkpointIntervalMs after a lost reply to a renewal that carried no checkpoint', async () => {
    const keeper = await driveKeeper({ checkpointIntervalMs: 4_000 });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.advance(3_900);
    expect(keeper.row).to.deep.include({ checkpoint: 'TRIM_HORIZON', leaseCounter: 8 });
  });

  it('moves the deadline for an answered renewal, but not for a recovered one', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    const deadline = tenure.deadline;
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.advance(3_000);
    keeper.store.script('update', { type: 'meanwhile', act: () => undefined });
    keeper.store.script('update', { type: 'failBefore' });
    await keeper.advance(150);
    expect(tenure.deadline, 'recovered, and the renewal after it failed').to.equal(deadline);
    await keeper.advance(3_000);
    expect(tenure.deadline).to.be.above(deadline);
  });

  it('gives up a write that stays unanswered, and learns its effect from the next write', async () => {
    const heard: string[] = [];
    const keeper = await driveKeeper({ onCheckpoint: (at) => heard.push(at.sequenceNumber) });
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.advance(3_000 + 4_499);
    expect(keeper.row).to.deep.include({ leaseCounter: 7, checkpoint: '100' });
    expect(heard).to.deep.equal([]);
    await keeper.advance(400);
    expect(heard).to.deep.equal(['100']);
    expect(tenure.ended).to.equal(false);
    answer();
    await keeper.untilIdle();
    expect(keeper.counts.get('lateWrite')).to.equal(1);
    expect(keeper.row.leaseCounter).to.equal(8);
  });

  it('creates a vanished row again at the frontier, and takes it under a new fence', async () => {
    const seenRow = leaseRow({
      leaseKey: shardId,
      leaseCounter: 4,
      checkpoint: 'LATEST',
      kinactLatestAt: 77,
      ownerSwitchesSinceCheckpoint: 1,
    });
    const keeper = await driveKeeper({ seenRow });
    const tenure = await keeper.startShardWorker(1);
    keeper.store.rows.clear();
    await keeper.reportFrontier(tenure, '100');
    await keeper.advance(3_000);
    expect(keeper.row).to.deep.include({
      leaseOwner: me,
      kinactLatestAt: 77,
      kinactWriter: writer,
      checkpoint: '100',
    });
    expect(keeper.eventsOf('checkpoint'), 'said once it is durable').to.have.length(1);
    expect(keeper.row.leaseCounter).to.be.above(6);
    const made = keeper.store.calls.filter(({ operation }) => operation === 'create')[0]?.row;
    // A checkpoint whose reply was lost may have been in the row that vanished.
    expect(made).to.include({ checkpoint: '100' }).and.not.have.property('leaseOwner');
    expect(tenure.ended).to.equal(true);
    expect(keeper.eventsOf('warning')).to.have.length(1);
    expect(keeper.newsOf('taken'), 'the coordinator knows it as held').to.have.length(1);
    const next = await keeper.startShardWorker(2);
    expect(next.fence).to.be.above(tenure.fence);
    expect(next.start).to.deep.include({ type: 'after' });
    expect(keeper.row.checkpoint).to.equal('100');
  });

  it('keeps the lease when the reply to creating a vanished row again is lost', async () => {
    const keeper = await driveKeeper();
    await keeper.startShardWorker(1);
    keeper.store.rows.clear();
    keeper.store.script('create', { type: 'failAfter' });
    await keeper.advance(4_000);
    expect(keeper.row).to.deep.include({ leaseOwner: me });
    expect((await keeper.askForTenure(2))?.type).to.equal('granted');
  });

  it('loses the lease after a few attempts when the row it created again keeps refusing the take', async () => {
    const keeper = await driveKeeper();
    await keeper.startShardWorker(1);
    keeper.store.rows.clear();
    const act = (): void => {
      const { leaseOwner: _owner, ...row } = keeper.store.row(shardId);
      keeper.store.put({ ...row, leaseCounter: row.leaseCounter + 5 });
    };
    await keeper.advance(3_000);
    keeper.store.calls.length = 0;
    keeper.store.rows.clear();
    for (let time = 0; time < 99; time += 1) {
      keeper.store.script('create', { type: 'meanwhile', act: () => {} });
      keeper.store.script('update', { type: 'meanwhile', act: () => keeper.store.rows.has(shardId) && act() });
    }
    await keeper.advance(10_000);
    expect(keeper.newsOf('lost')).to.have.length(1);
    expect(keeper.store.calls.filter(({ operation }) => operation === 'update').length).to.be.below(12);
  });

  it('backs off when a row vanishes each time after it was created again, and warns once', async () => {
    const keeper = await driveKeeper();
    await keeper.startShardWorker(1);
    keeper.store.calls.length = 0;
    const gone = { type: 'meanwhile', act: () => keeper.store.rows.clear() } as const;
    for (let time = 0; time < 999; time += 1) keeper.store.script('update', gone);
    await keeper.advance(20_000);
    expect(keeper.newsOf('lost'), 'when its time is over').to.have.length(1);
    expect(keeper.store.calls.filter(({ operation }) => operation === 'create').length).to.be.within(3, 40);
    expect(keeper.eventsOf('warning')).to.have.length(1);
  });

  it('loses the lease when another worker has created the vanished row again', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    keeper.store.rows.clear();
    keeper.store.script('create', {
      type: 'meanwhile',
      act: () => keeper.store.put({ leaseKey: shardId, leaseCounter: 1_700_000_000, leaseOwner: 'you' }),
    });
    await keeper.advance(4_000);
    expect(keeper.newsOf('lost')[0]).to.deep.include({ reason: 'taken by you', retake: false });
    expect(tenure.ended).to.equal(true);
  });

  // Another worker may have read the shard to its end since, and removed the row.
  it('does not create a row again that vanished after the lease may have expired', async () => {
    const store = memoryLeaseStore();
    const seenRow = store.put({ leaseKey: shardId });
    const keeper = await driveKeeper({ store, seenRow });
    await keeper.startShardWorker(1);
    for (let times = 0; times < 40; times++) store.script('update', { type: 'failBefore' });
    await keeper.advance(9_000);
    store.rows.clear();
    await keeper.advance(90_000);
    expect(store.rows.size).to.equal(0);
    expect(keeper.newsOf('lost')).to.deep.equal([{ type: 'lost', reason: 'the row is gone', retake: false }]);
  });
});
