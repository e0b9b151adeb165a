// One of two workers loses every connection to DynamoDB for longer than its leases live, and can then connect again. The worker
// reaches Kinesis all the time.
import { expect } from 'chai';
import { heldBy } from '../support/fleet.js';
import {
  deliveredBetween,
  deliversFrom,
  untilOthersDeliver,
  printTimes,
  ownersDeliver,
} from '../support/fleet-laws.js';
import { sceneOfSuite } from '../support/load-scene.js';

const failoverMs = 2_000;

describe('a worker whose connections to DynamoDB are cut', function () {
  this.timeout(400_000);
  const scene = sceneOfSuite({ shards: 4, load: { count: 24 }, worker: { itemMs: 5, failoverMs } });

  it('delivers nothing after its leases may have expired, loses nothing, and works again after the cut', async () => {
    const { fleet } = scene;
    const cutOff = await scene.startProxied('cut-off');
    const proxy = scene.proxyOf(cutOff);
    await scene.startDelivering('heir');
    const held = heldBy(await fleet.rows(), cutOff);
    const cut = proxy.set({ type: 'cut' });
    printTimes(
      'delivering elsewhere after the cut',
      await untilOthersDeliver(fleet, cutOff, held, () => cut, failoverMs + 20_000),
    );
    const healed = proxy.set({ type: 'pass' });
    expect(deliveredBetween(fleet, cutOff, cut, cut + failoverMs), 'its leases live on for a while').to.not.be.empty;
    expect(deliveredBetween(fleet, cutOff, cut + failoverMs, healed), 'after its leases').to.deep.equal([]);
    await ownersDeliver(fleet);
    await deliversFrom(fleet, cutOff, healed);
    await scene.expectNothingLost('dynamodb-cut');
    expect(cutOff.events('pipelineRestarted'), 'losing leases is no crash').to.deep.equal([]);
  });
});
