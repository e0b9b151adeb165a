// Two processes with the same worker id. The owner's name does not tell them apart; the lease counter does: it is the fence
// of every write, and `kinactWriter` says whose write it was.
import { expect } from 'chai';
import { ownersOf, startFleet } from '../support/fleet.js';
import type { Fleet, WorkerProcess } from '../support/fleet.js';
import { expectNothingLost } from '../support/replays.js';
import { witnessTable } from '../support/table-witness.js';
import type { TableWitness } from '../support/table-witness.js';
import { brokenChains } from '../support/zombie-laws.js';

describe('two processes with one worker id', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  let witness: TableWitness;
  before(async () => {
    fleet = await startFleet({ shards: 2, application: 'twins-app', streamName: 'twins' });
    witness = await witnessTable(fleet.endpoints.dynamodb);
  });
  after(async () => {
    await fleet?.stop();
    await witness?.stop();
  });
  const start = (name: string): WorkerProcess =>
    fleet.start(name, { workerId: 'same' }, { ...fleet.endpoints, dynamodb: witness.endpoint(name) });

  it('do not corrupt each other: one gives up with WORKER_ID_IN_USE, and what is left reads everything', async () => {
    const [elder, younger] = [start('elder'), start('younger')];
    const stopWriting = fleet.keepWriting(12, 100);
    const complaints = (): number =>
      [elder, younger]
        .flatMap((worker) => worker.events('warning'))
        .filter(({ data }) => data.error?.code === 'WORKER_ID_IN_USE').length;
    await fleet.until('a complaint', () => complaints() > 0);
    await fleet.until('both leases held', async () => ownersOf(await fleet.rows()).get('same') === 2);
    await stopWriting();
    await expectNothingLost('same-worker-id', fleet);
    // Neither writes behind the other's back, whatever name both go by.
    expect(brokenChains(witness.writes)).to.deep.equal([]);
    // Sooner or later one of them holds what there is and the other leaves it alone: the counters rise by renewals only.
    const taken = elder.events('leaseTaken').length + younger.events('leaseTaken').length;
    process.stdout.write(`        ${complaints()} complaints, ${taken} takes\n`);
  });
});
