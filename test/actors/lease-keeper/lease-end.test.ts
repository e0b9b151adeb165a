// How a keeper ends its lease: it drains, then checkpoints and releases in one write. It writes SHARD_END only after the coordinator has
// agreed. It repeats a write of unknown outcome, and recognises its own earlier write. `me` holds the lease. `plan` is the coordinator's
// answer to the question whether the shard may end.
import { expect } from 'chai';
import type { ShardEndPlan } from '../../../actors/lease-coordinator/lease-coordinator.js';
import { KinactError } from '../../../src/api/errors.js';
import { driveKeeper, failoverMs, me, shardId, writer, type KeeperDriver } from '../../support/keeper-driver.js';

const ready = { type: 'ready', childShardIds: ['shardId-000000000001', 'shardId-000000000002'] } as const;
const updates = (keeper: KeeperDriver) => keeper.store.calls.filter(({ operation }) => operation === 'update');
const idleLimitMs = 30_000 + failoverMs;

describe('a keeper that releases its lease', () => {
  it('drains its worker, then checkpoints and releases in one conditional write', async () => {
    const heard: string[] = [];
    const keeper = await driveKeeper({ onCheckpoint: (at) => heard.push(at.sequenceNumber) });
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    const [drain] = keeper.controls.get(1) ?? [];
    expect(drain).to.deep.include({ type: 'drain', fence: tenure.fence });
    expect(tenure.ended, 'a draining worker delivers').to.equal(false);
    await keeper.reportFrontier(tenure, '100', { subSequenceNumber: 4 });
    const before = updates(keeper).length;
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    expect(updates(keeper).slice(before)).to.have.length(1);
    expect(updates(keeper).at(-1)).to.deep.include({
      expected: { counter: 6, owner: me, writer },
      change: { checkpoint: { checkpoint: '100', subSequenceNumber: 4 }, leaseOwner: null },
    });
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect(keeper.row).to.deep.include({ leaseCounter: 7, checkpoint: '100', checkpointSubSequenceNumber: 4 });
    const lease = {
      source: 'orders',
      shardId,
      leaseKey: shardId,
      recordsLeft: 0,
      checkpoint: '100',
      subSequenceNumber: 4,
      released: true,
    };
    expect(keeper.newsOf('released')).to.deep.equal([{ type: 'released', lease, reason: 'stop', coolDown: false }]);
    expect(keeper.eventsOf('leaseReleased')).to.deep.equal([
      { source: 'orders', shardId, leaseKey: shardId, reason: 'stop' },
    ]);
    expect(heard).to.deep.equal(['100']);
    expect(keeper.ended).to.equal(true);
    expect(tenure).to.deep.include({ ended: true, deadline: 0 });
    expect(tenure.signal.aborted).to.equal(true);
  });

  it('continues to renew while its worker drains', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.reportFrontier(tenure, '50');
    await keeper.advance(9_000);
    expect(keeper.row).to.deep.include({ leaseOwner: me, leaseCounter: 9, checkpoint: '50' });
    expect(tenure.ended).to.equal(false);
  });

  it('reports how many records its worker left open', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 17 });
    expect(keeper.newsOf('released')[0]?.lease.recordsLeft).to.equal(17);
  });

  it('releases at once when it has no worker', async () => {
    const keeper = await driveKeeper();
    await keeper.tell({ type: 'release', reason: 'steal', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({
      released: true,
      recordsLeft: 0,
      checkpoint: 'TRIM_HORIZON',
    });
  });

  it('releases at its frontier by the deadline when the worker does not drain in time', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    const asked = keeper.clock.now;
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    await keeper.advance(2_000);
    expect(keeper.clock.now - asked).to.equal(2_000);
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['drain', 'revoked']);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({
      checkpoint: '100',
      recordsLeft: 'unknown',
      released: true,
    });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('revokes a slow worker before the deadline, and waits for its last frontier and end report', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    await keeper.advance(1_550);
    expect(tenure.ended).to.equal(true);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.reportFrontier(tenure, '100');
    await keeper.endShardWorker(tenure, { type: 'drained', open: 7 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: '100', recordsLeft: 7, released: true });
  });

  it('does not ask a revoked worker to drain', async () => {
    const keeper = await driveKeeper();
    await keeper.startShardWorker(1);
    keeper.suspend(60_000);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['revoked']);
    await keeper.advance(2_000);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('releases even with a deadline of 0 ms', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 0 });
    expect(keeper.newsOf('released')[0]?.lease.released).to.equal(true);
    expect(tenure.ended).to.equal(true);
  });

  it('keeps the lease after a draining worker crashes, and releases once its calls have ended', async () => {
    const keeper = await driveKeeper();
    await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.killShardWorker(1);
    await keeper.advance(15_000);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.tell({ type: 'callsEnded' });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ recordsLeft: 'unknown', released: true });
  });

  it('waits for calls of a worker that crashed before or during the release only until the deadline', async () => {
    for (const order of ['release first', 'crash first']) {
      const keeper = await driveKeeper();
      await keeper.startShardWorker(1);
      if (order === 'crash first') await keeper.killShardWorker(1);
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
      if (order === 'release first') await keeper.killShardWorker(1);
      await keeper.advance(19_000);
      expect(keeper.row.leaseOwner, order).to.equal(me);
      await keeper.advance(1_000);
      expect(keeper.newsOf('released')[0]?.lease, order).to.deep.include({ released: true });
    }
  });

  it('releases a drained lease without waiting for an earlier pipeline whose calls have ended', async () => {
    for (const order of ['the crash is heard of first', 'the crash is heard of last']) {
      const keeper = await driveKeeper();
      await keeper.startShardWorker(1);
      if (order.endsWith('first')) await keeper.killShardWorker(1);
      await keeper.tell({ type: 'callsEnded' });
      if (order.endsWith('last')) await keeper.killShardWorker(1);
      const tenure = await keeper.startShardWorker(2);
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
      await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released')[0]?.lease, order).to.deep.include({ released: true });
    }
  });

  it('repeats a release of unknown outcome, and recognises its own release', async () => {
    for (const fault of ['failBefore', 'failAfter'] as const) {
      const keeper = await driveKeeper();
      const tenure = await keeper.startShardWorker(1);
      await keeper.reportFrontier(tenure, '100');
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 10_000 });
      keeper.store.script('update', { type: fault });
      await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released'), fault).to.deep.equal([]);
      await keeper.advance(1_000);
      expect(keeper.newsOf('released')[0]?.lease, fault).to.deep.include({ released: true, checkpoint: '100' });
      expect(keeper.row.leaseCounter, fault).to.equal(7);
      expect(keeper.row.checkpoint).to.equal('100');
      expect(keeper.newsOf('lost')).to.deep.equal([]);
    }
  });

  it('sends the release again when a renewal of unknown outcome has taken effect', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.advance(3_000);
    await keeper.reportFrontier(tenure, '100');
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 10_000 });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    await keeper.advance(1_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, checkpoint: '100' });
    expect(keeper.row).to.deep.include({ leaseCounter: 8, checkpoint: '100' });
    expect(keeper.row).to.not.have.property('leaseOwner');
  });

  it('reports an unsuccessful release when every write fails until the deadline', async () => {
    const keeper = await driveKeeper();
    await keeper.startShardWorker(1);
    for (let times = 0; times < 40; times++) keeper.store.script('update', { type: 'failBefore' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 5_000 });
    await keeper.killShardWorker(1, { reason: 'shutdown' });
    await keeper.advance(4_999);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(1);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: false });
    expect(keeper.eventsOf('leaseReleased')).to.deep.equal([]);
    expect(keeper.eventsOf('warning')).to.have.length(1);
    expect(keeper.ended).to.equal(true);
  });

  it('reports a lost lease instead of a release when another worker owns the row', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 5_000 });
    keeper.store.takeAs(shardId, 'java');
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    expect(keeper.newsOf('lost')).to.have.length(1);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    expect(keeper.row.leaseOwner).to.equal('java');
  });

  it('keeps the shorter of two release deadlines, and grants no tenure meanwhile', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.tell({ type: 'release', reason: 'again', deadlineMs: 2_000 });
    expect((await keeper.askForTenure(2))?.type).to.equal('refused');
    expect(tenure.ended).to.equal(false);
    await keeper.advance(2_000);
    expect(keeper.newsOf('released')[0]).to.deep.include({ reason: 'stop' });
  });
});

