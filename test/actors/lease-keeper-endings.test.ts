// How a keeper gives its lease up: it drains, then checkpoints and releases in one write. SHARD_END is written only after the coordinator
// has agreed. A write of unknown outcome is repeated and recognised.
// `me` holds the lease. `work` begins a shard worker in a tenure; `frontier` reports what it has settled; `end` is its last word,
// `down` its death without one, `plan` the coordinator's answer to whether the shard may end.
import { expect } from 'chai';
import type { ShardEndPlan } from '../../actors/lease-coordinator/lease-coordinator.js';
import { KinactError } from '../../src/api/errors.js';
import { driveKeeper, failoverMs, me, shardId, writer } from '../support/keeper-driver.js';
import type { KeeperDriver } from '../support/keeper-driver.js';

const ready = { type: 'ready', childShardIds: ['shardId-000000000001', 'shardId-000000000002'] } as const;
const updates = (keeper: KeeperDriver) => keeper.store.calls.filter(({ operation }) => operation === 'update');
const idleLimitMs = 30_000 + failoverMs;

describe('a keeper that releases its lease', () => {
  it('drains its worker, then checkpoints and releases in one write on counter and owner', async () => {
    const heard: string[] = [];
    const keeper = await driveKeeper({ onCheckpoint: (at) => heard.push(at.sequenceNumber) });
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    const [drain] = keeper.controls.get(1) ?? [];
    expect(drain).to.deep.include({ type: 'drain', fence: tenure.fence });
    expect(tenure.dead, 'a draining worker delivers').to.equal(false);
    await keeper.frontier(tenure, '100', 4);
    const before = updates(keeper).length;
    await keeper.end(tenure, { type: 'drained', open: 0 });
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
    expect(tenure).to.deep.include({ dead: true, deadline: 0 });
    expect(tenure.signal.aborted).to.equal(true);
  });

  it('goes on renewing while the worker drains', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.frontier(tenure, '50');
    await keeper.advance(9_000);
    expect(keeper.row).to.deep.include({ leaseOwner: me, leaseCounter: 9, checkpoint: '50' });
    expect(tenure.dead).to.equal(false);
  });

  it('reports what the worker left behind', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.end(tenure, { type: 'drained', open: 17 });
    expect(keeper.newsOf('released')[0]?.lease.recordsLeft).to.equal(17);
  });

  it('is done at once without a worker', async () => {
    const keeper = await driveKeeper();
    await keeper.tell({ type: 'release', reason: 'steal', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({
      released: true,
      recordsLeft: 0,
      checkpoint: 'TRIM_HORIZON',
    });
  });

  it('releases at its frontier when the worker does not drain in time, within the deadline', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.frontier(tenure, '100');
    const asked = keeper.clock.now;
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    await keeper.advance(2_000);
    expect(keeper.clock.now - asked).to.equal(2_000);
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['drain', 'revoked']);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: '100', recordsLeft: -1, released: true });
    await keeper.end(tenure, { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('waits a moment for what the worker says when it is cut off', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    await keeper.advance(1_550);
    expect(tenure.dead).to.equal(true);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.frontier(tenure, '100');
    await keeper.end(tenure, { type: 'drained', open: 7 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: '100', recordsLeft: 7, released: true });
  });

  it('asks no drain of a worker that is revoked already', async () => {
    const keeper = await driveKeeper();
    await keeper.work(1);
    keeper.suspend(60_000);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['revoked']);
    await keeper.advance(2_000);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('tries the write even when no time is given', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 0 });
    expect(keeper.newsOf('released')[0]?.lease.released).to.equal(true);
    expect(tenure.dead).to.equal(true);
  });

  it('renews when the draining worker crashes, and releases when the calls that it led to have ended', async () => {
    const keeper = await driveKeeper();
    await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.down(1);
    await keeper.advance(15_000);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.tell({ type: 'callsEnded' });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ recordsLeft: -1, released: true });
  });

  it('waits for those calls no longer than it has time, whether the release or the crash came first', async () => {
    for (const order of ['release first', 'crash first']) {
      const keeper = await driveKeeper();
      await keeper.work(1);
      if (order === 'crash first') await keeper.down(1);
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
      if (order === 'release first') await keeper.down(1);
      await keeper.advance(19_000);
      expect(keeper.row.leaseOwner, order).to.equal(me);
      await keeper.advance(1_000);
      expect(keeper.newsOf('released')[0]?.lease, order).to.deep.include({ released: true });
    }
  });

  it('does not wait for calls of a pipeline that has gone: a later worker has begun since', async () => {
    for (const order of ['the crash is heard of first', 'the crash is heard of last']) {
      const keeper = await driveKeeper();
      await keeper.work(1);
      if (order.endsWith('first')) await keeper.down(1);
      await keeper.tell({ type: 'callsEnded' });
      if (order.endsWith('last')) await keeper.down(1);
      const tenure = await keeper.work(2);
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
      await keeper.end(tenure, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released')[0]?.lease, order).to.deep.include({ released: true });
    }
  });

  it('repeats a release of unknown outcome, and recognises its own', async () => {
    for (const fault of ['failBefore', 'failAfter'] as const) {
      const keeper = await driveKeeper();
      const tenure = await keeper.work(1);
      await keeper.frontier(tenure, '100');
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 10_000 });
      keeper.store.script('update', { type: fault });
      await keeper.end(tenure, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released'), fault).to.deep.equal([]);
      await keeper.advance(1_000);
      expect(keeper.newsOf('released')[0]?.lease, fault).to.deep.include({ released: true, checkpoint: '100' });
      expect(keeper.row.leaseCounter, fault).to.equal(7);
      expect(keeper.row.checkpoint).to.equal('100');
      expect(keeper.newsOf('lost')).to.deep.equal([]);
    }
  });

  it('releases once more when the write of unknown outcome was a renewal', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.advance(3_000);
    await keeper.frontier(tenure, '100');
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 10_000 });
    await keeper.end(tenure, { type: 'drained', open: 0 });
    await keeper.advance(1_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, checkpoint: '100' });
    expect(keeper.row).to.deep.include({ leaseCounter: 8, checkpoint: '100' });
    expect(keeper.row).to.not.have.property('leaseOwner');
  });

  it('says that it did not succeed when the table is away until the deadline', async () => {
    const keeper = await driveKeeper();
    await keeper.work(1);
    for (let times = 0; times < 40; times++) keeper.store.script('update', { type: 'failBefore' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 5_000 });
    await keeper.down(1, { reason: 'shutdown' });
    await keeper.advance(4_999);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(1);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: false });
    expect(keeper.eventsOf('leaseReleased')).to.deep.equal([]);
    expect(keeper.eventsOf('warning')).to.have.length(1);
    expect(keeper.ended).to.equal(true);
  });

  it('is a loss when it meets a foreign owner', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 5_000 });
    keeper.store.takeAs(shardId, 'java');
    await keeper.end(tenure, { type: 'drained', open: 0 });
    expect(keeper.newsOf('lost')).to.have.length(1);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    expect(keeper.row.leaseOwner).to.equal('java');
  });

  it('takes the shorter of two deadlines, and grants nothing meanwhile', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.tell({ type: 'release', reason: 'again', deadlineMs: 2_000 });
    expect((await keeper.begin(2))?.type).to.equal('refused');
    expect(tenure.dead).to.equal(false);
    await keeper.advance(2_000);
    expect(keeper.newsOf('released')[0]).to.deep.include({ reason: 'stop' });
  });
});

