// Deadlines of a lease that two orders release, while calls of an earlier worker may run: the earlier deadline counts, whichever order
// came first. `callDeadlineMs` of a driven keeper is 30 s.
import { expect } from 'chai';
import type { ShardWorkerEnd } from '../../../actors/protocol/tenure.js';
import { driveKeeper, me, type KeeperDriver } from '../../support/keeper-driver.js';

const stopShard: ShardWorkerEnd = { type: 'stopShard', error: new Error('poison') };

/** A keeper whose worker has handed out a record. */
async function withCalls(): Promise<{
  keeper: KeeperDriver;
  tenure: Awaited<ReturnType<KeeperDriver['startShardWorker']>>;
}> {
  const keeper = await driveKeeper();
  const tenure = await keeper.startShardWorker(1);
  tenure.newestHandedOut = { sequenceNumber: '100', subSequenceNumber: 0 };
  return { keeper, tenure };
}

describe('a keeper that two orders tell to release its lease while calls may run (I48)', () => {
  it('keeps the deadline of a failure that has stopped the shard when a longer stop comes', async () => {
    const { keeper, tenure } = await withCalls();
    await keeper.endShardWorker(tenure, stopShard);
    await keeper.advance(20_000);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 60_000 });
    await keeper.advance(9_999);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.row).to.not.have.property('leaseOwner');
    expect(keeper.newsOf('released')[0]).to.deep.include({
      reason: 'the failure policy stopped the shard: poison',
      coolDown: true,
    });
  });

  it('takes the deadline of a stop that ends before that of the failure', async () => {
    const { keeper, tenure } = await withCalls();
    await keeper.endShardWorker(tenure, stopShard);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 10_000 });
    await keeper.advance(9_000);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1_000);
    expect(keeper.row).to.not.have.property('leaseOwner');
  });

  it('keeps the deadline of a source that has failed when a longer stop comes', async () => {
    const { keeper } = await withCalls();
    await keeper.tell({ type: 'release', reason: 'its source has failed: STREAM_NOT_FOUND', deadlineMs: 30_000 });
    await keeper.advance(20_000);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 60_000 });
    await keeper.advance(9_000);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1_000);
    expect(keeper.row).to.not.have.property('leaseOwner');
  });

  it('releases at once when the calls have ended, whatever the deadlines', async () => {
    const { keeper, tenure } = await withCalls();
    await keeper.endShardWorker(tenure, stopShard);
    await keeper.tell({ type: 'release', reason: 'stopping', deadlineMs: 60_000 });
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.tell({ type: 'callsEnded' });
    expect(keeper.row).to.not.have.property('leaseOwner');
  });
});
