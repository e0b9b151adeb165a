// Two shards that two workers read are merged while records flow.
import { expect } from 'chai';
import { sceneOfSuite } from '../support/load-scene.js';
import { beforeParents, delivering, idOf, merge } from '../support/resharding.js';

const failoverMs = 3_000;

describe('a merge under load', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 2, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('starts the child after both parents have ended in two processes, and loses nothing', async () => {
    const { fleet } = scene;
    await scene.startDelivering('a', 'b');
    // 0 + 1 → 2
    await merge(fleet, idOf(0), idOf(1));
    await delivering(fleet, idOf(2));
    const ends = fleet.workers.map((worker) => worker.events('shardEnded').length);
    expect(ends, 'one parent in each process').to.deep.equal([1, 1]);
    await scene.expectNothingLost('merge');
    expect(beforeParents(fleet, { [idOf(2)]: [idOf(0), idOf(1)] })).to.deep.equal([]);
  });
});
