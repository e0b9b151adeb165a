// The pauses of the application: idempotent, apart from one another, and told to every watcher whom they concern.
import { expect } from 'chai';
import { createIntake, forgetPauses, intakeOfShard, pauseIntake, resumeIntake } from '../../../src/core/intake.js';

describe('an intake', () => {
  it('changes once for each pause and resume, and tells only those who still watch', () => {
    const intake = createIntake();
    let told = 0;
    const unwatch = intakeOfShard(intake, { source: 'orders', shardId: '1' }).watch(() => (told += 1));
    expect(resumeIntake(intake, 1)).to.equal(undefined);
    expect(pauseIntake(intake, 5)).to.equal(true);
    expect(pauseIntake(intake, 6)).to.equal(false);
    expect(intake.pausedAt).to.equal(5);
    expect(resumeIntake(intake, 9)).to.equal(4);
    expect(resumeIntake(intake, 10)).to.equal(undefined);
    expect(intake).to.include({ pausedAt: undefined, resumedAt: 9 });
    expect(told).to.equal(2);
    unwatch();
    pauseIntake(intake, 11);
    expect(told).to.equal(2);
  });

  it('is paused for a shard by the pause of the process, of its source or of the shard, until the last of them ends', () => {
    const intake = createIntake();
    const one = intakeOfShard(intake, { source: 'orders', shardId: '1' });
    const told: string[] = [];
    for (const [source, shardId] of [
      ['orders', '1'],
      ['orders', '2'],
      ['refunds', '1'],
    ] as const)
      intakeOfShard(intake, { source, shardId }).watch(() => told.push(`${source}/${shardId}`));
    expect(one).to.include({ pausedAt: undefined, resumedAt: -Infinity });

    pauseIntake(intake, 3, { source: 'orders', shardId: '1' });
    expect(told.splice(0)).to.deep.equal(['orders/1']);
    pauseIntake(intake, 4, { source: 'orders' });
    expect(told.splice(0)).to.deep.equal(['orders/1', 'orders/2']);
    expect(pauseIntake(intake, 5, { source: 'orders' })).to.equal(false);
    pauseIntake(intake, 6);
    expect(told.splice(0)).to.have.length(3);
    expect(one.pausedAt).to.equal(3);
    expect(intakeOfShard(intake, { source: 'orders', shardId: '2' }).pausedAt).to.equal(4);
    expect(intakeOfShard(intake, { source: 'refunds', shardId: '1' }).pausedAt).to.equal(6);

    expect(resumeIntake(intake, 7, { source: 'orders', shardId: '2' })).to.equal(undefined);
    expect(resumeIntake(intake, 8, { source: 'orders', shardId: '1' })).to.equal(5);
    expect(resumeIntake(intake, 9)).to.equal(3);
    expect(one).to.include({ pausedAt: 4, resumedAt: 9 });
    expect(resumeIntake(intake, 12, { source: 'orders' })).to.equal(8);
    expect(one).to.include({ pausedAt: undefined, resumedAt: 12 });
    expect(intakeOfShard(intake, { source: 'refunds', shardId: '1' }).resumedAt).to.equal(9);
  });

  it('forgets the pauses of a source and of its shards, and no others', () => {
    const intake = createIntake();
    for (const source of ['orders', 'orders-eu']) {
      pauseIntake(intake, 1, { source });
      pauseIntake(intake, 1, { source, shardId: '1' });
    }
    forgetPauses(intake, 'orders');
    expect([...intake.parts.values()].map(({ source }) => source)).to.deep.equal(['orders-eu', 'orders-eu']);
    expect(intakeOfShard(intake, { source: 'orders', shardId: '1' }).pausedAt).to.equal(undefined);
  });
});
