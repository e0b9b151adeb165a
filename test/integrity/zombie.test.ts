// A process is stopped with SIGSTOP for longer than the failover time, and loses its leases to another worker. After SIGCONT it
// still assumes that it holds them, and must do no harm.
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import { untilItDeliversAllOf, untilOthersDeliver, printTimes } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { expectNothingUnderLostLease } from '../support/zombie-laws.js';

const failoverMs = 2_000;

describe('a worker stopped by SIGSTOP past the failover time, and continued', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({
    shards: 4,
    load: { count: 24 }, // this many records every 100 ms, until the end of the test
    worker: { itemMs: 5, failoverMs }, // each call of `reduce` takes 5 ms
    witnessed: true, // a proxy notes every write to the lease table, and whether DynamoDB accepted it
  });

  it('delivers no record of a shard that it lost, has no checkpoint accepted, and loses nothing', async () => {
    const { fleet } = scene; // the worker processes
    const [zombie, heir] = [scene.start('zombie'), scene.start('heir')];
    await fleet.balanced([zombie, heir]);
    const held = heldBy(await fleet.rows(), zombie);
    expect(held).to.not.be.empty;
    await untilItDeliversAllOf(fleet, zombie, held);

    const stopped = zombie.kill('SIGSTOP');
    printTimes(
      'delivering elsewhere after SIGSTOP',
      await untilOthersDeliver(fleet, zombie, held, () => stopped, failoverMs + 20_000),
    );

    const before = zombie.events('leaseLost').length;
    const continued = zombie.kill('SIGCONT');
    await fleet.until('it has noticed each loss', () => zombie.events('leaseLost').length >= before + held.length);
    // The zombie gets its share of leases again, like any worker that joins.
    await fleet.balanced([zombie, heir]);

    await scene.expectNothingLost('zombie'); // each record that was written has been delivered
    // No call began without a valid lease, and each accepted write to a row came from its owner.
    const finishedAfterLoss = expectNothingUnderLostLease(scene, {
      worker: zombie,
      from: stopped,
      to: continued,
      failoverMs,
    });
    // A call that ran at SIGSTOP may end after SIGCONT: at most one in each of its two reducers.
    expect(finishedAfterLoss).to.be.at.most(2);
  });
});
