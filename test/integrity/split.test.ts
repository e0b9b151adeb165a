// A shard is split while records flow through two workers.
import { expect } from 'chai';
import { startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { settled } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';
import { beforeParents, delivering, idOf, split } from '../support/resharding.js';

const failoverMs = 3_000;

describe('a split under load', function () {
  this.timeout(150_000);
  let fleet: Fleet;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 2 });
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
  });

  it('is followed: no child before its parent has ended, keys in order over it, nothing lost', async () => {
    for (const name of ['a', 'b']) fleet.start(name, { itemMs: 5, failoverMs });
    await settled(fleet);
    // 0 → 2, 3
    await split(fleet, idOf(0));
    for (const child of [2, 3]) await delivering(fleet, idOf(child));
    await settled(fleet);
    await stopWriting();
    await expectNothingLost('split', fleet);
    expect(beforeParents(fleet, { [idOf(2)]: [idOf(0)], [idOf(3)]: [idOf(0)] })).to.deep.equal([]);
  });
});
