// Symptom: `stop()` said `drained: true` and `recordsLeft: 0`, and the next owner was handed records again. Cause: a lease
// without a worker at the release counted as one with nothing open, though its worker had ended with records open (a
// suspended machine, a crash a moment ago). Simulation: seed 111 of 2026-11-22.
// The keeper holds the lease. `work` begins a shard worker in a tenure; `frontier` reports what it has settled; `end` is its last
// word.
import { expect } from 'chai';
import { KinactError } from '../../src/api/errors.js';
import { driveKeeper, failoverMs, me, writer } from '../support/keeper-driver.js';

describe('a lease that is released without a worker', () => {
  it('does not say that nothing is open when its last worker died with its tenure', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.frontier(tenure, '50');
    await keeper.end(tenure, { type: 'tenureDead' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.advance(20_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: '50', released: true, recordsLeft: -1 });
  });

  it('says that nothing is open when it never had one', async () => {
    const keeper = await driveKeeper();
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ released: true, recordsLeft: 0 });
  });

  it('says that nothing is open when its last worker had everything settled that it had handed over', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.frontier(tenure, '50');
    await keeper.end(tenure, { type: 'tenureDead' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.advance(20_000);
    expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: '50', released: true, recordsLeft: 0 });
  });
});

// The same symptom, one worker later: the next worker of the shard drained before it had read again what the one before had
// left open, and said truthfully of itself that nothing was. Simulation: seed 500141 of 2026-11-22.
describe('a lease whose last worker drained at once', () => {
  for (const [frontier, recordsLeft] of [
    ['50', -1],
    ['51', 0],
  ] as const) {
    it(`says ${recordsLeft} when the frontier is at ${frontier} and a worker before it had handed over 51`, async () => {
      const keeper = await driveKeeper();
      const first = await keeper.work(1);
      first.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
      await keeper.frontier(first, '49');
      await keeper.end(first, { type: 'tenureDead' });
      const second = await keeper.work(2);
      await keeper.frontier(second, frontier);
      await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
      await keeper.end(second, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released')[0]?.lease).to.deep.include({ checkpoint: frontier, recordsLeft });
    });
  }
});

// A further symptom: the next owner was handed records while a call of the dead tenure was still running here. Cause: the worker of a
// dead tenure does not wait for its calls, and no later worker had asked for them. Found by reading, on 2026-11-28.
describe('a lease whose last worker died with its tenure, in a stop', () => {
  it('is kept until a later worker would have asked for the calls that may run, or the time is up', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.end(tenure, { type: 'tenureDead' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.advance(19_000);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1_000);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('is kept as long when its row was deleted and made again, for the tenure ended with the row (seed 770267)', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    keeper.store.rows.delete(keeper.row.leaseKey);
    await keeper.advance(failoverMs / 3);
    expect(tenure.dead).to.equal(true);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(10_000);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(7_000);
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('is kept as long when its worker was cut off with everything settled: a call may have acknowledged early', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.frontier(tenure, '50');
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.end(tenure, { type: 'drained', open: 0, isCut: true });
    await keeper.advance(19_000);
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.advance(1_000);
    expect(keeper.newsOf('released')[0]?.lease).to.include({ released: true, recordsLeft: 0 });
  });

  it('is given back when every call of the pipeline has ended, and at once when nothing was handed out', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.end(tenure, { type: 'tenureDead' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.tell({ type: 'callsEnded' });
    expect(keeper.newsOf('released')).to.have.length(1);
    const idle = await driveKeeper();
    await idle.end(await idle.work(1), { type: 'tenureDead' });
    await idle.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    expect(idle.newsOf('released')).to.have.length(1);
  });
});

// One more worker may begin then. It hands out nothing, and ends when those calls have ended. Without it a stop took its whole deadline.
describe('a lease that waits for calls of a dead tenure while it is released', () => {
  const released = async (first: 'release' | 'beginTenure') => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.frontier(tenure, '50');
    await keeper.end(tenure, { type: 'tenureDead' });
    const release = () => keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    if (first === 'release') await release();
    const asked = keeper.work(2);
    if (first === 'beginTenure') await release();
    return { keeper, last: await asked };
  };

  for (const first of ['release', 'beginTenure'] as const)
    it(`lets one more worker ask for them (first: ${first})`, async () => {
      const { keeper, last } = await released(first);
      expect(last).to.include({ hasPredecessor: true, onlyAwaitsCalls: true });
      expect(keeper.newsOf('released')).to.deep.equal([]);
      await keeper.end(last, { type: 'drained', open: 0 });
      expect(keeper.newsOf('released')[0]?.lease).to.include({ checkpoint: '50', released: true, recordsLeft: 0 });
      expect(keeper.newsOf('working'), 'the shard is not read by that worker').to.have.length(1);
      expect(keeper.newsOf('idle')).to.have.length(1);
    });

  it('lets no worker begin whose renewal comes back when the time is up', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '50', subSequenceNumber: 0 };
    await keeper.end(tenure, { type: 'tenureDead' });
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 2_000 });
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.begin(2);
    await keeper.advance(1_600);
    answer();
    await keeper.settle();
    expect(keeper.newsOf('released')).to.have.length(1);
    expect(keeper.answers.get(2)?.type).to.equal('refused');
  });

  it('cuts that worker off when the time is up', async () => {
    const { keeper, last } = await released('release');
    await keeper.advance(20_000);
    expect(last.dead).to.equal(true);
    expect(keeper.newsOf('released')).to.have.length(1);
  });
});

