// `checkpointIntervalMs` and `checkpointRecords` add extra checkpoints between renewals. Each extra checkpoint counts as a renewal.
// The test drives a keeper that holds its lease, message by message in virtual time, over a table in memory. `work` grants a shard
// worker a tenure, `frontier` reports what the worker has settled, and `down` is the worker's death without a last message.
import { expect } from 'chai';
import { driveKeeper, failoverMs, marginMs, type KeeperDriver } from '../../support/keeper-driver.js';

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });
const throttled = named('ProvisionedThroughputExceededException', 'Rate exceeded');

/** A keeper with a worker in its first tenure. `writes` lists the checkpoints of the writes since that tenure began. */
async function working(setup: Parameters<typeof driveKeeper>[0]) {
  const keeper = await driveKeeper(setup);
  const tenure = await keeper.work(1);
  const before = keeper.store.calls.length;
  const writes = (of: KeeperDriver = keeper): (string | undefined)[] =>
    of.store.calls.slice(before).map(({ change }) => change?.checkpoint?.checkpoint);
  return { keeper, tenure, writes };
}

describe('a keeper that writes extra checkpoints between renewals', () => {
  it('writes a checkpoint every checkpointIntervalMs while the frontier moves', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200 });
    for (let at = 0; at < 1_000; at += 100) {
      await keeper.frontier(tenure, String(100 + at));
      await keeper.advance(100);
    }
    expect(writes()).to.deep.equal(['200', '400', '600', '800', '1000']);
  });

  it('writes no extra checkpoint while the frontier stands still, and one at once when it moves', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200, checkpointRecords: 1 });
    await keeper.advance(2_999);
    expect(writes()).to.deep.equal([]);
    await keeper.frontier(tenure, '100');
    expect(writes()).to.deep.equal(['100']);
    await keeper.advance(2_999);
    expect(writes()).to.deep.equal(['100']);
  });

  it('treats an extra checkpoint as a renewal that moves the deadline and the next renewal', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200 });
    await keeper.advance(2_000);
    await keeper.frontier(tenure, '100');
    expect(tenure.deadline).to.equal(keeper.clock.now + failoverMs - marginMs);
    await keeper.advance(2_999);
    expect(writes()).to.have.length(1);
    await keeper.advance(1);
    expect(writes()).to.deep.equal(['100', undefined]);
  });

  it('writes an extra checkpoint when checkpointRecords records are settled beyond the durable checkpoint', async () => {
    const { keeper, tenure, writes } = await working({ checkpointRecords: 100 });
    await keeper.frontier(tenure, '1000', { records: 99 });
    expect(writes()).to.deep.equal([]);
    await keeper.frontier(tenure, '1001', { records: 100 });
    expect(writes()).to.deep.equal(['1001']);
    await keeper.frontier(tenure, '1100', { records: 199 });
    expect(writes()).to.deep.equal(['1001']);
    await keeper.frontier(tenure, '1101', { records: 200 });
    expect(writes()).to.deep.equal(['1001', '1101']);
  });

  it('counts records towards checkpointRecords across workers, although each new worker reports from 0', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 60_000, checkpointRecords: 100 });
    await keeper.frontier(tenure, '1000', { records: 60 });
    await keeper.down(1);
    const next = await keeper.work(2);
    expect(writes()).to.deep.equal([undefined]);
    await keeper.frontier(next, '1039', { records: 39 });
    expect(writes()).to.have.length(1);
    await keeper.frontier(next, '1040', { records: 40 });
    expect(writes()).to.deep.equal([undefined, '1040']);
  });

  it('has one write under way at a time, and checkpoints records settled meanwhile with the next write', async () => {
    const { keeper, tenure, writes } = await working({ checkpointRecords: 10 });
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.frontier(tenure, '10', { records: 10 });
    await keeper.frontier(tenure, '25', { records: 25 });
    await keeper.frontier(tenure, '40', { records: 40 });
    expect(writes()).to.deep.equal(['10']);
    answer();
    await keeper.settle();
    expect(writes()).to.deep.equal(['10', '40']);
    await keeper.frontier(tenure, '49', { records: 49 });
    expect(writes()).to.have.length(2);
  });

  it('renews on time while an extra checkpoint that the table throttled is in back-off', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200 });
    await keeper.advance(2_995);
    keeper.store.script('update', { type: 'failBefore', error: throttled });
    await keeper.frontier(tenure, '100');
    expect(writes()).to.deep.equal(['100']);
    await keeper.advance(5);
    expect(writes(), 'the renewal, when it is due').to.deep.equal(['100', '100']);
  });

  it('confirms an extra checkpoint whose reply was lost, and keeps the lease and the tenure', async () => {
    const { keeper, tenure } = await working({ checkpointRecords: 10 });
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.frontier(tenure, '10', { records: 10 });
    await keeper.advance(1_000);
    expect(keeper.row.checkpoint).to.equal('10');
    expect(keeper.state.lease.uncheckpointedRecords).to.equal(0);
    expect([tenure.ended, keeper.ended]).to.deep.equal([false, false]);
    expect(keeper.eventsOf('checkpoint')).to.have.length(1);
  });
});
