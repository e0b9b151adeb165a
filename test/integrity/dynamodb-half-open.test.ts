// One of two workers reaches DynamoDB, but no answer ever comes back, and no connection says so.
import { expect } from 'chai';
import { faultyProxy } from '../support/faulty-proxy.js';
import type { FaultyProxy } from '../support/faulty-proxy.js';
import { heldBy, startFleet } from '../support/fleet.js';
import type { Fleet } from '../support/fleet.js';
import { deliveredBetween, deliversFrom, handOvers, say, settled } from '../support/fleet-laws.js';
import { expectNothingLost } from '../support/replays.js';

const failoverMs = 2_000;

describe('a worker whose connections to DynamoDB are half-open', function () {
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

  it('does not count a renewal that nobody confirmed: silent in time, taken over without loss, and back at work', async () => {
    const deaf = fleet.start('deaf', { itemMs: 5, failoverMs }, { ...fleet.endpoints, dynamodb: proxy.endpoint });
    fleet.start('heir', { itemMs: 5, failoverMs });
    await settled(fleet);
    const held = heldBy(await fleet.rows(), deaf);
    const counterOf = async (shardId: string): Promise<number> =>
      Number((await fleet.rows()).get(shardId)?.['leaseCounter']?.N);
    const before = await Promise.all(held.map(counterOf));
    const opened = proxy.set({ type: 'halfOpen' });
    // A renewal of each lease that took effect unheard: peers wait from there, the worker from its last answer.
    await fleet.until('unheard renewals', async () => {
      const now = await Promise.all(held.map(counterOf));
      return now.every((counter, index) => counter > (before[index] as number));
    });
    const handOver = await handOvers(fleet, deaf, held, () => opened, 2 * failoverMs + 20_000);
    say('delivering elsewhere after the last answer', handOver);
    const healed = proxy.set({ type: 'pass' });
    expect(deliveredBetween(fleet, deaf, opened, opened + failoverMs), 'its leases live on for a while').to.not.be
      .empty;
    expect(deliveredBetween(fleet, deaf, opened + failoverMs, healed), 'after its leases').to.deep.equal([]);
    await settled(fleet);
    await deliversFrom(fleet, deaf, healed);
    await stopWriting();
    await expectNothingLost('dynamodb-half-open', fleet);
    expect(deaf.events('pipelineRestarted'), 'losing leases is no crash').to.deep.equal([]);
  });
});
