// Two processes with the same worker id. The younger finds its own name in the rows and takes the leases at once, like a KCL worker
// that restarts under a stable id. The owner's name does not tell the two apart, but the lease counter does. The elder's next renewal
// is refused, or the younger's take if the elder has just renewed. `kinactWriter` shows which process wrote the row, and the refused
// process gives up. Records that both delivered until then are replayed.
import { expect } from 'chai';
import { ownersOf, type WorkerProcess } from '../support/fleet.js';
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

  it('overwrite no unseen write: one reports WORKER_ID_IN_USE, and every record is read', async () => {
    const { fleet } = scene;
    scene.keepWriting(12);
    const elder = scene.start('elder');
    const shardsSeen = (): number => new Set(fleet.deliveries().map(({ shardId }) => shardId)).size;
    await fleet.until('the elder works on both shards', () => shardsSeen() === 2);
    const younger = scene.start('younger');
    const complaints = (worker: WorkerProcess): number =>
      worker.events('warning').filter(({ data }) => data.error?.code === 'WORKER_ID_IN_USE').length;
    // The younger complains if the elder has renewed between the younger's scan and take.
    await fleet.until('one of them complains', () => complaints(elder) + complaints(younger) > 0);
    await fleet.until('both leases held', async () => ownersOf(await fleet.rows()).get('same') === 2);
    await scene.stopWriting();
    // The other process delivers again what one process delivered after it had lost a lease. An earlier stop would leave it uncovered.
    await fleet.until('what one was ahead is done again', async () => {
      return uncovered(await fleet.rows(), fleet.deliveries()).length === 0;
    });
    await scene.expectNothingLost('same-worker-id');
    // Neither process overwrites a write of the other that it has not seen, although both have the same name.
    expect(brokenChains(scene.witness.writes)).to.deep.equal([]);
    // In the end one process holds both leases and the other leaves them alone. The number of takes until then is only printed.
    const taken = elder.events('leaseTaken').length + younger.events('leaseTaken').length;
    process.stdout.write(`        ${complaints(elder)} and ${complaints(younger)} complaints, ${taken} takes\n`);
  });
});
