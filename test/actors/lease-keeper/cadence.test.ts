// `checkpointIntervalMs` and `checkpointRecords` add extra checkpoints between renewals. Each extra checkpoint counts as a renewal. The
// keeper holds its lease, and a shard worker reads the shard. The test plays the shard worker, over a table in memory and in virtual time.
import { expect } from 'chai';
import { driveKeeper, failoverMs, marginMs } from '../../support/keeper-driver.js';

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });
const throttled = named('ProvisionedThroughputExceededException', 'Rate exceeded');

/** A keeper renews its lease three times within the failover time. */
const renewalMs = failoverMs / 3;

/** A keeper that holds its lease, with a shard worker in a tenure. */
async function heldLease(options: Parameters<typeof driveKeeper>[0]) {
  const keeper = await driveKeeper(options);
  const tenure = await keeper.startShardWorker(1);
  const before = keeper.store.calls.length;
  /** The checkpoint of each write to the row since the tenure began; undefined for a write that carried none. */
  const written = () => keeper.store.calls.slice(before).map(({ change }) => change?.checkpoint?.checkpoint);
  return { keeper, tenure, written };
}

describe('a keeper that writes extra checkpoints between renewals', () => {
  it('writes a checkpoint every checkpointIntervalMs while the frontier moves', async () => {
    const { keeper, tenure, written } = await heldLease({ checkpointIntervalMs: 200 });
    for (let at = 0; at < 1_000; at += 100) {
      await keeper.reportFrontier(tenure, String(100 + at));
      await keeper.advance(100);
    }
    expect(written()).to.deep.equal(['200', '400', '600', '800', '1000']);
  });

  it('writes no extra checkpoint while the frontier stands still, and one at once when it moves', async () => {
    const { keeper, tenure, written } = await heldLease({ checkpointIntervalMs: 200, checkpointRecords: 1 });
    await keeper.advance(renewalMs - 1);
    expect(written()).to.deep.equal([]);
    await keeper.reportFrontier(tenure, '100');
    expect(written()).to.deep.equal(['100']);
    await keeper.advance(renewalMs - 1);
    expect(written()).to.deep.equal(['100']);
  });

  it('treats an extra checkpoint as a renewal that moves the deadline and the next renewal', async () => {
    const { keeper, tenure, written } = await heldLease({ checkpointIntervalMs: 200 });
    await keeper.advance(2_000);
    await keeper.reportFrontier(tenure, '100');
    expect(tenure.deadline).to.equal(keeper.clock.now + failoverMs - marginMs);
    await keeper.advance(renewalMs - 1);
    expect(written()).to.have.length(1);
    await keeper.advance(1);
    expect(written()).to.deep.equal(['100', undefined]);
  });

  it('writes an extra checkpoint when checkpointRecords records are settled beyond the durable checkpoint', async () => {
    const { keeper, tenure, written } = await heldLease({ checkpointRecords: 100 });
    await keeper.reportFrontier(tenure, '1000', { records: 99 });
    expect(written()).to.deep.equal([]);
    await keeper.reportFrontier(tenure, '1001', { records: 100 });
    expect(written()).to.deep.equal(['1001']);
    await keeper.reportFrontier(tenure, '1100', { records: 199 });
    expect(written()).to.deep.equal(['1001']);
    await keeper.reportFrontier(tenure, '1101', { records: 200 });
    expect(written()).to.deep.equal(['1001', '1101']);
  });

  it('counts records towards checkpointRecords across workers, although each new worker reports from 0', async () => {
    const { keeper, tenure, written } = await heldLease({ checkpointIntervalMs: 60_000, checkpointRecords: 100 });
    await keeper.reportFrontier(tenure, '1000', { records: 60 });
    await keeper.killShardWorker(1);
    const next = await keeper.startShardWorker(2);
    expect(written()).to.deep.equal([undefined]);
    await keeper.reportFrontier(next, '1039', { records: 39 });
    expect(written()).to.have.length(1);
    await keeper.reportFrontier(next, '1040', { records: 40 });
    expect(written()).to.deep.equal([undefined, '1040']);
  });

  it('has one write under way at a time, and checkpoints records settled meanwhile with the next write', async () => {
    const { keeper, tenure, written } = await heldLease({ checkpointRecords: 10 });
    let reply = (): void => {};
    // The table makes the write, and holds its reply back.
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (reply = resolve)) });
    await keeper.reportFrontier(tenure, '10', { records: 10 });
    await keeper.reportFrontier(tenure, '25', { records: 25 });
    await keeper.reportFrontier(tenure, '40', { records: 40 });
    expect(written()).to.deep.equal(['10']);
    reply();
    await keeper.untilIdle();
    expect(written()).to.deep.equal(['10', '40']);
    await keeper.reportFrontier(tenure, '49', { records: 49 });
    expect(written()).to.have.length(2);
  });

  it('renews on time while an extra checkpoint that the table throttled is in back-off', async () => {
    const { keeper, tenure, written } = await heldLease({ checkpointIntervalMs: 200 });
    await keeper.advance(renewalMs - 5);
    keeper.store.script('update', { type: 'failBefore', error: throttled }); // the table refuses the write
    await keeper.reportFrontier(tenure, '100');
    expect(written()).to.deep.equal(['100']);
    await keeper.advance(5);
    expect(written(), 'the renewal, when it is due').to.deep.equal(['100', '100']);
  });

  it('confirms an extra checkpoint whose reply was lost, and keeps the lease and the tenure', async () => {
    const { keeper, tenure } = await heldLease({ checkpointRecords: 10 });
    keeper.store.script('update', { type: 'failAfter' }); // the table makes the write, and its reply is lost
    await keeper.reportFrontier(tenure, '10', { records: 10 });
    await keeper.advance(1_000);
    expect(keeper.row.checkpoint).to.equal('10');
    expect(keeper.state.lease.uncheckpointedRecords).to.equal(0);
    expect([tenure.ended, keeper.ended]).to.deep.equal([false, false]);
    expect(keeper.eventsOf('checkpoint')).to.have.length(1);
  });
});
