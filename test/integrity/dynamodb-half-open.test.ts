// The requests of one of two workers reach DynamoDB, but the worker gets no answers, and its connections stay open.
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import {
  deliveredBetween,
  deliversFrom,
  untilOthersDeliver,
  renewalsFrom,
  printTimes,
  ownersDeliver,
} from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';

const failoverMs = 2_000;

describe('a worker whose connections to DynamoDB are half-open', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('counts no unconfirmed renewal: it falls silent in time, loses nothing, and works again later', async () => {
    const { fleet } = scene;
    const deaf = await scene.startProxied('deaf');
    const proxy = scene.proxyOf(deaf);
    await scene.startDelivering('heir');
    const held = heldBy(await fleet.rows(), deaf);
    const renewed = await renewalsFrom(fleet, held);
    const opened = proxy.set({ type: 'halfOpen' });
    // One more renewal of each lease takes effect without an answer. Peers count from this renewal, the worker from its last answer.
    await renewed(1);
    const handOver = await untilOthersDeliver(fleet, deaf, held, () => opened, 2 * failoverMs + 20_000);
    printTimes('delivering elsewhere after the last answer', handOver);
    const healed = proxy.set({ type: 'pass' });
    expect(deliveredBetween(fleet, deaf, opened, opened + failoverMs), 'its leases live on for a while').to.not.be
      .empty;
    expect(deliveredBetween(fleet, deaf, opened + failoverMs, healed), 'after its leases').to.deep.equal([]);
    await ownersDeliver(fleet);
    await deliversFrom(fleet, deaf, healed);
    await scene.expectNothingLost('dynamodb-half-open');
    expect(deaf.events('pipelineRestarted'), 'losing leases is no crash').to.deep.equal([]);
  });
});
