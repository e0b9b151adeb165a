// A process is stopped with SIGSTOP for longer than the failover time, and loses its leases to another worker. After SIGCONT it
// still assumes that it holds them, and must do no harm.
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import { deliversAllOf, handOvers, say } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { expectNoZombie } from '../support/zombie-laws.js';

const failoverMs = 2_000;

describe('a worker stopped by SIGSTOP past the failover time, and continued', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({
    shards: 4,
    load: { count: 24 },
    worker: { itemMs: 5, failoverMs },
    witnessed: true,
  });

  it('delivers no record of a shard that it lost, has no checkpoint accepted, and loses nothing', async () => {
    const { fleet } = scene;
    const [zombie, heir] = [scene.start('zombie'), scene.start('heir')];
    await fleet.balanced([zombie, heir]);
    const held = heldBy(await fleet.rows(), zombie);
    expect(held).to.not.be.empty;
    await deliversAllOf(fleet, zombie, held);

    const stopped = zombie.kill('SIGSTOP');
    say('delivering elsewhere after SIGSTOP', await handOvers(fleet, zombie, held, () => stopped, failoverMs + 20_000));
    const before = zombie.events('leaseLost').length;
    const continued = zombie.kill('SIGCONT');
    await fleet.until('it knows', () => zombie.events('leaseLost').length >= before + held.length);
    // The zombie gets its share of leases again, like any worker that joins.
    await fleet.balanced([zombie, heir]);
    await scene.expectNothingLost('zombie');
    const finished = expectNoZombie(scene, { worker: zombie, from: stopped, to: continued, failoverMs });
    // At most one call in each of its two reducers.
    expect(finished).to.be.at.most(2);
  });
});
