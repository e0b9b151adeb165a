// `onShardEnded` of a lease keeper: SHARD_END is written only when it has succeeded. A call that fails is repeated, a stuck call costs the
// lease, and no release waits for a second attempt.
import { expect } from 'chai';
import type { ShardEndPlan } from '../../../actors/lease-coordinator/lease-coordinator.js';
import type { KeeperStatus } from '../../../actors/lease-keeper/status.js';
import type { EndedShard } from '../../../src/api/options.js';
import { driveKeeper, shardId, type KeeperDriver, type KeeperSetup } from '../../support/keeper-driver.js';

const ready: ShardEndPlan = { type: 'ready', childShardIds: ['shardId-000000000001'] };

interface Call {
  readonly shard: EndedShard;
  end(error?: Error): Promise<void>;
}

/** A keeper whose worker has reached the end of its shard. The test ends each call of the hook. */
async function toTheEnd(setup: KeeperSetup = {}): Promise<{ keeper: KeeperDriver; calls: Call[] }> {
  const calls: Call[] = [];
  const keeper = await driveKeeper({
    hookDeadlineMs: 5_000,
    onShardEnded: (shard) =>
      new Promise<void>((resolve, reject) => {
        const end = (error?: Error): Promise<void> => {
          if (error === undefined) resolve();
          else reject(error);
          return keeper.untilIdle();
        };
        calls.push({ shard, end });
      }),
    ...setup,
  });
  const tenure = await keeper.startShardWorker(1);
  await keeper.reportFrontier(tenure, '100');
  await keeper.endShardWorker(tenure, { type: 'shardEnd', notFound: false });
  return { keeper, calls };
}

