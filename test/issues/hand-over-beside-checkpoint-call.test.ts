// Symptom: the hand-over was written while a call of `onCheckpoint` still ran. Cause: a renewal was under way when the shard had
// drained. Its reply began the call, and the next write, the hand-over, did not wait for this call. Rule: a lease is handed over or
// released only after the call has ended.
// The keeper holds the lease, and `you` asks for it. `work` grants a shard worker a tenure, `frontier` reports what it has settled,
// and `end` reports its end.
import { expect } from 'chai';
import { driveKeeper, failoverMs, me, shardId, writer, type KeeperDriver } from '../support/keeper-driver.js';

const askerWriter = 'y1/3';

function ask(keeper: KeeperDriver, number: number): void {
  keeper.store.rows.set(shardId, { ...keeper.row, kinactWish: `${askerWriter} 7000 ${number} ${writer} you` });
}

describe('a hand-over whose last renewal is answered late', () => {
  it('waits for the onCheckpoint call that the late answer begins', async () => {
    let endCall = (): void => undefined;
    const told: string[] = [];
    const onCheckpoint = async ({ sequenceNumber }: { readonly sequenceNumber: string }): Promise<void> => {
      told.push(sequenceNumber);
      if (sequenceNumber === '200') await new Promise<void>((resolve) => (endCall = resolve));
    };
    const keeper = await driveKeeper({ onCheckpoint });
    const tenure = await keeper.startShardWorker(1);
    ask(keeper, 1);
    await keeper.advance(failoverMs / 3 + 1_000);
    expect(keeper.controls.get(1)?.map(({ type }) => type)).to.deep.equal(['pause']);

    let answer = (): void => undefined;
    keeper.store.script('update', { type: 'holdAfter', until: new Promise<void>((resolve) => (answer = resolve)) });
    tenure.newestHandedOut = { sequenceNumber: '200', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '200');
    ask(keeper, 2);
    await keeper.advance(failoverMs / 3 - 1_000);
    expect(keeper.row.checkpoint, 'the renewal has been carried out').to.equal('200');
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    answer();
    await keeper.advance(100);
    expect(told).to.deep.equal(['200']);
    expect(keeper.row.leaseOwner, 'beside the call').to.equal(me);

    endCall();
    await keeper.advance(100);
    expect(keeper.row).to.deep.include({ leaseOwner: 'you', checkpoint: '200' });
  });
});

describe('a stop while onCheckpoint runs', () => {
  it('keeps the lease until the call has ended, and then releases it', async () => {
    let endCall = (): void => undefined;
    const onCheckpoint = (): Promise<void> => new Promise((resolve) => (endCall = resolve));
    const keeper = await driveKeeper({ onCheckpoint });
    const tenure = await keeper.startShardWorker(1);
    tenure.newestHandedOut = { sequenceNumber: '200', subSequenceNumber: 0 };
    await keeper.reportFrontier(tenure, '200');
    await keeper.advance(failoverMs / 3);
    expect(keeper.row.checkpoint, 'the renewal that begins the call').to.equal('200');
    await keeper.tell({ type: 'release', reason: 'stop', deadlineMs: 20_000 });
    await keeper.endShardWorker(tenure, { type: 'drained', open: 0 });
    await keeper.advance(2_000);
    expect(keeper.row.leaseOwner, 'beside the call').to.equal(me);
    endCall();
    await keeper.advance(100);
    expect(keeper.row).to.not.have.property('leaseOwner');
  });
});
