// One of two workers loses every connection to DynamoDB for longer than its leases live, and gets them back. Kinesis stays
// within its reach all the time.
import { expect } from 'chai';
import { faultyProxy } from '../support/faulty-proxy.js';
import type { FaultyProxy } from '../support/faulty-proxy.js';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { deliveredBetween, deliversFrom, handOvers, say, settled } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';

const failoverMs = 2_000;

describe('a worker whose connections to DynamoDB are cut', function () {
  this.timeout(150_000);
  let fleet: Fleet;
  let proxy: FaultyProxy;
  let stopWriting: () => Promise<void>;
  before(async () => {
    fleet = await startFleet({ shards: 4 });
    proxy = await faultyProxy(fleet.endpoints.dynamodb);
    stopWriting = fleet.keepWriting(24, 100);
  });
  after(async () => {
    await stopWriting?.();
    await fleet?.stop();
    await proxy?.close();
  });

  it('delivers nothing once its leases may have expired, hands over without loss, and works on when it is back', async () => {
    const cutOff = fleet.start('cut-off', { itemMs: 5, failoverMs }, { ...fleet.endpoints, dynamodb: proxy.endpoint });
    fleet.start('heir', { itemMs: 5, failoverMs });
    await settled(fleet);
    const held = heldBy(await fleet.rows(), cutOff);
    const cut = proxy.set({ type: 'cut' });
    say('delivering elsewhere after the cut', await handOvers(fleet, cutOff, held, () => cut, failoverMs + 20_000));
    const healed = proxy.set({ type: 'pass' });
    expect(deliveredBetween(fleet, cutOff, cut, cut + failoverMs), 'its leases live on for a while').to.not.be.empty;
    expect(deliveredBetween(fleet, cutOff, cut + failoverMs, healed), 'after its leases').to.deep.equal([]);
    await settled(fleet);
    await deliversFrom(fleet, cutOff, healed);
    await stopWriting();
    await expectNothingLost('dynamodb-cut', fleet);
    expect(cutOff.events('pipelineRestarted'), 'losing leases is no crash').to.deep.equal([]);
  });
});