describe('onShardEnded of a lease keeper', () => {
  it('is called once the end is proven, and SHARD_END follows its success', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.advance(100);
    expect(calls, 'the end is not proven').to.deep.equal([]);
    await keeper.plan(ready);
    const [call] = calls;
    expect(call!.shard).to.deep.include({ source: 'orders', shardId, children: ready.childShardIds });
    expect(call!.shard.fence).to.be.at.least(keeper.row.leaseCounter);
    await keeper.advance(4_000);
    expect(keeper.row).to.deep.include({ checkpoint: '100', leaseOwner: 'me' });
    await call!.end();
    expect(keeper.row.checkpoint).to.equal('SHARD_END');
    expect(keeper.newsOf('ended')).to.have.length(1);
    expect([keeper.ended, calls.length]).to.deep.equal([true, 1]);
  });

  it('is not called for an end that proves false', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan({ type: 'readOn', reason: 'open' });
    await keeper.advance(5_000);
    expect(calls).to.deep.equal([]);
  });

  it('is repeated after a growing pause, while the lease is renewed and nothing else ends it', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    for (let failed = 0; failed < 12; failed += 1) {
      await calls.at(-1)!.end(new Error('no database'));
      expect(calls).to.have.length(failed + 1);
      await keeper.advance(Math.min(30_000, 100 * 2 ** failed));
      expect(calls).to.have.length(failed + 2);
    }
    expect(keeper.eventsOf('retrying')).to.have.length(12);
    expect((keeper.status() as KeeperStatus).failing[0]).to.include({ operation: 'onShardEnded', attempts: 12 });
    expect(keeper.row).to.deep.include({ checkpoint: '100', leaseOwner: 'me' });
    await calls.at(-1)!.end();
    expect(keeper.row.checkpoint).to.equal('SHARD_END');
  });

  it('is not called again if the write after it has to be repeated', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    keeper.store.script('update', { type: 'failBefore', error: new Error('down') });
    await calls[0]!.end();
    expect(keeper.row.checkpoint).to.equal('TRIM_HORIZON');
    await keeper.advance(3_000);
    expect([keeper.row.checkpoint, calls.length]).to.deep.equal(['SHARD_END', 1]);
  });

  it('gets an aborted signal at its deadline, and may still succeed', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    await keeper.advance(4_999);
    expect(calls[0]!.shard.signal.aborted).to.equal(false);
    await keeper.advance(1);
    expect(calls[0]!.shard.signal.aborted).to.equal(true);
    await keeper.advance(4_000);
    await calls[0]!.end();
    expect(keeper.row.checkpoint).to.equal('SHARD_END');
  });

  it('costs the lease if it has not ended after another deadline: the frontier stays, and the keeper waits for the call', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    await keeper.advance(10_000);
    expect(keeper.row.checkpoint).to.equal('100');
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
    expect(keeper.newsOf('released')[0]?.reason).to.include('onShardEnded');
    expect(keeper.ended).to.equal(false);
    await calls[0]!.end();
    expect([keeper.ended, keeper.row.checkpoint]).to.deep.equal([true, '100']);
  });

  it('holds a release back while it runs, until the deadline of the release', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 3_000 });
    await keeper.advance(1_000);
    expect(keeper.row.leaseOwner).to.equal('me');
    await calls[0]!.end();
    expect(keeper.row.checkpoint, 'the end replaces the release').to.equal('SHARD_END');

    const other = await toTheEnd();
    await other.keeper.plan(ready);
    await other.keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 3_000 });
    await other.keeper.advance(3_000);
    expect(other.keeper.row.checkpoint).to.equal('100');
    expect(other.keeper.row).to.not.have.property('leaseOwner');
    expect(other.calls[0]!.shard.signal.reason).to.have.property('code', 'LEASE_LOST');
  });

  it('lets a release go at once when it has failed, and is not called again', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    await calls[0]!.end(new Error('no'));
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect([keeper.row.checkpoint, keeper.ended, calls.length]).to.deep.equal(['100', true, 1]);
  });

  it('is not called again by a message that comes twice', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    await keeper.tell({ type: 'hookDue', attempt: 1 });
    expect(calls).to.have.length(1);
    await calls[0]!.end(new Error('no'));
    await keeper.advance(100);
    await keeper.tell({ type: 'hookDue', attempt: 1 });
    await keeper.tell({ type: 'hookDue', attempt: 2 });
    expect(calls).to.have.length(2);
    keeper.counts.clear();
    await keeper.tell({ type: 'hookEnded', attempt: 1, failure: undefined });
    expect(keeper.counts.get('repeatedMessages')).to.equal(1);
    expect(keeper.row.checkpoint, 'nor is the shard ended by one').to.not.equal('SHARD_END');
  });

  it('is called in a release that began before the end was proven: no second owner has to prove it', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    await keeper.plan(ready);
    expect(calls).to.have.length(1);
    await calls[0]!.end();
    expect(keeper.row.checkpoint).to.equal('SHARD_END');
  });

  it('is not called again in a release that begins in its pause, even if the write of the release takes long', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    await calls[0]!.end(new Error('no'));
    for (let tries = 0; tries < 3; tries += 1)
      keeper.store.script('update', { type: 'failBefore', error: new Error('down') });
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    await keeper.advance(200);
    expect(keeper.row.leaseOwner, 'its pause is over, and the release is not written').to.equal('me');
    await keeper.advance(5_000);
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect([keeper.row.checkpoint, calls.length]).to.deep.equal(['100', 1]);
  });

  it('holds a release back also while its second call runs', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    await calls[0]!.end(new Error('no'));
    await keeper.advance(100);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 20_000 });
    await keeper.advance(1_000);
    expect([keeper.row.leaseOwner, calls.length]).to.deep.equal(['me', 2]);
    await calls[1]!.end();
    expect(keeper.row.checkpoint).to.equal('SHARD_END');
  });

  it('is not the last call that a keeper waits for while an onCheckpoint runs', async () => {
    let noted = (): void => undefined;
    const onCheckpoint = (): Promise<void> => new Promise((resolve) => (noted = resolve));
    const { keeper, calls } = await toTheEnd({ onCheckpoint, checkpointIntervalMs: 10 });
    await keeper.advance(1_000);
    expect(keeper.row.checkpoint).to.equal('100');
    await keeper.plan(ready);
    expect(calls).to.have.length(1);
    keeper.store.put({ ...keeper.row, leaseOwner: 'you', leaseCounter: 50, kinactWriter: 'other/1' });
    await keeper.advance(4_000);
    expect(keeper.newsOf('lost')).to.have.length(1);
    await calls[0]!.end();
    expect(keeper.ended, 'onCheckpoint runs').to.equal(false);
    noted();
    await keeper.untilIdle();
    expect(keeper.ended).to.equal(true);
  });

  it('is dropped, with an aborted signal, when the lease is lost', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    keeper.store.put({ ...keeper.row, leaseOwner: 'you', leaseCounter: 50, kinactWriter: 'other/1' });
    await keeper.advance(4_000);
    expect(keeper.newsOf('lost')).to.have.length(1);
    expect(calls[0]!.shard.signal.reason).to.have.property('code', 'LEASE_LOST');
    expect(keeper.ended, 'it waits for the call').to.equal(false);
    await calls[0]!.end();
    expect(keeper.ended).to.equal(true);
    expect(keeper.row).to.deep.include({ leaseOwner: 'you', checkpoint: 'TRIM_HORIZON' });
  });

  it('is not handed to a keeper that only releases for a stopped one: the next owner calls it', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    keeper.stop('crash');
    const heir = await driveKeeper({
      store: keeper.store,
      onShardEnded: () => expect.fail('not here'),
      predecessor: { state: keeper.state, reason: 'stopping', deadlineMs: 3_000 },
    });
    await heir.advance(3_000);
    expect(heir.row.checkpoint).to.equal('100');
    expect(heir.row).to.not.have.property('leaseOwner');
    expect(calls).to.have.length(1);
  });

  it('is not called again by such a keeper if it has succeeded: SHARD_END is written', async () => {
    const { keeper, calls } = await toTheEnd();
    await keeper.plan(ready);
    keeper.store.script('update', { type: 'failBefore', error: new Error('down') });
    await calls[0]!.end();
    expect(keeper.row.checkpoint).to.equal('TRIM_HORIZON');
    keeper.stop('shutdown');
    const heir = await driveKeeper({
      store: keeper.store,
      onShardEnded: () => expect.fail('not again'),
      predecessor: { state: keeper.state, reason: 'stopping', deadlineMs: 3_000 },
    });
    await heir.advance(3_000);
    expect(heir.row.checkpoint).to.equal('SHARD_END');
  });
});
