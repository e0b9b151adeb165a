// User code blocks the event loop for longer than the failover time. No timer of kinact runs, no renewal is sent, and another
// worker takes over before the process can notice.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import { untilItDeliversAllOf, untilOthersDeliver, printTimes } from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { expectNothingUnderLostLease } from '../support/zombie-laws.js';

const failoverMs = 2_000;

describe('a worker whose event loop is blocked past the failover time', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({
    shards: 4,
    load: { count: 24 },
    worker: { itemMs: 5, failoverMs },
    witnessed: true,
  });

  it('delivers no record of a shard that it lost, has no checkpoint accepted, and loses nothing', async () => {
    const { fleet } = scene;
    const directory = mkdtempSync(join(tmpdir(), 'kinact-blocked-'));
    scene.closes(() => rmSync(directory, { recursive: true, force: true }));
    const goOn = join(directory, 'go-on');
    const [blocked, heir] = [scene.start('blocked', { blockUntil: goOn }), scene.start('heir')];
    await fleet.balanced([blocked, heir]);
    const held = heldBy(await fleet.rows(), blocked);
    expect(held).to.not.be.empty;
    await untilItDeliversAllOf(fleet, blocked, held);

    const since = blocked.kill('SIGUSR2');
    printTimes(
      'delivering elsewhere after the block began',
      await untilOthersDeliver(fleet, blocked, held, () => since, 25_000),
    );
    const before = blocked.events('leaseLost').length;
    const released = Date.now();
    writeFileSync(goOn, '');
    await fleet.until('it knows', () => blocked.events('leaseLost').length >= before + held.length);
    await fleet.balanced([blocked, heir]);
    await scene.expectNothingLost('blocked-loop');
    const finished = expectNothingUnderLostLease(scene, { worker: blocked, from: since, to: released, failoverMs });
    // The call that blocked, and possibly one call in the other reducer.
    expect(finished).to.be.within(1, 2);
  });
});
