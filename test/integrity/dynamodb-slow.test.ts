// Every answer of DynamoDB to one of two workers is late: first by less than the time between two renewals, then by more
// than a request may take.
import { expect } from 'chai';
import { heldBy, type WorkerProcess } from '../support/fleet.js';
import {
  deliveredBetween,
  deliversFrom,
  untilOthersDeliver,
  renewalsFrom,
  printTimes,
  ownersDeliver,
} from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';

/** A renewal is sent every second, and a request is given up after one second. */
const failoverMs = 3_000;

describe('a worker to whom DynamoDB is slow', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('keeps its leases and tenures while the answers come before the next renewal', async () => {
    const { fleet } = scene;
    const slow = await scene.startProxied('slow');
    await scene.startDelivering('heir');
    const held = heldBy(await fleet.rows(), slow);
    const renewed = await renewalsFrom(fleet, held);
    const from = scene.proxyOf(slow).set({ type: 'slow', ms: 600 });
    await renewed(4);
    expect(heldBy(await fleet.rows(), slow)).to.deep.equal(held);
    const losses = slow.events('leaseLost').filter(({ data }) => held.includes(data.shardId as string));
    expect(losses).to.deep.equal([]);
    const delivered = deliveredBetween(fleet, slow, from, Infinity).filter(({ shardId }) => held.includes(shardId));
    const tenures = new Set(delivered.map(({ shardId, fence }) => `${shardId}#${fence}`));
    expect(tenures.size, 'one tenure each').to.equal(held.length);
  });

  it('loses its leases and falls silent if no answer comes in time, and works again without loss', async () => {
    const { fleet } = scene;
    const slow = fleet.workers[0] as WorkerProcess;
    const proxy = scene.proxyOf(slow);
    const held = heldBy(await fleet.rows(), slow);
    expect(held).to.not.be.empty;
    const from = proxy.set({ type: 'slow', ms: 1_500 });
    // A renewal under way may still get its answer. It began before `from`, and extends the lease by failoverMs from its start.
    printTimes(
      'delivering elsewhere',
      await untilOthersDeliver(fleet, slow, held, () => from, 2 * failoverMs + 20_000),
    );
    const healed = proxy.set({ type: 'pass' });
    expect(deliveredBetween(fleet, slow, from + failoverMs, healed), 'after its leases').to.deep.equal([]);
    await ownersDeliver(fleet);
    await deliversFrom(fleet, slow, healed);
    await scene.expectNothingLost('dynamodb-slow');
  });
});
