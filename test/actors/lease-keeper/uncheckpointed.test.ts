// How old the oldest record is that a keeper has settled and that no durable checkpoint covers. After a lost reply it may be too old, but
// it is never too young.
import { expect } from 'chai';
import type { KeeperStatus } from '../../../actors/lease-keeper/status.js';
import { driveKeeper } from '../../support/keeper-driver.js';

/** A keeper with a worker that reports frontiers, each over records of which the oldest arrived so long ago. */
async function reporting(setup: Parameters<typeof driveKeeper>[0] = {}) {
  const keeper = await driveKeeper(setup);
  const { shardWorkerNumber: shardWorker, fence } = await keeper.startShardWorker(1);
  let records = 0;
  const report = (number: number, ageMs?: number): Promise<void> => {
    records += 1;
    const arrivedAt = ageMs === undefined ? {} : { arrivedAt: keeper.clock.wall - ageMs };
    const position = { sequenceNumber: String(number), subSequenceNumber: 0 };
    return keeper.tell({ type: 'frontier', frontier: { shardWorker, fence, position, records, ...arrivedAt } });
  };
  return { keeper, report, ageMs: () => (keeper.status() as KeeperStatus).uncheckpointedMs };
}

describe('the oldest settled record without a durable checkpoint', () => {
  it('ages from its arrival until the checkpoint is durable, and not until it is sent', async () => {
    const { keeper, report, ageMs } = await reporting();
    expect(ageMs()).to.equal(0);
    await report(100, 5_000);
    await report(101, 4_000);
    expect(ageMs()).to.equal(5_000);
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.advance(3_000);
    expect(ageMs(), 'the table has not answered').to.equal(8_000);
    answer();
    await keeper.untilIdle();
    expect(keeper.row.checkpoint).to.equal('101');
    expect(ageMs()).to.equal(0);
    await keeper.advance(6_000);
    expect(ageMs(), 'nothing came since').to.equal(0);
  });

  it('is the first record after the checkpoint that was under way', async () => {
    const { keeper, report, ageMs } = await reporting();
    await report(100, 5_000);
    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    await keeper.advance(3_000);
    await report(101, 700);
    await report(102, 600);
    expect(ageMs()).to.equal(8_000);
    answer();
    await keeper.untilIdle();
    expect(keeper.row.checkpoint).to.equal('100');
    expect(ageMs()).to.equal(700);
  });

  it('stays while checkpoints fail, and is too old rather than too young after a lost reply', async () => {
    const { keeper, report, ageMs } = await reporting();
    await report(100, 1_000);
    keeper.store.script('update', { type: 'failBefore', error: new Error('down') });
    await keeper.advance(3_000);
    expect(ageMs()).to.equal(4_000);
    keeper.store.script('update', { type: 'failAfter' });
    await report(101, 0);
    await keeper.advance(1_500);
    expect(ageMs()).to.be.within(0, 5_500);
    await keeper.advance(3_000);
    expect(keeper.row.checkpoint).to.equal('101');
    expect(ageMs()).to.equal(0);
  });

  it('counts from the report if the arrival is not known', async () => {
    const { keeper, report, ageMs } = await reporting({ checkpointIntervalMs: 60_000 });
    await report(100);
    await keeper.advance(2_000);
    expect(ageMs()).to.equal(2_000);
  });
});
