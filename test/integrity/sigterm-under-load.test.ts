// SIGTERM while records go on flowing (I22): what is in the reducers is drained, checkpointed and released.
import { expect } from 'chai';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet, WorkerProcess } from '../support/fleet.js';
import { replays } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';

const failoverMs = 3_000;

describe('a worker that gets SIGTERM under load', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;
  beforeEach(async () => {
    fleet = await startFleet({ shards: 4 });
    stopWriting = fleet.keepWriting(12, 100);
  });
  afterEach(async () => {
    await stopWriting?.();
    await fleet?.stop();
  });

  const deliveredBy = (worker: WorkerProcess): ReturnType<Fleet['deliveries']> =>
    fleet.deliveries().filter((each) => each.worker === worker.name);
  /** Fifteen milliseconds a record: its two reducers are in the middle of something, and have more in their queues. */
  const start = (name: string): WorkerProcess => fleet.start(name, { itemMs: 15, failoverMs });

  it('is drained and exits with 0, and its successor sees none of its records again', async () => {
    const leaving = start('leaving');
    await fleet.until('it works', () => deliveredBy(leaving).length >= 100);
    leaving.kill('SIGTERM');
    expect(await leaving.exited).to.equal(0);
    expect(leaving.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
    const successor = fleet.start('successor', { failoverMs });
    await fleet.until('the successor works', () => deliveredBy(successor).length >= 100);
    await stopWriting();
    await expectNothingLost('sigterm-under-load', fleet);
    expect(replays(fleet)).to.equal(0);
  });

  it('beside another worker: nothing of what it released comes again there', async () => {
    const [leaving, staying] = [start('leaving'), start('staying')];
    await fleet.balanced([leaving, staying]);
    const held = heldBy(await fleet.rows(), leaving);
    expect(held).to.not.be.empty;
    const delivers = (shardId: string): boolean => deliveredBy(leaving).some((each) => each.shardId === shardId);
    await fleet.until('it delivers what it holds', () => held.every(delivers));
    leaving.kill('SIGTERM');
    expect(await leaving.exited).to.equal(0);
    expect(leaving.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
    await fleet.balanced([staying]);
    await stopWriting();
    await expectNothingLost('sigterm-under-load beside another', fleet);
    for (const shardId of held) {
      const last = Math.max(...deliveredBy(leaving).map((each) => (each.shardId === shardId ? each.fence : 0)));
      const drained = deliveredBy(leaving).filter((each) => each.shardId === shardId && each.fence === last);
      const later = fleet.deliveries().filter((each) => each.shardId === shardId && each.fence > last);
      const ids = new Set(drained.map(({ id }) => id));
      expect(
        later.filter(({ id }) => ids.has(id)),
        shardId,
      ).to.deep.equal([]);
    }
  });
});
