// A shard is split while records flow through two workers.
import { expect } from 'chai';
import { ownersDeliver } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { beforeParents, delivering, idOf, split } from '../support/resharding.js';

const failoverMs = 3_000;

describe('a split under load', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 2, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('delivers the children after their parent, keeps the order of keys, and loses nothing', async () => {
    const { fleet } = scene;
    await scene.startDelivering('a', 'b');
    // 0 → 2, 3
    await split(fleet, idOf(0));
    for (const child of [2, 3]) await delivering(fleet, idOf(child));
    await ownersDeliver(fleet);
    await scene.expectNothingLost('split');
    expect(beforeParents(fleet, { [idOf(2)]: [idOf(0)], [idOf(3)]: [idOf(0)] })).to.deep.equal([]);
  });
});