// A failure that stops a shard gave its lease back beside other calls of that shard.
describe('a lease whose shard a failure has stopped', () => {
  it('waits for the other calls of the shard, and then for the cool-down', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.end(tenure, { type: 'stopShard', error: new Error('no') });
    expect(keeper.newsOf('released')).to.deep.equal([]);
    await keeper.end(await keeper.work(2), { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
  });

  it('waits for them no longer than a stop of actors does', async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '51', subSequenceNumber: 0 };
    await keeper.end(tenure, { type: 'stopShard', error: new Error('no') });
    await keeper.advance(29_999);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.newsOf('released')).to.have.length(1);
  });
});

// The same where the keeper gives the lease up by itself. Two pipelines in a row were ended by the watchdog, and the lease was released
// at once, beside the calls of the second.
describe('a lease that is given up after the second watchdog', () => {
  it('waits for the calls of the last pipeline no longer than a stop of actors does', async () => {
    const keeper = await driveKeeper();
    const error = new KinactError('WATCHDOG', 'stuck');
    for (const worker of [1, 2]) {
      await keeper.work(worker);
      await keeper.down(worker, { error });
    }
    await keeper.advance(29_999);
    expect(keeper.row.leaseOwner).to.equal(me);
    await keeper.advance(1);
    expect(keeper.newsOf('released')[0]).to.deep.include({ coolDown: true });
  });
});

// A hand-over that drains when the release begins is over, but its phase stayed: no worker was let in to ask for the calls.
describe('a lease that is released while it drains for a hand-over', () => {
  const draining = async () => {
    const keeper = await driveKeeper();
    const tenure = await keeper.work(1);
    tenure.newestHandedOut = { sequenceNumber: '100', subSequenceNumber: 0 };
    await keeper.frontier(tenure, '100');
    keeper.store.put({ ...keeper.row, kinactWish: `y1/3 7000 1 ${writer} you` });
    await keeper.advance(failoverMs / 3);
    await keeper.advance(1_000);
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['pause']);
    return { keeper, tenure };
  };

  it('lets one more worker ask for calls, where a failure has stopped the shard', async () => {
    const { keeper, tenure } = await draining();
    await keeper.end(tenure, { type: 'stopShard', error: new Error('no') });
    await keeper.end(await keeper.work(2), { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')).to.have.length(1);
  });

  it('does so where the tenure has died in a stop', async () => {
    const { keeper, tenure } = await draining();
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 50_000 });
    keeper.suspend(20_000);
    await keeper.advance(100);
    await keeper.end(tenure, { type: 'drained', open: 0, isCut: true });
    await keeper.end(await keeper.work(2), { type: 'drained', open: 0 });
    expect(keeper.newsOf('released')).to.have.length(1);
  });
});
