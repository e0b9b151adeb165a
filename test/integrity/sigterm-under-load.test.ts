// SIGTERM while records keep flowing (I22): the worker drains its reducers, checkpoints, and releases its leases.
import { expect } from 'chai';
import { heldBy, type Fleet, type WorkerProcess } from '../support/fleet.js';
import { untilItDeliversAllOf, replays } from '../support/fleet-laws.js';
import { sceneOfTest } from '../support/load-scene.js';

const failoverMs = 3_000;

describe('a worker that gets SIGTERM under load', function () {
  this.timeout(400_000);
  /** At 15 ms per record, each of a worker's two reducers is in the middle of a call and has more items in its queues. */
  const scene = sceneOfTest({ shards: 4, load: { count: 12 }, worker: { itemMs: 15, failoverMs } });

  const deliveredBy = (worker: WorkerProcess): ReturnType<Fleet['deliveries']> =>
    scene.fleet.deliveries().filter((each) => each.worker === worker.name);

  it('drains and exits with 0, and its successor gets none of its records again', async () => {
    const { fleet } = scene;
    const leaving = scene.start('leaving');
    await fleet.until('it works', () => deliveredBy(leaving).length >= 100);
    leaving.kill('SIGTERM');
    expect(await leaving.exited).to.equal(0);
    expect(leaving.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
    const successor = scene.start('successor', { itemMs: 0 });
    await fleet.until('the successor works', () => deliveredBy(successor).length >= 100);
    await scene.expectNothingLost('sigterm-under-load');
    expect(replays(fleet)).to.equal(0);
  });

  it('drains beside another worker, which gets none of the drained records again', async () => {
    const { fleet } = scene;
    const [leaving, staying] = [scene.start('leaving'), scene.start('staying')];
    await fleet.balanced([leaving, staying]);
    const held = heldBy(await fleet.rows(), leaving);
    expect(held).to.not.be.empty;
    await untilItDeliversAllOf(fleet, leaving, held);
    leaving.kill('SIGTERM');
    expect(await leaving.exited).to.equal(0);
    expect(leaving.reports.at(-1)).to.deep.include({ type: 'stopped', drained: true });
    await fleet.balanced([staying]);
    await scene.expectNothingLost('sigterm-under-load beside another');
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