const readOn: ShardEndPlan = { type: 'readOn', reason: 'a listing shows the shard as open' };

describe('a keeper whose shard has ended', () => {
  async function toTheEnd(how: object = {}): Promise<KeeperDriver> {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    await keeper.endShardWorker(tenure, { type: 'shardEnd', notFound: false, ...how });
    return keeper;
  }

  it('asks the coordinator, then writes SHARD_END and the child shards in one write, and reports it', async () => {
    const children = [{ shardId: 'shardId-000000000001', parentShards: [shardId] }];
    const keeper = await toTheEnd({ children });
    expect(keeper.questions[0]).to.deep.include({
      type: 'askShardEnd',
      leaseKey: shardId,
      children,
      notFound: false,
    });
    expect(keeper.row.checkpoint, 'nothing is written before the children are').to.equal('TRIM_HORIZON');
    await keeper.plan(ready);
    expect(keeper.row).to.deep.include({
      checkpoint: 'SHARD_END',
      checkpointSubSequenceNumber: 0,
      leaseCounter: 7,
      childShardIds: ready.childShardIds,
    });
    expect(keeper.row.leaseOwner, 'as the KCL leaves it').to.equal(me);
    expect(updates(keeper).at(-1)?.expected).to.deep.equal({ counter: 6, owner: me, writer });
    expect(keeper.newsOf('ended')).to.deep.equal([{ type: 'ended', childShardIds: ready.childShardIds }]);
    expect(keeper.eventsOf('shardEnded')).to.deep.equal([{ source: 'orders', shardId, children: ready.childShardIds }]);
    expect(keeper.eventsOf('checkpoint'), 'the last frontier became durable with it').to.have.length(1);
    expect(keeper.ended).to.equal(true);
  });

  it('asks without child shards if the service named none', async () => {
    expect((await toTheEnd()).questions[0]).to.not.have.property('children');
  });

  it('asks again after `retryMs` while the end is blocked, and checkpoints the frontier meanwhile', async () => {
    const keeper = await toTheEnd();
    await keeper.plan({ type: 'blocked', reason: 'merge partner', retryMs: 5_000 });
    expect((await keeper.askForTenure(2))?.type, 'there is nothing to read').to.equal('refused');
    await keeper.advance(4_999);
    expect(keeper.questions).to.deep.equal([]);
    expect(keeper.row).to.deep.include({ checkpoint: '100', leaseOwner: me });
    await keeper.advance(1);
    expect(keeper.questions).to.have.length(1);
    await keeper.advance(60_000);
    expect(keeper.questions, 'asked once at a time').to.have.length(1);
    expect(keeper.row.leaseOwner, 'a shard that ends is not idle').to.equal(me);
    await keeper.plan(ready);
    expect(keeper.row.checkpoint).to.equal('SHARD_END');
  });

  it('asks again after a third of failoverMs when the coordinator fails to answer', async () => {
    const keeper = await toTheEnd();
    await keeper.unanswered();
    await keeper.advance(failoverMs / 3);
    expect(keeper.questions).to.have.length(1);
  });

  it('asks also about a shard that the service does not find, and includes its last position', async () => {
    const keeper = await toTheEnd({ notFound: true });
    expect(keeper.questions[0]).to.deep.include({
      notFound: true,
      position: { sequenceNumber: '100', subSequenceNumber: 0 },
    });
    expect(keeper.row).to.deep.include({ checkpoint: 'TRIM_HORIZON', leaseOwner: me });
  });

  it('continues reading a shard that a listing shows as open, with a delay after no progress', async () => {
    const keeper = await toTheEnd();
    await keeper.plan(readOn);
    let tenure = await keeper.startShardWorker(2);
    expect(tenure.start).to.deep.equal({ type: 'after', position: { sequenceNumber: '100', subSequenceNumber: 0 } });
    await keeper.endShardWorker(tenure, { type: 'shardEnd', notFound: false });
    await keeper.plan(readOn);
    expect(await keeper.askForTenure(3)).to.have.property('type', 'refused');
    await keeper.advance(failoverMs);
    tenure = await keeper.startShardWorker(4);
    await keeper.reportFrontier(tenure, '101');
    await keeper.endShardWorker(tenure, { type: 'shardEnd', notFound: false });
    await keeper.plan(readOn);
    await keeper.startShardWorker(5);
    expect(keeper.newsOf('ended')).to.deep.equal([]);
  });

  // Another worker may be able to prove the end.
  it('gives the lease up, with a cool-down, when the end of the shard stays unproven too long', async () => {
    const keeper = await toTheEnd();
    for (let ask = 0; ask < 100 && keeper.newsOf('released').length === 0; ask += 1) {
      if (keeper.questions.length > 0) await keeper.plan({ type: 'blocked', reason: 'merge partner', retryMs: 5_000 });
      await keeper.advance(1_000);
    }
    expect(keeper.newsOf('released')[0]).to.deep.include({
      coolDown: true,
      reason: 'the end of the shard has not been proven for 66000 ms',
    });
    expect(keeper.row.checkpoint).to.equal('100');
  });

  it('keeps the lease while the end waits for the holder of another shard', async () => {
    const keeper = await toTheEnd();
    const answer = async (waits: boolean): Promise<void> => {
      if (keeper.questions.length > 0)
        await keeper.plan({ type: 'blocked', reason: 'merge partner', retryMs: 5_000, ...(waits ? { waits } : {}) });
      await keeper.advance(1_000);
    };
    for (let second = 0; second < 600; second += 1) await answer(true);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    expect(keeper.row.leaseOwner).to.equal(me);
    for (let second = 0; second < 100; second += 1) await answer(false);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('repeats a SHARD_END write of unknown outcome, and recognises its own write', async () => {
    for (const fault of ['failBefore', 'failAfter'] as const) {
      const keeper = await toTheEnd();
      keeper.store.script('update', { type: fault });
      await keeper.plan(ready);
      expect(keeper.newsOf('ended'), fault).to.deep.equal([]);
      await keeper.advance(1_000);
      expect(keeper.newsOf('ended'), fault).to.deep.equal([{ type: 'ended', childShardIds: ready.childShardIds }]);
      expect(keeper.row.leaseCounter, fault).to.equal(7);
    }
  });

  it('reports the end, not a loss, if the reply was lost and another worker took the row', async () => {
    const keeper = await toTheEnd();
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.plan(ready);
    keeper.store.takeAs(shardId, 'java', undefined);
    await keeper.advance(1_000);
    expect(keeper.newsOf('lost')).to.deep.equal([]);
    expect(keeper.newsOf('ended')).to.have.length(1);
  });

  it('releases at its frontier on request while the end is blocked', async () => {
    const keeper = await toTheEnd();
    await keeper.plan({ type: 'blocked', reason: 'merge partner', retryMs: 5_000 });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, checkpoint: '100', recordsLeft: 0 });
  });

  it('ends the shard instead of releasing it when the coordinator answers in time', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.endShardWorker(tenure, { type: 'shardEnd', notFound: false });
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.plan(ready);
    expect(keeper.newsOf('ended')).to.have.length(1);
  });

  it('releases when the coordinator does not answer in time, and ignores a later answer', async () => {
    const keeper = await toTheEnd();
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    await keeper.advance(2_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, checkpoint: '100' });
    await keeper.plan(ready);
    expect(keeper.row.checkpoint).to.equal('100');
  });
});

