// Two processes with the same worker id. The younger finds its own name in the rows and takes them at once, as the KCL's
// restart under a stable id does. The owner's name does not tell the two apart; the lease counter does: the elder's next renewal is
// refused, or the younger's take where the elder has just renewed. `kinactWriter` says by whom, and the refused one gives up. What both
// delivered until then is replayed.
import { expect } from 'chai';
import { ownersOf } from '../support/fleet.js';
import type { WorkerProcess } from '../support/fleet.js';
import { sceneOfSuite } from '../support/load-scene.js';
import { uncovered } from '../support/replays.js';
import { brokenChains } from '../support/zombie-laws.js';

describe('two processes with one worker id', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({
    shards: 2,
    application: 'twins-app',
    streamName: 'twins',
    worker: { workerId: 'same' },
    witnessed: true,
  });

  it('do not corrupt each other: one gives up with WORKER_ID_IN_USE, and what is left reads everything', async () => {
    const { fleet } = scene;
    scene.keepWriting(12);
    const elder = scene.start('elder');
    const shardsSeen = (): number => new Set(fleet.deliveries().map(({ shardId }) => shardId)).size;
    await fleet.until('the elder works on both shards', () => shardsSeen() === 2);
    const younger = scene.start('younger');
    const complaints = (worker: WorkerProcess): number =>
      worker.events('warning').filter(({ data }) => data.error?.code === 'WORKER_ID_IN_USE').length;
    // The younger one, where the elder has renewed between its scan and its take.
    await fleet.until('one of them complains', () => complaints(elder) + complaints(younger) > 0);
    await fleet.until('both leases held', async () => ownersOf(await fleet.rows()).get('same') === 2);
    await scene.stopWriting();
    // What one delivered after it had lost a lease, the other has yet to do again: a stop before that would leave it uncovered.
    await fleet.until('what one was ahead is done again', async () => {
      return uncovered(await fleet.rows(), fleet.deliveries()).length === 0;
    });
    await scene.expectNothingLost('same-worker-id');
    // Neither writes behind the other's back, whatever name both go by.
    expect(brokenChains(scene.witness.writes)).to.deep.equal([]);
    // Sooner or later one of them holds what there is and the other leaves it alone: the counters rise by renewals only.
    const taken = elder.events('leaseTaken').length + younger.events('leaseTaken').length;
    process.stdout.write(`        ${complaints(elder)} and ${complaints(younger)} complaints, ${taken} takes\n`);
  });
});
