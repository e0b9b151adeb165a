// `checkpointIntervalMs` and `checkpointRecords` add checkpoints between renewals, and each of them counts as a renewal.
// The keeper is driven message by message in virtual time, over a table in memory.
// The keeper holds the lease. `work` begins a shard worker in a tenure; `frontier` reports what it has settled; `down` is its
// death without a last word.
import { expect } from 'chai';
import { driveKeeper, failoverMs, marginMs } from '../support/keeper-driver.js';
import type { KeeperDriver } from '../support/keeper-driver.js';

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });
const throttled = named('ProvisionedThroughputExceededException', 'Rate exceeded');

/** Writes since the keeper began to work. */
async function working(setup: Parameters<typeof driveKeeper>[0]) {
  const keeper = await driveKeeper(setup);
  const tenure = await keeper.work(1);
  const before = keeper.store.calls.length;
  const writes = (of: KeeperDriver = keeper): (string | undefined)[] =>
    of.store.calls.slice(before).map(({ change }) => change?.checkpoint?.checkpoint);
  return { keeper, tenure, writes };
}

describe('a keeper that is asked for more checkpoints than renewals', () => {
  it('writes one as often as checkpointIntervalMs says while the frontier moves', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200 });
    for (let at = 0; at < 1_000; at += 100) {
      await keeper.frontier(tenure, String(100 + at));
      await keeper.advance(100);
    }
    expect(writes()).to.deep.equal(['200', '400', '600', '800', '1000']);
  });

  it('writes nothing more for a shard that stands still, and the first record after that at once', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200, checkpointRecords: 1 });
    await keeper.advance(2_999);
    expect(writes()).to.deep.equal([]);
    await keeper.frontier(tenure, '100');
    expect(writes()).to.deep.equal(['100']);
    await keeper.advance(2_999);
    expect(writes()).to.deep.equal(['100']);
  });

  it('counts it as a renewal: the deadline moves, and the next renewal is a third of failoverMs away', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200 });
    await keeper.advance(2_000);
    await keeper.frontier(tenure, '100');
    expect(tenure.deadline).to.equal(keeper.clock.now + failoverMs - marginMs);
    await keeper.advance(2_999);
    expect(writes()).to.have.length(1);
    await keeper.advance(1);
    expect(writes()).to.deep.equal(['100', undefined]);
  });

  it('writes one when checkpointRecords are settled that the durable one does not cover', async () => {
    const { keeper, tenure, writes } = await working({ checkpointRecords: 100 });
    await keeper.frontier(tenure, '1000', 0, 99);
    expect(writes()).to.deep.equal([]);
    await keeper.frontier(tenure, '1001', 0, 100);
    expect(writes()).to.deep.equal(['1001']);
    await keeper.frontier(tenure, '1100', 0, 199);
    expect(writes()).to.deep.equal(['1001']);
    await keeper.frontier(tenure, '1101', 0, 200);
    expect(writes()).to.deep.equal(['1001', '1101']);
  });

  it('counts over workers: a restart begins again with its own records, and forgets none of the one before', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 60_000, checkpointRecords: 100 });
    await keeper.frontier(tenure, '1000', 0, 60);
    await keeper.down(1);
    const next = await keeper.work(2);
    expect(writes()).to.deep.equal([undefined]);
    await keeper.frontier(next, '1039', 0, 39);
    expect(writes()).to.have.length(1);
    await keeper.frontier(next, '1040', 0, 40);
    expect(writes()).to.deep.equal([undefined, '1040']);
  });

  it('has one write under way at a time: what is settled meanwhile is counted, and goes with the next one', async () => {
    const { keeper, tenure, writes } = await working({ checkpointRecords: 10 });
    let answer = (): void => {};
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.frontier(tenure, '10', 0, 10);
    await keeper.frontier(tenure, '25', 0, 25);
    await keeper.frontier(tenure, '40', 0, 40);
    expect(writes()).to.deep.equal(['10']);
    answer();
    await keeper.settle();
    expect(writes()).to.deep.equal(['10', '40']);
    await keeper.frontier(tenure, '49', 0, 49);
    expect(writes()).to.have.length(2);
  });

  it('lets no renewal wait for the back-off of one that was refused', async () => {
    const { keeper, tenure, writes } = await working({ checkpointIntervalMs: 200 });
    await keeper.advance(2_995);
    keeper.store.script('update', { type: 'failBefore', error: throttled });
    await keeper.frontier(tenure, '100');
    expect(writes()).to.deep.equal(['100']);
    await keeper.advance(5);
    expect(writes(), 'the renewal, when it is due').to.deep.equal(['100', '100']);
  });

  it('settles one whose reply was lost by reading, as any renewal, and holds the lease', async () => {
    const { keeper, tenure } = await working({ checkpointRecords: 10 });
    keeper.store.script('update', { type: 'failAfter' });
    await keeper.frontier(tenure, '10', 0, 10);
    await keeper.advance(1_000);
    expect(keeper.row.checkpoint).to.equal('10');
    expect(keeper.state.lease.behind).to.equal(0);
    expect([tenure.dead, keeper.ended]).to.deep.equal([false, false]);
    expect(keeper.eventsOf('checkpoint')).to.have.length(1);
  });
});
