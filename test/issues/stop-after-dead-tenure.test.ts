// Symptom: `stop()` reported `drained: true` and `recordsLeft: 0`, and the next owner got records again. Cause: a lease without a
// worker at the release counted as one with nothing open. But its worker had ended with records open (a suspended machine, a recent
// crash).
// The keeper holds the lease. `work` grants a shard worker a tenure, `frontier` reports what it has settled, and `end` reports its
// end.
import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import { driveKeeper, failoverMs, me, writer } from '../support/keeper-driver.js';

describe('a lease that is released without a worker', () => {
  it('reports recordsLeft unknown if its last worker ended with its tenure and left records open', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '50');
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.advance(20_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({
      checkpoint: '50',
      released: true,
      recordsLeft: 'unknown',
    });
  });

  it('reports recordsLeft 0 if it never had a worker', async () => {
    const keeper = await driveKeeper();
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, recordsLeft: 0 });
  });

  it('reports recordsLeft 0 if its last worker had settled everything that it handed out', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '50');
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.advance(20_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: '50', released: true, recordsLeft: 0 });
  });
});

// The same symptom, one worker later: the next worker drained before it had read again what its predecessor had left open. For
// itself it reported truthfully that nothing was open.
describe('a lease whose last worker drained at once', () => {
  for (const [frontier, recordsLeft] of [
    ['50', 'unknown'],
    ['51', 0],
  ] as const) {
    it(`reports recordsLeft ${recordsLeft} at the frontier ${frontier} if an earlier worker had handed out 51`, async () => {
      const keeper = await driveKeeper();
      const first = await keeper.startShardWorker(1);
      first.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
      await keeper.reportFrontier(first, '49');
      await keeper.endShardWorker(first, { type: 'tenureEnded' });
      const second = await keeper.startShardWorker(2);
      await keeper.reportFrontier(second, frontier);
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
      await keeper.endShardWorker(second, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: frontier, recordsLeft });
    });
  }
});

// Another symptom: the next owner got records while a call of the dead tenure still ran here. Cause: the worker of a dead tenure
// does not wait for its calls, and no later worker had asked about them.
describe('a lease whose last worker ended with its tenure, during a stop', () => {
  it('is kept until the deadline if no later worker asks about calls that may still run', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.advance(19_000);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1_000);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('is kept until the deadline if its row was deleted and created again (seed 770267)', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    keeper.store.rows.delete(keeper.row.leaseKey);
    await keeper.advance(failoverMs / 3);
    expect(tenure.ended).to.equal(true);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(10_000);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(7_000);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('is kept until the deadline if its worker was cut off, even with everything settled', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '50');
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0, isCut: true });
    await keeper.advance(19_000);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(1_000);
    expect(keeper.newsOf('released')[0]?.lease).to.include({ released: true, recordsLeft: 0 });
  });

  it('is released when every call of the pipeline has ended, or at once if nothing was handed out', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.tell({ type: 'callsEnded' });
    expect(keeper.newsOf('released')).to.have.length(1);
    const idle = await driveKeeper();
    await idle.endShardWorker(await idle.startShardWorker(1), { type: 'tenureEnded' });
    await idle.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(idle.newsOf('released')).to.have.length(1);
  });
});

// In this case one more worker may begin. It hands out nothing, and ends when those calls have ended. Without it, a stop took its
// whole deadline.
describe('a lease that waits for calls of a dead tenure while it is released', () => {
  const released = async (first: 'release' | 'beginTenure') => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '50');
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    const release = () => keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    if (first === 'release') await release();
    const asked = keeper.startShardWorker(2);
    if (first === 'beginTenure') await release();
    return { keeper, last: await asked };
  };

  for (const first of ['release', 'beginTenure'] as const)
    it(`lets one more worker ask about the calls, and is then released (first: ${first})`, async () => {
      const { keeper, last } = await released(first);
      expect(last).to.include({ hasPredecessor: true, onlyAwaitsCalls: true });
      expect(keeper.newsOf('released')).to.deep.equal([]);
      await keeper.endShardWorker(last, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released')[0]?.lease).to.include({ checkpoint: '50', released: true, recordsLeft: 0 });
      expect(keeper.newsOf('working'), 'the shard is not read by that worker').to.have.length(1);
      expect(keeper.newsOf('idle')).to.have.length(1);
    });

  it('refuses a tenure if the renewal before it is answered after the deadline', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.endShardWorker(tenure, { type: 'tenureEnded' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.askForTenure(2);
    await keeper.advance(1_600);
    answer();
    await keeper.untilIdle();
    expect(keeper.newsOf('released')).to.have.length(1);
    expect(keeper.answers.get(2)?.type).to.equal('refused');
  });

  it('cuts the worker off at the deadline', async () => {
    const { keeper, last } = await released('release');
    await keeper.advance(20_000);
    expect(last.ended).to.equal(true);
    expect(keeper.newsOf('released')).to.have.length(1);
  });
});

// Symptom: a failure that stopped a shard released its lease beside other calls of that shard.
describe('a lease whose shard a failure has stopped', () => {
  it('is released only after the other calls of the shard have ended, with a cool-down', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.endShardWorker(tenure, { type: 'stopShard', error: new Error('no') });
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.endShardWorker(await keeper.startShardWorker(2), { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
  });

  it('waits for these calls at most stopDeadlineMs', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.endShardWorker(tenure, { type: 'stopShard', error: new Error('no') });
    await keeper.advance(29_999);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.newsOf('released')).to.have.length(1);
  });
});

// The same if the keeper gives the lease up by itself. The watchdog ended two pipelines in a row, and the lease was released at
// once, beside the calls of the second pipeline.
describe('a lease that is given up after the second watchdog', () => {
  it('waits for the calls of the last pipeline at most stopDeadlineMs', async () => {
    const keeper = await driveKeeper();
    const error = new KinactError('WATCHDOG', 'stuck');
    for (const shardWorker of [1, 2]) {
      await keeper.startShardWorker(shardWorker);
      await keeper.killShardWorker(shardWorker, { error });
    }
    await keeper.advance(29_999);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
  });
});

// Symptom: a release ended a hand-over that was draining, but its phase stayed. So no worker was let in to ask about the calls.
describe('a lease that is released while it drains for a hand-over', () => {
  const draining = async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '100', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '100');
    keeper.store.put({ ...keeper.row, kinactWish: `y1/3 7000 1 ${writer} you` });
    await keeper.advance(failoverMs / 3);
    await keeper.advance(1_000);
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['pause']);
    return { keeper, tenure };
  };

  it('lets one more worker ask about calls if a failure has stopped the shard', async () => {
    const { keeper, tenure } = await draining();
    await keeper.endShardWorker(tenure, { type: 'stopShard', error: new Error('no') });
    await keeper.endShardWorker(await keeper.startShardWorker(2), { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('lets one more worker ask about calls if the tenure has died during a stop', async () => {
    const { keeper, tenure } = await draining();
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 50_000 });
    keeper.suspend(20_000);
    await keeper.advance(100);
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0, isCut: true });
    await keeper.endShardWorker(await keeper.startShardWorker(2), { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')).to.have.length(1);
  });
});
