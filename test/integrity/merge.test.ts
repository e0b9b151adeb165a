// Two shards that two workers read are merged while records flow.
import { expect } from 'chai';
import { startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { settled } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';
import { beforeParents, delivering, idOf, merge } from '../support/resharding.js';

const failoverMs = 3_000;

describe('a merge under load', function () {
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

  it('is followed: the child begins when both parents, in two processes, have ended; nothing is lost', async () => {
    for (const name of ['a', 'b']) fleet.start(name, { itemMs: 5, failoverMs });
    await settled(fleet);
    // 0 + 1 → 2
    await merge(fleet, idOf(0), idOf(1));
    await delivering(fleet, idOf(2));
    const ends = fleet.workers.map((worker) => worker.events('shardEnded').length);
    expect(ends, 'one parent in each process').to.deep.equal([1, 1]);
    await stopWriting();
    await expectNothingLost('merge', fleet);
    expect(beforeParents(fleet, { [idOf(2)]: [idOf(0), idOf(1)] })).to.deep.equal([]);
  });
});
