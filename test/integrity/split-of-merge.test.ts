// Two shards are merged and the child is split at once, while records flow. The grandchildren wait for the child and its parents,
// even if the child has hardly any records.
import { expect } from 'chai';
import { ownersDeliver } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { beforeParents, delivering, idOf, merge, split } from '../support/resharding.js';

const failoverMs = 3_000;

describe('a split of a merge under load', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 2, load: { count: 24 }, worker: { itemMs: 2, failoverMs } });

  it('delivers each shard after its parents, keeps the order of keys, and loses nothing', async () => {
    const { fleet } = scene;
    await scene.startDelivering('a', 'b');
    // 0 + 1 → 2 → 3, 4
    await merge(fleet, idOf(0), idOf(1));
    await split(fleet, idOf(2));
    for (const grandchild of [3, 4]) await delivering(fleet, idOf(grandchild));
    await ownersDeliver(fleet);
    await scene.expectNothingLost('split-of-merge');
    const grandparents = [idOf(0), idOf(1), idOf(2)];
    const lineage = { [idOf(2)]: [idOf(0), idOf(1)], [idOf(3)]: grandparents, [idOf(4)]: grandparents };
    expect(beforeParents(fleet, lineage)).to.deep.equal([]);
  });
});
