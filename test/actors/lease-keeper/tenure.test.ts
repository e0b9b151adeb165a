// A worker delivers only in a tenure. A keeper has one tenure at a time, and each has a higher fence. The deadline of a tenure counts from
// the start of a renewal, and holds even if the machine was suspended. The keeper holds the lease.
import { expect } from 'chai';
import { KinactError } from '../../../src/api/errors.js';
import { driveKeeper, failoverMs, marginMs, shardId } from '../../support/keeper-driver.js';
import { leaseRow } from '../../support/memory-lease-store.js';

const liveMs = failoverMs - marginMs;
const updates = (keeper: Awaited<ReturnType<typeof driveKeeper>>) =>
  keeper.store.calls.filter(({ operation }) => operation === 'update').length;

describe('a keeper that grants tenures', () => {
  it('renews before it grants a tenure, whose fence is the counter of that renewal', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(11);
    expect(keeper.row.leaseCounter).to.equal(6);
    expect(tenure).to.deep.include({
      shardWorkerNumber: 11,
      leaseKey: shardId,
      shardId,
      source: 'orders',
      idempotencyPrefix: `orders/${shardId}`,
      fence: 6,
      start: { type: 'trimHorizon' },
      deadline: keeper.clock.now + liveMs,
      ended: false,
    });
    expect(tenure.hashKeyRange).to.deep.equal({
      startingHashKey: '0',
      endingHashKey: '340282366920938463463374607431768211455',
    });
    expect(tenure.signal.aborted).to.equal(false);
    expect(keeper.newsOf('working')).to.deep.equal([{ type: 'working', fence: 6 }]);
  });

  it('passes a given hash range to the tenure, and none if the row has none', async () => {
    const range = { startingHashKey: '1', endingHashKey: '2' };
    expect((await (await driveKeeper({ hashKeyRange: range })).startShardWorker(1)).hashKeyRange).to.deep.equal(range);
    const { startingHashKey: _first, ...row } = leaseRow({ leaseKey: shardId });
    expect(await (await driveKeeper({ seenRow: row })).startShardWorker(1)).to.not.have.property('hashKeyRange');
  });

  it('renews every third of failoverMs, counted from the start of the last renewal', async () => {
    const keeper = await driveKeeper();
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.advance(3_000);
    const started = keeper.clock.now;
    await keeper.advance(1_200);
    expect(updates(keeper), 'one write at a time').to.equal(2);
    answer();
    await keeper.untilIdle();
    await keeper.advance(started + 2_999 - keeper.clock.now);
    expect(updates(keeper)).to.equal(2);
    await keeper.advance(1);
    expect(updates(keeper)).to.equal(3);
  });

  it('counts the deadline from the start of a renewal, never from its answer', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.advance(3_000);
    const started = keeper.clock.now;
    await keeper.advance(1_500);
    expect(tenure.deadline).to.equal(started - 3_000 + liveMs);
    expect(tenure.renewalBegunAt).to.equal(started - 3_000);
    answer();
    await keeper.untilIdle();
    expect(tenure.deadline).to.equal(started + liveMs);
    expect(tenure.renewalBegunAt).to.equal(started);
  });

  it('makes another renewal for the tenure if one is under way when the worker asks', async () => {
    const keeper = await driveKeeper();
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.advance(3_000);
    expect(await keeper.askForTenure(1)).to.equal(undefined);
    answer();
    await keeper.untilIdle();
    const answered = keeper.answers.get(1);
    expect(answered?.type === 'granted' && answered.tenure.fence, 'take 5, renewal 6, fence 7').to.equal(7);
  });

  it('revokes the tenure at the deadline, continues to renew, and grants a new tenure with a higher fence', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    for (let times = 0; times < 40; times++) keeper.store.script('update', { type: 'failBefore' });
    await keeper.advance(liveMs - 1);
    expect(tenure.ended).to.equal(false);
    await keeper.advance(1);
    expect(tenure).to.deep.include({ ended: true, deadline: 0 });
    expect(tenure.signal.aborted).to.equal(true);
    expect(tenure.signal.reason).to.be.instanceOf(KinactError).with.property('code', 'LEASE_LOST');
    expect(keeper.controls.get(1)).to.deep.equal([
      { type: 'revoked', fence: 6, reason: 'the local deadline has passed without a renewal' },
    ]);
    expect(keeper.newsOf('idle')).to.have.length(1);
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    expect(await keeper.askForTenure(2), 'nothing is granted while the table is away').to.equal(undefined);
    await keeper.advance(60_000);
    const answer = keeper.answers.get(2);
    expect(answer?.type === 'granted' && answer.tenure.fence).to.equal(keeper.newsOf('working')[1]?.fence);
    expect(keeper.newsOf('working')[1]?.fence).to.be.above(6);
    expect(tenure, 'a tenure that has ended is never revived').to.deep.include({ ended: true, deadline: 0 });
    expect(keeper.ended).to.equal(false);
  });

  it('does not move the deadline of a tenure that is marked as ended', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    const { deadline } = tenure;
    tenure.ended = true;
    await keeper.advance(3_000);
    expect(tenure.deadline).to.equal(deadline);
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    expect(tenure.deadline).to.equal(0);
  });

  it('handles the last messages of a worker that has ended its own tenure', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.ended = true;
    await keeper.reportFrontier(tenure, '100');
    await keeper.endShardWorker(tenure, { type: 'shardEnd', notFound: true });
    await keeper.plan({ type: 'ready', childShardIds: [] });
    expect(keeper.row).to.deep.include({ checkpoint: 'SHARD_END' });
    expect(keeper.eventsOf('checkpoint')[0]).to.deep.include({ sequenceNumber: '100' });
    expect(keeper.controls.get(1), 'it knows').to.equal(undefined);
  });

  it('handles the last messages of a worker whose tenure was revoked', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    keeper.suspend(marginMs + 1);
    await keeper.tell({ type: 'startAllowed' });
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['revoked']);
    await keeper.reportFrontier(tenure, '100');
    await keeper.endShardWorker(tenure, { type: 'stopShard', error: new Error('poison') });
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
    expect(keeper.row.checkpoint).to.equal('100');
  });

  it('revokes the tenure if the wall clock shows a suspension of more than the margin', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    keeper.suspend(marginMs);
    await keeper.advance(1);
    await keeper.tell({ type: 'startAllowed' });
    expect(tenure.ended, 'within the margin').to.equal(false);
    keeper.suspend(marginMs + 1);
    await keeper.tell({ type: 'startAllowed' });
    expect(tenure).to.deep.include({ ended: true, deadline: 0 });
    expect(keeper.controls.get(1)?.[0]).to.deep.include({
      type: 'revoked',
      reason: 'the machine was suspended for about 901 ms',
    });
  });

  it('grants no tenure for a renewal that was under way during a suspension of the machine', async () => {
    const keeper = await driveKeeper();
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.askForTenure(1);
    await keeper.advance(10);
    keeper.suspend(60_000);
    await keeper.tell({ type: 'startAllowed' });
    answer();
    await keeper.untilIdle();
    const granted = keeper.answers.get(1);
    expect(granted?.type === 'granted' && granted.tenure.fence, 'the renewal after the suspension').to.equal(7);
    expect(granted?.type === 'granted' && granted.tenure.deadline).to.equal(keeper.clock.now + liveMs);
  });

  it('revokes an open tenure before it grants the next one', async () => {
    const keeper = await driveKeeper();
    const first = await keeper.startShardWorker(1);
    const second = await keeper.startShardWorker(2);
    expect(first.ended).to.equal(true);
    expect(keeper.controls.get(1)).to.deep.equal([
      { type: 'revoked', fence: first.fence, reason: 'another worker begins' },
    ]);
    expect(second.fence).to.be.above(first.fence);
    await keeper.killShardWorker(1);
    expect(second.ended, "the old worker's end is not the new one's").to.equal(false);
  });

  it('refuses the earlier of two requests for a tenure', async () => {
    const keeper = await driveKeeper();
    keeper.store.script('update', { type: 'failBefore' });
    await keeper.askForTenure(1);
    await keeper.askForTenure(2);
    expect(keeper.answers.get(1)).to.deep.equal({ type: 'refused', reason: 'another worker asked after this one' });
    await keeper.advance(2_000);
    expect(keeper.answers.get(2)?.type).to.equal('granted');
  });

  it('forgets the request of a worker that has died', async () => {
    const keeper = await driveKeeper();
    keeper.store.script('update', { type: 'failBefore' });
    await keeper.askForTenure(1);
    await keeper.killShardWorker(1);
    await keeper.advance(10_000);
    expect(keeper.answers.has(1)).to.equal(false);
    expect(keeper.newsOf('working')).to.deep.equal([]);
  });

  it('keeps the lease when the worker crashes, and starts the next worker at the frontier', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100', { subSequenceNumber: 3 });
    await keeper.killShardWorker(1, { reason: 'crash', error: new Error('boom') });
    expect(tenure).to.deep.include({ ended: true, deadline: 0 });
    expect(keeper.controls.get(1), 'no worker is there to hear of it').to.equal(undefined);
    expect(keeper.newsOf('idle')[0]?.reason).to.equal('the shard worker is down (crash)');
    expect(keeper.row.checkpoint).to.equal('TRIM_HORIZON');
    const next = await keeper.startShardWorker(2);
    expect(next.start).to.deep.equal({ type: 'after', position: { sequenceNumber: '100', subSequenceNumber: 3 } });
    expect(next.fence).to.be.above(tenure.fence);
  });

  it('drops and counts messages with a stale fence', async () => {
    const keeper = await driveKeeper();
    const first = await keeper.startShardWorker(1);
    const second = await keeper.startShardWorker(2);
    await keeper.reportFrontier(first, '100');
    await keeper.reportFrontier({ ...second, fence: first.fence }, '100');
    await keeper.endShardWorker(first, { type: 'shardEnd', notFound: true });
    await keeper.tell({ type: 'reads', shardWorker: 1, fence: first.fence, forMs: 60_000 });
    expect(Object.fromEntries(keeper.counts)).to.deep.equal({ staleFrontier: 2, staleWorkerEnd: 1, staleReads: 1 });
    expect(keeper.newsOf('readsFail')).to.deep.equal([]);
    await keeper.advance(10_000);
    expect(keeper.row.checkpoint).to.equal('TRIM_HORIZON');
    expect(second.ended).to.equal(false);
  });

  it('refuses a waiting request for a tenure when a release is asked for', async () => {
    const keeper = await driveKeeper();
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    expect(await keeper.askForTenure(1)).to.equal(undefined);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    answer();
    await keeper.untilIdle();
    expect(keeper.answers.get(1)).to.have.property('type', 'refused');
    expect(keeper.newsOf('working')).to.deep.equal([]);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('ends the tenure, aborts its signal, and refuses an open request when it is stopped', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    keeper.stop();
    expect(tenure).to.deep.include({ ended: true, deadline: 0 });
    expect(tenure.signal.aborted).to.equal(true);
    expect(keeper.controls.get(1)).to.deep.equal([{ type: 'revoked', fence: 6, reason: 'the keeper has stopped' }]);
    const asking = await driveKeeper();
    asking.store.script('update', { type: 'failBefore' });
    await asking.askForTenure(1);
    asking.stop();
    expect(asking.answers.get(1)?.type).to.equal('refused');
  });

  it('grants no tenure on a shard that has ended', async () => {
    const keeper = await driveKeeper({ seenRow: leaseRow({ leaseKey: shardId, checkpoint: 'SHARD_END' }) });
    expect(await keeper.askForTenure(1)).to.deep.equal({ type: 'refused', reason: 'the shard has ended' });
  });

  it('grants no tenure when SHARD_END was written into the row by hand', async () => {
    const keeper = await driveKeeper();
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.askForTenure(1);
    keeper.store.put({ ...keeper.row, checkpoint: 'SHARD_END' });
    await keeper.advance(1_000);
    expect(keeper.answers.get(1)).to.deep.equal({ type: 'refused', reason: 'the shard has ended' });
  });

  it('keeps the lease when its worker finds that the tenure has ended', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    expect(keeper.newsOf('idle')[0]?.reason).to.equal('the shard worker has ended: tenureEnded');
    expect((await keeper.startShardWorker(2)).fence).to.be.above(tenure.fence);
  });

  it('counts an unknown message', async () => {
    const keeper = await driveKeeper();
    await keeper.tell({ type: 'nonsense' });
    expect(keeper.counts.get('unknownMessage')).to.equal(1);
  });

  it('shows its phase, counter, checkpoint, frontier, fence and remaining time in its status', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    await keeper.advance(1_000);
    expect(keeper.status()).to.deep.include({
      leaseKey: shardId,
      phase: 'held',
      counter: 6,
      checkpoint: 'TRIM_HORIZON',
      frontier: { sequenceNumber: '100', subSequenceNumber: 0 },
      fence: 6,
      liveForMs: liveMs - 1_000,
      failedAttempts: 0,
    });
  });
});