const readOn: ShardEndPlan = { type: 'readOn', reason: 'a listing shows the shard as open' };

describe('a keeper whose shard has ended', () => {
  async function toTheEnd(how: object = {}): Promise<KeeperDriver> {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.frontier(tenure, '100');
    await keeper.end(tenure, { type: 'shardEnd', notFound: false, ...how });
    return keeper;
  }

  it('asks first, then writes SHARD_END, children and release at once, and tells', async () => {
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

  it('asks without children where the service named none', async () => {
    expect((await toTheEnd()).questions[0]).to.not.have.property('children');
  });

  it('asks again while it is blocked, and loses no frontier meanwhile', async () => {
    const keeper = await toTheEnd();
    await keeper.plan({ type: 'blocked', reason: 'merge partner', retryMs: 5_000 });
    expect((await keeper.begin(2))?.type, 'there is nothing to read').to.equal('refused');
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

  it('asks again when the question failed', async () => {
    const keeper = await toTheEnd();
    await keeper.unanswered();
    await keeper.advance(failoverMs / 3);
    expect(keeper.questions).to.have.length(1);
  });

  it('asks also for a shard that the service does not know, and says how far it was read', async () => {
    const keeper = await toTheEnd({ notFound: true });
    expect(keeper.questions[0]).to.deep.include({
      notFound: true,
      position: { sequenceNumber: '100', subSequenceNumber: 0 },
    });
    expect(keeper.row).to.deep.include({ checkpoint: 'TRIM_HORIZON', leaseOwner: me });
  });

  it('has the shard read on where a listing shows it, later each time that gets no further', async () => {
    const keeper = await toTheEnd();
    await keeper.plan(readOn);
    let tenure = await keeper.work(2);
    expect(tenure.start).to.deep.equal({ type: 'after', position: { sequenceNumber: '100', subSequenceNumber: 0 } });
    await keeper.end(tenure, { type: 'shardEnd', notFound: false });
    await keeper.plan(readOn);
    expect(await keeper.begin(3)).to.have.property('type', 'refused');
    await keeper.advance(failoverMs);
    tenure = await keeper.work(4);
    await keeper.frontier(tenure, '101');
    await keeper.end(tenure, { type: 'shardEnd', notFound: false });
    await keeper.plan(readOn);
    await keeper.work(5);
    expect(keeper.newsOf('ended')).to.deep.equal([]);
  });

  it('gives the lease up where its end is not proven for too long: another worker may find it', async () => {
    const keeper = await toTheEnd();
    for (let ask = 0; ask < 100 && keeper.newsOf('released').length === 0; ask += 1) {
      if (keeper.questions.length > 0) await keeper.plan({ type: 'blocked', reason: 'merge partner', retryMs: 5_000 });
      await keeper.advance(1_000);
    }
    expect(keeper.newsOf('released')[0]).to.deep.include({
      coolDown: true,
      reason: 'the end of the shard is not proven for too long',
    });
    expect(keeper.row.checkpoint).to.equal('100');
  });

  it('keeps the lease for as long as its end waits for what another shard’s holder is to make', async () => {
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

  it('repeats the write of unknown outcome, and recognises its own', async () => {
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

  it('is over, too, when the reply was lost and somebody has taken the ended row since', async () => {
    const keeper = await toTheEnd();
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.plan(ready);
    keeper.store.takeAs(shardId, 'java', undefined);
    await keeper.advance(1_000);
    expect(keeper.newsOf('lost')).to.deep.equal([]);
    expect(keeper.newsOf('ended')).to.have.length(1);
  });

  it('releases at its frontier when it is blocked and a release waits', async () => {
    const keeper = await toTheEnd();
    await keeper.plan({ type: 'blocked', reason: 'merge partner', retryMs: 5_000 });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, checkpoint: '100', recordsLeft: 0 });
  });

  it('ends rather than releases when the plan comes in time', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.end(tenure, { type: 'shardEnd', notFound: false });
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.plan(ready);
    expect(keeper.newsOf('ended')).to.have.length(1);
  });

  it('releases when the plan does not come in time, and is deaf to it afterwards', async () => {
    const keeper = await toTheEnd();
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    await keeper.advance(2_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, checkpoint: '100' });
    await keeper.plan(ready);
    expect(keeper.row.checkpoint).to.equal('100');
  });
});

describe('a keeper that gives its lease up by itself', () => {
  it('does so when no worker has come for callDeadlineMs + failoverMs', async () => {
    const keeper = await driveKeeper();
    await keeper.advance(idleLimitMs - 1);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
  });

  it('counts from the end of the last worker', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.advance(2 * idleLimitMs);
    await keeper.end(tenure, { type: 'drained', open: 3 });
    await keeper.advance(idleLimitMs - 1);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(1);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('does not count the time in which nobody may start the shard', async () => {
    const keeper = await driveKeeper({ waiting: true });
    await keeper.advance(10 * idleLimitMs);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.tell({ type: 'mayStart' });
    await keeper.advance(idleLimitMs - 1);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  for (const code of ['WATCHDOG', 'PENDING_LIMIT_TOO_SMALL'] as const) {
    it(`does so after two endings by ${code} at one frontier`, async () => {
      const keeper = await driveKeeper();
      const error = new KinactError(code, 'stuck');
      const first = await keeper.work(1);
      await keeper.frontier(first, '100');
      await keeper.down(1, { error });
      const second = await keeper.work(2);
      await keeper.frontier(second, '101');
      await keeper.down(2, { error });
      await keeper.work(3);
      await keeper.down(1, { error });
      expect(keeper.newsOf('released'), 'the frontier moved between the two').to.deep.equal([]);
      await keeper.down(3, { error });
      expect(keeper.newsOf('released'), 'its calls may run').to.deep.equal([]);
      await keeper.tell({ type: 'callsEnded' });
      expect(keeper.newsOf('released')[0]).to.deep.include({
        coolDown: true,
        reason: 'the frontier did not move in two watchdog restarts',
      });
      expect(keeper.row).to.deep.include({ checkpoint: '101' });
    });
  }

  it('does not do so after other crashes', async () => {
    const keeper = await driveKeeper();
    for (const worker of [1, 2, 3, 4]) {
      await keeper.work(worker);
      await keeper.down(worker, { error: new KinactError('PROCESSING_FAILED', 'boom') });
    }
    expect(keeper.row.leaseOwner).to.equal(me);
  });

  it('does so when the failure policy stops the shard', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.frontier(tenure, '100');
    await keeper.end(tenure, { type: 'stopShard', error: new Error('poison') });
    expect(keeper.newsOf('released')[0]).to.deep.include({
      coolDown: true,
      reason: 'the failure policy stopped the shard: poison',
    });
    expect(keeper.row).to.deep.include({ checkpoint: '100' });
    expect(keeper.row).to.not.have.property('leaseOwner');
  });

  it('hurries when somebody then asks for the release by a deadline', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    for (let times = 0; times < 40; times++) keeper.store.script('update', { type: 'failBefore' });
    await keeper.end(tenure, { type: 'stopShard', error: new Error('poison') });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 3_000 });
    await keeper.advance(3_000);
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
    expect(keeper.newsOf('released')[0]?.lease.released).to.equal(false);
  });

  it('keeps the promise of a release that waits when the policy stops the shard meanwhile', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 3_000 });
    await keeper.end(tenure, { type: 'stopShard', error: new Error('poison') });
    expect(keeper.newsOf('released')[0]).to.deep.include({ reason: 'stop', coolDown: true });
  });
});