describe('a keeper that may release its lease by itself', () => {
  it('releases when no shard worker has begun for callDeadlineMs + failoverMs', async () => {
    const keeper = await driveKeeper();
    await keeper.advance(idleLimitMs - 1);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
  });

  it('counts the time without a worker from the end of the last worker', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.advance(2 * idleLimitMs);
    await keeper.endShardWorker(tenure, { type: 'drained', open: 3 });
    await keeper.advance(idleLimitMs - 1);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(1);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('does not count the time before a worker may start the shard', async () => {
    const keeper = await driveKeeper({ mayNotStart: true });
    await keeper.advance(10 * idleLimitMs);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.tell({ type: 'startAllowed' });
    await keeper.advance(idleLimitMs - 1);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  for (const code of ['WATCHDOG', 'PENDING_LIMIT_TOO_SMALL'] as const) {
    it(`releases after two endings by ${code} at the same frontier, once the calls have ended`, async () => {
      const keeper = await driveKeeper();
      const error = new KinactError(code, 'onShardStarted of s has not ended.');
      const first = await keeper.startShardWorker(1);
      await keeper.reportFrontier(first, '100');
      await keeper.killShardWorker(1, { error });
      const second = await keeper.startShardWorker(2);
      await keeper.reportFrontier(second, '101');
      await keeper.killShardWorker(2, { error });
      await keeper.startShardWorker(3);
      await keeper.killShardWorker(1, { error });
      expect(keeper.newsOf('released'), 'the frontier moved between the two').to.deep.equal([]);
      await keeper.killShardWorker(3, { error });
      expect(keeper.newsOf('released'), 'its calls may run').to.deep.equal([]);
      await keeper.tell({ type: 'callsEnded' });
      expect(keeper.newsOf('released')[0]).to.deep.include({
        coolDown: true,
        reason:
          'the watchdog has ended 2 shard workers in a row at one checkpoint; the last: onShardStarted of s has not ended',
      });
      expect(keeper.row).to.deep.include({ checkpoint: '101' });
    });
  }

  it('keeps the lease after crashes with other errors', async () => {
    const keeper = await driveKeeper();
    for (const shardWorker of [1, 2, 3, 4]) {
      await keeper.startShardWorker(shardWorker);
      await keeper.killShardWorker(shardWorker, { error: new KinactError('PROCESSING_FAILED', 'boom') });
    }
    expect(keeper.row.leaseOwner).to.equal(me);
  });

  it('releases with a cool-down when the failure policy stops the shard', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.reportFrontier(tenure, '100');
    await keeper.endShardWorker(tenure, { type: 'stopShard', error: new Error('poison') });
    expect(keeper.newsOf('released')[0]).to.deep.include({
      coolDown: true,
      reason: 'the failure policy stopped the shard: poison',
    });
    expect(keeper.row).to.deep.include({ checkpoint: '100' });
    expect(keeper.row).to.not.have.property('leaseOwner');
  });

  it('applies the deadline of a later release request to its own unfinished release', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    for (let times = 0; times < 40; times++) keeper.store.script('update', { type: 'failBefore' });
    await keeper.endShardWorker(tenure, { type: 'stopShard', error: new Error('poison') });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 3_000 });
    await keeper.advance(3_000);
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
    expect(keeper.newsOf('released')[0]?.lease.released).to.equal(false);
  });

  it('keeps the reason of a waiting release, and adds a cool-down, when the policy stops the shard', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 3_000 });
    await keeper.endShardWorker(tenure, { type: 'stopShard', error: new Error('poison') });
    expect(keeper.newsOf('released')[0]).to.deep.include({ reason: 'stop', coolDown: true });
  });
});
